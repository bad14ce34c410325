import CCurl
import Glibc
package import SwiftletNet

/// Turns a name into addresses. It answers once, from any thread, and may answer late: the caller keeps the deadline
/// and drops what comes after it. What it answers is judged and used as it is; nothing looks the name up again.
package protocol Resolver: Sendable {
    func resolve(_ name: String, answer: @escaping @Sendable (Result<[IPAddress], ResolveFailure>) -> Void)
}

package enum ResolveFailure: Error, Sendable, Hashable {
    case notFound
    /// Too many lookups wait already.
    case overloaded
}

/// The system's resolver, on a few threads of its own, because `getaddrinfo` blocks. Lookups of one name at one time
/// share an answer, and an answer is kept for a few seconds.
package final class SystemResolver: Resolver {
    private let core: Core

    /// - Parameters:
    ///   - maxThreads: started when needed; an idle one ends after ten seconds.
    ///   - maxWaiting: names waiting for a thread; past it a lookup fails at once.
    ///   - keep: how long an answer is used again. Each use is judged anew.
    package init(maxThreads: Int = 4, maxWaiting: Int = 256, keep: Duration = .seconds(5)) {
        core = Core(maxThreads: max(1, maxThreads), maxWaiting: maxWaiting, keep: TransferTimer.add(0, keep))
    }

    package func resolve(_ name: String, answer: @escaping @Sendable (Result<[IPAddress], ResolveFailure>) -> Void) {
        core.resolve(name, answer: answer)
    }

    private final class Core: @unchecked Sendable {
        typealias Answer = @Sendable (Result<[IPAddress], ResolveFailure>) -> Void

        private static let maxKept = 512
        private static let idleSeconds = 10

        private let maxThreads: Int
        private let maxWaiting: Int
        private let keep: Int64
        private let mutex: UnsafeMutablePointer<pthread_mutex_t>
        private let condition: UnsafeMutablePointer<pthread_cond_t>
        // Under the mutex:
        private var threads = 0
        private var idle = 0
        private var queue: [String] = []
        private var waiting: [String: [Answer]] = [:]
        private var kept: [String: (addresses: [IPAddress], until: Int64)] = [:]

        init(maxThreads: Int, maxWaiting: Int, keep: Int64) {
            self.maxThreads = maxThreads
            self.maxWaiting = maxWaiting
            self.keep = keep
            mutex = .allocate(capacity: 1)
            condition = .allocate(capacity: 1)
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        func resolve(_ name: String, answer: @escaping Answer) {
            pthread_mutex_lock(mutex)
            if let found = kept[name], found.until > monotonicNow() {
                pthread_mutex_unlock(mutex)
                answer(.success(found.addresses))
                return
            }
            if waiting[name] != nil {
                let fits = (waiting[name]?.count ?? 0) < maxWaiting * 4
                if fits { waiting[name]?.append(answer) }
                pthread_mutex_unlock(mutex)
                if !fits { answer(.failure(.overloaded)) }
                return
            }
            guard queue.count < maxWaiting else {
                pthread_mutex_unlock(mutex)
                answer(.failure(.overloaded))
                return
            }
            waiting[name] = [answer]
            queue.append(name)
            var startsThread = false
            if idle >= queue.count {
                pthread_cond_signal(condition)
            } else if threads < maxThreads {
                threads += 1
                startsThread = true
            }
            pthread_mutex_unlock(mutex)
            guard startsThread, !startThread(named: "egress-dns", { [self] in work() }) else { return }
            pthread_mutex_lock(mutex)
            threads -= 1
            let nobodyLeft = threads == 0
            let lost = nobodyLeft ? waiting : [:]
            if nobodyLeft {
                waiting = [:]
                queue = []
            }
            pthread_mutex_unlock(mutex)
            for answers in lost.values { answers.forEach { $0(.failure(.overloaded)) } }
        }

        private func work() {
            pthread_mutex_lock(mutex)
            while true {
                while queue.isEmpty {
                    idle += 1
                    var until = timespec()
                    clock_gettime(CLOCK_REALTIME, &until)
                    until.tv_sec += Core.idleSeconds
                    let code = pthread_cond_timedwait(condition, mutex, &until)
                    idle -= 1
                    if code != 0, queue.isEmpty {
                        threads -= 1
                        pthread_mutex_unlock(mutex)
                        return
                    }
                }
                let name = queue.removeFirst()
                pthread_mutex_unlock(mutex)
                let addresses = Core.lookUp(name)
                pthread_mutex_lock(mutex)
                if keep > 0, !addresses.isEmpty {
                    let now = monotonicNow()
                    if kept.count >= Core.maxKept { kept = kept.filter { $0.value.until > now } }
                    if kept.count >= Core.maxKept { kept.removeAll() }
                    kept[name] = (addresses, now + keep)
                }
                let answers = waiting.removeValue(forKey: name) ?? []
                pthread_mutex_unlock(mutex)
                for answer in answers { answer(addresses.isEmpty ? .failure(.notFound) : .success(addresses)) }
                pthread_mutex_lock(mutex)
            }
        }

        private static func lookUp(_ name: String) -> [IPAddress] {
            var hints = addrinfo()
            hints.ai_family = AF_UNSPEC
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
            defer { freeaddrinfo(list) }
            var addresses: [IPAddress] = []
            var entry = list
            while let current = entry, addresses.count < 64 {
                if let raw = current.pointee.ai_addr {
                    let bytes = UnsafeRawBufferPointer(start: raw, count: Int(current.pointee.ai_addrlen))
                    if let address = IPAddress(socketAddress: bytes), !addresses.contains(address) {
                        addresses.append(address)
                    }
                }
                entry = current.pointee.ai_next
            }
            return addresses
        }
    }
}

/// Nanoseconds of a clock that never steps.
func monotonicNow() -> Int64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
}

private final class ThreadBody {
    let name: String
    let run: @Sendable () -> Void

    init(name: String, run: @escaping @Sendable () -> Void) {
        self.name = name
        self.run = run
    }
}

/// Starts a detached thread that takes no signals: a write to a closed socket must end in an error, not in SIGPIPE.
func startThread(named name: String, _ run: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
    let body = Unmanaged.passRetained(ThreadBody(name: name, run: run))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, &attributes,
        { raw in
            guard let raw else { return nil }
            let body = Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue()
            ccurl_name_thread(body.name)
            body.run()
            return nil
        }, body.toOpaque())
    if code != 0 { body.release() }
    return code == 0
}
