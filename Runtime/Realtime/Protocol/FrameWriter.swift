import NIOCore

/// Writes one frame: JSON text or binary parts, straight into the buffer that goes out.
struct FrameWriter {
    private(set) var buffer: ByteBuffer

    /// `capacity`: about as many bytes as there will be; it grows.
    init(capacity: Int) { buffer = ByteBufferAllocator().buffer(capacity: capacity) }

    mutating func byte(_ byte: UInt8) { buffer.writeInteger(byte) }

    mutating func text(_ text: StaticString) { buffer.writeStaticString(text) }

    mutating func json(_ value: RawJSON) { buffer.writeBytes(value.bytes) }

    /// Null where there is none.
    mutating func json(_ value: RawJSON?) {
        if let value { buffer.writeBytes(value.bytes) } else { buffer.writeStaticString("null") }
    }

    /// Bytes as they are.
    mutating func bytes(_ bytes: [UInt8]) { buffer.writeBytes(bytes) }

    mutating func bytes(of text: String) { buffer.writeString(text) }

    /// A JSON string with its quotes.
    mutating func string(_ text: String) {
        byte(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            var start = 0
            for index in utf8.indices where FrameWriter.mustEscape(utf8[index]) {
                buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(utf8)[start..<index]))
                escape(utf8[index])
                start = index &+ 1
            }
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(utf8)[start...]))
        }
        byte(UInt8(ascii: "\""))
    }

    @inline(__always)
    private static func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func escape(_ character: UInt8) {
        byte(UInt8(ascii: "\\"))
        switch character {
        case 0x08: byte(UInt8(ascii: "b"))
        case 0x09: byte(UInt8(ascii: "t"))
        case 0x0A: byte(UInt8(ascii: "n"))
        case 0x0C: byte(UInt8(ascii: "f"))
        case 0x0D: byte(UInt8(ascii: "r"))
        case 0..<0x20:
            text("u00")
            byte(UInt8(ascii: "0") &+ (character &>> 4))
            let low = character & 0xF
            byte(low < 10 ? UInt8(ascii: "0") &+ low : UInt8(ascii: "a") &+ low &- 10)
        default: byte(character)
        }
    }
}
