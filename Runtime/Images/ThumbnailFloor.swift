internal import Glibc
internal import SwiftletStorage

/// One picture to make.
struct ThumbnailWork: Sendable {
    let original: StoredFile
    let ask: AskWords
}

/// The threads that wait for thumbnail processes, each with one of its own. A thread begins when there is work for it, and ends with its
/// process when there has been none for a while.
final class ThumbnailFloor: @unchecked Sendable {
    private final class Waiter {
        // Under the lock.
        var continuation: UnsafeContinuation<Result<OpenPicture, StorageError>, Never>?
        var isGone = false
    }
    private struct Ticket: @unchecked Sendable { let waiter = Waiter() }

    let launch: ThumbnailLaunch
    private let settings: ThumbnailSettings
    private let cache: ThumbnailCache
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    // Under the lock.
    private var desk: ThumbnailDesk<ThumbnailWork, Waiter>
    private var threads = 0
    private var idle = 0
    private var isStopped = false
    private var pids: [Int32] = []
    private var started = 0
    private var begun = 0
    /// Why no process could be started, and until when nobody tries again.
    private var pause: (error: StorageError, until: UInt64)?

    init(_ settings: ThumbnailSettings, _ cache: ThumbnailCache, _ launch: ThumbnailLaunch) {
        self.settings = settings
        self.cache = cache
        self.launch = launch
        desk = ThumbnailDesk(
            hands: max(1, settings.processes), places: max(0, settings.waiting), people: max(1, settings.requests))
        pthread_mutex_init(lock, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(lock)
        changed.deallocate()
        lock.deallocate()
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    var condition: ThumbnailCondition {
        locked {
            ThumbnailCondition(
                processes: pids, running: desk.running, waiting: desk.waiting, processesStarted: started, picturesBegun: begun)
        }
    }

    func stop() {
        let waiters = locked {
            isStopped = true
            pthread_cond_broadcast(changed)
            return desk.close()
        }
        for waiter in waiters { settle(waiter, .failure(Self.closed)) }
    }

    // MARK: Asking

    func make(_ name: String, _ work: ThumbnailWork) async throws(StorageError) -> OpenPicture {
        let ticket = Ticket()
        let result = await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                if let refusal = enter(name, work, ticket.waiter, continuation) {
                    continuation.resume(returning: .failure(refusal))
                }
            }
        } onCancel: {
            leave(name, ticket.waiter)
        }
        return try result.get()
    }

    /// nil when the continuation will be resumed in time.
    private func enter(
        _ name: String, _ work: ThumbnailWork, _ waiter: Waiter,
        _ continuation: UnsafeContinuation<Result<OpenPicture, StorageError>, Never>
    ) -> StorageError? {
        locked {
            if waiter.isGone { return Self.gone }
            if isStopped { return Self.closed }
            if let pause {
                if Deadline.now < pause.until { return pause.error }
                self.pause = nil
            }
            switch desk.admit(name, waiter, at: Deadline.now, work) {
            case .full: return Self.full
            case .joined: break
            case .queued:
                pthread_cond_signal(changed)
                // One that was woken counts as idle until it has taken something.
                if desk.waiting > idle, threads < max(1, settings.processes), !startThread(), threads == 0 {
                    // Nobody is there to do it.
                    _ = desk.leave(name, waiter)
                    return Self.full
                }
            }
            waiter.continuation = continuation
            return nil
        }
    }

    private func leave(_ name: String, _ waiter: Waiter) {
        let left = locked {
            waiter.isGone = true
            return desk.leave(name, waiter)
        }
        if left { settle(waiter, .failure(Self.gone)) }
    }

    private func settle(_ waiter: Waiter, _ result: Result<OpenPicture, StorageError>) {
        let continuation = locked {
            defer { waiter.continuation = nil }
            return waiter.continuation
        }
        continuation?.resume(returning: result)
    }

    // MARK: A thread

