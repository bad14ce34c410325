package import SwiftletFiles
import SwiftletHTTP
import SwiftletJSON
import SwiftletSanitize

/// Signing downloads, and sending files out.
extension StorageAPI {
    /// `POST /object/sign/{bucket}/{path}` `{"expiresIn": seconds, "transform"?}`.
    func signDownload(_ request: StorageRequest, _ path: ObjectPath) async throws(StorageError) -> StorageReply {
        let caller = try knownCaller(request)
        _ = try bucket(of: path)
        let body = try await Self.object(request)
        let seconds = try Self.lifetime(body["expiresIn"])
        try StorageRules.mayRead(path.key, caller)
        guard try store.exists(path) else { throw .noObject }
        var transform: String?
        if let members = body["transform"], !members.isNull {
            transform = try ThumbnailRequest.read(json: members)?.canonical
        }
        return Self.json(["signedURL": .string(link(path, seconds: seconds, transform: transform))])
    }

    /// `POST /object/sign/{bucket}` `{"expiresIn", "paths"}`: each path by itself, in their order.
    func signDownloads(_ request: StorageRequest, _ bucket: Bucket) async throws(StorageError) -> StorageReply {
        let caller = try knownCaller(request)
        let body = try await Self.object(request)
        let seconds = try Self.lifetime(body["expiresIn"])
        guard let paths = body["paths"]?.array, (1...1000).contains(paths.count) else {
            throw StorageError(.invalidRequest, "body/paths must be an array of 1 to 1000 paths")
        }
        var items: [JSON] = []
        for path in paths {
            guard let key = path.string else { throw StorageError(.invalidRequest, "body/paths must hold texts") }
            let object = ObjectPath(bucket: bucket.id, key: key)
            let isReadable = (try? StorageRules.mayRead(key, caller)) != nil
            if isReadable, try store.exists(object) {
                items.append(["error": nil, "path": .string(key), "signedURL": .string(link(object, seconds: seconds))])
            } else {
                items.append([
                    "error": "Either the object does not exist or you do not have access to it", "path": .string(key),
                    "signedURL": nil,
                ])
            }
        }
        return Self.json(.array(items))
    }

    private func link(_ path: ObjectPath, seconds lifetime: Int, transform: String? = nil) -> String {
        var token = StorageToken(scope: .download, path: path, issuedAt: seconds, expiresAt: seconds + Int64(lifetime))
        token.transform = transform
        let root = transform == nil ? "object" : "render/image"
        // As the original, with the key as it is: its clients encode what they are given.
        let key = path.key.utf8.contains(UInt8(ascii: "?")) ? PercentCoding.encode(path: path.key) : path.key
        return "/\(root)/sign/\(path.bucket)/\(key)?token=\(signer.sign(token))"
    }

    static func lifetime(_ json: JSON?) throws(StorageError) -> Int {
        guard let seconds = number(json) else {
            throw StorageError(.invalidRequest, "body must have required property 'expiresIn'")
        }
        guard (1...longestLifetime).contains(seconds) else {
            throw StorageError(.invalidParameter, "expiresIn is 1 to \(longestLifetime) seconds")
        }
        return seconds
    }

    /// Ten years.
    private static var longestLifetime: Int { 315_360_000 }

    /// `GET` on a signed link.
    func readSigned(_ request: StorageRequest, _ path: ObjectPath) async throws(StorageError) -> StorageReply {
        guard let text = request.parameter("token"), !text.isEmpty else {
            throw StorageError(.invalidRequest, "querystring must have required property 'token'")
        }
        let token = try signer.verify(text, for: .download, of: path, now: seconds)
        var reply: StorageReply
        if let transform = token.transform {
            reply = try await thumbnail(request, path, try ThumbnailRequest.read(canonical: transform))
        } else {
            reply = try await send(request, path)
        }
        reply.fields.removeAll { $0.name == "cache-control" }
        reply.fields.append(("expires", HTTPDate.text(token.expiresAt)))
        reply.fields.append(("x-robots-tag", "none"))
        return reply
    }

