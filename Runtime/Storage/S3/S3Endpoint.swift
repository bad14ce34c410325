/// Where an S3 store answers, and how buckets stand in its addresses.
package struct S3Endpoint: Hashable, Sendable {
    package enum Addressing: Sendable {
        /// `https://host/bucket/key`
        case path
        /// `https://bucket.host/key`
        case virtualHost
    }

    /// `http` or `https`
    package let scheme: String
    /// With the port when it is not the usual one.
    package let host: String
    package let region: String
    package let addressing: Addressing

    /// - Parameter url: `https://host[:port]`, nothing more; nil for anything else.
    package init?(_ url: String, region: String, addressing: Addressing = .path) {
        guard let origin = RemoteOrigin(url), origin.path.isEmpty else { return nil }
        (scheme, host) = (origin.scheme, origin.host)
        // An address has no names below it.
        if addressing == .virtualHost, host.utf8.allSatisfy({ $0 < UInt8(ascii: "a") || $0 == UInt8(ascii: "[") }) { return nil }
        guard !region.isEmpty, region.utf8.count <= 64, region.utf8.allSatisfy({ S3Text.isUnreserved($0) }) else { return nil }
        self.region = region
        self.addressing = addressing
    }

    /// Host and path of a bucket, or of an object in it.
    /// - Throws: `.invalidBucketName`, `.invalidKey`
    package func place(bucket: String, key: String?) throws(StorageError) -> (host: String, path: String) {
        guard S3Endpoint.isBucket(bucket), addressing == .path || scheme == "http" || !bucket.utf8.contains(UInt8(ascii: "."))
        else { throw StorageError(.invalidBucketName, "Bucket name invalid") }
        if let key, !S3Endpoint.isKey(key) { throw StorageError(.invalidKey, "Invalid key") }
        switch addressing {
        case .path: return (host, key.map { "/\(bucket)/\($0)" } ?? "/\(bucket)")
        case .virtualHost: return ("\(bucket).\(host)", key.map { "/\($0)" } ?? "/")
        }
    }

    /// 3 to 63 lower-case letters, digits, dots and hyphens.
    package static func isBucket(_ name: String) -> Bool {
        let isEdge: (UInt8) -> Bool = { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
        let bytes = Array(name.utf8)
        guard (3...63).contains(bytes.count), let first = bytes.first, let last = bytes.last, isEdge(first), isEdge(last) else {
            return false
        }
        return bytes.allSatisfy { isEdge($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
            && !bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).contains { $0.isEmpty }
    }

    /// 1 to 1024 bytes without controls. Dot segments and a slash at the start are refused: HTTP clients resolve the former, even
    /// encoded, and would use the signature for another object.
    package static func isKey(_ key: String) -> Bool {
        guard (1...1024).contains(key.utf8.count), key.utf8.first != UInt8(ascii: "/") else { return false }
        guard !key.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return false }
        return !key.utf8.split(separator: UInt8(ascii: "/")).contains {
            $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8)
        }
    }
}
