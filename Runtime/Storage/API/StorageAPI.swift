import SwiftletFiles
import Swiftlet
import SwiftletCrypto
import SwiftletJSON
import SwiftletSanitize

/// The storage API of Supabase over the files of this machine: what `storage3`, storage-js and supabase-swift speak to under `/storage/v1`.
///
/// Refusals keep the shape of the original, down to the status 400 with the real one inside, because its clients read that. Resumable
/// uploads (TUS) answer with the real status.
package final class StorageAPI: Sendable {
    let store: DiskStore
    let signer: TokenSigner
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    /// How long a signed upload may begin.
    let uploadSeconds: Int
    let thumbnails: (any ThumbnailMaker)?
    /// Buckets come with the configuration, so they are as old as this.
    let startedAt: Int64

    package init(
        store: DiskStore, signer: TokenSigner, uploadSeconds: Int = 7200, thumbnails: (any ThumbnailMaker)? = nil,
        now: @escaping @Sendable () -> Int64
    ) {
        self.store = store
        self.signer = signer
        self.uploadSeconds = uploadSeconds
        self.thumbnails = thumbnails
        self.now = now
        startedAt = now()
    }

    var seconds: Int64 { now() / 1000 }

    package func answer(_ request: StorageRequest) async -> StorageReply {
        if request.path.utf8.starts(with: "/upload/resumable".utf8) { return await answerResumable(request) }
        do throws(StorageError) {
            return try await route(request)
        } catch {
            return StorageAPI.refusal(error)
        }
    }

    private func route(_ request: StorageRequest) async throws(StorageError) -> StorageReply {
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        func path(_ skip: Int) throws(StorageError) -> ObjectPath { try StorageAPI.objectPath(parts.dropFirst(skip)) }
        func bucket(_ skip: Int) throws(StorageError) -> Bucket { try self.bucket(parts.dropFirst(skip).first) }
        let (method, count) = (request.method, parts.count)
        switch (parts.first, parts.dropFirst().first) {
        case ("object", "upload") where count >= 5 && parts[2] == "sign":
            if method == "POST" { return try await signUpload(request, try path(3)) }
            if method == "PUT" { return try await putSigned(request, try path(3)) }
        case ("object", "sign") where count == 3 && method == "POST":
            return try await signDownloads(request, try bucket(2))
        case ("object", "sign") where count >= 4:
            if method == "POST" { return try await signDownload(request, try path(2)) }
            if isReading(method) { return try await readSigned(request, try path(2)) }
        case ("object", "public") where count >= 4 && isReading(method):
            return try await read(request, publicly: try path(2))
        case ("object", "info") where count >= 4 && isReading(method):
            if count >= 5, parts[2] == "public" { return try await info(request, try path(3), publicly: true) }
            return try await info(request, try path(parts[2] == "authenticated" && count >= 5 ? 3 : 2))
        case ("object", "list") where count == 3 && method == "POST":
            return try await list(request, try bucket(2))
        case ("object", "list-v2") where count == 3 && method == "POST":
            return try await listPages(request, try bucket(2))
        case ("object", "move") where count == 2 && method == "POST":
            return try await move(request, copying: false)
        case ("object", "copy") where count == 2 && method == "POST":
            return try await move(request, copying: true)
        case ("object", "authenticated") where count >= 4 && isReading(method):
            return try await read(request, asCaller: try path(2))
        case ("object", _) where count == 2 && method == "DELETE":
            return try await removeMany(request, try bucket(1))
        case ("object", _) where count >= 3:
            switch method {
            case "GET", "HEAD": return try await read(request, asCaller: try path(1))
            case "POST": return try await put(request, try path(1), mustExist: false)
            case "PUT": return try await put(request, try path(1), mustExist: true)
            case "DELETE": return try await remove(request, try path(1))
            default: break
            }
        case ("render", "image") where count >= 5 && isReading(method):
            switch parts[2] {
            case "sign": return try await readSigned(request, try path(3))
            case "public": return try await read(request, publicly: try path(3), rendered: true)
            case "authenticated": return try await read(request, asCaller: try path(3), rendered: true)
            default: break
            }
        case ("bucket", _):
            if let reply = try await answerBuckets(request, Array(parts.dropFirst())) { return reply }
        case ("status", nil) where isReading(method), ("version", nil) where isReading(method):
            return StorageAPI.json(["message": "ok"])
        default: break
        }
        throw StorageError(.noRoute, "Route \(method):/\(StorageAPI.shown(request.path)) not found")
    }

    private func isReading(_ method: String) -> Bool { method == "GET" || method == "HEAD" }

    private static func shown(_ path: String) -> String {
        String(
            decoding: path.utf8.drop { $0 == UInt8(ascii: "/") }.prefix(100).filter { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 },
            as: UTF8.self)
    }

    // MARK: Paths

    /// Decoded once, then judged; an encoded slash is no letter of a name.
    private static func objectPath(_ parts: ArraySlice<String>) throws(StorageError) -> ObjectPath {
        guard let first = parts.first, parts.count >= 2, let bucket = PercentCoding.text(decoding: first.utf8) else {
            throw StorageError(.invalidRequest, "The path names no bucket and object")
        }
        var segments: [String] = []
        for part in parts.dropFirst() {
            guard let segment = PercentCoding.text(decoding: part.utf8), !segment.utf8.contains(UInt8(ascii: "/")) else {
                throw StorageError(.invalidKey, "Invalid key")
            }
            segments.append(segment)
        }
        let key = segments.joined(separator: "/")
        try StorageRules.check(key: key)
        return ObjectPath(bucket: bucket, key: key)
    }

    func bucket(_ text: String?) throws(StorageError) -> Bucket {
        guard let text, let id = PercentCoding.text(decoding: text.utf8), let bucket = store.bucket(id) else { throw .noBucket }
        return bucket
    }

    func bucket(of path: ObjectPath) throws(StorageError) -> Bucket {
        guard let bucket = store.bucket(path.bucket) else { throw .noBucket }
        return bucket
    }

    /// Who asks, on routes that need to know.
    func caller(_ request: StorageRequest) throws(StorageError) -> StorageCaller {
        if let fault = request.credentialFault { throw fault }
        return request.caller
    }

    /// The same where nobody in particular has no business: before a body is read.
    func knownCaller(_ request: StorageRequest) throws(StorageError) -> StorageCaller {
        let caller = try caller(request)
        guard caller != .nobody else { throw StorageError(.accessDenied, "Sign in first: the token or key sent names no user") }
        return caller
    }

    /// With the words the original has for it, which its clients look for.
    func mayWrite(_ key: String, _ caller: StorageCaller) throws(StorageError) {
        do throws(StorageError) { try StorageRules.mayWrite(key, caller) } catch {
            throw StorageError(error.code, "new row violates row-level security policy: \(error.message)")
        }
    }

    // MARK: Replies

    static func json(_ value: JSON, status: Int = 200) -> StorageReply {
        StorageReply(status: status, fields: [("content-type", "application/json; charset=utf-8")], body: .bytes(value.bytes))
    }

    /// Seconds after which asking again makes sense.
    static let retry = (name: "retry-after", value: "1")

    /// The original's way to refuse.
    package static func refusal(_ error: StorageError) -> StorageReply {
        let status: Int =
            switch error.status {
            case 500...: error.status
            case 429, 416: error.status
            default: error.code == .noRoute ? 404 : 400
            }
        var reply = json(
            JSON(members: [
                ("statusCode", .string(String(error.status))), ("error", .string(error.word)),
                ("message", .string(error.message)),
                ("code", .string(error.code.rawValue)),
            ]), status: status)
        if error.code == .slowDown { reply.fields.append(retry) }
        reply.fault = error
        return reply
    }

    /// The JSON object of a small body; an empty one is an empty object.
    static func object(_ request: StorageRequest, limit: Int = 2 << 20) async throws(StorageError) -> JSON {
        let bytes = try await request.body.collect(upTo: limit)
        guard !bytes.isEmpty else { return [:] }
        guard let json = try? JSON.parse(bytes), json.object != nil else {
            throw StorageError(.invalidRequest, "body must be a JSON object")
        }
        return json
    }

    /// A whole number, also where a client writes it as a text.
    static func number(_ json: JSON?) -> Int? { json?.int ?? json?.string.flatMap { Int($0) } }

    static func text(time milliseconds: Int64) -> String { ISOTime.text(milliseconds) }
}
