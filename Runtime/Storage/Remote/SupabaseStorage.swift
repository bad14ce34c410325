package import SwiftletCrypto
internal import SwiftletJSON

/// Objects in a Supabase project, asked for with its service key.
///
/// Not promised: size, content type, digest, owner and display name of a grant are not bound into the token, since the service knows no
/// such thing; the bucket's own limits hold, and ``info(_:)`` tells afterwards. How long an upload token lives is the service's choice; what
/// it says itself is handed on. Listings and infos know no owner.
package struct SupabaseStorage: StorageBackend {
    private let origin: RemoteOrigin
    private let serviceKey: SecretBytes
    private let transport: any RemoteTransport
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64

    static let maxAnswerBytes = 4 << 20
    /// A thousand rows have more members than a request from outside may.
    private static let limits = JSONLimits(depth: 32, members: 100_000, elements: 10_000, duplicateNames: .lastWins)
    /// What the service uses when nobody configured it, for a token that does not say.
    static let assumedSeconds: Int64 = 60

    /// - Parameter url: of the project (`https://abc.supabase.co`), or of the storage itself when it has another path than `/storage/v1`.
    ///   Nil for an address that is none.
    package init?(
        url: String, serviceKey: SecretBytes, transport: any RemoteTransport, now: @escaping @Sendable () -> Int64
    ) {
        guard let origin = RemoteOrigin(url) else { return nil }
        self.origin = origin
        self.serviceKey = serviceKey
        self.transport = transport
        self.now = now
    }

    /// Where routes start. What the service calls a url is relative to this.
    private var root: String { "\(origin.scheme)://\(origin.host)\(origin.path.isEmpty ? "/storage/v1" : origin.path)" }

    package func signUpload(_ grant: UploadGrant) async throws(StorageError) -> StoreUpload {
        try grant.check()
        let route = "/object/upload/sign/\(try Self.route(grant.path))"
        let json = try await ask("POST", route, ["x-upsert": grant.upsert ? "true" : "false"], [:])
        guard let url = json["url"]?.string, let token = SupabaseReply.token(in: url) else { throw SupabaseReply.unreadable }
        var headers = [("content-type", grant.contentType)]
        if let metadata = grant.metadata { headers.append(("x-metadata", S3Base64.encode(Array(metadata.utf8)))) }
        return StoreUpload(
            url: "\(root)\(route)?token=\(token)", token: token, method: "PUT", headers: headers, expiresAt: end(of: token))
    }

    package func signDownloads(
        _ paths: [ObjectPath], _ options: DownloadOptions
    ) async throws(StorageError) -> [Result<StoreDownload, StorageError>] {
        try StorageSeam.check(count: paths.count)
        try StorageSeam.check(seconds: options.expiresInSeconds)
        var results = [Result<StoreDownload, StorageError>](repeating: .failure(.noObject), count: paths.count)
        var places: [String: [Int]] = [:]
        for (place, path) in paths.enumerated() {
            do throws(StorageError) {
                _ = try Self.route(path)
                places[path.bucket, default: []].append(place)
            } catch {
                results[place] = .failure(error)
            }
        }
        for (bucket, places) in places.sorted(by: { $0.key < $1.key }) {
            let body: JSON = [
                "expiresIn": JSON(options.expiresInSeconds), "paths": .array(places.map { .string(paths[$0].key) }),
            ]
            let answers = try await ask("POST", "/object/sign/\(S3Text.encoded(bucket))", [:], body).array ?? []
            guard answers.count == places.count else { throw SupabaseReply.unreadable }
            for (place, answer) in zip(places, answers) {
                results[place] = link(to: paths[place], answer, options)
            }
        }
        return results
    }

    private func link(to path: ObjectPath, _ answer: JSON, _ options: DownloadOptions) -> Result<StoreDownload, StorageError> {
        guard let url = (answer["signedURL"] ?? answer["signedUrl"])?.string else { return .failure(.noObject) }
        guard let token = SupabaseReply.token(in: url), let route = try? Self.route(path) else {
            return .failure(SupabaseReply.unreadable)
        }
        var link = "\(root)/object/sign/\(route)?token=\(token)"
        if case .attachment(let name) = options.download { link += "&download=\(S3Text.encoded(name ?? ""))" }
        return .success(StoreDownload(url: link, expiresAt: end(of: token)))
    }

    package func list(_ query: ListQuery) async throws(StorageError) -> [ListEntry] {
        let listing = try RemoteListing(query, maxOffset: .max - 1000)
        guard Self.isBucket(query.bucket) else { throw StorageError(.invalidBucketName, "Bucket name invalid") }
        var body: JSON = [
            "prefix": .string(String(listing.folder.dropLast(listing.folder.isEmpty ? 0 : 1))), "limit": JSON(query.limit),
            "offset": JSON(query.offset),
            "sortBy": ["column": .string(query.sortBy.rawValue), "order": query.ascending ? "asc" : "desc"],
        ]
        if let search = query.search, !search.isEmpty { body["search"] = .string(search) }
        let answer = try await ask("POST", "/object/list/\(S3Text.encoded(query.bucket))", [:], body)
        guard let rows = answer.array, rows.count <= query.limit else { throw SupabaseReply.unreadable }
        var entries: [ListEntry] = []
        for row in rows {
            guard let name = row["name"]?.string else { throw SupabaseReply.unreadable }
            if row["id"]?.string == nil {
                entries.append(.folder(name: name))
            } else {
                let path = ObjectPath(bucket: query.bucket, key: listing.folder + name)
                entries.append(.object(name: name, try SupabaseReply.object(row, at: path)))
            }
        }
        return entries
    }

    package func info(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo {
        try SupabaseReply.object(try await ask("GET", "/object/info/\(try Self.route(path))", [:], nil), at: path)
    }

    package func remove(bucket: String, keys: [String]) async throws(StorageError) -> [ObjectInfo] {
        guard Self.isBucket(bucket) else { throw StorageError(.invalidBucketName, "Bucket name invalid") }
        try StorageSeam.check(count: keys.count)
        let keys = keys.filter { S3Endpoint.isKey($0) }
        if keys.isEmpty { return [] }
        let body: JSON = ["prefixes": .array(keys.map { .string($0) })]
        guard let rows = try await ask("DELETE", "/object/\(S3Text.encoded(bucket))", [:], body).array else {
            throw SupabaseReply.unreadable
        }
        var removed: [ObjectInfo] = []
        for row in rows {
            guard let name = row["name"]?.string else { throw SupabaseReply.unreadable }
            removed.append(try SupabaseReply.object(row, at: ObjectPath(bucket: bucket, key: name)))
        }
        return removed
    }

    // MARK: Asking

    private func ask(
        _ method: String, _ route: String, _ headers: KeyValuePairs<String, String>, _ body: JSON?
    ) async throws(StorageError) -> JSON {
        let key = serviceKey.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var request = RemoteRequest(
            method: method, url: root + route, headers: [("authorization", "Bearer \(key)"), ("apikey", key)])
        for (name, value) in headers { request.headers.append((name, value)) }
        if let body {
            request.headers.append(("content-type", "application/json"))
            request.body = body.bytes
        }
        let answer = try await transport.ask(request, limit: Self.maxAnswerBytes)
        guard answer.status == 200 else { throw SupabaseReply.fault(answer) }
        guard let json = try? JSON.parse(answer.body, limits: Self.limits) else { throw SupabaseReply.unreadable }
        return json
    }

    private func end(of token: String) -> Int64 { SupabaseReply.end(of: token) ?? now() + Self.assumedSeconds * 1000 }

    /// Bucket and key as they stand in an address.
    private static func route(_ path: ObjectPath) throws(StorageError) -> String {
        guard isBucket(path.bucket) else { throw StorageError(.invalidBucketName, "Bucket name invalid") }
        guard S3Endpoint.isKey(path.key) else { throw StorageError(.invalidKey, "Invalid key") }
        return "\(S3Text.encoded(path.bucket))/\(S3Text.encoded(path.key, keepingSlash: true))"
    }

    private static func isBucket(_ name: String) -> Bool {
        (1...100).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
    }
}
