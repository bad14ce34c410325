/// Every way this side ends a WebSocket. The raw value is a stable name for logs and counters.
///
/// No code is 4000 or above: some clients take those as final and never connect again, whatever the reason was.
package enum WebSocketClose: String, Sendable, Hashable, CaseIterable {
    /// Nothing more to say.
    case normal
    /// The server or the topic goes away.
    case goingAway = "going_away"
    /// The client broke the protocol of frames.
    case protocolError = "protocol_error"
    /// A text message, or the reason of a close, was not UTF-8.
    case invalidText = "invalid_text"
    /// The client asked for more than it may.
    case policy
    /// A message over the limit.
    case tooBig = "too_big"
    case internalError = "internal_error"
    /// A planned restart; the server is back soon.
    case restarting
    /// Too much to do just now.
    case tryLater = "try_later"
    /// The client reads more slowly than its messages come.
    case slowConsumer = "slow_consumer"
    /// Part of a frame came, and the rest did not.
    case stalled
    /// No sign of life.
    case idle

    /// The code on the wire.
    package var code: UInt16 {
        switch self {
        case .normal: 1000
        case .goingAway, .idle: 1001
        case .protocolError: 1002
        case .invalidText: 1007
        case .policy, .slowConsumer, .stalled: 1008
        case .tooBig: 1009
        case .internalError: 1011
        case .restarting: 1012
        case .tryLater: 1013
        }
    }

    /// The reason on the wire: short and public.
    package var reason: String {
        switch self {
        case .normal: ""
        case .goingAway: "going away"
        case .protocolError: "protocol error"
        case .invalidText: "invalid text"
        case .policy: "policy"
        case .tooBig: "message too big"
        case .internalError: "internal error"
        case .restarting: "restarting"
        case .tryLater: "try again later"
        case .slowConsumer: "slow consumer"
        case .stalled: "frame stalled"
        case .idle: "idle"
        }
    }

    /// Whether the same client may connect again and expect to be served. False where it would only run into the same wall, and for a
    /// normal end.
    package var mayComeBack: Bool {
        switch self {
        case .goingAway, .internalError, .restarting, .tryLater, .slowConsumer, .stalled, .idle: true
        case .normal, .protocolError, .invalidText, .policy, .tooBig: false
        }
    }

    /// Whether a close frame may carry this code (RFC 6455 section 7.4 and the registry of IANA): not those that only ever stand for
    /// the absence of one (1005, 1006, 1015), nor those without a meaning.
    package static func isCode(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
