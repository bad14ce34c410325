import Glibc
package import Logging

/// Where log lines go: one descriptor, written by a thread of its own.
///
/// A caller pays for formatting its line and a memcpy under an uncontended lock; the thread writes whole batches. The buffer is bounded:
/// when nobody takes the lines, further ones are dropped and counted, and the count becomes a line once there is room. A closed pipe or a
/// full disk loses lines, never the process.
package final class LogSink: @unchecked Sendable {
    package enum Format: Sendable, Hashable {
        case json, text
    }

    package let format: Format
    package let level: Logger.Level
    let colour: Bool
    private let descriptor: Int32
    private let limit: Int
    private let wall: @Sendable () -> Int64

    // All below is guarded by `mutex`; the pointers live as long as the sink.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var buffer: [UInt8] = []
    private var stamp = Timestamp()
    private var dropped = 0
    private var lost = 0
    private var isWriterIdle = true
    private var isUrgent = false
    private var isClosing = false
    private var isClosed = false
    private var appended: UInt64 = 0
    private var written: UInt64 = 0
    private var limits: [String: LabelLimit] = [:]

    /// - Parameters:
    ///   - limit: bytes kept for a reader that does not read.
    ///   - wall: nanoseconds since 1970.
    package init(
        descriptor: Int32, format: Format, level: Logger.Level = .info, limit: Int = 4 << 20,
        wall: @escaping @Sendable () -> Int64 = LogSink.systemWall
    ) {
        self.descriptor = descriptor
        self.format = format
        self.level = level
        self.limit = limit
        self.wall = wall
        colour = format == .text && isatty(descriptor) == 1
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(work, nil)
        pthread_cond_init(done, nil)
        buffer.reserveCapacity(64 * 1024)
        var thread = pthread_t()
        let this = Unmanaged.passRetained(self)
        let started = pthread_create(&thread, nil, { LogSink.thread($0) }, this.toOpaque())
        if started == 0 {
            pthread_detach(thread)
        } else {
            // Without a thread lines are written by whoever flushes.
            this.release()
            isClosed = true
        }
    }

    deinit {
        pthread_cond_destroy(done)
        pthread_cond_destroy(work)
        pthread_mutex_destroy(mutex)
        done.deallocate()
        work.deallocate()
        mutex.deallocate()
    }

    package static let systemWall: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// A sink whose lines nobody wants.
    package static func quiet() -> LogSink { LogSink(descriptor: -1, format: .json, level: .critical) }

    /// Lines that were not written: no room, or the descriptor took them no more.
    package var lostLines: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return dropped + lost
    }

    // MARK: Lines

    /// Appends one line made by `body`, which must end it with a line feed.
    func append(at nanoseconds: Int64, _ body: (_ bytes: inout [UInt8], _ stamp: inout Timestamp) -> Void) {
        guard descriptor >= 0 else { return }
        pthread_mutex_lock(mutex)
        if buffer.count < limit {
            if dropped > 0 { reportDropped(at: nanoseconds) }
            let before = buffer.count
            body(&buffer, &stamp)
            appended &+= UInt64(buffer.count - before)
        } else {
            dropped += 1
        }
        if isWriterIdle {
            isWriterIdle = false
            pthread_cond_signal(work)
        }
        pthread_mutex_unlock(mutex)
    }

    private func reportDropped(at nanoseconds: Int64) {
        let count = dropped
        dropped = 0
        lost += count
        var line = LogLine(format: format, colour: colour)
        line.begin(
            &buffer, &stamp, nanoseconds, .warning, "suppressed \(count) lines: they came faster than they could be written")
        line.end(&buffer)
    }

    /// One event with its fields, unless its label has used up its share.
    package func event(label: String, level: Logger.Level, message: String, fields: Logger.Metadata) {
        guard level >= self.level else { return }
        let now = wall()
        pthread_mutex_lock(mutex)
        let verdict = limits[label, default: LabelLimit()].admit(now: now)
        if limits.count > 4096 { limits.removeAll() }
        pthread_mutex_unlock(mutex)
        switch verdict {
        case .refused: return
        case .admitted(let suppressed):
            append(at: now) { bytes, stamp in
                if suppressed > 0 {
                    var line = LogLine(format: format, colour: colour)
                    line.begin(&bytes, &stamp, now, .warning, "suppressed \(suppressed) events")
                    line.add("label", label, to: &bytes)
                    line.end(&bytes)
                }
                var line = LogLine(format: format, colour: colour)
                line.begin(&bytes, &stamp, now, level, message)
                for (name, value) in fields.sorted(by: { $0.key < $1.key }) { line.add(name, value, to: &bytes) }
                line.end(&bytes)
            }
        }
    }

    // MARK: Writing

    /// Waits until everything appended so far is written, two seconds at most.
    package func flush() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let target = appended
        isUrgent = true
        pthread_cond_signal(work)
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += 2
        while written < target, !isClosed {
            if pthread_cond_timedwait(done, mutex, &deadline) == ETIMEDOUT { return }
        }
    }

    /// Writes what is left and ends the thread.
    package func close() {
        flush()
        pthread_mutex_lock(mutex)
        isClosing = true
        pthread_cond_signal(work)
        pthread_mutex_unlock(mutex)
    }

    private static func thread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context else { return nil }
        // A closed pipe is an error of write here, whatever the process does with SIGPIPE.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        Unmanaged<LogSink>.fromOpaque(context).takeRetainedValue().writeBatches()
        return nil
    }

    private func writeBatches() {
        var batch: [UInt8] = []
        batch.reserveCapacity(64 * 1024)
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
            swap(&batch, &buffer)
            pthread_mutex_unlock(mutex)
            let lines = writeAll(batch) ? 0 : batch.count { $0 == UInt8(ascii: "\n") }
            pthread_mutex_lock(mutex)
            written &+= UInt64(batch.count)
            lost += lines
            batch.removeAll(keepingCapacity: batch.capacity <= 1 << 20)
            pthread_cond_broadcast(done)
        }
        isClosed = true
        pthread_cond_broadcast(done)
        pthread_mutex_unlock(mutex)
    }

    /// Lets more lines come for a moment, so that a busy host writes few large batches.
    private func gather() {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_nsec += 10_000_000
        if deadline.tv_nsec >= 1_000_000_000 {
            deadline.tv_nsec -= 1_000_000_000
            deadline.tv_sec += 1
        }
        while !isUrgent, !isClosing {
            if pthread_cond_timedwait(work, mutex, &deadline) != 0 { return }
        }
    }

    private func writeAll(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var start = 0
            var patience = 20
            while start < bytes.count {
                let count = write(descriptor, bytes.baseAddress.map { $0 + start }, bytes.count - start)
                if count > 0 {
                    start += count
                    continue
                }
                switch errno {
                case EINTR: continue
                case EAGAIN where patience > 0:
                    patience -= 1
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&waiting, 1, 100)
                default: return false
                }
            }
            return true
        }
    }
}

/// How many events one label may write: 100 in 10 seconds.
struct LabelLimit {
    static let events = 100
    static let window: Int64 = 10_000_000_000
    private var start: Int64 = 0
    private var count = 0
    private var suppressed = 0

    enum Verdict: Equatable {
        /// With the number of events suppressed before it.
        case admitted(suppressed: Int)
        case refused
    }

    mutating func admit(now: Int64) -> Verdict {
        if now < start || now - start >= LabelLimit.window {
            start = now
            count = 0
        }
        guard count < LabelLimit.events else {
            suppressed += 1
            return .refused
        }
        count += 1
        defer { suppressed = 0 }
        return .admitted(suppressed: suppressed)
    }
}
