package import SwiftletCrypto

/// AWS Signature Version 4: what is signed, as pure functions on values.
package enum SigV4 {
    package static let algorithm = "AWS4-HMAC-SHA256"
    /// Seven days.
    package static let maxExpiry = 604_800

    package struct Options: Hashable, Sendable {
        package enum PathEncoding: Sendable { case once, twice }
        package var region: String
        package var service: String
        /// Whether dot segments and doubled slashes are resolved before signing.
        package var normalize: Bool
        package var pathEncoding: PathEncoding

        package init(region: String, service: String, normalize: Bool, pathEncoding: PathEncoding) {
            self.region = region
            self.service = service
            self.normalize = normalize
            self.pathEncoding = pathEncoding
        }

        /// S3 alone encodes the path once and takes it as it is.
        package static func s3(region: String) -> Options {
            Options(region: region, service: "s3", normalize: false, pathEncoding: .once)
        }
    }

    /// What is said about the body.
    package enum Payload: Equatable, Sendable {
        case unsigned
        case digest(SHA256.Digest)

        package static let empty = Payload.digest(SHA256.hash([]))
        package static func of(_ body: [UInt8]) -> Payload { .digest(SHA256.hash(body)) }

        package var text: String {
            switch self {
            case .unsigned: "UNSIGNED-PAYLOAD"
            case .digest(let digest): digest.hex
            }
        }
    }

    package struct Request: Sendable {
        package var method: String
        /// Decoded, from the first slash on.
        package var path: String
        /// Decoded.
        package var query: [(name: String, value: String)]
        /// Those to be signed, `host` among them.
        package var headers: [(name: String, value: String)]

        package init(
            method: String, path: String, query: [(name: String, value: String)] = [], headers: [(name: String, value: String)]
        ) {
            self.method = method
            self.path = path
            self.query = query
            self.headers = headers
        }
    }

    /// What a signature is made of, one step after the other.
    package struct Steps: Sendable {
        package let canonicalRequest: [UInt8]
        package let stringToSign: [UInt8]
        /// 64 lower-case hex digits.
        package let signature: String
    }

    /// `20260102/us-east-1/s3/aws4_request`
    package static func scope(_ date: String, _ options: Options) -> String {
        "\(date.prefix(8))/\(options.region)/\(options.service)/aws4_request"
    }

    /// Lower case, sorted, each once.
    package static func signedHeaders(_ headers: [(name: String, value: String)]) -> [String] {
        Array(Set(headers.map { S3Text.lowercased($0.name) })).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    package static func canonicalRequest(_ request: Request, _ payload: Payload, _ options: Options) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        bytes.append(contentsOf: request.method.utf8)
        bytes.append(UInt8(ascii: "\n"))
        appendPath(request.path, options, to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        appendQuery(request.query, to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        let names = signedHeaders(request.headers)
        for name in names {
            bytes.append(contentsOf: name.utf8)
            var separator = UInt8(ascii: ":")
            for header in request.headers where S3Text.lowercased(header.name) == name {
                bytes.append(separator)
                appendValue(header.value, to: &bytes)
                separator = UInt8(ascii: ",")
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: names.joined(separator: ";").utf8)
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: payload.text.utf8)
        return bytes
    }

    package static func stringToSign(_ canonicalRequest: [UInt8], date: String, _ options: Options) -> [UInt8] {
        Array("\(algorithm)\n\(date)\n\(scope(date, options))\n\(SHA256.hash(canonicalRequest).hex)".utf8)
    }

    /// Sorted by the encoded names, then by the encoded values.
    package static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
        var bytes: [UInt8] = []
        appendQuery(query, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func appendQuery(_ query: [(name: String, value: String)], to bytes: inout [UInt8]) {
        let parts = query.map { part -> (name: [UInt8], value: [UInt8]) in
            var name: [UInt8] = []
            var value: [UInt8] = []
            S3Text.encode(part.name.utf8, into: &name)
            S3Text.encode(part.value.utf8, into: &value)
            return (name, value)
        }.sorted { left, right in
            left.name == right.name
                ? left.value.lexicographicallyPrecedes(right.value) : left.name.lexicographicallyPrecedes(right.name)
        }
        for (index, part) in parts.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: "&")) }
            bytes.append(contentsOf: part.name)
            bytes.append(UInt8(ascii: "="))
            bytes.append(contentsOf: part.value)
        }
    }

    private static func appendPath(_ path: String, _ options: Options, to bytes: inout [UInt8]) {
        let path = options.normalize ? normalized(path) : Array(path.utf8)
        guard !path.isEmpty else { return bytes.append(UInt8(ascii: "/")) }
        switch options.pathEncoding {
        case .once:
            S3Text.encode(path, keepingSlash: true, into: &bytes)
        case .twice:
            var once: [UInt8] = []
            S3Text.encode(path, keepingSlash: true, into: &once)
            S3Text.encode(once, keepingSlash: true, into: &bytes)
        }
    }

    /// RFC 3986 section 5.2.4, and empty segments dropped.
    private static func normalized(_ path: String) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        var kept: [Substring.UTF8View] = []
        let segments = Substring(path).utf8.split(separator: slash)
        for segment in segments {
            if segment.elementsEqual(".".utf8) { continue }
            if segment.elementsEqual("..".utf8) {
                _ = kept.popLast()
            } else {
                kept.append(segment)
            }
        }
        var bytes: [UInt8] = []
        for segment in kept {
            bytes.append(slash)
            bytes.append(contentsOf: segment)
        }
        if kept.isEmpty || path.utf8.last == slash { bytes.append(slash) }
        return bytes
    }

    /// Trimmed, and every run of spaces, tabs and line ends as one space.
    private static func appendValue(_ value: String, to bytes: inout [UInt8]) {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        var isFirst = true
        for word in value.utf8.split(whereSeparator: isSpace) {
            if !isFirst { bytes.append(UInt8(ascii: " ")) }
            bytes.append(contentsOf: word)
            isFirst = false
        }
    }
}
