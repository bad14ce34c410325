/// The grammar of forwarding headers, read strictly.
enum ForwardedSyntax {
    struct Element {
        var address: IPAddress?
        var isSecure: Bool?
        var host: String?
    }

    static func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var start = 0
        var end = bytes.count
        while start < end, isBlank(bytes[start]) { start += 1 }
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`. Nothing else: no quotes, no
    /// `unknown`, no obfuscated identifiers.
    static func node(_ bytes: UnsafeRawBufferPointer) -> IPAddress? {
        guard bytes.count <= 53, let first = bytes.first else { return nil }
        if first == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let tail = UnsafeRawBufferPointer(rebasing: bytes[(close + 1)...])
            guard tail.isEmpty || isPort(tail) else { return nil }
            let address = IPAddress(bytes: UnsafeRawBufferPointer(rebasing: bytes[1..<close]))
            return address?.family == .v6 ? address : nil
        }
        if let address = IPAddress(bytes: bytes) { return address }
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")),
            isPort(UnsafeRawBufferPointer(rebasing: bytes[colon...])),
            let address = IPAddress(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<colon])), address.family == .v4
        else { return nil }
        return address
    }

    /// `http` or `https`, one value; anything else says nothing.
    static func scheme(_ value: ArraySlice<UInt8>) -> Bool? {
        switch URLText.lowercased(stripped(value)) {
        case "https": true
        case "http": false
        default: nil
        }
    }

    /// A host with an optional port, by the rules of `WebURL`.
    static func host(_ value: ArraySlice<UInt8>) -> String? {
        let text = String(decoding: stripped(value), as: UTF8.self)
        guard text.utf8.count <= 260, let url = WebURL("https://\(text)"), url.path == "/", url.query == nil,
            url.fragment == nil, !url.hostname.isEmpty, !text.utf8.contains(UInt8(ascii: "/"))
        else { return nil }
        return url.port.map { "\(url.hostname):\($0)" } ?? url.hostname
    }

    /// The elements of one `Forwarded` line, or nil when any part of it breaks RFC 7239. Without commas inside quotes
    /// being certain, the parts right of a mistake cannot be trusted either.
    static func elements(_ bytes: [UInt8]) -> [Element]? {
        var result: [Element] = []
        var element = Element()
        var seen = 0  // bit set: for, proto, host, by
        var index = 0

        func skipBlanks() {
            while index < bytes.count, isBlank(bytes[index]) { index += 1 }
        }

        while true {
            skipBlanks()
            let nameStart = index
            while index < bytes.count, isToken(bytes[index]) { index += 1 }
            let name = URLText.lowercased(bytes[nameStart..<index])
            guard !name.isEmpty, index < bytes.count, bytes[index] == UInt8(ascii: "=") else { return nil }
            index += 1
            guard let value = readValue(bytes, &index) else { return nil }
            let bit: Int
            switch name {
            case "for":
                bit = 1
                element.address = value.withUnsafeBytes { node($0) }
            case "proto":
                bit = 2
                element.isSecure = scheme(value[...])
            case "host":
                bit = 4
                element.host = host(value[...])
            case "by": bit = 8
            default: bit = 0
            }
            guard seen & bit == 0 else { return nil }
            seen |= bit
            skipBlanks()
            if index < bytes.count, bytes[index] == UInt8(ascii: ";") {
                index += 1
                continue
            }
            result.append(element)
            guard index < bytes.count else { return result }
            guard bytes[index] == UInt8(ascii: ","), result.count < ForwardedChain.maxHops else { return nil }
            index += 1
            element = Element()
            seen = 0
        }
    }

    /// A token or a quoted string. Escapes have no use in addresses, schemes and hosts, and are refused.
    private static func readValue(_ bytes: [UInt8], _ index: inout Int) -> [UInt8]? {
        guard index < bytes.count else { return nil }
        let start: Int
        if bytes[index] == UInt8(ascii: "\"") {
            start = index + 1
            index = start
            while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
                guard bytes[index] >= 0x20, bytes[index] < 0x7f, bytes[index] != UInt8(ascii: "\\") else { return nil }
                index += 1
            }
            guard index < bytes.count else { return nil }
            index += 1
            return Array(bytes[start..<(index - 1)])
        }
        start = index
        while index < bytes.count, isToken(bytes[index]) { index += 1 }
        return index > start ? Array(bytes[start..<index]) : nil
    }

    private static func stripped(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = value
        while let first = rest.first, isBlank(first) { rest = rest.dropFirst() }
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return rest
    }

    private static func isPort(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard (2...6).contains(bytes.count), bytes[0] == UInt8(ascii: ":") else { return false }
        var value = 0
        for byte in bytes.dropFirst() {
            guard let digit = decimalDigit(byte) else { return false }
            value = value * 10 + Int(digit)
        }
        return value <= 65_535
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