    func read(_ request: StorageRequest, publicly path: ObjectPath, rendered: Bool = false) async throws(StorageError)
        -> StorageReply
    {
        guard try bucket(of: path).isPublic else { throw .noBucket }
        return try await send(request, path, rendered: rendered)
    }

    /// With the caller's own credentials.
    func read(_ request: StorageRequest, asCaller path: ObjectPath, rendered: Bool = false) async throws(StorageError)
        -> StorageReply
    {
        let caller = try caller(request)
        if try !bucket(of: path).isPublic { try StorageRules.mayRead(path.key, caller) }
        return try await send(request, path, rendered: rendered)
    }

    private func send(_ request: StorageRequest, _ path: ObjectPath, rendered: Bool = false) async throws(StorageError)
        -> StorageReply
    {
        if rendered, let wanted = try ThumbnailRequest.read(query: request.query) {
            return try await thumbnail(request, path, wanted)
        }
        let file = try await store.open(path)
        return Self.send(
            request, file, type: file.info.contentType, etag: file.info.etag, now: seconds,
            isPublic: try bucket(of: path).isPublic)
    }

    /// What belongs to somebody is for nobody's shared cache.
    private static func cacheControl(_ info: ObjectInfo, isPublic: Bool) -> String {
        let given = info.cacheControl ?? "no-cache"
        return isPublic ? given : "private, \(given)"
    }

    /// A stored file, as far as the request wants it. It is never more to a browser than what it was checked to be.
    static func send(_ request: StorageRequest, _ file: StoredFile, type: String, etag: String, now: Int64, isPublic: Bool)
        -> StorageReply
    {
        let info = file.info
        let modified = info.updatedAt / 1000
        var fields: [(name: String, value: String)] = [
            ("etag", etag), ("last-modified", HTTPDate.text(modified)), ("accept-ranges", "bytes"),
            ("cache-control", cacheControl(info, isPublic: isPublic)),
        ]
        let answer = Preconditions(
            range: request.field("range"), ifRange: request.field("if-range"),
            ifMatch: request.field("if-match"), ifNoneMatch: request.field("if-none-match"),
            ifModifiedSince: request.field("if-modified-since"), ifUnmodifiedSince: request.field("if-unmodified-since")
        ).judge(method: request.method == "HEAD" ? .head : .get, size: file.size, etag: etag, lastModified: modified, now: now)
        switch answer {
        case .notModified: return StorageReply(status: 304, fields: fields)
        case .preconditionFailed:
            return StorageReply(status: 412, fields: fields)
        case .unsatisfiable:
            var reply = refusal(StorageError(.invalidRange, "The range lies outside the \(file.size) bytes of the object"))
            reply.fields.append(("content-range", "bytes */\(file.size)"))
            return reply
        case .whole, .partial: break
        }
        // What runs in a browser is shown to it as text, and saved.
        let served = FileType.named(type)?.family == .active ? "text/plain; charset=utf-8" : type
        fields.append(("content-type", served))
        fields.append(("x-content-type-options", "nosniff"))
        fields.append(("content-security-policy", "sandbox; default-src 'none'"))
        let name = info.displayName ?? StorageRules.name(info.path.key)
        if let wanted = request.parameter("download") {
            fields.append(("content-disposition", ContentDisposition.attachment(name: wanted.isEmpty ? name : wanted).text))
        } else if !inline.contains(type) {
            fields.append(("content-disposition", ContentDisposition.attachment(name: name).text))
        }
        guard case .partial(let range) = answer else {
            return StorageReply(status: 200, fields: fields, body: .file(file, 0..<file.size))
        }
        fields.append(("content-range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)"))
        return StorageReply(status: 206, fields: fields, body: .file(file, range))
    }

