import Glibc
import Logging

/// The bounded buffer of a sink and the thread that empties it. The thread keeps the writer alive, never the sink: a sink that is let go
/// ends its thread, and the lock is freed only after the thread is done with it.
final class LogWriter: @unchecked Sendable {
    private let descriptor: Int32
    private let limit: Int
    private let format: LogSink.Format
    private let colour: Bool
    private let wall: @Sendable () -> Int64
    /// Without a thread (the system gave none) a line is written by its caller.
    private var hasThread = false

    // All below is guarded by `mutex`; the pointers live as long as the writer.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var buffer = LineBuffer(capacity: 64 * 1024)
    private var stamp = Timestamp()
    private var isWriterIdle = true
    private var isUrgent = false
    private var isClosing = false
    private var isClosed = false
    private var appended: UInt64 = 0
    private var written: UInt64 = 0
    private var lost = 0
    /// Lost lines no line has told of; and those the line that ends at `reportEnd` of the buffer tells of.
    private var untold = 0
    private var reporting = 0
    private var reportEnd = 0

    // Touched by whoever writes only.
    private var batch = LineBuffer(capacity: 64 * 1024)
    /// The rest of a line that was written half: it goes out before anything else, or the next line would be glued to it.
    private var torn: [UInt8] = []

    init(
        descriptor: Int32, limit: Int, format: LogSink.Format, colour: Bool, wall: @escaping @Sendable () -> Int64,
        spawn: (UnsafeMutableRawPointer) -> Bool = LogWriter.spawn
    ) {
        self.descriptor = descriptor
        self.limit = limit
        self.format = format
        self.colour = colour
        self.wall = wall
        pthread_mutex_init(mutex, nil)
        // The wall clock may be set while somebody waits.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(work, &attributes)
        pthread_cond_init(done, &attributes)
        pthread_condattr_destroy(&attributes)
        let this = Unmanaged.passRetained(self)
        pthread_mutex_lock(mutex)
        hasThread = spawn(this.toOpaque())
        pthread_mutex_unlock(mutex)
        if !hasThread { this.release() }
    }

    deinit {
        pthread_cond_destroy(done)
        pthread_cond_destroy(work)
        pthread_mutex_destroy(mutex)
        done.deallocate()
        work.deallocate()
        mutex.deallocate()
    }

    static func spawn(_ context: UnsafeMutableRawPointer) -> Bool {
        var thread = pthread_t()
        guard pthread_create(&thread, nil, { LogWriter.thread($0) }, context) == 0 else { return false }
        pthread_detach(thread)
        return true
    }

