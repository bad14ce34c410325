/// Why the history could not do something. `message` is fit for an operator, not for a client.
package struct HistoryError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// No room on the disk. Nothing of the call was written; worth another try once there is room.
        case full
        /// The file or its folder may not be written.
        case readOnly = "read-only"
        /// The file is no database, or a broken one. It is left as it is.
        case damaged
        /// A newer version of the host wrote the file.
        case newer
        /// Too many calls wait already, or another process holds the file.
        case busy
        /// The history has been closed.
        case closed
        /// A message does not come after the last one of its topic. Ask for the position again.
        case outOfOrder = "out-of-order"
        /// The topic is not known (any more), or has another epoch than the message. Ask for the position again.
        case unknownTopic = "unknown-topic"
        /// The disk or SQLite failed in another way.
        case failed
    }

    package let code: Code
    package let message: String
    /// What the system said; for the log only.
    package let cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(code.rawValue): \(message) (\($0))" } ?? "\(code.rawValue): \(message)" }
}

extension HistoryError {
    static let outOfOrder = HistoryError(.outOfOrder, "a message does not come after the last one of its topic")
    static let unknownTopic = HistoryError(.unknownTopic, "the topic is not known; ask for its position first")
    static let closed = HistoryError(.closed, "the history has been closed")
    static let busy = HistoryError(.busy, "too many calls wait for the history")
}
