internal import SwiftletCrypto
internal import SwiftletJSON

/// Reads what Supabase Storage answers.
enum SupabaseReply {
    static let unreadable = StorageError(.upstream, "The store's answer could not be read", cause: "supabase: unreadable")

    /// The token at the end of a link. The path before it is not used: it is relative to the storage's root, with or without a slash, and
    /// stands there decoded, so that it may hold question marks of its own.
    static func token(in url: String) -> String? {
        let bytes = Array(url.utf8)
        let mark = Array("token=".utf8)
        guard bytes.count > mark.count,
            let start = (1..<(bytes.count - mark.count + 1)).last(where: { place in
                bytes[place...].starts(with: mark)
                    && (bytes[place - 1] == UInt8(ascii: "?") || bytes[place - 1] == UInt8(ascii: "&"))
            })
        else { return nil }
        let token = bytes[(start + mark.count)...].prefix { $0 != UInt8(ascii: "&") }
        guard !token.isEmpty, token.count <= 8192, token.allSatisfy({ S3Text.isUnreserved($0) && $0 != UInt8(ascii: "~") }) else {
            return nil
        }
        return String(decoding: token, as: UTF8.self)
    }

    /// When a token ends, in milliseconds since 1970, as it says itself: nobody here can check its signature, and nobody relies on this.
    static func end(of token: String) -> Int64? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let payload = Base64URL.decode(String(parts[1])), let json = try? JSON.parse(payload),
            let seconds = json["exp"]?.double, (0...253_402_300_799).contains(seconds)
        else { return nil }
        return Int64(seconds * 1000)
    }

    /// A row of a listing or of what was removed (`metadata` holds the file's own values), or an info (they stand beside).
    static func object(_ row: JSON, at path: ObjectPath) throws(StorageError) -> ObjectInfo {
        guard let id = row["id"]?.string else { throw unreadable }
        let file = row["metadata"]
        let isInfo = row["size"]?.int != nil || row["content_type"]?.string != nil
        let size = isInfo ? row["size"]?.int : file?["size"]?.int
        let etag = (isInfo ? row["etag"]?.string : file?["eTag"]?.string) ?? ""
        let own = isInfo ? file : row["user_metadata"]
        let created = time(row["created_at"]) ?? 0
        return ObjectInfo(
            id: id, path: path, version: row["version"]?.string ?? String(etag.filter { $0 != "\"" }),
            owner: (row["owner_id"] ?? row["owner"])?.string, size: max(size ?? 0, 0),
            contentType: (isInfo ? row["content_type"] : file?["mimetype"])?.string ?? "application/octet-stream",
            cacheControl: (isInfo ? row["cache_control"] : file?["cacheControl"])?.string, etag: etag, createdAt: created,
            updatedAt: time(row["updated_at"]) ?? time(row["last_modified"]) ?? created,
            metadata: own?.object.map { String(decoding: JSON.object($0).bytes, as: UTF8.self) }, displayName: nil)
    }

    private static func time(_ json: JSON?) -> Int64? { json?.string.flatMap { S3Time.parseExtended($0) } }

    /// What an error means: nearly all come as 400, and say what they are inside. Their messages hold keys, so none is handed on.
    static func fault(_ answer: RemoteAnswer) -> StorageError {
        let json = try? JSON.parse(answer.body)
        let inner = json?["statusCode"]?.string.flatMap { Int($0) } ?? json?["statusCode"]?.int ?? answer.status
        let code = json?["code"]?.string ?? ""
        let word = json?["error"]?.string ?? ""
        switch code {
        case "KeyAlreadyExists", "ResourceAlreadyExists": return .exists
        case "NoSuchBucket": return .noBucket
        case "NoSuchKey": return .noObject
        case "InvalidKey": return StorageError(.invalidKey, "Invalid key")
        case "InvalidBucketName": return StorageError(.invalidBucketName, "Bucket name invalid")
        case "EntityTooLarge": return StorageError(.entityTooLarge, "The object exceeded the maximum allowed size")
        case "InvalidMimeType": return StorageError(.invalidMimeType, "The bucket does not take this type")
        case "ResourceLocked": return .locked
        case "SlowDown": return busy(inner)
        default: break
        }
        // Older services have no code.
        switch (inner, word) {
        case (404, "Bucket not found"): return .noBucket
        case (404, _): return .noObject
        case (409, _): return .exists
        case (413, _): return StorageError(.entityTooLarge, "The object exceeded the maximum allowed size")
        case (415, _): return StorageError(.invalidMimeType, "The bucket does not take this type")
        case (423, _): return .locked
        case (429, _), (503, _), (544, _): return busy(inner)
        default:
            let name = String(
                decoding: (code.isEmpty ? word : code).utf8.prefix(64).filter { S3Text.isUnreserved($0) }, as: UTF8.self)
            return StorageError(.upstream, "The store refused the request", cause: "supabase: \(inner) \(name)")
        }
    }

    private static func busy(_ status: Int) -> StorageError {
        StorageError(.slowDown, "The store is busy; try again later", cause: "supabase: \(status)")
    }
}
