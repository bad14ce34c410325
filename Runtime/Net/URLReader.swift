/// One pass over the bytes of a URL. Only `WebURL.parse` uses it.
struct URLReader {
    private let bytes: [UInt8]
    private let converting: WebURL.NameConversion?

    init(bytes: [UInt8], converting: WebURL.NameConversion? = nil) {
        self.bytes = bytes
        self.converting = converting
    }

    private struct Authority {
        var host: WebURL.Host
        var port: UInt16?
    }

    mutating func read(relativeTo base: WebURL?) throws(WebURL.Failure) -> WebURL {
        try refuseAmbiguousBytes()
        var end = bytes.count
        var fragment: String?
        if let hash = bytes.firstIndex(of: UInt8(ascii: "#")) {
            fragment = URLText.encode(bytes[(hash + 1)..<end], .fragment)
            end = hash
        }
        let colon = schemeEnd(before: end)
        let start = colon.map { $0 + 1 } ?? 0
        let scheme: String
        if let colon {
            scheme = URLText.lowercased(bytes[..<colon])
        } else if let base {
            scheme = base.scheme
        } else {
            throw .notAbsolute
        }
        let special = WebURL.isSpecial(scheme)
        var query: String?
        if let mark = bytes[start..<end].firstIndex(of: UInt8(ascii: "?")) {
            query = URLText.encode(bytes[(mark + 1)..<end], special ? .specialQuery : .query)
            end = mark
        }
        let rest = bytes[start..<end]
        let target = Target(scheme: scheme, query: query, fragment: fragment)
        guard colon != nil else {
            guard let base else { throw .notAbsolute }
            return try resolve(rest, target, against: base)
        }
        if special {
            // Without its slashes, a text of the base's own scheme is relative to it.
            if let base, base.scheme == scheme, !rest.starts(with: URLReader.slashes) {
                return try resolve(rest, target, against: base)
            }
            if scheme != "file" { return try withAuthority(rest.drop { $0 == UInt8(ascii: "/") }, target) }
        }
        if rest.starts(with: URLReader.slashes) { return try withAuthority(rest.dropFirst(2), target) }
        if special || rest.first == UInt8(ascii: "/") {
            return target.url(host: .none, port: nil, path: try normalised(rest, scheme: scheme))
        }
        return target.url(host: .none, port: nil, path: URLText.encode(rest, .opaquePath), hasOpaquePath: true)
    }

    /// What is known before host and path are read.
    private struct Target {
        var scheme: String
        var query: String?
        var fragment: String?

        func url(host: WebURL.Host, port: UInt16?, path: String, hasOpaquePath: Bool = false) -> WebURL {
            WebURL(
                scheme: scheme, host: host, port: port, path: path, query: query, fragment: fragment,
                hasOpaquePath: hasOpaquePath)
        }
    }

    private static let slashes = [UInt8(ascii: "/"), UInt8(ascii: "/")]

    private func withAuthority(_ rest: ArraySlice<UInt8>, _ target: Target) throws(WebURL.Failure) -> WebURL {
        let (authority, path) = try readAuthority(rest, scheme: target.scheme)
        return target.url(host: authority.host, port: authority.port, path: try normalised(path, scheme: target.scheme))
    }

    /// Controls are dropped by some readers and kept by others; a backslash is a slash to browsers and a letter to the
    /// rest; blanks end a URL in many texts.
    private func refuseAmbiguousBytes() throws(WebURL.Failure) {
        var previous: UInt8 = 0
        for byte in bytes {
            if byte <= 0x20 || byte == 0x7f || byte == UInt8(ascii: "\\") { throw .notCanonical }
            if previous == 0xc2, byte >= 0x80, byte <= 0x9f { throw .notCanonical }  // C1 controls
            previous = byte
        }
    }

