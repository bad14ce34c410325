/// The scheme, the host and the path that an address of a store consists of; nothing else may stand in it.
struct RemoteOrigin: Hashable, Sendable {
    /// `http` or `https`
    let scheme: String
    /// In lower case, with the port when it is not the usual one.
    let host: String
    /// Without a slash at its end, so empty for the root.
    let path: String

    /// Nil for user names, queries, fragments, encoded letters, and all else that is no plain address.
    init?(_ url: String) {
        let url = Array(url.utf8)
        guard let colon = url.firstIndex(of: UInt8(ascii: ":")), url[colon...].starts(with: "://".utf8) else { return nil }
        scheme = S3Text.lowercased(String(decoding: url[..<colon], as: UTF8.self))
        guard scheme == "https" || scheme == "http" else { return nil }
        let rest = url[(colon + 3)...]
        let end = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        let name = S3Text.lowercased(String(decoding: rest[..<end], as: UTF8.self))
        guard let host = RemoteOrigin.host(name, defaultPort: scheme == "https" ? 443 : 80) else { return nil }
        let segments = rest[end...].split(separator: UInt8(ascii: "/"))
        for segment in segments {
            guard segment.allSatisfy({ S3Text.isUnreserved($0) }), segment.contains(where: { $0 != UInt8(ascii: ".") }) else {
                return nil
            }
        }
        self.host = host
        path = segments.map { "/" + String(decoding: $0, as: UTF8.self) }.joined()
    }

    private static func host(_ text: String, defaultPort: UInt16) -> String? {
        let bytes = Array(text.utf8)
        var end = bytes.count
        if bytes.first == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")), close > 1,
                bytes[1..<close].allSatisfy({ S3Text.hexValue($0) != nil || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
            else { return nil }
            end = close + 1
        } else {
            end = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
            let isLabel: (ArraySlice<UInt8>) -> Bool = { label in
                !label.isEmpty && label.count <= 63
                    && label.allSatisfy { S3Text.isUnreserved($0) && $0 != UInt8(ascii: "~") && $0 != UInt8(ascii: ".") }
            }
            guard bytes[..<end].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(isLabel) else {
                return nil
            }
        }
        guard end > 0, end <= 253 else { return nil }
        let name = String(decoding: bytes[..<end], as: UTF8.self)
        if end == bytes.count { return name }
        let port = bytes[(end + 1)...]
        guard bytes[end] == UInt8(ascii: ":"), !port.isEmpty, port.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt16(String(decoding: port, as: UTF8.self)), number > 0
        else { return nil }
        return number == defaultPort ? name : "\(name):\(number)"
    }
}
