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
        for half in 0..<2 {
            let half = half == 0 ? high : low
            var shift: UInt64 = 60
            for digit in 0..<16 {
                if position == 8 || position == 13 || position == 18 || position == 23 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let nibble = UInt8(truncatingIfNeeded: half >> shift) & 15
                buffer[position] = nibble < 10 ? nibble + UInt8(ascii: "0") : nibble - 10 + UInt8(ascii: "a")
                position += 1
                shift = digit == 15 ? 0 : shift - 4
            }
        }
    }
}
