import SwiftletCrypto
import Swiftlet
import SwiftletFiles
import SwiftletJSON
import Synchronization

@testable import SwiftletStorage

/// Supabase Storage in memory, as far as the seam and its clients go: nearly every refusal is a 400 with the real status inside, links are relative
/// and hold the key as it is, an upload token binds the path alone and may be used again, a search looks at how names begin and knows wildcards.
final class SupabaseDouble: RemoteTransport {
    private struct Object {
        var id: String
        var version: String
        var bytes: [UInt8]
        var type: String
        var cacheControl: String
        var metadata: JSON?
        var created: Int64
        var updated: Int64
    }

    private let clock: TestClock
    private let buckets: [String]
    private let signer: TokenSigner
    private let objects = Mutex<[ObjectPath: Object]>([:])
    private let count = Atomic(0)
    /// What the hosted service uses; a client cannot choose.
    static let uploadSeconds: Int64 = 7200

    init(clock: TestClock, buckets: [String]) throws {
        self.clock = clock
        self.buckets = buckets
        signer = TokenSigner(key: try SecretBytes.random(count: 32))
    }

    var questions: Int { count.load(ordering: .relaxed) }

    func send(_ request: RemoteRequest, limit: Int) async throws -> RemoteAnswer {
        count.add(1, ordering: .relaxed)
        return serve(request.method, request.url, request.headers, request.body)
    }

    func move(_ from: ObjectPath, to: ObjectPath) { objects.withLock { $0[to] = $0.removeValue(forKey: from) } }

    private struct Refused: Error {
        let answer: RemoteAnswer
        init(_ status: Int, _ error: String, _ message: String, _ code: String) {
            let body = JSON(members: [
                ("statusCode", .string(String(status))), ("error", .string(error)), ("message", .string(message)),
                ("code", .string(code)),
            ])
            answer = RemoteAnswer(status: 400, headers: [("content-type", "application/json")], body: body.bytes)
        }
        static var noObject: Refused { Refused(404, "not_found", "Object not found", "NoSuchKey") }
        static var exists: Refused { Refused(409, "Duplicate", "The resource already exists", "KeyAlreadyExists") }
        static var noRoute: Refused { Refused(404, "Not Found", "Route not found", "NotFound") }
    }

