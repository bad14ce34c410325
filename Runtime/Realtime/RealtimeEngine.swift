package import Swiftlet

/// What moves messages between subscribers, as the rest of the host sees it.
package protocol RealtimeEngine: Sendable {
    /// Sends a message to everybody on a channel.
    ///
    /// - Parameters:
    ///   - topic: without `realtime:` before it.
    ///   - payload: a JSON object, checked.
    ///   - id: the name under which it is delivered once; nil lets the engine choose.
    ///   - sender: the id of the user it is sent for, where there is one.
    /// - Throws: `HTTPError` for what the caller of a function should hear.
    func publish(topic: String, isPrivate: Bool, event: String, payload: [UInt8], id: String?, sender: String?) async throws
        -> RealtimeReceipt

    /// Ends a user's subscriptions on these channels, on all connections of the user; without channels, on every channel.
    ///
    /// - Parameter reason: for the log and the client; stable words.
    /// - Returns: the channels that were subscribed, each once.
    func disconnect(user: String, channels: [String], reason: String) async -> [String]

    /// Messages of others on a private channel that the user has not read; nil where nobody counts them.
    func unread(user: String, channel: String) async -> Int?
}

extension RealtimeEngine {
    package func unread(user: String, channel: String) async -> Int? { nil }
}
