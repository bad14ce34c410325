/// The key of a stored object that a name from outside leads to: always below the prefix it was given, or there is none.
///
/// The letters are those that Supabase allows in keys. Anything that some reader might take for a step to another folder
/// is refused rather than resolved: dot segments, empty segments, backslashes, percent signs that are left after decoding,
/// overlong or broken UTF-8, control characters.
package struct ObjectKey: Hashable, Sendable, CustomStringConvertible {
    package enum Fault: String, Error, Hashable, Sendable, CaseIterable {
        case empty
        case tooLong = "too_long"
        /// Not one layer of percent-encoding around well-formed UTF-8.
        case badEncoding = "bad_encoding"
        case badCharacter = "bad_character"
        /// A segment that is empty, made of signs only, or starts or ends as file systems do not keep it.
        case badSegment = "bad_segment"
        case badPrefix = "bad_prefix"
    }

    package static let maxBytes = 1_024

    /// `prefix/name`.
    package let key: String

    package var description: String { key }

    /// Joins a prefix that the server chose and a name that was already decoded.
    package init(prefix: String, name: String) throws(Fault) {
        guard ObjectKey.fault(prefix.utf8) == nil else { throw .badPrefix }
        guard !name.isEmpty else { throw .empty }
        guard prefix.utf8.count + 1 + name.utf8.count <= ObjectKey.maxBytes else { throw .tooLong }
        if let fault = ObjectKey.fault(name.utf8) { throw fault }
        key = "\(prefix)/\(name)"
    }

    /// The same for a name as it stands in a URL: one layer of percent-encoding is taken off first.
    package init(prefix: String, encodedName: String) throws(Fault) {
        guard encodedName.utf8.count <= ObjectKey.maxBytes * 3 else { throw .tooLong }
        try self.init(prefix: prefix, name: try ObjectKey.decoded(encodedName))
    }

    private static func decoded(_ text: String) throws(Fault) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(UInt8(ascii: "%")) else { return text }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "%") else {
                out.append(bytes[index])
                index += 1
                continue
            }
            guard index + 2 < bytes.count, let high = hexValue(bytes[index + 1]), let low = hexValue(bytes[index + 2]) else {
                throw .badEncoding
            }
            out.append(high << 4 | low)
            index += 3
        }
        guard let text = String(validating: out, as: UTF8.self) else { throw .badEncoding }
        return text
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// What is wrong with a whole key, however it came to be.
    package static func fault(_ key: String) -> Fault? {
        guard !key.isEmpty else { return .empty }
        guard key.utf8.count <= maxBytes else { return .tooLong }
        return fault(key.utf8)
    }

    private static func fault(_ path: String.UTF8View) -> Fault? {
        var segment = Segment()
        var isBad = false
        for byte in path {
            // A letter that may not be counts before all else.
            guard isKeyByte(byte) else { return .badCharacter }
            if byte == UInt8(ascii: "/") {
                if segment.isBad { isBad = true }
                segment = Segment()
            } else {
                segment.add(byte)
            }
        }
        return isBad || segment.isBad ? .badSegment : nil
    }

    /// What must be known of a segment.
    private struct Segment {
        private var count = 0
        private var first: UInt8 = 0
        private var last: UInt8 = 0
        private var isSecondWord = false
        private var hasWord = false

        @inline(__always)
        mutating func add(_ byte: UInt8) {
            let isWord = isWordByte(byte)
            if count == 0 { first = byte }
            if count == 1 { isSecondWord = isWord }
            if isWord { hasWord = true }
            last = byte
            count += 1
        }

        var isBad: Bool {
            // Also an empty one.
            guard hasWord, first != UInt8(ascii: " "), last != UInt8(ascii: " "), last != UInt8(ascii: ".") else { return true }
            // One dot hides a file; two are where traversal starts, whatever follows (`..;`).
            if first == UInt8(ascii: "."), !isSecondWord { return true }
            // `C:` is another disk to some systems.
            return count == 2 && last == UInt8(ascii: ":")
        }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func isKeyByte(_ byte: UInt8) -> Bool {
        switch byte {
        // `/!.*'() &$=@;:+,?-`
        case UInt8(ascii: " "), UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&")...UInt8(ascii: "/"), UInt8(ascii: ":"),
            UInt8(ascii: ";"), UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "@"):
            true
        default: isWordByte(byte)
        }
    }
}
