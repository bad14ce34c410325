import SwiftletHTTP
internal import SwiftletCrypto

/// Reads what S3 answers.
enum S3Answer {
    struct Page: Sendable {
        var entries: [ListEntry] = []
        /// Nil on the last page.
        var continuation: String?
    }

    private static let unreadable = StorageError(
        .upstream, "The store's answer could not be read", cause: "s3: unreadable listing")

    /// A page of ListObjectsV2 with a delimiter: what is directly in the folder.
    static func page(_ body: [UInt8], bucket: String, folder: String) throws(StorageError) -> Page {
        guard let root = S3Element(body), root.name == "ListBucketResult" else { throw unreadable }
        let isEncoded = root["EncodingType"] == "url"
        var page = Page()
        for child in root.children {
            switch child.name {
            case "Contents":
                guard let name = try name(child["Key"], in: folder, isEncoded), let size = child["Size"].flatMap({ Int($0) }),
                    size >= 0
                else { throw unreadable }
                // The folder itself, as some tools make them.
                if name.isEmpty { continue }
                let modified = child["LastModified"].flatMap { S3Time.parseExtended($0) } ?? 0
                let path = ObjectPath(bucket: bucket, key: folder + name)
                page.entries.append(.object(name: name, info(path, size: size, etag: child["ETag"] ?? "", modified: modified)))
            case "CommonPrefixes":
                guard var name = try name(child["Prefix"], in: folder, isEncoded), name.utf8.last == UInt8(ascii: "/") else {
                    throw unreadable
                }
                name.removeLast()
                page.entries.append(.folder(name: name))
            default: break
            }
        }
        if root["IsTruncated"] == "true" {
            guard let token = root["NextContinuationToken"], !token.isEmpty else { throw unreadable }
            page.continuation = token
        }
        return page
    }

    private static func name(_ key: String?, in folder: String, _ isEncoded: Bool) throws(StorageError) -> String? {
        guard let key, let key = isEncoded ? S3Text.decoded(key, plusIsSpace: true) : key, key.utf8.starts(with: folder.utf8)
        else {
            throw unreadable
        }
        return String(key.utf8.dropFirst(folder.utf8.count))
    }

    /// What a `HEAD` says of an object.
    static func object(_ answer: RemoteAnswer, at path: ObjectPath) throws(StorageError) -> ObjectInfo {
        guard let size = answer.header("content-length").flatMap({ Int($0) }), size >= 0 else {
            throw StorageError(.upstream, "The store's answer could not be read", cause: "s3: object without a length")
        }
        let modified = answer.header("last-modified").flatMap { HTTPDate.parse($0, now: 0) }.map { max(0, $0) * 1000 } ?? 0
        var info = info(path, size: size, etag: answer.header("etag") ?? "", modified: modified)
        if let version = answer.header("x-amz-version-id"), !version.isEmpty, version != "null" { info.version = version }
        if let type = answer.header("content-type"), !type.isEmpty { info.contentType = type }
        info.cacheControl = answer.header("cache-control")
        let marks = S3Marks(answer)
        info.owner = marks.owner
        info.metadata = marks.metadata
        info.displayName = marks.displayName
        return info
    }

    private static func info(_ path: ObjectPath, size: Int, etag: String, modified: Int64) -> ObjectInfo {
        ObjectInfo(
            id: id(path), path: path, version: String(etag.filter { $0 != "\"" }), owner: nil, size: size,
            contentType: "application/octet-stream", cacheControl: nil, etag: etag, createdAt: modified, updatedAt: modified,
            metadata: nil, displayName: nil)
    }

    /// S3 keeps no ids: one is made of bucket and key, in the form of a UUID of one's own making (version 8).
    private static func id(_ path: ObjectPath) -> String {
        var bytes = Array(SHA256.hash(Array("\(path.bucket)/\(path.key)".utf8)).bytes.prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        let hex = Array(Hex.encode(bytes).utf8)
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: hex[$0], as: UTF8.self) }.joined(separator: "-")
    }

    /// What a status that is no success means. What the store wrote is for people who may see keys; only its code word is kept.
    static func fault(_ answer: RemoteAnswer) -> StorageError {
        let code = S3Element(answer.body).flatMap { $0.name == "Error" ? $0["Code"] : nil } ?? ""
        switch (code, answer.status) {
        case ("NoSuchBucket", _): return .noBucket
        case ("NoSuchKey", _): return .noObject
        case ("PreconditionFailed", _), (_, 412): return .exists
        case ("EntityTooLarge", _), (_, 413): return StorageError(.entityTooLarge, "The object exceeded the maximum allowed size")
        case ("KeyTooLongError", _): return StorageError(.invalidKey, "Invalid key")
        case ("SlowDown", _), ("ServiceUnavailable", _), (_, 429), (_, 503):
            return StorageError(.slowDown, "The store is busy; try again later", cause: "s3: \(answer.status)")
        case (_, 404): return .noObject
        default:
            let word = String(decoding: code.utf8.prefix(64).filter { S3Text.isUnreserved($0) }, as: UTF8.self)
            return StorageError(.upstream, "The store refused the request", cause: "s3: \(answer.status) \(word)")
        }
    }
}

/// What is kept with an object about its making, as `x-amz-meta-` headers in plain ASCII.
struct S3Marks: Sendable {
    var owner: String?
    /// JSON as text.
    var metadata: String?
    var displayName: String?

    init(_ grant: UploadGrant) {
        owner = grant.owner
        metadata = grant.metadata
        displayName = grant.displayName
    }

    init(_ answer: RemoteAnswer) {
        owner = answer.header("x-amz-meta-owner").flatMap { S3Text.decoded($0) }
        displayName = answer.header("x-amz-meta-name").flatMap { S3Text.decoded($0) }
        metadata = answer.header("x-amz-meta-metadata").flatMap { Base64URL.decode($0) }
            .flatMap { String(validating: $0, as: UTF8.self) }
    }

    var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        if let owner, !owner.isEmpty { fields.append(("owner", S3Text.encoded(owner))) }
        if let displayName, !displayName.isEmpty { fields.append(("name", S3Text.encoded(displayName))) }
        if let metadata, !metadata.isEmpty { fields.append(("metadata", Base64URL.encode(Array(metadata.utf8)))) }
        return fields
    }
}
