import Logging
import NIOCore
import Swiftlet

/// The lines of one function's workers on their way to the host's log: labelled, cut, and no more than the allowance. On the pool's loop.
final class WorkerLog: @unchecked Sendable {
    private let logger: Logger
    private let clock: HostClock
    private var allowance = LogAllowance()

    init(function: FunctionName, logger: Logger, clock: HostClock) {
        self.logger = logger
        self.clock = clock
    }

    /// A line of the function's own logger.
    func write(_ line: LogFrame, executionID: String) {
        let level = Logger.Level.allCases[min(Int(line.level), Logger.Level.allCases.count - 1)]
        guard level >= logger.logLevel, isAdmitted() else { return }
        var metadata: Logger.Metadata = [:]
        for (name, value) in line.metadata { metadata[name] = .string(value) }
        // The host knows these better than a worker does.
        metadata["execution_id"] = .string(executionID)
        metadata["function"] = logger[metadataKey: "function"]
        logger.log(level: level, "\(LogLines.shortened(line.message, to: LogLines.longestLine))", metadata: metadata)
    }

    /// A line of its standard output or standard error.
    func write(_ text: String, level: Logger.Level, stream: String, executionID: String) {
        guard level >= logger.logLevel, isAdmitted() else { return }
        logger.log(level: level, "\(text)", metadata: ["execution_id": .string(executionID), "stream": .string(stream)])
    }

    private func isAdmitted() -> Bool {
        switch allowance.admit(at: clock.monotonic()) {
        case .write: return true
        case .drop: return false
        case .report(let dropped):
            report(dropped)
            return true
        }
    }

    /// Tells of lines that were dropped, when no other line comes to do so.
    func tick() {
        if let dropped = allowance.overdue(at: clock.monotonic()) { report(dropped) }
    }

    private func report(_ dropped: Int) {
        logger.warning(
            "suppressed \(dropped) lines of this function: more than it may log", metadata: ["suppressed": "\(dropped)"])
    }
}

/// Reads one pipe of a worker, line by line. It lives on its pool's loop.
final class PipeReader: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer

    private let log: WorkerLog
    private let executionID: String
    private let level: Logger.Level
    private var lines = LogLines()
    private var context: ChannelHandlerContext?
    var isClosed = false

    init(log: WorkerLog, executionID: String, level: Logger.Level) {
        self.log = log
        self.executionID = executionID
        self.level = level
    }

    /// What the runtime said of a trap, which a debug build follows with a trace longer than any tail; then the last lines.
    private var trap: String?
    var tail: [String] {
        guard let trap else { return lines.tail }
        return [trap]
    }

    func close() { context?.close(promise: nil) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        for line in bytes.withUnsafeReadableBytes({ lines.take($0) }) { write(line) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        if let line = lines.finish() { write(line) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func write(_ line: String) {
        if level == .error, line.contains("Fatal error") { trap = LogLines.shortened(line, to: LogLines.longestTailLine) }
        log.write(line, level: level, stream: level == .error ? "stderr" : "stdout", executionID: executionID)
    }
}
