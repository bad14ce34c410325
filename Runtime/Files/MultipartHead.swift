/// The boundary of a media type.
package enum MultipartBoundary {
    /// - Returns: 1 to 70 characters of RFC 2046, not ending with a blank; nil when the media type is another or the boundary is
    ///   missing, repeated or out of bounds.
    package static func parse(_ contentType: String) -> [UInt8]? {
        let bytes = Array(contentType.utf8)
        guard bytes.count <= 1_024, var parameters = HeaderParameters(bytes, expecting: "multipart/form-data") else { return nil }
        var boundary: [UInt8]?
        while true {
            switch parameters.next(keepsBackslashes: false) {
            case .end: return boundary
            case .fault: return nil
            case .parameter(let name, let value):
                guard name == "boundary" else { continue }
                guard boundary == nil, (1...70).contains(value.count), value.last != 0x20, value.allSatisfy(isAllowed) else {
                    return nil
                }
                boundary = value
            }
        }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        case 0x20, UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "+"), UInt8(ascii: "_"),
            UInt8(ascii: ","), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "="),
            UInt8(ascii: "?"):
            true
        default: false
        }
    }
}

/// The header lines of one part.
enum MultipartHead {
    /// - Parameter head: lines that end with CR LF, an empty one last.
    static func read(_ head: [UInt8]) throws(MultipartFault) -> MultipartReader.Part {
        var disposition: ArraySlice<UInt8>?
        var contentType: ArraySlice<UInt8>?
        var rest = head[...]
        while let end = rest.firstIndex(of: 0x0D), end > rest.startIndex {
            let line = rest[rest.startIndex..<end]
            rest = rest.dropFirst(line.count + 2)
            // A line that starts with a blank would go on with the one before: nobody writes these any more.
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
                line[line.startIndex..<colon].allSatisfy(HeaderParameters.isToken),
                line.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
            else { throw .badHead }
            let name = String(decoding: line[line.startIndex..<colon], as: UTF8.self).lowercased()
            let value = HeaderParameters.trimmed(line[(colon + 1)...])
            switch name {
            case "content-disposition":
                guard disposition == nil else { throw .badDisposition }
                disposition = value
            case "content-type":
                guard contentType == nil else { throw .badHead }
                contentType = value
            case "content-transfer-encoding":
                guard ["7bit", "8bit", "binary"].contains(String(decoding: value, as: UTF8.self).lowercased()) else {
                    throw .encodedPart
                }
            default: break
            }
        }
        guard let disposition else { throw .badDisposition }
        var type: String?
        if let contentType, !contentType.isEmpty {
            guard let text = String(validating: contentType, as: UTF8.self) else { throw .badHead }
            type = text
        }
        let names = try read(disposition: Array(disposition))
        let isFile = names.file != nil || HeaderParameters.isType(type, "application/octet-stream")
        return MultipartReader.Part(name: names.name, fileName: names.file, contentType: type, isFile: isFile)
    }

    private static func read(disposition: [UInt8]) throws(MultipartFault) -> (name: String, file: String?) {
        guard var parameters = HeaderParameters(disposition, expecting: "form-data") else { throw .badDisposition }
        var found: [String: String] = [:]
        reading: while true {
            switch parameters.next(keepsBackslashes: true) {
            case .end: break reading
            case .fault: throw .badDisposition
            case .parameter(let name, let value):
                guard ["name", "name*", "filename", "filename*"].contains(name) else { continue }
                guard found[name] == nil else { throw .badDisposition }
                found[name] = try name.hasSuffix("*") ? extended(value) : plain(value)
            }
        }
        guard let name = found["name*"] ?? found["name"] else { throw .badDisposition }
        return (name, found["filename*"] ?? found["filename"])
    }

