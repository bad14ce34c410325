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

    package func append(to bytes: inout [UInt8]) {
        if let given {
            bytes.append(contentsOf: given.utf8)
        } else {
            withUnsafeTemporaryAllocation(byteCount: 36, alignment: 1) { buffer in
                write(buffer)
                bytes.append(contentsOf: buffer)
            }
        }
    }

    private func write(_ buffer: UnsafeMutableRawBufferPointer) {
        var position = 0
        func put(_ value: UInt64, from top: Int, digits: Int) {
            var shift = UInt64(top)
            for _ in 0..<digits {
                let nibble = UInt8(truncatingIfNeeded: value &>> shift) & 15
                // '0'…'9', then 'a'…'f': 39 lie between them.
                buffer[position] = nibble &+ 0x30 &+ (nibble > 9 ? 39 : 0)
                position &+= 1
                shift = shift &- 4
            }
        }
        func dash() {
            buffer[position] = UInt8(ascii: "-")
            position &+= 1
        }
        put(high, from: 60, digits: 8)
        dash()
        put(high, from: 28, digits: 4)
        dash()
        put(high, from: 12, digits: 4)
        dash()
        put(low, from: 60, digits: 4)
        dash()
        put(low, from: 44, digits: 12)
    }
}
