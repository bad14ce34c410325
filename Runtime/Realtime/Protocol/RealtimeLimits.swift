package import SwiftletJSON

/// What one message may be. Every limit is inclusive; what sockets and the host bear is in ``HubLimits``.
package struct RealtimeLimits: Sendable, Hashable {
    /// Bytes of one frame as it arrives.
    package var frameBytes = 5_000_000
    /// Bytes of one broadcast or presence payload. Beyond it: `payload_size_exceeded`, `Track message size exceeded`, 422.
    package var messageBytes = 3_000_000
    package var topicBytes = 512
    /// Of the outer event, such as `phx_join`.
    package var eventBytes = 255
    /// Of the event inside a broadcast.
    package var userEventBytes = 512
    /// Of `ref` and `join_ref`, as written.
    package var refBytes = 255
    /// Of a presence key.
    package var presenceKeyBytes = 255
    /// Bindings to database changes of one join.
    package var postgresChanges = 100
    package var tokenBytes = 16_384
    package var json = JSONLimits(depth: 128, members: 100_000, elements: 500_000, digits: 1_024)
    /// Messages of one REST batch, and bytes of its body.
    package var batchMessages = 1_000
    package var batchBytes = 5_000_000

    package init() {}

    package static let standard = RealtimeLimits()
}

extension JSONLimits {
    /// For what was checked when it came in, and is only read again.
    static let checkedBefore = JSONLimits(depth: .max, members: .max, elements: .max, digits: .max)
}
