import Glibc

/// The one thread that starts workers.
///
/// The kernel delivers a worker's "my parent died" signal when the *thread* that started it ends. Threads of a pool come and go, and would
/// take healthy workers with them; this one stays until the process ends.
final class SpawnThread: @unchecked Sendable {
    static let shared = SpawnThread()

    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    // Under the lock.
    private var jobs: [@Sendable () -> Void] = []
    private var running = false

    private init() {
        lock = .allocate(capacity: 1)
        changed = .allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    // The shared one is never freed: its thread never ends.

    /// Runs the work on the thread, and waits for it. Each caller waits, so there are never more jobs than callers.
    func run<Value: Sendable>(_ work: @escaping @Sendable () throws(SpawnProblem) -> Value) throws(SpawnProblem) -> Value {
        let answer = Answer<Value>()
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        try begin()
        jobs.append {
            let result: Result<Value, SpawnProblem>
            do throws(SpawnProblem) { result = .success(try work()) } catch { result = .failure(error) }
            pthread_mutex_lock(self.lock)
            answer.result = result
            pthread_cond_broadcast(self.changed)
            pthread_mutex_unlock(self.lock)
        }
        pthread_cond_broadcast(changed)
        while true {
            if let result = answer.result { return try result.get() }
            pthread_cond_wait(changed, lock)
        }
    }

    /// Read and written under the lock.
    private final class Answer<Value: Sendable>: @unchecked Sendable {
        var result: Result<Value, SpawnProblem>?
    }

    private func begin() throws(SpawnProblem) {
        guard !running else { return }
        // The new thread takes no signal: those belong to the threads that know what to do with them.
        var every = sigset_t()
        var before = sigset_t()
        sigfillset(&every)
        pthread_sigmask(SIG_SETMASK, &every, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { _ in
                SpawnThread.shared.work()
                return nil
            }, nil)
        guard code == 0 else { throw SpawnProblem(step: "pthread_create", code: code) }
        running = true
    }

    private func work() {
        pthread_mutex_lock(lock)
        while true {
            while jobs.isEmpty { pthread_cond_wait(changed, lock) }
            let job = jobs.removeFirst()
            pthread_mutex_unlock(lock)
            job()
            pthread_mutex_lock(lock)
        }
    }
}