    private static func thread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context else { return nil }
        // A closed pipe is an error of write here, whatever the process does with SIGPIPE.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        Unmanaged<LogWriter>.fromOpaque(context).takeRetainedValue().writeBatches()
        return nil
    }

    var lostLines: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return lost
    }

    /// Appends lines made by `body`, which must end them with a line feed and must not call the writer.
    @inline(__always)
    func append(_ body: (_ bytes: inout LineBuffer, _ stamp: inout Timestamp) -> Void) {
        pthread_mutex_lock(mutex)
        if buffer.count < limit, !isClosed {
            let before = buffer.count
            body(&buffer, &stamp)
            appended &+= UInt64(truncatingIfNeeded: buffer.count - before)
        } else {
            lost += 1
            untold += 1
        }
        wake()
        pthread_mutex_unlock(mutex)
    }

    private func wake() {
        if !hasThread {
            drain()
        } else if isWriterIdle {
            isWriterIdle = false
            pthread_cond_signal(work)
        }
    }

    func flush() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard hasThread else { return drain() }
        let target = appended
        isUrgent = true
        pthread_cond_signal(work)
        var deadline = LogWriter.monotonic(plus: 2_000_000_000)
        while written < target, !isClosed {
            if pthread_cond_timedwait(done, mutex, &deadline) == ETIMEDOUT { return }
        }
    }

    /// Asks the thread to write what is left and to end.
    func startClosing() {
        pthread_mutex_lock(mutex)
        isClosing = true
        if !hasThread { isClosed = true }
        pthread_cond_signal(work)
        pthread_mutex_unlock(mutex)
    }

    /// Waits until it has ended, two seconds at most.
    func waitClosed() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var deadline = LogWriter.monotonic(plus: 2_000_000_000)
        while !isClosed {
            if pthread_cond_timedwait(done, mutex, &deadline) == ETIMEDOUT { return }
        }
    }

    // MARK: The thread

    private func writeBatches() {
        pthread_mutex_lock(mutex)
        while true {
            while buffer.isEmpty, !isClosing {
                isWriterIdle = true
                isUrgent = false
                pthread_cond_broadcast(done)
                pthread_cond_wait(work, mutex)
            }
            if buffer.isEmpty { break }
            isWriterIdle = false
            if !isUrgent, !isClosing, buffer.count < 256 * 1024 { gather() }
            writeBatch(holdsLock: false)
        }
        if !torn.isEmpty { lost += 1 }
        isClosed = true
        pthread_cond_broadcast(done)
        pthread_mutex_unlock(mutex)
    }

    /// Without a thread: writes here and now, with SIGPIPE held off.
    private func drain() {
        var pipe = sigset_t()
        var before = sigset_t()
        var pending = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        sigpending(&pending)
        let wasPending = sigismember(&pending, SIGPIPE) == 1
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
        // Twice at most: the second time for the line that tells of lost ones.
        for _ in 0..<2 where !buffer.isEmpty { writeBatch(holdsLock: true) }
        if !wasPending {
            var now = timespec()
            sigtimedwait(&pipe, nil, &now)
        }
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }

    private func writeBatch(holdsLock: Bool) {
        swap(&batch, &buffer)
        let (told, toldEnd) = (reporting, reportEnd)
        (reporting, reportEnd) = (0, 0)
        if !holdsLock { pthread_mutex_unlock(mutex) }
        let (taken, missing) = write(patient: !holdsLock)
        if !holdsLock { pthread_mutex_lock(mutex) }
        written &+= UInt64(truncatingIfNeeded: batch.count)
        lost += missing
        untold += missing
        if told > 0, taken < toldEnd { untold += told - 1 }
        if taken == batch.count, untold > 0 { report() }
        batch.removeAll(keeping: 1 << 20)
        pthread_cond_broadcast(done)
    }

    private func report() {
        let before = buffer.count
        var line = LogLine(format: format, colour: colour)
        line.begin(&buffer, &stamp, wall(), .warning, "suppressed \(untold) lines: they came faster than they could be written")
        line.end(&buffer)
        appended &+= UInt64(truncatingIfNeeded: buffer.count - before)
        (reporting, reportEnd, untold) = (untold, buffer.count, 0)
    }

    /// Lets more lines come for a moment, so that a busy host writes few large batches.
    private func gather() {
        var deadline = LogWriter.monotonic(plus: 10_000_000)
        while !isUrgent, !isClosing {
            if pthread_cond_timedwait(work, mutex, &deadline) != 0 { return }
        }
    }

    /// How many bytes of the batch are dealt with (written, or kept as the rest of a torn line), and how many whole lines are not.
    private func write(patient: Bool) -> (taken: Int, missing: Int) {
        if !torn.isEmpty {
            torn.removeFirst(torn.withUnsafeBytes { writeAll($0, patient) })
            if !torn.isEmpty { return (0, LogWriter.lines(batch.bytes)) }
        }
        let bytes = batch.bytes
        var taken = writeAll(bytes, patient)
        if taken > 0, taken < bytes.count, bytes[taken - 1] != UInt8(ascii: "\n") {
            let start = taken
            repeat { taken += 1 } while taken < bytes.count && bytes[taken - 1] != UInt8(ascii: "\n")
            torn = Array(bytes[start..<taken])
            // All of it is taken, but the descriptor is not well: nothing is to be told now.
            if taken == bytes.count { return (taken - torn.count, 0) }
        }
        return (taken, LogWriter.lines(UnsafeRawBufferPointer(rebasing: bytes[taken...])))
    }

    private static func lines(_ bytes: UnsafeRawBufferPointer) -> Int { bytes.count { $0 == UInt8(ascii: "\n") } }

    /// How many bytes went out. A full pipe is waited for; what comes meanwhile is bounded by the buffer.
    private func writeAll(_ bytes: UnsafeRawBufferPointer, _ patient: Bool) -> Int {
        var start = 0
        var stalls = 0
        while start < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + start }, bytes.count - start)
            if count > 0 {
                start += count
                stalls = 0
                continue
            }
            guard count < 0 else { break }
            if errno == EINTR { continue }
            guard errno == EAGAIN, patient, stalls < 20 || !closing else { break }
            stalls += 1
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            // Ready, and yet it took nothing: do not spin.
            if poll(&waiting, 1, 100) > 0, stalls > 1 { usleep(20_000) }
        }
        return start
    }

    private var closing: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return isClosing
    }

    private static func monotonic(plus nanoseconds: Int) -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let sum = time.tv_nsec + nanoseconds
        time.tv_sec += sum / 1_000_000_000
        time.tv_nsec = sum % 1_000_000_000
        return time
    }
}
