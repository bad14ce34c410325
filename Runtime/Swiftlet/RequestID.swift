/// The id of one request: given by a client or proxy when it is well formed, otherwise made here.
///
/// Made ones look like UUIDs and are unique, not secret: a random part per process and a counter. They become text only when someone asks.
package struct RequestID: Sendable {
    private let high: UInt64
    private let low: UInt64
    private let given: String?

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
        given = nil
    }

    /// An id from outside: 8…64 letters, digits, `-` or `_`. Anything else is not taken over.
    package init?(given bytes: UnsafeRawBufferPointer) {
        guard (8...64).contains(bytes.count),
            bytes.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") })
        else { return nil }
        high = 0
        low = 0
        given = String(decoding: bytes, as: UTF8.self)
    }

    /// The numbers of a made id; `nil` for a given one.
    package var parts: (high: UInt64, low: UInt64)? { given == nil ? (high, low) : nil }

    /// Bytes of its text.
    package var length: Int { given?.utf8.count ?? 36 }

    package init(text: String) {
        high = 0
        low = 0
        given = text
    }

    package var text: String {
        if let given { return given }
        return String(unsafeUninitializedCapacity: 36) { buffer in
            write(UnsafeMutableRawBufferPointer(buffer))
            return 36
        }
    }

    /// Lends the text. The pointer ends with the closure.
    package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        if let given { return given.utf8.span.withUnsafeBufferPointer { body(UnsafeRawBufferPointer($0)) } }
        withUnsafeTemporaryAllocation(byteCount: 36, alignment: 1) { buffer in
            write(buffer)
            body(UnsafeRawBufferPointer(buffer))
        }
    }

    private func write(_ buffer: UnsafeMutableRawBufferPointer) {
        func put(_ digits: UInt64, at place: Int) {
            buffer.storeBytes(of: digits.bigEndian, toByteOffset: place, as: UInt64.self)
        }
        func put(_ digits: UInt32, at place: Int) {
            buffer.storeBytes(of: digits.bigEndian, toByteOffset: place, as: UInt32.self)
        }
        func dash(at place: Int) { buffer[place] = UInt8(ascii: "-") }
        let (second, third) = (RequestID.digits(high & 0xFFFF_FFFF), RequestID.digits(low &>> 32))
        put(RequestID.digits(high &>> 32), at: 0)
        dash(at: 8)
        put(UInt32(truncatingIfNeeded: second &>> 32), at: 9)
        dash(at: 13)
        put(UInt32(truncatingIfNeeded: second), at: 14)
        dash(at: 18)
        put(UInt32(truncatingIfNeeded: third &>> 32), at: 19)
        dash(at: 23)
        put(UInt32(truncatingIfNeeded: third), at: 24)
        put(RequestID.digits(low & 0xFFFF_FFFF), at: 28)
    }

    /// The eight hexadecimal digits of a number below 2³², the first one in the highest byte.
    private static func digits(_ value: UInt64) -> UInt64 {
        var nibbles = value
        nibbles = (nibbles | nibbles &<< 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles &<< 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles &<< 4) & 0x0F0F_0F0F_0F0F_0F0F
        let letters = ((nibbles &+ 0x0606_0606_0606_0606) &>> 4) & 0x0101_0101_0101_0101
        // '0'…'9', then 'a'…'f': 39 lie between them.
        return nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 39
    }
}