    /// Browsers write a quote as `%22`. They write line ends as `%0D%0A`, which stay as they are: no name needs one.
    private static func plain(_ value: [UInt8]) throws(MultipartFault) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(value.count)
        var index = 0
        while index < value.count {
            let isQuote = value[index] == UInt8(ascii: "%") && value[index...].dropFirst().prefix(2).elementsEqual("22".utf8)
            out.append(isQuote ? UInt8(ascii: "\"") : value[index])
            index += isQuote ? 3 : 1
        }
        return try checked(out)
    }

    /// RFC 8187: `UTF-8'language'` and percent-encoded UTF-8.
    private static func extended(_ value: [UInt8]) throws(MultipartFault) -> String {
        let parts = value.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, String(decoding: parts[0], as: UTF8.self).lowercased() == "utf-8",
            let bytes = PercentCoding.decode(parts[2])
        else { throw .badName }
        return try checked(bytes)
    }

    private static func checked(_ bytes: [UInt8]) throws(MultipartFault) -> String {
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }), let text = String(validating: bytes, as: UTF8.self) else {
            throw .badName
        }
        return text
    }
}

/// Reads `value; name=token; name="quoted"` from left to right.
struct HeaderParameters {
    enum Step {
        /// The name in lower case.
        case parameter(String, [UInt8])
        case end
        case fault
    }

    private let bytes: [UInt8]
    private var at: Int

    /// Nil when the value before the parameters is another one.
    init?(_ bytes: [UInt8], expecting value: String) {
        let end = bytes.firstIndex(of: UInt8(ascii: ";")) ?? bytes.count
        guard String(decoding: Self.trimmed(bytes[..<end]), as: UTF8.self).lowercased() == value else { return nil }
        self.bytes = bytes
        at = end
    }

    /// - Parameter keepsBackslashes: a backslash before anything but a quote or another backslash stands for itself, as browsers
    ///   write file names; otherwise it goes, as RFC 9110 says.
    mutating func next(keepsBackslashes: Bool) -> Step {
        skipBlanks()
        guard at < bytes.count else { return .end }
        guard bytes[at] == UInt8(ascii: ";") else { return .fault }
        at += 1
        skipBlanks()
        // A semicolon at the end says nothing.
        guard at < bytes.count else { return .end }
        let nameStart = at
        while at < bytes.count, Self.isToken(bytes[at]) { at += 1 }
        guard at > nameStart, at < bytes.count, bytes[at] == UInt8(ascii: "=") else { return .fault }
        let name = String(decoding: bytes[nameStart..<at], as: UTF8.self).lowercased()
        at += 1
        guard at < bytes.count else { return .fault }
        if bytes[at] == UInt8(ascii: "\"") {
            guard let value = quoted(keepsBackslashes) else { return .fault }
            return .parameter(name, value)
        }
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: ";"), bytes[at] != 0x20, bytes[at] != 0x09, bytes[at] != 0x22 {
            at += 1
        }
        guard at > start else { return .fault }
        return .parameter(name, Array(bytes[start..<at]))
    }

    private mutating func quoted(_ keepsBackslashes: Bool) -> [UInt8]? {
        at += 1
        var out: [UInt8] = []
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") { return out }
            guard byte == UInt8(ascii: "\\"), at < bytes.count else {
                out.append(byte)
                continue
            }
            let escaped = bytes[at]
            if keepsBackslashes, escaped != UInt8(ascii: "\""), escaped != UInt8(ascii: "\\") {
                out.append(byte)
            } else {
                out.append(escaped)
                at += 1
            }
        }
        return nil
    }

    private mutating func skipBlanks() {
        while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
    }

    static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var rest = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        while let last = rest.last, last == 0x20 || last == 0x09 { rest.removeLast() }
        return rest
    }

    static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
            UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    static func isType(_ contentType: String?, _ name: String) -> Bool {
        guard let contentType else { return false }
        let essence = Array(contentType.utf8).prefix { $0 != UInt8(ascii: ";") }
        return String(decoding: trimmed(essence), as: UTF8.self).lowercased() == name
    }
}
