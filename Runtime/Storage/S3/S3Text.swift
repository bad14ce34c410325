/// Spellings that S3 asks for.
enum S3Text {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// Letters, digits and `-._~` stay; every other byte becomes `%XX`.
    static func encode(_ text: some Sequence<UInt8>, keepingSlash: Bool = false, into bytes: inout [UInt8]) {
        for byte in text {
            if isUnreserved(byte) || keepingSlash && byte == UInt8(ascii: "/") {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                bytes.append(digits[Int(byte >> 4)])
                bytes.append(digits[Int(byte & 15)])
            }
        }
    }

    static func encoded(_ text: String, keepingSlash: Bool = false) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        encode(text.utf8, keepingSlash: keepingSlash, into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Takes one layer of `%XX` off; a plus is a space only where the text is said to be a form.
    /// Nil for a percent sign without two digits after it.
    static func decode(_ text: some Collection<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace:
                bytes.append(UInt8(ascii: " "))
            default:
                bytes.append(byte)
            }
        }
        return bytes
    }

    /// As ``decode(_:plusIsSpace:)``; nil as well when it is no UTF-8.
    static func decoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        decode(text.utf8, plusIsSpace: plusIsSpace).flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The parts of a query, decoded; a part without `=` has an empty value. Nil when it is badly encoded.
    static func query(_ text: some StringProtocol) -> [(name: String, value: String)]? {
        var parts: [(name: String, value: String)] = []
        for part in text.utf8.split(separator: UInt8(ascii: "&")) {
            let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            guard let name = decode(part[..<equals]), let value = decode(part[equals...].dropFirst()),
                let name = String(validating: name, as: UTF8.self), let value = String(validating: value, as: UTF8.self)
            else { return nil }
            parts.append((name, value))
        }
        return parts
    }

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Visible ASCII and single spaces inside: what comes out of every proxy as it went in.
    static func isPlainValue(_ text: String, upTo limit: Int) -> Bool {
        var last = UInt8(ascii: " ")
        for byte in text.utf8 {
            guard (0x20...0x7E).contains(byte), byte != 0x20 || last != 0x20 else { return false }
            last = byte
        }
        return last != UInt8(ascii: " ") && text.utf8.count <= limit
    }

    /// ASCII letters in lower case, all else as it is.
    static func lowercased(_ text: some StringProtocol) -> String {
        String(
            decoding: text.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
    }

    static func trimmed(_ text: some StringProtocol) -> String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        let head = Array(text.utf8.drop(while: isSpace))
        let end = head.lastIndex { !isSpace($0) }
        return end.map { String(decoding: head[...$0], as: UTF8.self) } ?? ""
    }

    /// What a browser saves a download as: plain letters for old readers, the whole name for the others.
    static func attachment(named name: String) -> String {
        var plain: [UInt8] = []
        for scalar in name.unicodeScalars.prefix(255) {
            let isPlain =
                scalar.isASCII && scalar.value >= 0x20 && scalar.value != 0x7F && !"\"\\%/;".unicodeScalars.contains(scalar)
            plain.append(isPlain ? UInt8(truncatingIfNeeded: scalar.value) : UInt8(ascii: "_"))
        }
        return "attachment; filename=\"\(String(decoding: plain, as: UTF8.self))\"; filename*=UTF-8''\(encoded(name))"
    }
}

/// Base64 with padding (RFC 4648 section 4).
enum S3Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4)
        var place = 0
        while place < bytes.count {
            let count = min(3, bytes.count - place)
            let (a, b, c) = (bytes[place], count > 1 ? bytes[place + 1] : 0, count > 2 ? bytes[place + 2] : 0)
            out.append(alphabet[Int(a >> 2)])
            out.append(alphabet[Int((a & 3) << 4 | b >> 4)])
            out.append(count > 1 ? alphabet[Int((b & 15) << 2 | c >> 6)] : UInt8(ascii: "="))
            out.append(count > 2 ? alphabet[Int(c & 63)] : UInt8(ascii: "="))
            place += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Strict: padded, no other characters, unused bits zero.
    static func decode(_ text: String) -> [UInt8]? {
        let text = Array(text.utf8)
        guard text.count % 4 == 0 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(text.count / 4 * 3)
        var place = 0
        while place < text.count {
            let isLast = place + 4 == text.count
            let padding =
                isLast && text[place + 3] == UInt8(ascii: "=") ? (text[place + 2] == UInt8(ascii: "=") ? 2 : 1) : 0
            var word: UInt32 = 0
            for offset in 0..<4 {
                guard offset < 4 - padding else {
                    word <<= 6
                    continue
                }
                guard let value = value(text[place + offset]) else { return nil }
                word = word << 6 | UInt32(value)
            }
            guard padding == 0 || word & (padding == 1 ? 0xFF : 0xFFFF) == 0 else { return nil }
            for shift in [16, 8, 0].dropLast(padding) { out.append(UInt8(truncatingIfNeeded: word >> UInt32(shift))) }
            place += 4
        }
        return out
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
