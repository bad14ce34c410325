/// What a frame carries (RFC 6455 section 11.8).
package enum WebSocketOpcode: UInt8, Sendable, Hashable {
    case continuation = 0
    case text = 1
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    /// Close, ping and pong: at most 125 bytes, never in fragments, and allowed between the fragments of a message.
    @inline(__always)
    var isControl: Bool { rawValue & 8 != 0 }
}
