import HTTPTypes

/// Collects the header lines of a response, one line at a time, with limits.
struct HeadReader {
    enum Event {
        case more
        /// The head of the final response; an interim one (1xx) is dropped.
        case complete(ResponseHead)
        case tooLarge
        case malformed
    }

    static let maxBytes = 64 << 10
    static let maxFields = 200

    private var status = 0
    private var version = EgressHTTPVersion.http1_1
    private var fields = HTTPFields()
    private var total = 0
    private var count = 0
    private(set) var isComplete = false

    /// One line with its line end, as it came.
    mutating func read(_ line: UnsafeRawBufferPointer) -> Event {
        guard !isComplete else { return .more }  // trailers
        total += line.count
        guard total <= HeadReader.maxBytes else { return .tooLarge }
        var end = line.count
        while end > 0, line[end - 1] == 10 || line[end - 1] == 13 { end -= 1 }
        if end == 0 {
            guard status >= 100 else { return .malformed }
            if status < 200, status != 101 {
                status = 0
                fields = HTTPFields()
                count = 0
                return .more
            }
            isComplete = true
            return .complete(ResponseHead(status: status, version: version, fields: fields))
        }
        let text = UnsafeRawBufferPointer(rebasing: line[..<end])
        return status == 0 ? readStatus(text) : readField(text)
    }

    private mutating func readStatus(_ line: UnsafeRawBufferPointer) -> Event {
        guard line.count >= 9, line.starts(with: "HTTP/".utf8) else { return .malformed }
        guard let blank = line.firstIndex(of: UInt8(ascii: " ")), line.count >= blank + 4 else { return .malformed }
        switch String(decoding: line[5..<blank], as: UTF8.self) {
        case "1.0": version = .http1_0
        case "1.1": version = .http1_1
        case "2", "2.0": version = .http2
        default: return .malformed
        }
        var value = 0
        for byte in line[(blank + 1)..<(blank + 4)] {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return .malformed }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        guard (100...599).contains(value), line.count == blank + 4 || line[blank + 4] == UInt8(ascii: " ") else {
            return .malformed
        }
        status = value
        return .more
    }

    private mutating func readField(_ line: UnsafeRawBufferPointer) -> Event {
        count += 1
        guard count <= HeadReader.maxFields else { return .tooLarge }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
            let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self))
        else { return .malformed }
        var value = line[(colon + 1)...]
        while let first = value.first, first == 32 || first == 9 { value = value.dropFirst() }
        while let last = value.last, last == 32 || last == 9 { value = value.dropLast() }
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 9 }) else { return .malformed }
        fields.append(HTTPField(name: name, value: String(decoding: value, as: UTF8.self)))
        return .more
    }
}

struct ResponseHead: Sendable {
    var status: Int
    var version: EgressHTTPVersion
    var fields: HTTPFields
}

package enum EgressHTTPVersion: String, Sendable, Hashable {
    case http1_0 = "1.0"
    case http1_1 = "1.1"
    case http2 = "2"
}