    func serve(_ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8]) -> RemoteAnswer {
        do throws(Refused) { return try route(method, url, RemoteAnswer(status: 0, headers: headers), body) } catch {
            return error.answer
        }
    }

    private func route(_ method: String, _ url: String, _ request: RemoteAnswer, _ body: [UInt8]) throws(Refused) -> RemoteAnswer
    {
        let root = "https://abc.supabase.co/storage/v1/"
        guard url.hasPrefix(root) else { throw .noRoute }
        let target = url.dropFirst(root.count).split(separator: "?", maxSplits: 1)
        let parts = target[0].split(separator: "/", omittingEmptySubsequences: false).map { S3Text.decoded($0) ?? "" }
        let query = S3Text.query(target.count > 1 ? String(target[1]) : "") ?? []
        func path(_ skip: Int) throws(Refused) -> ObjectPath {
            guard parts.count > skip + 1 else { throw .noRoute }
            return ObjectPath(bucket: parts[skip], key: parts[(skip + 1)...].joined(separator: "/"))
        }
        let json = (try? JSON.parse(body)) ?? [:]
        // Links need no key.
        switch (method, parts.count > 1 ? parts[1] : "") {
        case ("PUT", "upload"): return try put(try path(3), query, request, body)
        case ("GET", "sign"): return try get(try path(2), query)
        default: break
        }
        guard request.header("authorization") == "Bearer service-key", request.header("apikey") == "service-key" else {
            throw Refused(403, "Unauthorized", "Invalid Compact JWS", "AccessDenied")
        }
        switch (method, parts.count > 1 ? parts[1] : "") {
        case ("POST", "upload"): return try signUpload(try path(3), request)
        case ("POST", "sign"): return try signDownloads(parts[2], json)
        case ("POST", "list"): return list(parts[2], json)
        case ("GET", "info"): return try info(try path(2))
        case ("DELETE", _): return remove(parts[1], json)
        default: throw .noRoute
        }
    }

    private static func answer(_ json: JSON) -> RemoteAnswer { RemoteAnswer(status: 200, body: json.bytes) }

    // MARK: Links

    private func signUpload(_ path: ObjectPath, _ request: RemoteAnswer) throws(Refused) -> RemoteAnswer {
        guard buckets.contains(path.bucket) else { throw Refused(404, "Bucket not found", "Bucket not found", "NoSuchBucket") }
        let upsert = request.header("x-upsert") == "true"
        if !upsert, objects.withLock({ $0[path] }) != nil { throw .exists }
        let now = clock.now / 1000
        var token = StorageToken(scope: .upload, path: path, issuedAt: now, expiresAt: now + Self.uploadSeconds)
        token.upsert = upsert
        let text = signer.sign(token)
        return Self.answer([
            "url": .string("/object/upload/sign/\(path.bucket)/\(path.key)?token=\(text)"), "token": .string(text),
        ])
    }

    private func verify(
        _ query: [(name: String, value: String)], _ scope: StorageToken.Scope, _ path: ObjectPath
    ) throws(Refused) -> StorageToken {
        guard let text = query.first(where: { $0.name == "token" })?.value else {
            throw Refused(400, "Error", "querystring must have required property 'token'", "InvalidRequest")
        }
        do throws(StorageError) { return try signer.verify(text, for: scope, of: path, now: clock.now / 1000) } catch {
            throw Refused(400, error.code.rawValue, error.message, error.code.rawValue)
        }
    }

    private func put(
        _ path: ObjectPath, _ query: [(name: String, value: String)], _ request: RemoteAnswer, _ body: [UInt8]
    ) throws(Refused) -> RemoteAnswer {
        let token = try verify(query, .upload, path)
        let now = clock.now
        let metadata = request.header("x-metadata").flatMap { S3Base64.decode($0) }.flatMap { try? JSON.parse($0) }
        let number = objects.withLock { $0.count } + Int(now % 1_000_000)
        var object = Object(
            id: "00000000-0000-4000-8000-\(String(1_000_000_000_000 + number).suffix(12))", version: "v\(number)-\(body.count)",
            bytes: body, type: request.header("content-type") ?? "application/octet-stream",
            cacheControl: request.header("cache-control") ?? "no-cache", metadata: metadata, created: now, updated: now)
        let isTaken = objects.withLock { objects in
            if let old = objects[path] {
                guard token.upsert else { return true }
                (object.id, object.created) = (old.id, old.created)
            }
            objects[path] = object
            return false
        }
        guard !isTaken else { throw .exists }
        return Self.answer(["Key": .string("\(path.bucket)/\(path.key)")])
    }

    private func signDownloads(_ bucket: String, _ json: JSON) throws(Refused) -> RemoteAnswer {
        guard let paths = json["paths"]?.array?.compactMap(\.string), (1...1000).contains(paths.count),
            let seconds = json["expiresIn"]?.int, seconds >= 1
        else { throw Refused(400, "Error", "body must have required property 'paths'", "InvalidRequest") }
        let now = clock.now / 1000
        return Self.answer(
            .array(
                paths.map { key in
                    let path = ObjectPath(bucket: bucket, key: key)
                    guard objects.withLock({ $0[path] }) != nil else {
                        let words: JSON = "Either the object does not exist or you do not have access to it"
                        return ["error": words, "path": .string(key), "signedURL": nil]
                    }
                    let token = signer.sign(
                        StorageToken(scope: .download, path: path, issuedAt: now, expiresAt: now + Int64(seconds)))
                    return [
                        "error": nil, "path": .string(key), "signedURL": .string("/object/sign/\(bucket)/\(key)?token=\(token)"),
                    ]
                }))
    }

    private func get(_ path: ObjectPath, _ query: [(name: String, value: String)]) throws(Refused) -> RemoteAnswer {
        _ = try verify(query, .download, path)
        guard let object = objects.withLock({ $0[path] }) else { throw .noObject }
        var answer = RemoteAnswer(status: 200, headers: [("content-type", object.type)], body: object.bytes)
        if let name = query.first(where: { $0.name == "download" })?.value {
            let encoded = S3Text.encoded(name)
            answer.headers.append(
                (
                    "content-disposition",
                    name.isEmpty ? "attachment;" : "attachment; filename=\(encoded); filename*=UTF-8''\(encoded);"
                ))
        }
        return answer
    }

    // MARK: What is there

    private func info(_ path: ObjectPath) throws(Refused) -> RemoteAnswer {
        guard let object = objects.withLock({ $0[path] }) else { throw .noObject }
        return Self.answer([
            "id": .string(object.id), "name": .string(path.key), "version": .string(object.version),
            "bucket_id": .string(path.bucket), "size": JSON(object.bytes.count), "content_type": .string(object.type),
            "cache_control": .string(object.cacheControl), "etag": .string("\"\(object.version)\""),
            "metadata": object.metadata ?? [:], "last_modified": .string(ISOTime.text(object.updated)),
            "created_at": .string(ISOTime.text(object.created)),
        ])
    }

    private static func row(_ name: String, _ object: Object) -> JSON {
        [
            "name": .string(name), "id": .string(object.id), "updated_at": .string(ISOTime.text(object.updated)),
            "created_at": .string(ISOTime.text(object.created)), "last_accessed_at": .string(ISOTime.text(object.updated)),
            "metadata": [
                "eTag": .string("\"\(object.version)\""), "size": JSON(object.bytes.count), "mimetype": .string(object.type),
                "cacheControl": .string(object.cacheControl),
            ],
        ]
    }

    /// As its database does it: folders in the order of their names, then objects; a missing bucket has none.
    private func list(_ bucket: String, _ json: JSON) -> RemoteAnswer {
        var prefix = json["prefix"]?.string ?? ""
        if !prefix.isEmpty, !prefix.hasSuffix("/") { prefix += "/" }
        let pattern = Array((prefix + (json["search"]?.string ?? "")).lowercased().utf8) + [UInt8(ascii: "%")]
        let ascending = json["sortBy"]?["order"]?.string != "desc"
        let column = json["sortBy"]?["column"]?.string ?? "name"
        var folders: Set<String> = []
        var found: [(name: String, object: Object)] = []
        for (path, object) in objects.withLock({ $0 }) where path.bucket == bucket {
            guard Self.isLike(Array(path.key.lowercased().utf8)[...], pattern[...]) else { continue }
            let rest = path.key.dropFirst(prefix.count).split(separator: "/", maxSplits: 1)
            if rest.count == 2 { folders.insert(String(rest[0])) } else { found.append((String(rest[0]), object)) }
        }
        found.sort { left, right in
            let (a, b) = (
                column == "created_at" ? left.object.created : left.object.updated,
                column == "created_at" ? right.object.created : right.object.updated
            )
            if column != "name", a != b { return ascending ? a < b : a > b }
            return ascending ? left.name < right.name : left.name > right.name
        }
        let rows: [JSON] =
            folders.sorted { ascending ? $0 < $1 : $0 > $1 }.map { name in
                [
                    "name": .string(name), "id": nil, "updated_at": nil, "created_at": nil, "last_accessed_at": nil,
                    "metadata": nil,
                ]
            } + found.map { Self.row($0.name, $0.object) }
        return Self.answer(
            .array(Array(rows.dropFirst(json["offset"]?.int ?? 0).prefix(json["limit"]?.int ?? 100))))
    }

    private static func isLike(_ text: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == UInt8(ascii: "%") {
            return (text.startIndex...text.endIndex).contains { isLike(text[$0...], pattern.dropFirst()) }
        }
        guard let letter = text.first, first == letter || first == UInt8(ascii: "_") else { return false }
        return isLike(text.dropFirst(), pattern.dropFirst())
    }

    private func remove(_ bucket: String, _ json: JSON) -> RemoteAnswer {
        let keys = Set((json["prefixes"]?.array ?? []).compactMap(\.string))
        return objects.withLock { objects in
            var rows: [JSON] = []
            for key in keys.sorted() {
                guard let object = objects.removeValue(forKey: ObjectPath(bucket: bucket, key: key)) else { continue }
                rows.append(Self.row(key, object))
            }
            return Self.answer(.array(rows))
        }
    }
}

struct SupabaseUnderTest: StoreUnderTest {
    let clock = TestClock()
    let storage: any StorageBackend
    private let double: SupabaseDouble

    init() throws {
        let clock = clock
        double = try SupabaseDouble(clock: clock, buckets: Store.buckets.map(\.id))
        let made = SupabaseStorage(
            url: "https://abc.supabase.co", serviceKey: SecretBytes(utf8: "service-key"), transport: double,
            now: { clock.now })
        guard let made else { throw StorageError(.notConfigured, "no address") }
        storage = made
    }

    var questions: Int { double.questions }

    func send(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8],
        form: [(name: String, value: String)]
    ) async throws -> ClientAnswer {
        let answer = double.serve(method, url, headers, body)
        var client = ClientAnswer(status: answer.status, headers: answer.headers, body: answer.body)
        if answer.status == 400, let inner = (try? JSON.parse(answer.body))?["statusCode"]?.string.flatMap({ Int($0) }) {
            client.status = inner
        }
        return client
    }

    func move(_ from: String, to: String) async throws { double.move(Self.at(from), to: Self.at(to)) }
}
