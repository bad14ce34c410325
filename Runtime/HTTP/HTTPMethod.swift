/// The request method. Any well-formed token is read; whether it is allowed is decided by the host.
package enum HTTPMethod: UInt8, Sendable, Hashable {
    case get, head, post, put, delete, options, patch, trace
    /// Another token: read it from `RequestHead.methodBytes`.
    case other

    /// Methods are case-sensitive: `get` is `.other`.
    package init(_ bytes: UnsafeRawBufferPointer) {
        func equals(_ text: StaticString) -> Bool { bytes.equals(text) }
        switch bytes.count {
        case 3: self = equals("GET") ? .get : equals("PUT") ? .put : .other
        case 4: self = equals("POST") ? .post : equals("HEAD") ? .head : .other
        case 5: self = equals("PATCH") ? .patch : equals("TRACE") ? .trace : .other
        case 6: self = equals("DELETE") ? .delete : .other
        case 7: self = equals("OPTIONS") ? .options : .other
        default: self = .other
        }
    }

    /// The token on the wire; empty for `.other`.
    package var token: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .patch: "PATCH"
        case .trace: "TRACE"
        case .other: ""
        }
    }
}
