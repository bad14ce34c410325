/// What the client has done so far and what it holds. A snapshot.
package struct EgressMetrics: Sendable, Hashable {
    /// Refusals by `EgressDenial.label`.
    package var denied: [String: Int] = [:]
    package var started = 0
    package var completed = 0
    /// Ends other than completion, by `EgressError.Code`.
    package var failed: [String: Int] = [:]
    /// Transfers that went over a connection that was already there.
    package var reusedConnections = 0
    package var activeTransfers = 0
    package var openConnections = 0
}
