/// Lower-case hex out, either case in.
package enum Hex {
    private static let digits: StaticString = "0123456789abcdef"

    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        let digits = Self.digits.utf8Start
        return String(unsafeUninitializedCapacity: bytes.count * 2) { room in
            var index = 0
            for byte in bytes {
                room[index] = digits[Int(byte &>> 4)]
                room[index + 1] = digits[Int(byte & 15)]
                index += 2
            }
            return index
        }
    }

    /// Nil for an odd count or anything that is no hex digit.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count / 2)
        var high: UInt8?
        for character in text.utf8 {
            guard let value = value(of: character) else { return nil }
            if let first = high {
                result.append(first &<< 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return high == nil ? result : nil
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }
}
