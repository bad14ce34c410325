package import NIOCore
import SwiftletFiles
package import SwiftletHTTP

/// One request for `/storage/v1`, without its connection.
package struct StorageRequest: Sendable {
    package let method: String
    /// As it came, percent-encoded, after `/storage/v1`.
    package let path: String
    package let query: String?
    package let fields: HeaderFields
    /// Who the request's own credentials say is asking; signed links do not need any.
    package let caller: StorageCaller
    /// What is wrong with those credentials, for the routes that ask for them.
    package let credentialFault: StorageError?
    /// `https://host`, as the client reached it.
    package let origin: String
    package let body: any StorageBody

    package init(
        method: String, path: String, query: String?, fields: HeaderFields, caller: StorageCaller,
        credentialFault: StorageError?, origin: String, body: any StorageBody
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.fields = fields
        self.caller = caller
        self.credentialFault = credentialFault
        self.origin = origin
        self.body = body
    }

    func field(_ name: StaticString) -> String? { fields.string(name) }

    /// The first value of a query parameter, decoded.
    func parameter(_ name: String) -> String? {
        guard let query else { return nil }
        for pair in query.utf8.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, PercentCoding.text(decoding: first, plusIsBlank: true) == name else { continue }
            return parts.count == 2 ? PercentCoding.text(decoding: parts[1], plusIsBlank: true) : ""
        }
        return nil
    }
}

/// A request body as it comes.
package protocol StorageBody: Sendable {
    /// As declared; nil when nobody says.
    var length: Int? { get }
    /// The next bytes, nil at the end.
    func next() async throws(StorageError) -> ByteBuffer?
}

extension StorageBody {
    /// The whole of a small body.
    func collect(upTo limit: Int) async throws(StorageError) -> [UInt8] {
        if let length, length > limit { throw .tooLarge(limit: limit) }
        var bytes: [UInt8] = []
        while let part = try await next() {
            guard bytes.count + part.readableBytes <= limit else { throw .tooLarge(limit: limit) }
            bytes.append(contentsOf: part.readableBytesView)
        }
        return bytes
    }
}

package struct StorageReply: Sendable {
    package enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Part of a stored file; it stays readable until the reply is let go.
        case file(StoredFile, Range<Int>)
    }

    package var status: Int
    package var fields: [(name: String, value: String)]
    package var body: Body
    /// For the log.
    package var fault: StorageError?

    package init(status: Int, fields: [(name: String, value: String)] = [], body: Body = .none, fault: StorageError? = nil) {
        self.status = status
        self.fields = fields
        self.body = body
        self.fault = fault
    }
}
