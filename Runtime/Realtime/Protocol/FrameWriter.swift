import NIOCore

/// Writes one frame, JSON text or binary parts, straight into the buffer that goes out.
///
/// What writes it runs twice: first its bytes are counted, then they are written into exactly as much room. So nothing grows on the way, and
/// no byte is copied twice.
struct FrameWriter {
    /// `nil` while bytes are only counted.
    private let base: UnsafeMutableRawPointer?
    private let capacity: Int
    private var count = 0

    private init(base: UnsafeMutableRawPointer?, capacity: Int) {
        self.base = base
        self.capacity = capacity
    }

    /// `body` must write the same both times.
    @inline(__always)
    static func buffer(_ body: (inout FrameWriter) -> Void) -> ByteBuffer {
        var counter = FrameWriter(base: nil, capacity: 0)
        body(&counter)
        var buffer = ByteBufferAllocator().buffer(capacity: counter.count)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: counter.count) { room in
            var writer = FrameWriter(base: room.baseAddress, capacity: room.count)
            body(&writer)
            return min(writer.count, room.count)
        }
        return buffer
    }

    @inline(__always)
    private mutating func write(_ bytes: UnsafeRawBufferPointer) {
        if let base, let source = bytes.baseAddress, count &+ bytes.count <= capacity {
            (base + count).copyMemory(from: source, byteCount: bytes.count)
        }
        count &+= bytes.count
    }

    @inline(__always)
    mutating func byte(_ byte: UInt8) {
        if let base, count < capacity { base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self) }
        count &+= 1
    }

    @inline(__always)
    mutating func text(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func json(_ value: RawJSON) { bytes(value.bytes) }

    /// Null where there is none.
    mutating func json(_ value: RawJSON?) {
        if let value { bytes(value.bytes) } else { text("null") }
    }

    /// Bytes as they are.
    mutating func bytes(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

    mutating func bytes(of text: String) {
        var text = text
        text.withUTF8 { write(UnsafeRawBufferPointer($0)) }
    }

    /// A JSON string with its quotes.
    mutating func string(_ text: String) {
        byte(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            let bytes = UnsafeRawBufferPointer(utf8)
            var start = 0
            var index = 0
            while index < bytes.count {
                let byte = bytes[index]
                if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                    write(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
                    escape(byte)
                    start = index &+ 1
                }
                index &+= 1
            }
            write(UnsafeRawBufferPointer(rebasing: bytes[start...]))
        }
        byte(UInt8(ascii: "\""))
    }

    @inline(never)
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
