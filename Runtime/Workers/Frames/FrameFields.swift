import NIOCore

// The parts of payloads. Every length is checked against what is there before anything is made of it.

/// What the parts of a payload are written to: a buffer, or room in it that is lent for the time of writing.
protocol FieldSink {
    mutating func putInteger(_ value: some FixedWidthInteger)
    mutating func putRaw(_ bytes: UnsafeRawBufferPointer)
}

extension ByteBuffer: FieldSink {
    mutating func putInteger(_ value: some FixedWidthInteger) { writeInteger(value, endianness: .little) }
    mutating func putRaw(_ bytes: UnsafeRawBufferPointer) { writeBytes(bytes) }
}

/// Room for a payload, without a look at its buffer for each part.
struct LentRoom: FieldSink {
    private let room: UnsafeMutableRawBufferPointer
    private(set) var written = 0
    /// Something had no room: what was written is no whole payload.
    private(set) var isShort = false

    init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    @inline(__always)
    mutating func putInteger(_ value: some FixedWidthInteger) {
        guard hasRoom(value.bitWidth / 8) else { return }
        room.storeBytes(of: value.littleEndian, toByteOffset: written, as: type(of: value))
        written += value.bitWidth / 8
    }

    @inline(__always)
    mutating func putRaw(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, let target = room.baseAddress else { return }
        guard hasRoom(bytes.count) else { return }
        (target + written).copyMemory(from: source, byteCount: bytes.count)
        written += bytes.count
    }

    @inline(__always)
    private mutating func hasRoom(_ count: Int) -> Bool {
        if room.count - written >= count { return true }
        isShort = true
        return false
    }
}

extension FieldSink {
    mutating func put(_ value: UInt8) { putInteger(value) }
    mutating func put(_ value: UInt16) { putInteger(value) }
    mutating func put(_ value: UInt32) { putInteger(value) }
    mutating func put(_ value: UInt64) { putInteger(value) }
    mutating func put(_ number: Int) { putInteger(Int64(number)) }

    /// Text with its length in 32 bits.
    mutating func put(_ text: String) {
        text.utf8.span.withUnsafeBufferPointer { bytes in
            put(UInt32(truncatingIfNeeded: bytes.count))
            putRaw(UnsafeRawBufferPointer(bytes))
        }
    }

    mutating func put(_ text: String?) {
        put(UInt8(text == nil ? 0 : 1))
        if let text { put(text) }
    }

    mutating func put(_ bytes: [UInt8]) {
        put(UInt32(truncatingIfNeeded: bytes.count))
        bytes.withUnsafeBytes { putRaw($0) }
    }

    mutating func put(_ texts: [String]) {
        put(UInt16(clamping: texts.count))
        for text in texts { put(text) }
    }
}

/// What the parts of a payload are read from: a buffer, or bytes that are lent for the time of reading.
protocol FieldSource {
    var readableBytes: Int { get }
    mutating func takeInteger<Value: FixedWidthInteger>(_ type: Value.Type) throws(FrameProblem) -> Value
    /// Lends the next `count` bytes.
    mutating func take<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) throws(FrameProblem) -> Result
}

extension ByteBuffer: FieldSource {
    mutating func takeInteger<Value: FixedWidthInteger>(_ type: Value.Type) throws(FrameProblem) -> Value {
        guard let value = readInteger(endianness: .little, as: type) else { throw .short }
        return value
    }

    mutating func take<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) throws(FrameProblem) -> Result {
        guard count <= readableBytes else { throw .short }
        let result = withUnsafeReadableBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        moveReaderIndex(forwardBy: count)
        return result
    }
}

/// Bytes of a payload, without a look at its buffer for each part.
struct LentFields: FieldSource {
    private let bytes: UnsafeRawBufferPointer
    private(set) var taken = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var readableBytes: Int { bytes.count - taken }

    @inline(__always)
    mutating func takeInteger<Value: FixedWidthInteger>(_ type: Value.Type) throws(FrameProblem) -> Value {
        let size = MemoryLayout<Value>.size
        guard size <= readableBytes else { throw .short }
        defer { taken += size }
        return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: taken, as: type))
    }

    @inline(__always)
    mutating func take<Result>(_ count: Int, _ body: (UnsafeRawBufferPointer) -> Result) throws(FrameProblem) -> Result {
        guard count <= readableBytes else { throw .short }
        defer { taken += count }
        return body(UnsafeRawBufferPointer(rebasing: bytes[taken..<taken + count]))
    }
}

extension FieldSource {
    mutating func takeByte() throws(FrameProblem) -> UInt8 { try takeInteger(UInt8.self) }
    mutating func take16() throws(FrameProblem) -> UInt16 { try takeInteger(UInt16.self) }
    mutating func take32() throws(FrameProblem) -> UInt32 { try takeInteger(UInt32.self) }
    mutating func take64() throws(FrameProblem) -> UInt64 { try takeInteger(UInt64.self) }

    mutating func takeFlag() throws(FrameProblem) -> Bool {
        switch try takeByte() {
        case 0: false
        case 1: true
        default: throw .malformed
        }
    }

    /// Text that is not UTF-8 is malformed: nobody has to guess what was meant.
    mutating func takeText() throws(FrameProblem) -> String {
        // By way of a span: `String(validating:)` is generic, and looks types up in every call.
        let text = try take(Int(try take32())) { bytes -> String? in
            guard let valid = try? UTF8Span(validating: Span(_unsafeElements: bytes.bindMemory(to: UInt8.self))) else {
                return nil
            }
            return String(copying: valid)
        }
        guard let text else { throw .malformed }
        return text
    }

    mutating func takeOptionalText() throws(FrameProblem) -> String? {
        guard try takeFlag() else { return nil }
        return try takeText()
    }

    mutating func takeBytes() throws(FrameProblem) -> [UInt8] { try take(Int(try take32())) { [UInt8]($0) } }

    mutating func takeInt() throws(FrameProblem) -> Int { Int(Int64(bitPattern: try take64())) }

    mutating func takeTexts(upTo most: Int) throws(FrameProblem) -> [String] {
        var texts: [String] = []
        for _ in 0..<(try takeCount(upTo: most)) { texts.append(try takeText()) }
        return texts
    }

    mutating func takeCount(upTo most: Int) throws(FrameProblem) -> Int {
        let count = Int(try take16())
        guard count <= most else { throw .malformed }
        return count
    }

    func checkEnd() throws(FrameProblem) {
        guard readableBytes == 0 else { throw .malformed }
    }
}
