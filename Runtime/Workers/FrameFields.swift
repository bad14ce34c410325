import NIOCore

// The parts of payloads. Every length is checked against what is there before anything is made of it.

extension ByteBuffer {
    mutating func put(_ value: UInt8) { writeInteger(value) }
    mutating func put(_ value: UInt16) { writeInteger(value, endianness: .little) }
    mutating func put(_ value: UInt32) { writeInteger(value, endianness: .little) }
    mutating func put(_ value: UInt64) { writeInteger(value, endianness: .little) }

    /// Text with its length in 32 bits.
    mutating func put(_ text: String) {
        let start = writerIndex
        put(UInt32(0))
        let count = writeString(text)
        setInteger(UInt32(truncatingIfNeeded: count), at: start, endianness: .little)
    }

    mutating func put(_ text: String?) {
        put(UInt8(text == nil ? 0 : 1))
        if let text { put(text) }
    }

    mutating func put(_ bytes: [UInt8]) {
        put(UInt32(truncatingIfNeeded: bytes.count))
        writeBytes(bytes)
    }

    mutating func takeByte() throws(FrameProblem) -> UInt8 {
        guard let value = readInteger(as: UInt8.self) else { throw .short }
        return value
    }

    mutating func takeFlag() throws(FrameProblem) -> Bool {
        switch try takeByte() {
        case 0: false
        case 1: true
        default: throw .malformed
        }
    }

    mutating func take16() throws(FrameProblem) -> UInt16 {
        guard let value = readInteger(endianness: .little, as: UInt16.self) else { throw .short }
        return value
    }

    mutating func take32() throws(FrameProblem) -> UInt32 {
        guard let value = readInteger(endianness: .little, as: UInt32.self) else { throw .short }
        return value
    }

    mutating func take64() throws(FrameProblem) -> UInt64 {
        guard let value = readInteger(endianness: .little, as: UInt64.self) else { throw .short }
        return value
    }

    /// Text that is not UTF-8 is malformed: nobody has to guess what was meant.
    mutating func takeText() throws(FrameProblem) -> String {
        let length = Int(try take32())
        guard length <= readableBytes else { throw .short }
        // By way of a span: `String(validating:)` is generic, and looks types up in every call.
        let text = withUnsafeReadableBytes { bytes -> String? in
            let bytes = UnsafeRawBufferPointer(rebasing: bytes[0..<length]).bindMemory(to: UInt8.self)
            guard let valid = try? UTF8Span(validating: Span(_unsafeElements: bytes)) else { return nil }
            return String(copying: valid)
        }
        guard let text else { throw .malformed }
        moveReaderIndex(forwardBy: length)
        return text
    }

    mutating func takeOptionalText() throws(FrameProblem) -> String? {
        guard try takeFlag() else { return nil }
        return try takeText()
    }

    mutating func takeBytes() throws(FrameProblem) -> [UInt8] {
        let length = Int(try take32())
        guard let bytes = readBytes(length: length) else { throw .short }
        return bytes
    }

    mutating func put(_ number: Int) { put(UInt64(bitPattern: Int64(number))) }

    mutating func takeInt() throws(FrameProblem) -> Int { Int(Int64(bitPattern: try take64())) }

    mutating func put(_ texts: [String]) {
        put(UInt16(clamping: texts.count))
        for text in texts { put(text) }
    }

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