    /// Where the colon after a scheme stands, when the text begins with one.
    private func schemeEnd(before end: Int) -> Int? {
        for (index, byte) in bytes[..<end].enumerated() {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): continue
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                if index == 0 { return nil }
            case UInt8(ascii: ":"): return index > 0 ? index : nil
            default: return nil
            }
        }
        return nil
    }

    private func resolve(
        _ rest: ArraySlice<UInt8>, _ target: Target, against base: WebURL
    ) throws(WebURL.Failure) -> WebURL {
        guard !base.hasOpaquePath else { throw .notAbsolute }
        let slash = UInt8(ascii: "/")
        if rest.starts(with: URLReader.slashes) {
            let isRepaired = WebURL.isSpecial(base.scheme) && base.scheme != "file"
            return try withAuthority(isRepaired ? rest.drop { $0 == slash } : rest.dropFirst(2), target)
        }
        var target = target
        let path: String
        if rest.isEmpty {
            path = base.path
            if target.query == nil { target.query = base.query }
        } else if rest.first == slash || base.scheme == "file" && URLText.startsWithDriveLetter(rest) {
            path = try normalised(rest, scheme: base.scheme)
        } else {
            let basePath = Array(base.path.utf8)
            var merged = basePath.lastIndex(of: slash).map { Array(basePath[...$0]) } ?? [slash]
            merged.append(contentsOf: rest)
            path = try normalised(merged[...], scheme: base.scheme)
        }
        return target.url(host: base.host, port: base.port, path: path)
    }

    /// Splits `host[:port]` from the path behind it. `rest` starts after the two slashes.
    private func readAuthority(
        _ rest: ArraySlice<UInt8>, scheme: String
    ) throws(WebURL.Failure) -> (Authority, ArraySlice<UInt8>) {
        let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        let text = rest[rest.startIndex..<end]
        let path = rest[end...]
        if text.contains(UInt8(ascii: "@")) { throw .userinfo }
        let special = WebURL.isSpecial(scheme)
        if text.isEmpty {
            guard !special || scheme == "file" else { throw .badHost }
            return (Authority(host: special ? .none : .empty, port: nil), path)
        }
        // `file://c:/x` names a drive, not a host.
        if scheme == "file", URLText.isDriveLetter(text) { return (Authority(host: .none, port: nil), rest) }
        var hostEnd = text.endIndex
        if text.first == UInt8(ascii: "[") {
            guard let close = text.firstIndex(of: UInt8(ascii: "]")) else { throw .badHost }
            hostEnd = close + 1
        } else if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
            hostEnd = colon
        }
        let port = try readPort(text[hostEnd...], scheme: scheme)
        let hostText = text[text.startIndex..<hostEnd]
        var host = special ? try readSpecialHost(hostText) : try URLHost.readOpaque(hostText)
        if scheme == "file", host == .name("localhost") { host = .none }
        return (Authority(host: host, port: port), path)
    }

    private func readSpecialHost(_ text: ArraySlice<UInt8>) throws(WebURL.Failure) -> WebURL.Host {
        guard let converting, text.contains(where: { $0 >= 0x80 }) else { return try URLHost.readSpecial(text) }
        // No name in ASCII is longer than 253 bytes; four to one is more than any script needs.
        guard text.count <= 1_024, let name = converting(String(decoding: text, as: UTF8.self)) else { throw .badHost }
        let bytes = Array(name.utf8)
        guard bytes.first != UInt8(ascii: "[") else { throw .badHost }
        return try URLHost.readSpecial(bytes[...])
    }

    private func readPort(_ text: ArraySlice<UInt8>, scheme: String) throws(WebURL.Failure) -> UInt16? {
        guard let first = text.first else { return nil }
        guard first == UInt8(ascii: ":") else { throw .badHost }
        // A colon in a file host is a drive letter to some readers.
        guard scheme != "file" else { throw .badHost }
        let digits = text.dropFirst()
        guard let lead = digits.first else { return nil }
        if digits.contains(UInt8(ascii: ":")) { throw .badHost }
        guard digits.count <= 5, digits.count == 1 || lead != UInt8(ascii: "0") else { throw .badPort }
        var value: UInt32 = 0
        for byte in digits {
            guard let digit = decimalDigit(byte) else { throw .badPort }
            value = value * 10 + UInt32(digit)
        }
        guard let port = UInt16(exactly: value) else { throw .badPort }
        return port == WebURL.defaultPort(of: scheme) ? nil : port
    }

    /// Resolves dot segments and percent-encodes. A missing slash at the start is added.
    private func normalised(_ path: ArraySlice<UInt8>, scheme: String) throws(WebURL.Failure) -> String {
        let isFile = scheme == "file"
        guard !path.isEmpty else { return WebURL.isSpecial(scheme) ? "/" : "" }
        var kept: [ArraySlice<UInt8>] = []
        var index = path.first == UInt8(ascii: "/") ? path.startIndex + 1 : path.startIndex
        while true {
            let end = path[index...].firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
            let segment = path[index..<end]
            let isLast = end == path.endIndex
            switch URLText.dots(segment) {
            case 1:
                if isLast { kept.append([]) }
            case 2:
                let isDrive = isFile && kept.count == 1 && URLText.isDriveLetter(kept[0])
                if !isDrive, !kept.isEmpty { kept.removeLast() }
                if isLast { kept.append([]) }
            default:
                if isFile, kept.isEmpty, URLText.isDriveLetter(segment), let letter = segment.first {
                    kept.append([letter, UInt8(ascii: ":")])
                } else {
                    kept.append(segment)
                }
            }
            if isLast { break }
            index = end + 1
        }
        var joined: [UInt8] = []
        joined.reserveCapacity(path.count + 1)
        for segment in kept {
            joined.append(UInt8(ascii: "/"))
            joined.append(contentsOf: segment)
        }
        return URLText.encode(joined[...], .path)
    }
}

