import Glibc
package import Logging
import Synchronization

/// Where log lines go: one descriptor, written by a thread of its own.
///
/// A caller pays for formatting its line under an uncontended lock; the thread writes whole batches. The buffer is bounded: when nobody
/// takes the lines, further ones are dropped and counted, and the count becomes a line once there is room. A closed pipe or a full disk
/// loses lines, never the process. Lines of one thread keep their order. The descriptor stays its opener's to close, after `close()`.
package final class LogSink: Sendable {
    package enum Format: Sendable, Hashable {
        case json, text
    }

    package let format: Format
    package let level: Logger.Level
    let colour: Bool
    private let wall: @Sendable () -> Int64
    private let writer: LogWriter?
    private let limits = Mutex(LabelLimits())

    /// - Parameters:
    ///   - descriptor: below zero: nothing is written, and there is no thread.
    ///   - limit: bytes kept for a reader that does not read.
    ///   - wall: nanoseconds since 1970. It must not log.
    package convenience init(
        descriptor: Int32, format: Format, level: Logger.Level = .info, limit: Int = 4 << 20,
        wall: @escaping @Sendable () -> Int64 = LogSink.systemWall
    ) {
        self.init(descriptor: descriptor, format: format, level: level, limit: limit, wall: wall, spawn: LogWriter.spawn)
    }

    init(
        descriptor: Int32, format: Format, level: Logger.Level, limit: Int, wall: @escaping @Sendable () -> Int64,
        spawn: (UnsafeMutableRawPointer) -> Bool
    ) {
        self.format = format
        self.level = level
        self.wall = wall
        colour = format == .text && isatty(descriptor) == 1
        writer =
            descriptor < 0
            ? nil : LogWriter(descriptor: descriptor, limit: limit, format: format, colour: colour, wall: wall, spawn: spawn)
    }

    deinit { writer?.startClosing() }

    package static let systemWall: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// A sink whose lines nobody wants.
    package static func quiet() -> LogSink { LogSink(descriptor: -1, format: .json, level: .critical) }

    /// Lines that were not written: no room, or the descriptor took them no more.
    package var lostLines: Int { writer?.lostLines ?? 0 }

    /// Appends lines made by `body`, which must end them with a line feed and must not log: it runs under the lock.
    @inline(__always)
    func append(_ body: (_ bytes: inout LineBuffer, _ stamp: inout Timestamp) -> Void) { writer?.append(body) }

    /// One event with its fields, unless its label has used up its share.
    package func event(label: String, level: Logger.Level, message: String, fields: Logger.Metadata) {
        guard level >= self.level, writer != nil else { return }
        let now = wall()
        guard case .admitted(let suppressed) = limits.withLock({ $0.admit(label, now: now) }) else { return }
        if suppressed > 0 { tell(suppressed, label, now) }
        // The description of a value is its author's code and may log itself: never under the lock.
        var stamp = Timestamp()
        var bytes = LineBuffer()
        var line = LogLine(format: format, colour: colour)
        line.begin(&bytes, &stamp, now, level, message)
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) { line.add(name, value, to: &bytes) }
        line.end(&bytes)
        append { all, _ in all.append(bytes.bytes) }
    }

    private func tell(_ suppressed: Int, _ label: String, _ now: Int64) {
        append { bytes, stamp in
            var line = LogLine(format: format, colour: colour)
            line.begin(&bytes, &stamp, now, .warning, "suppressed \(suppressed) events")
            line.add("label", label, to: &bytes)
            line.end(&bytes)
        }
    }

    /// Waits until everything appended so far is written or lost, two seconds at most.
    package func flush() { writer?.flush() }

    /// Tells what was suppressed, writes what is left and ends the thread; four seconds at most. Later lines are lost and counted.
    package func close() {
        let now = wall()
        for owed in limits.withLock({ $0.drain() }) { tell(owed.suppressed, owed.label, now) }
        flush()
        writer?.startClosing()
        writer?.waitClosed()
    }
}
