/// What a client sent. The bytes are unmasked and end with the call they were given to.
package enum WebSocketEvent {
    /// A whole message; its bytes are valid UTF-8.
    case text(UnsafeRawBufferPointer)
    /// A whole message.
    case binary(UnsafeRawBufferPointer)
    /// At most 125 bytes, which the answering pong repeats.
    case ping(UnsafeRawBufferPointer)
    /// At most 125 bytes.
    case pong(UnsafeRawBufferPointer)
    /// The client's last word; the code is nil when it gave none. Answer with `WebSocketFrames.close(answering:)` unless a close was
    /// sent before, then close the connection.
    case close(code: UInt16?, reason: String)
}