/// Hosts, by the strict rules that `WebURL` documents.
enum URLHost {
    static func readSpecial(_ text: ArraySlice<UInt8>) throws(WebURL.Failure) -> WebURL.Host {
        if text.first == UInt8(ascii: "[") { return try readV6(text) }
        guard !text.isEmpty, text.count <= 254 else { throw .badHost }
        var name = text
        // One dot at the end is the DNS root. It stays part of the name, so that nobody mistakes it for the other one.
        if name.last == UInt8(ascii: ".") { name = name.dropLast() }
        guard !name.isEmpty, name.count <= 253 else { throw .badHost }
        var labelLength = 0
        var labelStart = name.startIndex
        for index in name.indices {
            let byte = name[index]
            if byte == UInt8(ascii: ".") {
                guard labelLength > 0 else { throw .badHost }
                labelLength = 0
                labelStart = index + 1
                continue
            }
            guard isNameByte(byte) else { throw .badHost }
            labelLength += 1
            guard labelLength <= 63 else { throw .badHost }
        }
        guard labelLength > 0 else { throw .badHost }
        if looksNumeric(name[labelStart...]) {
            // Such a host is an IPv4 address to every reader, or nothing. Shorthand, octal and hexadecimal are refused.
            let address = name.withUnsafeBytes { IPAddress(bytes: $0) }
            guard let address, name.count == text.count else { throw .notCanonical }
            return .address(address)
        }
        return .name(URLText.lowercased(text))
    }

    /// Hosts of other schemes are kept as written.
    static func readOpaque(_ text: ArraySlice<UInt8>) throws(WebURL.Failure) -> WebURL.Host {
        if text.first == UInt8(ascii: "[") { return try readV6(text) }
        guard !text.isEmpty, text.count <= 255 else { throw .badHost }
        guard text.allSatisfy({ isNameByte($0) || $0 == UInt8(ascii: ".") }) else { throw .badHost }
        return .name(String(decoding: text, as: UTF8.self))
    }

    private static func readV6(_ text: ArraySlice<UInt8>) throws(WebURL.Failure) -> WebURL.Host {
        guard text.count > 2, text.last == UInt8(ascii: "]") else { throw .badHost }
        let address = text.dropFirst().dropLast().withUnsafeBytes { IPAddress(bytes: $0) }
        guard let address, address.family == .v6 else { throw .badHost }
        return .address(address)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Only digits, or `0x` and hexadecimal digits: then WHATWG reads the whole host as IPv4.
    private static func looksNumeric(_ label: ArraySlice<UInt8>) -> Bool {
        if label.allSatisfy({ decimalDigit($0) != nil }) { return true }
        guard label.count >= 2, label.first == UInt8(ascii: "0") else { return false }
        let mark = label[label.startIndex + 1]
        guard mark == UInt8(ascii: "x") || mark == UInt8(ascii: "X") else { return false }
        return label.dropFirst(2).allSatisfy { hexDigit($0) != nil }
    }
}

/// Letters and percent signs.
enum URLText {
    enum EncodeSet {
        case fragment
        case query
        case specialQuery
        case path
        case opaquePath
    }

    static func lowercased(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 | 0x20 : $0 }, as: UTF8.self)
    }

    static func encode(_ bytes: ArraySlice<UInt8>, _ set: EncodeSet) -> String {
        guard bytes.contains(where: { mustEncode($0, set) }) else { return String(decoding: bytes, as: UTF8.self) }
        let hex = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count + 16)
        for byte in bytes {
            if mustEncode(byte, set) {
                out.append(UInt8(ascii: "%"))
                out.append(hex[Int(byte >> 4)])
                out.append(hex[Int(byte & 0xf)])
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func mustEncode(_ byte: UInt8, _ set: EncodeSet) -> Bool {
        if byte <= 0x20 || byte >= 0x7f { return true }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"): return set != .opaquePath
        case UInt8(ascii: "`"): return set == .fragment || set == .path
        case UInt8(ascii: "'"): return set == .specialQuery
        case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "^"): return set == .path
        default: return false
        }
    }

    /// 1 for `.`, 2 for `..`, in plain or percent-encoded letters; 0 for anything else.
    static func dots(_ segment: ArraySlice<UInt8>) -> Int {
        guard (1...6).contains(segment.count) else { return 0 }
        var count = 0
        var rest = segment
        while let first = rest.first {
            if first == UInt8(ascii: ".") {
                rest = rest.dropFirst()
            } else if first == UInt8(ascii: "%"), rest.count >= 3, rest[rest.startIndex + 1] == UInt8(ascii: "2"),
                rest[rest.startIndex + 2] | 0x20 == UInt8(ascii: "e")
            {
                rest = rest.dropFirst(3)
            } else {
                return 0
            }
            count += 1
        }
        return count <= 2 ? count : 0
    }

    static func isDriveLetter(_ segment: ArraySlice<UInt8>) -> Bool {
        guard segment.count == 2, let letter = segment.first, let mark = segment.last else { return false }
        guard mark == UInt8(ascii: ":") || mark == UInt8(ascii: "|") else { return false }
        let lower = letter | 0x20
        return lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")
    }

    static func startsWithDriveLetter(_ text: ArraySlice<UInt8>) -> Bool {
        isDriveLetter(text.prefix(2)) && (text.count == 2 || text[text.startIndex + 2] == UInt8(ascii: "/"))
    }
}