    private func startThread() -> Bool {
        // It takes no signal: those belong to the threads that know what to do with them.
        var every = sigset_t()
        var before = sigset_t()
        sigfillset(&every)
        pthread_sigmask(SIG_SETMASK, &every, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<ThumbnailFloor>.fromOpaque(context).takeRetainedValue().work() }
                return nil
            }, context.toOpaque())
        guard code == 0 else {
            context.release()
            return false
        }
        pthread_detach(thread)
        threads += 1
        return true
    }

    private func work() {
        var process: ThumbnailProcess?
        while let (name, work, since) = next() {
            let result: Result<OpenPicture, StorageError>
            do throws(StorageError) {
                result = .success(try make(name, work, since, &process))
            } catch {
                result = .failure(error)
            }
            for waiter in locked({ desk.finish(name) }) { settle(waiter, result) }
            // After the answer, which does not wait for it.
            if let used = process, used.pictures >= settings.picturesPerProcess { end(&process) }
        }
        end(&process)
    }

    /// nil when the thread is to end.
    private func next() -> (name: String, work: ThumbnailWork, since: UInt64)? {
        locked {
            let end = Deadline.now &+ UInt64(clamping: settings.idleMilliseconds) &* 1_000_000
            var until = timespec(tv_sec: Int(clamping: end / 1_000_000_000), tv_nsec: Int(clamping: end % 1_000_000_000))
            while !isStopped {
                if let next = desk.next() { return next }
                idle += 1
                let code = pthread_cond_timedwait(changed, lock, &until)
                idle -= 1
                if code == ETIMEDOUT, desk.waiting == 0 { break }
            }
            // From here on a new thread is needed for new work.
            threads -= 1
            return nil
        }
    }

    private func end(_ process: inout ThumbnailProcess?) {
        guard let ended = process else { return }
        process = nil
        ended.end()
        locked { pids.removeAll { $0 == ended.pid } }
    }

    private func make(
        _ name: String, _ work: ThumbnailWork, _ since: UInt64, _ process: inout ThumbnailProcess?
    ) throws(StorageError) -> OpenPicture {
        if let kept = cache.open(name) { return kept }
        guard Deadline.now &- since <= UInt64(clamping: settings.waitMilliseconds) &* 1_000_000 else { throw Self.full }
        if let used = process, !used.isReady { end(&process) }
        let staged = try cache.stage()
        do throws(ProcessProblem) {
            let ready: ThumbnailProcess
            if let process { ready = process } else { ready = try start() }
            process = ready
            locked { begun += 1 }
            try ready.render(
                work.ask, of: work.original, into: staged, deadline: Deadline(milliseconds: settings.pictureMilliseconds))
        } catch {
            if case .refused = error {} else { end(&process) }
            throw Self.error(error)
        }
        try cache.publish(staged, as: name)
        return staged.picture
    }

    private func start() throws(ProcessProblem) -> ThumbnailProcess {
        do throws(ProcessProblem) {
            let process = try ThumbnailProcess(launch, deadline: Deadline(milliseconds: settings.startMilliseconds))
            locked {
                pids.append(process.pid)
                started += 1
                pause = nil
            }
            return process
        } catch {
            let until = Deadline.now &+ UInt64(clamping: settings.pauseMilliseconds) &* 1_000_000
            locked { pause = (Self.error(error), until) }
            throw error
        }
    }

    // MARK: Words

    static let closed = StorageError(.slowDown, "The host is stopping; try again in a moment")
    static let full = StorageError(.slowDown, "Too many images at once; try again in a moment")
    static let gone = StorageError(.clientGone, "The client went away")

    static func error(_ problem: ProcessProblem) -> StorageError {
        switch problem {
        case .refused(let refusal):
            switch refusal.word {
            case .unreadable, .none:
                return StorageError(.contentMismatch, "The image cannot be read", cause: refusal.text)
            case .pixels:
                return StorageError(.entityTooLarge, "The image has too many pixels to be changed", cause: refusal.text)
            case .result:
                return StorageError(
                    .entityTooLarge, "The changed image would be too large; ask for a smaller one", cause: refusal.text)
            case .library:
                return StorageError(
                    .notConfigured, "Images are not changed here: libvips is not installed on this host (Debian: libvips42)",
                    cause: refusal.text)
            case .containment, .request:
                return StorageError(
                    .internalError, "The image could not be changed; it is not the caller's fault", cause: refusal.text)
            }
        case .broken(let what):
            return StorageError(.upstream, "The image could not be changed", cause: "thumbnail process: \(what)")
        case .timeout:
            return StorageError(.upstream, "The image takes too long to be changed", cause: "thumbnail process: too slow")
        case .host(let error): return error
        }
    }
}
