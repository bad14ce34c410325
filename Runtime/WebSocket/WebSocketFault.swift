/// Why a connection is not read any further. The raw value is a stable name for logs and counters.
package enum WebSocketFault: String, Error, Sendable, Hashable, CaseIterable {
    // The head of a frame.
    case reservedBits = "reserved_bits"
    case opcode
    case unmasked
    /// A ping, pong or close that is not final.
    case controlFragmented = "control_fragmented"
    case controlTooLong = "control_too_long"
    /// A length that fits into fewer bytes than it was written in.
    case lengthNotShortest = "length_not_shortest"
    /// A length of 2^63 and above.
    case lengthInvalid = "length_invalid"
    // The order of frames.
    case continuationAlone = "continuation_alone"
    case messageInsideMessage = "message_inside_message"
    // The close frame.
    /// A payload of one byte.
    case closeLength = "close_length"
    /// A code that must not go on the wire.
    case closeCode = "close_code"
    case closeReason = "close_reason"
    // Content and limits.
    case text
    case messageTooBig = "message_too_big"
    case tooManyFragments = "too_many_fragments"
    case tooManyControlFrames = "too_many_control_frames"

    /// What to close the connection with.
    package var close: WebSocketClose {
        switch self {
        case .text, .closeReason: .invalidText
        case .messageTooBig: .tooBig
        case .tooManyFragments, .tooManyControlFrames: .policy
        default: .protocolError
        }
    }
}