    /// What a browser may show in place.
    private static let inline: Set<String> = [
        "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "video/mp4", "video/webm", "audio/mpeg", "audio/mp4",
        "audio/ogg", "audio/wav", "application/pdf",
    ]

    private func thumbnail(_ request: StorageRequest, _ path: ObjectPath, _ wanted: ThumbnailRequest) async throws(StorageError)
        -> StorageReply
    {
        guard let thumbnails else {
            throw StorageError(
                .notConfigured, "Images are not changed here: this host has no process for them")
        }
        let original = try await store.open(path)
        let made = try await thumbnails.thumbnail(of: original, wanted)
        return Self.send(
            request, made, type: made.info.contentType, etag: made.info.etag, now: seconds,
            isPublic: try bucket(of: path).isPublic)
    }

    // MARK: What is known of files

    func info(_ request: StorageRequest, _ path: ObjectPath, publicly: Bool = false) async throws(StorageError) -> StorageReply {
        let bucket = try bucket(of: path)
        if publicly {
            guard bucket.isPublic else { throw .noBucket }
        } else {
            let caller = try caller(request)
            if !bucket.isPublic { try StorageRules.mayRead(path.key, caller) }
        }
        let info = try await store.info(path)
        return Self.json(
            JSON(members: [
                ("id", .string(info.id)), ("name", .string(info.path.key)), ("version", .string(info.version)),
                ("bucket_id", .string(info.path.bucket)), ("size", JSON(info.size)), ("content_type", .string(info.contentType)),
                ("cache_control", .string(info.cacheControl ?? "no-cache")), ("etag", .string(info.etag)),
                ("metadata", Self.metadata(info) ?? [:]), ("last_modified", .string(Self.text(time: info.updatedAt))),
                ("created_at", .string(Self.text(time: info.createdAt))),
                ("updated_at", .string(Self.text(time: info.updatedAt))),
            ]))
    }

    private static func metadata(_ info: ObjectInfo) -> JSON? { info.metadata.flatMap { try? JSON.parse(Array($0.utf8)) } }

    /// As listings show it.
    static func listed(_ name: String, _ info: ObjectInfo) -> JSON {
        JSON(members: [
            ("name", .string(name)), ("id", .string(info.id)), ("updated_at", .string(text(time: info.updatedAt))),
            ("created_at", .string(text(time: info.createdAt))), ("last_accessed_at", .string(text(time: info.updatedAt))),
            (
                "metadata",
                JSON(members: [
                    ("eTag", .string(info.etag)), ("size", JSON(info.size)), ("mimetype", .string(info.contentType)),
                    ("cacheControl", .string(info.cacheControl ?? "no-cache")),
                    ("lastModified", .string(text(time: info.updatedAt))), ("contentLength", JSON(info.size)),
                    ("httpStatusCode", 200),
                ])
            ),
        ])
    }
}

/// Makes small pictures of large ones, somewhere else than in this process.
package protocol ThumbnailMaker: Sendable {
    func thumbnail(of original: StoredFile, _ wanted: ThumbnailRequest) async throws(StorageError) -> StoredFile
}

extension ThumbnailRequest {
    fileprivate static func read(query: String?) throws(StorageError) -> ThumbnailRequest? {
        do throws(Fault) { return try parse(query: query ?? "") } catch { throw StorageError(.invalidParameter, error.message) }
    }

    fileprivate static func read(json: JSON) throws(StorageError) -> ThumbnailRequest? {
        guard let members = json.object else { throw StorageError(.invalidParameter, "transform is an object") }
        do throws(Fault) { return try parse(json: members) } catch { throw StorageError(.invalidParameter, error.message) }
    }

    fileprivate static func read(canonical: String) throws(StorageError) -> ThumbnailRequest {
        guard let wanted = ThumbnailRequest(canonical: canonical) else { throw StorageError(.invalidJWT, "Invalid Compact JWS") }
        return wanted
    }
}
