/// Writes the frames of a server: final, unmasked, without extensions.
package enum WebSocketFrames {
    /// The bytes before a payload, without an allocation.
    package struct Head: Sendable {
        /// The first eight bytes and the last two, as they lie in memory.
        @usableFromInline let bytes: (UInt64, UInt16)
        package let count: Int

        init(_ opcode: WebSocketOpcode, payload: Int) {
            let length = UInt64(max(payload, 0))
            let first = UInt64(0x80 | opcode.rawValue) &<< 56
            switch length {
            case ...125:
                bytes = ((first | length &<< 48).bigEndian, 0)
                count = 2
            case ...0xFFFF:
                bytes = ((first | 126 &<< 48 | length &<< 32).bigEndian, 0)
                count = 4
            default:
                bytes = ((first | 127 &<< 48 | length &>> 16).bigEndian, UInt16(truncatingIfNeeded: length).bigEndian)
                count = 10
            }
        }

        /// Lends the two to ten bytes of the head, for a sink of the caller's own; they end with the closure.
        @inlinable
        package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
            try Swift.withUnsafeBytes(of: bytes) { try body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }

    /// Most bytes a control frame may carry.
    package static let longestControl = 125

    /// The head of a frame with a payload of `count` bytes. It is the caller's to keep control frames within `longestControl`.
    package static func head(_ opcode: WebSocketOpcode, count: Int) -> Head { Head(opcode, payload: count) }

    /// A whole frame. The payload of a control frame is cut after `longestControl` bytes.
    package static func frame(_ opcode: WebSocketOpcode, _ payload: UnsafeRawBufferPointer) -> [UInt8] {
        let room = opcode.isControl ? min(payload.count, longestControl) : payload.count
        let head = Head(opcode, payload: room)
        return [UInt8](unsafeUninitializedCapacity: head.count + room) { target, count in
            let target = UnsafeMutableRawBufferPointer(target)
            head.withUnsafeBytes { target.copyMemory(from: $0) }
            if room > 0 {
                UnsafeMutableRawBufferPointer(rebasing: target[head.count...])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: payload[..<room]))
            }
            count = head.count + room
        }
    }

    /// A text message. The bytes must be UTF-8; they are not looked at.
    package static func frame(text: UnsafeRawBufferPointer) -> [UInt8] { frame(.text, text) }
    package static func frame(text: [UInt8]) -> [UInt8] { text.withUnsafeBytes { frame(.text, $0) } }
    package static func frame(text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { frame(.text, UnsafeRawBufferPointer($0)) }
    }

    package static func frame(binary: UnsafeRawBufferPointer) -> [UInt8] { frame(.binary, binary) }
    package static func frame(binary: [UInt8]) -> [UInt8] { binary.withUnsafeBytes { frame(.binary, $0) } }

    package static func ping(_ payload: [UInt8] = []) -> [UInt8] { payload.withUnsafeBytes { frame(.ping, $0) } }

    /// The answer to a ping repeats its payload.
    package static func pong(_ payload: UnsafeRawBufferPointer) -> [UInt8] { frame(.pong, payload) }
    package static func pong(_ payload: [UInt8] = []) -> [UInt8] { payload.withUnsafeBytes { frame(.pong, $0) } }

    /// A close frame.
    ///
    /// - Parameters:
    ///   - code: one that cannot go on the wire is left out, and the reason with it.
    ///   - reason: is cut between characters to fit into 123 bytes.
    package static func close(_ code: UInt16?, _ reason: String = "") -> [UInt8] {
        guard let code, WebSocketClose.isCode(code) else { return frame(.close, UnsafeRawBufferPointer(start: nil, count: 0)) }
        var payload: [UInt8] = [UInt8(truncatingIfNeeded: code &>> 8), UInt8(truncatingIfNeeded: code)]
        for character in reason.unicodeScalars {
            let bytes = UTF8.encode(character) ?? UTF8.encodedReplacementCharacter
            guard payload.count + bytes.count <= longestControl else { break }
            payload.append(contentsOf: bytes)
        }
        return payload.withUnsafeBytes { frame(.close, $0) }
    }

    package static func close(_ close: WebSocketClose) -> [UInt8] { Self.close(close.code, close.reason) }

    /// The answer to a client's close: its own code, or 1000 when it gave none.
    package static func close(answering code: UInt16?) -> [UInt8] { close(code ?? WebSocketClose.normal.code) }
}
