import CLinux
import Glibc
package import NIOCore
import Synchronization

/// The one thread of a worker: what its host sends, and what handlers go on with after they have waited, one after the other.
///
/// One socket and a queue: a request that comes alone finds every step before it cold, so there are few. It belongs to the thread that makes
/// it, which `run` keeps until the socket ends. On the main thread it does the work of the main actor and of the main queue, too.
package final class WorkerLoop: TaskExecutor, @unchecked Sendable {
    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    private struct Queue {
        var waiting: [Work] = []
        /// The loop looks at the queue before it sleeps.
        var isAwake = true
        /// Nobody looks at it any more.
        var hasEnded = false
    }

    private let thread = pthread_self()
    private let queue = Mutex(Queue())
    /// Readable when there is work for a loop that sleeps.
    private let bell: Int32
    private let socket: Int32
    private let isMain = swiftlet_is_main_thread() != 0
    /// Not while its thread is lent to the main queue, and not after the end. Only for its own thread.
    private var isAtWork = true
    /// What is being worked off; kept for its memory.
    private var batch: [Work] = []
    /// What the socket has not taken yet.
    private var unsent = CircularBuffer<ByteBuffer>()
    private var room = ByteBuffer()
    private var roomSize = 16 * 1024

    private static let leastRoom = 4 * 1024
    private static let mostRoom = 128 * 1024
    /// Reads before anything else has its turn.
    private static let readsInTurn = 4

    /// - Parameter socket: to the host; it stays the caller's, who closes it after ``run(received:turned:)``.
    package init(socket: Int32) {
        self.socket = socket
        bell = swiftlet_bell()
        if bell < 0 { fatalError("no descriptor left to wake a worker with: error \(errno)") }
    }

    deinit { close(bell) }

    private var isOnThread: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// The caller is the loop's work. What the main queue does is not: it waits its turn behind what was given to the loop before.
    package var isCurrent: Bool { isOnThread && isAtWork }

    /// Calls `body` on the loop, after everything that was given to it before; never, once the loop has ended.
    package func execute(_ body: @escaping @Sendable () -> Void) { add(.call(body)) }

    package func enqueue(_ job: consuming ExecutorJob) { add(.job(UnownedJob(job))) }

    private func add(_ work: Work) {
        let sleeps = queue.withLock { queue in
            if queue.hasEnded { return false }
            queue.waiting.append(work)
            defer { queue.isAwake = true }
            return !queue.isAwake
        }
        // Its own thread looks before it sleeps.
        if sleeps, !isOnThread { swiftlet_ring(bell) }
    }

    /// Serves until the other end of the socket is gone, or wants nothing more.
    ///
    /// - Parameters:
    ///   - received: bytes as they come.
    ///   - turned: after bytes, and after work; before the loop sleeps, at the latest.
    package func run(received: (ByteBuffer) -> Void, turned: () -> Void) {
        var watched = [pollfd(fd: socket, events: 0, revents: 0), pollfd(fd: bell, events: Int16(POLLIN), revents: 0)]
        if isMain { watched.append(pollfd(fd: swiftlet_main_queue_bell(), events: Int16(POLLIN), revents: 0)) }
        while true {
            let mayWork = work()
            turned()
            watched[0].events = Int16(unsent.isEmpty ? POLLIN : POLLIN | POLLOUT)
            // What came meanwhile does not keep the socket waiting.
            guard poll(&watched, nfds_t(watched.count), mayWork || !sleeps() ? 0 : -1) >= 0 else {
                let error = errno
                guard [EINTR, EAGAIN, ENOMEM].contains(error) else { fatalError("a worker cannot wait: error \(error)") }
                continue
            }
            if watched[1].revents != 0 { swiftlet_silence(bell) }
            if isMain, watched[2].revents != 0 {
                swiftlet_silence(watched[2].fd)
                isAtWork = false
                swiftlet_work_main_queue()
                isAtWork = true
            }
            guard watched[0].revents != 0 else { continue }
            sendUnsent()
            guard read(received) else { return end() }
            turned()
        }
    }

    private func end() {
        isAtWork = false
        var dropped: [Work] = []
        queue.withLock { queue in
            queue.hasEnded = true
            swap(&queue.waiting, &dropped)
        }
    }

    /// What was given to the loop until now. True when there was any: then there may be more.
    private func work() -> Bool {
        queue.withLock { swap(&$0.waiting, &batch) }
        if batch.isEmpty { return false }
        for one in batch {
            switch one {
            case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
            case .call(let body): body()
            }
        }
        batch.removeAll(keepingCapacity: true)
        return true
    }

    /// False when work came since the last look. From then on who adds some rings.
    private func sleeps() -> Bool {
        queue.withLock { queue in
            queue.isAwake = !queue.waiting.isEmpty
            return !queue.isAwake
        }
    }

    /// False when nothing more can come.
    private func read(_ received: (ByteBuffer) -> Void) -> Bool {
        for _ in 0..<WorkerLoop.readsInTurn {
            if room.capacity == roomSize { room.clear() } else { room = ByteBufferAllocator().buffer(capacity: roomSize) }
            let size = room.writableBytes
            var count = 0
            var error: Int32 = 0
            room.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { bytes in
                count = recv(socket, bytes.baseAddress, size, Int32(MSG_DONTWAIT))
                error = errno
                return max(0, count)
            }
            if count < 0 { return error == EAGAIN || error == EINTR }
            if count == 0 { return false }
            received(room)
            if count < size {
                if count < size / 4 { roomSize = max(WorkerLoop.leastRoom, size / 2) }
                return true
            }
            roomSize = min(WorkerLoop.mostRoom, size * 2)
        }
        return true
    }

    /// Sends all of `bytes` and empties them; what the socket does not take now goes out before anything else does.
    package func send(_ bytes: inout ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        if unsent.isEmpty { bytes.sendNow(socket) }
        if bytes.readableBytes > 0 {
            unsent.append(bytes)
            bytes = ByteBuffer()
        } else {
            bytes.makeRoom()
        }
    }

    private func sendUnsent() {
        while !unsent.isEmpty {
            unsent[unsent.startIndex].sendNow(socket)
            if unsent[unsent.startIndex].readableBytes > 0 { return }
            unsent.removeFirst()
        }
    }
}
