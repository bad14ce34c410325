public import HTTPTypes
package import SwiftletHTTP

/// One request, as the function sees it.
public struct Request<Body: Sendable>: Sendable {
    /// The body, as the type the handler asked for.
    public let body: Body
    package let head: FunctionRequestHead

    package init(head: FunctionRequestHead, body: Body) {
        self.head = head
        self.body = body
    }

    /// The same request with another body, for handlers that decode by hand.
    public func with<Other: Sendable>(body: Other) -> Request<Other> { Request<Other>(head: head, body: body) }

    public var method: Method { head.method }
    /// The path starting with the function's own name, undecoded: `/gemini-proxy/sub/path`; or a path of the host that leads to it.
    public var path: String { head.path }
    /// The path after the function's name: `/sub/path`, or empty.
    public var subpath: String { head.subpath }
    /// What follows `?` in the URL, undecoded, or `nil`.
    public var queryText: String? { head.query }
    /// The query's parameters, percent-decoded, in order.
    public var query: Query { Query(head.query ?? "") }
    /// All header fields except those that belong to the host (hop-by-hop ones, and forwarding ones of peers nobody trusts).
    public var headers: HTTPFields { head.makeHTTPFields() }
    /// The first value of one header field, without building all of them.
    public func header(_ name: String) -> String? { head.visibleValue(of: name) }
    /// The id that the client sees as `x-request-id` and the log as `request_id`.
    public var id: String { head.requestID.text }
    /// The client's address as text: the peer, or what a trusted proxy says. Empty on a Unix socket without a proxy.
    public var clientAddress: String { head.client.addressText }
    /// `https` when a trusted proxy says so, otherwise `http`.
    public var scheme: String { head.client.isSecure ? "https" : "http" }
    /// Where the client asked to run (`x-region` or `forceFunctionRegion`); a wish that a single host can only note.
    public var region: String? { header("x-region") ?? query["forceFunctionRegion"] }
}

/// Everything about a request but its body: what crosses to the function, in this process or another.
package final class FunctionRequestHead: Sendable {
    package let requestID: RequestID
    package let executionID: String
    package let method: Method
    package let path: String
    package let functionName: FunctionName
    package let query: String?
    package let fields: HeaderFields
    package let client: Client

    package init(
        requestID: RequestID, executionID: String, method: Method, functionName: FunctionName, path: String, query: String?,
        fields: HeaderFields, client: Client
    ) {
        self.requestID = requestID
        self.executionID = executionID
        self.method = method
        self.functionName = functionName
        self.path = path
        self.query = query
        self.fields = fields
        self.client = client
    }

    /// Empty when the function was reached by another path than its own.
    var subpath: String {
        let own = "/" + functionName.text
        return path.hasPrefix(own) ? String(path.dropFirst(own.count)) : ""
    }

    /// Fields that describe the connection, or that only the host may speak: a function never sees them as sent.
    private static let hidden: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "expect", "sb-api-key", "forwarded", "x-forwarded-for", "x-forwarded-proto",
        "x-forwarded-host",
        "x-real-ip", "x-request-id", "sb-request-id",
    ]

    func makeHTTPFields() -> HTTPFields {
        var result = HTTPFields()
        fields.forEach { name, value in
            guard let name = HTTPField.Name(String(decoding: name, as: UTF8.self)),
                !FunctionRequestHead.hidden.contains(name.canonicalName)
            else { return }
            result.append(HTTPField(name: name, value: String(decoding: value, as: UTF8.self)))
        }
        for (name, value) in spoken { if let name = HTTPField.Name(name) { result[name] = value } }
        return result
    }

    /// What the host says instead of the fields it hid.
    private var spoken: [(String, String)] {
        var fields = [("x-forwarded-proto", client.isSecure ? "https" : "http"), ("x-request-id", requestID.text)]
        if let host = client.host { fields.append(("x-forwarded-host", host)) }
        if let address = client.address { fields.append(("x-forwarded-for", address.description)) }
        return fields
    }

    func visibleValue(of name: String) -> String? {
        let name = name.lowercased()
        if let spoken = spoken.first(where: { $0.0 == name }) { return spoken.1 }
        if FunctionRequestHead.hidden.contains(name) { return nil }
        return fields.value(named: name)
    }
}

/// The parameters of a query, in order; names may repeat.
public struct Query: Sendable, Sequence {
    private let pairs: [(name: String, value: String)]

    init(_ text: String) {
        pairs = text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Query.decode(parts[0]), parts.count > 1 ? Query.decode(parts[1]) : "")
        }
    }

    /// The first value of a parameter.
    public subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }
    public func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }
    public func makeIterator() -> AnyIterator<(name: String, value: String)> {
        var iterator = pairs.makeIterator()
        return AnyIterator { iterator.next() }
    }

    private static func decode(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+") {
                bytes.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%"), let decoded = hex(rest.prefix(2)) {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hex(_ digits: Substring.UTF8View) -> UInt8? {
        guard digits.count == 2 else { return nil }
        var value: UInt8 = 0
        for digit in digits {
            let nibble: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): nibble = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): nibble = digit - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): nibble = digit - UInt8(ascii: "A") + 10
            default: return nil
            }
            value = value << 4 | nibble
        }
        return value
    }
}

extension HeaderFields {
    /// The first value of a field whose name, in lower case, is only known now.
    package func value(named name: String) -> String? {
        var found: String?
        forEach { candidate, value in
            guard found == nil, candidate.count == name.utf8.count,
                zip(candidate, name.utf8).allSatisfy({ $0 == $1 || ($0 | 0x20 == $1 && $0.isASCIILetter) })
            else { return }
            found = String(decoding: value, as: UTF8.self)
        }
        return found
    }
}
