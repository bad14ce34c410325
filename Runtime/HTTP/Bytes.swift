/// Byte classes of RFC 9110 and 9112 as 128-bit sets held in two words, so that a test is a shift and a mask.
@usableFromInline
struct ASCIISet: Sendable {
    @usableFromInline let low: UInt64
    @usableFromInline let high: UInt64

    init(_ members: (UInt8) -> Bool) {
        var low: UInt64 = 0
        var high: UInt64 = 0
        for byte in UInt8(0)..<64 where members(byte) { low |= 1 << UInt64(byte) }
        for byte in UInt8(64)..<128 where members(byte) { high |= 1 << UInt64(byte - 64) }
        self.low = low
        self.high = high
    }

    init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        let word = byte & 64 == 0 ? low : high
        return byte < 128 && (word &>> UInt64(byte & 63)) & 1 == 1
    }
}

enum ByteClass {
    /// `tchar`: letters, digits and !#$%&'*+-.^_`|~
    static let token = ASCIISet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    /// Bytes of a `reg-name` or an IPv6 literal, without the comma (which only a joined list would hold) and `@`.
    static let host = ASCIISet(low: 0x2FFF_6FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE)

    /// The visible ASCII bytes a request target may hold; `#` starts a fragment, which never goes on the wire.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#") }

    /// Field content: visible ASCII, space, tab and the obsolete upper half.
    @inline(__always)
    static func isValue(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7F) || byte == 0x09 }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = byte | 0x20
        return letter &- 0x61 < 6 ? letter &- 0x61 &+ 10 : nil
    }

    @inline(__always)
    static func lowered(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

extension UnsafeRawBufferPointer {
    /// Byte for byte.
    @inlinable
    package func equals(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count == length else { return false }
        let other = text.utf8Start
        for index in 0..<length where self[index] != other[index] { return false }
        return true
    }

    /// Whether these bytes are `text` when letter case is ignored. `text` is given in lower case.
    @inlinable
    package func equalsLowercase(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        guard count == length else { return false }
        let other = text.utf8Start
        for index in 0..<length {
            let byte = self[index]
            if byte == other[index] { continue }
            guard byte &- 0x41 < 26, byte | 0x20 == other[index] else { return false }
        }
        return true
    }

    /// Whether both hold the same bytes when letter case is ignored.
    func equalsIgnoringCase(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where ByteClass.lowered(self[index]) != ByteClass.lowered(other[index]) { return false }
        return true
    }

    /// Without spaces and tabs at both ends.
    func trimmed() -> UnsafeRawBufferPointer {
        var start = 0
        var end = count
        while start < end, self[start] == 0x20 || self[start] == 0x09 { start &+= 1 }
        while end > start, self[end &- 1] == 0x20 || self[end &- 1] == 0x09 { end &-= 1 }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }

    /// Calls `body` with every element of a comma-separated list, trimmed, empty ones left out.
    func forEachListElement(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        for index in 0...count where index == count || self[index] == UInt8(ascii: ",") {
            let element = UnsafeRawBufferPointer(rebasing: self[start..<index]).trimmed()
            if element.count > 0 { body(element) }
            start = index + 1
        }
    }
}
