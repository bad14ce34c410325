/// One message of a client.
package struct ClientMessage: Sendable {
    /// A string or number as the client wrote it; `nil` for null, absent or (binary) empty.
    package var joinRef: RawJSON?
    /// As `joinRef`. Goes back verbatim with the reply.
    package var ref: RawJSON?
    /// The whole topic, `realtime:` included. May be empty or anything else: what is no topic is answered `unmatched topic`.
    package var topic: String
    package var event: ClientEvent

    package init(joinRef: RawJSON?, ref: RawJSON?, topic: String, event: ClientEvent) {
        self.joinRef = joinRef
        self.ref = ref
        self.topic = topic
        self.event = event
    }
}

package enum ClientEvent: Sendable {
    /// `phx_join`
    case join(JoinRequest)
    /// `phx_leave`
    case leave
    /// On any topic; only the one on `phoenix` is a heartbeat of the socket.
    case heartbeat
    case broadcast(BroadcastContent)
    case presence(PresenceRequest)
    /// `nil` when the token was null, absent or no string.
    case accessToken(String?)
    /// Any other event, by its name.
    case other(String)
}

package enum PresenceRequest: Sendable, Hashable {
    /// The fields, an object.
    case track(RawJSON)
    case untrack
    /// A track whose payload is no object.
    case notAnObject
    /// Another event than track or untrack, or none.
    case unknown(String)
}

/// Why a message could not be read. It is logged and dropped; the socket stays open. Holds nothing of the message.
package struct MessageFault: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The frame is over the limit on frames.
        case tooLong = "too-long"
        /// Not valid JSON, or beyond what a document may hold.
        case invalidJSON = "invalid-json"
        /// Valid JSON, but not the object or array of this serializer, or a field is missing or of another type.
        case wrongShape = "wrong-shape"
        case invalidRef = "invalid-ref"
        case topicTooLong = "topic-too-long"
        case eventTooLong = "event-too-long"
        /// A broadcast, whose payload is not what a broadcast needs.
        case invalidBroadcast = "invalid-broadcast"
        /// A binary message of a kind that clients do not send.
        case unknownKind = "unknown-kind"
        /// A binary message whose lengths lie.
        case truncated
        case invalidUTF8 = "invalid-utf8"
        case unknownEncoding = "unknown-encoding"
        /// A binary message on a socket of version 1.
        case binaryOnText = "binary-on-v1"
    }

    package let code: Code
    /// Short, fit for a log line.
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    package var description: String { "\(code.rawValue): \(reason)" }
}
