import Foundation
import SwiftletCrypto
import SwiftletJSON
import TestSupport
import Testing

@testable import SwiftletStorage

@Suite struct RemoteSupabaseTests {
    private static let now: Int64 = 1_767_323_045_000

    private static func token(_ claims: String = #"{"exp":1767330245}"#) -> String {
        "eyJhbGciOiJIUzI1NiJ9.\(Base64URL.encode(Array(claims.utf8))).c2lnbmF0dXJl"
    }

    private func storage(
        _ url: String = "https://abc.supabase.co", _ answer: @escaping @Sendable (RemoteRequest) throws -> RemoteAnswer
    ) throws -> (SupabaseStorage, RemoteStub) {
        let stub = RemoteStub(answer)
        let made = SupabaseStorage(url: url, serviceKey: SecretBytes(utf8: "service-key"), transport: stub, now: { Self.now })
        return (try #require(made), stub)
    }

    private func grant(_ key: String = "u1/a b?.png", upsert: Bool = false) -> UploadGrant {
        UploadGrant(
            path: ObjectPath(bucket: "attachments", key: key), contentType: "image/png", size: .exactly(5), upsert: upsert,
            metadata: #"{"a":1}"#, expiresInSeconds: 60)
    }

    @Test(arguments: [
        "/object/upload/sign/attachments/u1/a b?.png?token=", "object/upload/sign/attachments/u1/a b?.png?token=",
        "/storage/v1/object/upload/sign/attachments/u1/a%20b%3F.png?token=", "/x?token=bad&token=",
        "https://elsewhere.example/?token=",
    ])
    func `whatever the answer's path looks like, the link leads to the storage and to the key`(_ path: String) async throws {
        let (storage, stub) = try storage { _ in RemoteAnswer(200, #"{"url":"\#(path)\#(Self.token())"}"#) }
        let signed = try await storage.signUpload(grant())
        #expect(
            signed.url
                == "https://abc.supabase.co/storage/v1/object/upload/sign/attachments/u1/a%20b%3F.png?token=\(Self.token())")
        #expect(signed.token == Self.token())
        #expect(signed.method == "PUT")
        #expect(signed.expiresAt == 1_767_330_245_000)
        #expect(signed.headers.map { "\($0.name): \($0.value)" } == ["content-type: image/png", "x-metadata: eyJhIjoxfQ=="])
        let request = try #require(stub.requests.first)
        #expect(request.url == "https://abc.supabase.co/storage/v1/object/upload/sign/attachments/u1/a%20b%3F.png")
        #expect(request.headers.first { $0.name == "authorization" }?.value == "Bearer service-key")
        #expect(request.headers.first { $0.name == "x-upsert" }?.value == "false")
        #expect(request.body == Array("{}".utf8))
    }

    @Test func `upsert is asked for at signing, where it counts`() async throws {
        let (storage, stub) = try storage { _ in RemoteAnswer(200, #"{"url":"/o?token=\#(Self.token())"}"#) }
        _ = try await storage.signUpload(grant(upsert: true))
        #expect(stub.requests.first?.headers.first { $0.name == "x-upsert" }?.value == "true")
    }

    @Test(
        arguments: [
            (#"{"exp":1767330245.75}"#, 1_767_330_245_750), ("{}", now + 60_000), (#"{"exp":"soon"}"#, now + 60_000),
            ("[", now + 60_000),
            (#"{"exp":-1}"#, now + 60_000), (#"{"exp":1e300}"#, now + 60_000),
        ] as [(String, Int64)])
    func `the end of a token is what it says, else the shortest the service gives`(_ claims: String, _ end: Int64) async throws {
        let (storage, _) = try storage { _ in RemoteAnswer(200, #"{"url":"/o?token=\#(Self.token(claims))"}"#) }
        #expect(try await storage.signUpload(grant()).expiresAt == end)
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"url":1}"#, #"{"url":"/o"}"#, #"{"url":"/o?token="}"#, #"{"url":"/o?token=a b"}"#,
        #"{"url":"/o?token=a\r\nb"}"#,
        #"{"url":"/o?token=a#b"}"#, #"{"url":"/otoken=abc"}"#, #"{"url":"token=abc"}"#,
    ])
    func `an answer without a usable token is a fault of the service`(_ body: String) async throws {
        let (storage, _) = try storage { _ in RemoteAnswer(200, body) }
        #expect(await storageFault { () throws(StorageError) in try await storage.signUpload(grant()) }?.code == .upstream)
    }

    @Test(arguments: ["../x", "a/../b", "", "/a", "a\u{0}"]) func `a key that leads elsewhere is never sent`(_ key: String)
        async throws
    {
        let (storage, stub) = try storage { _ in RemoteAnswer(200, "{}") }
        let path = ObjectPath(bucket: "attachments", key: key)
        #expect(await storageFault { () throws(StorageError) in try await storage.signUpload(grant(key)) }?.code == .invalidKey)
        #expect(await storageFault { () throws(StorageError) in try await storage.info(path) }?.code == .invalidKey)
        for bucket in ["", "..", "a/b", "é", String(repeating: "a", count: 101)] {
            #expect(
                await storageFault { () throws(StorageError) in
                    try await storage.info(ObjectPath(bucket: bucket, key: "a"))
                }?.code == .invalidBucketName)
        }
        #expect(stub.requests.isEmpty)
    }

    @Test(arguments: ["", "abc.supabase.co", "https://a@b", "https://a?b", "https://a/../b", "https://a/%2e", "file:///etc"])
    func `an address that is none is refused`(_ url: String) {
        let made = SupabaseStorage(
            url: url, serviceKey: SecretBytes(utf8: "k"), transport: RemoteStub { _ in RemoteAnswer(200, "") }, now: { 0 })
        #expect(made == nil)
    }

    @Test(arguments: [
        "https://abc.supabase.co/storage/v1", "https://abc.supabase.co/storage/v1/", "https://abc.supabase.co:443/",
    ])
    func `the storage path is not doubled`(_ url: String) async throws {
        let (storage, stub) = try storage(url) { _ in RemoteAnswer(200, #"{"url":"/o?token=\#(Self.token())"}"#) }
        _ = try await storage.signUpload(grant("a"))
        #expect(stub.requests.first?.url == "https://abc.supabase.co/storage/v1/object/upload/sign/attachments/a")
    }

    @Test func `links to read come in order over buckets, with a miss among them`() async throws {
        let (storage, stub) = try storage { request in
            let paths = try JSON.parse(request.body)["paths"]?.array ?? []
            let rows = paths.map { path -> JSON in
                path.string == "gone"
                    ? [
                        "error": "Either the object does not exist or you do not have access to it", "path": path,
                        "signedURL": nil,
                    ]
                    : ["error": nil, "path": path, "signedURL": .string("/object/sign/x?token=\(Self.token())")]
            }
            return RemoteAnswer(status: 200, body: JSON.array(rows).bytes)
        }
        let paths = [("b", "x y"), ("a", "gone"), ("a", "1"), ("b", "../2"), ("b", "3")].map { ObjectPath(bucket: $0, key: $1) }
        let results = try await storage.signDownloads(
            paths, DownloadOptions(expiresInSeconds: 60, download: .attachment(name: "é.png")))
        #expect(stub.requests.count == 2)
        let root = "https://abc.supabase.co/storage/v1/object/sign"
        #expect(try results[0].get().url == "\(root)/b/x%20y?token=\(Self.token())&download=%C3%A9.png")
        #expect(results[1] == .failure(.noObject))
        #expect(try results[2].get().url == "\(root)/a/1?token=\(Self.token())&download=%C3%A9.png")
        #expect(results[3] == .failure(StorageError(.invalidKey, "Invalid key")))
        #expect(try results[4].get().expiresAt == 1_767_330_245_000)
        #expect(try JSON.parse(#require(stub.requests.first).body)["expiresIn"]?.int == 60)
    }

    @Test func `an answer for another number of paths is not believed`() async throws {
        let (storage, _) = try storage { _ in RemoteAnswer(200, "[]") }
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.signDownloads([ObjectPath(bucket: "b", key: "k")], DownloadOptions(expiresInSeconds: 60))
            }?.code == .upstream)
    }

    private static let row = #"""
        {"name":"a.png","id":"7f2c1f3e-0000-4000-8000-000000000001","updated_at":"2026-01-02T03:04:05.678Z",
        "created_at":"2026-01-01T00:00:00.000Z","last_accessed_at":"2026-01-02T03:04:05.678Z",
        "metadata":{"eTag":"\"abc\"","size":5,"mimetype":"image/png","cacheControl":"max-age=3600"}}
        """#

    @Test func `a listing has folders and objects`() async throws {
        let (storage, stub) = try storage { _ in RemoteAnswer(200, #"[{"name":"sub","id":null,"metadata":null},\#(Self.row)]"#) }
        let entries = try await storage.list(
            ListQuery(
                bucket: "attachments", prefix: "u1/", search: "a", limit: 10, offset: 5, sortBy: .created_at, ascending: false))
        #expect(entries.first == .folder(name: "sub"))
        guard case .object(let name, let info) = try #require(entries.last) else {
            Issue.record("no object")
            return
        }
        #expect(name == "a.png")
        #expect(info.path.key == "u1/a.png")
        #expect(info.size == 5)
        #expect(info.contentType == "image/png")
        #expect(info.cacheControl == "max-age=3600")
        #expect(info.version == "abc")
        #expect(info.updatedAt == 1_767_323_045_678)
        let request = try #require(stub.requests.first)
        #expect(request.url.hasSuffix("/storage/v1/object/list/attachments"))
        let wanted: JSON = [
            "prefix": "u1", "limit": 10, "offset": 5, "sortBy": ["column": "created_at", "order": "desc"], "search": "a",
        ]
        #expect(try JSON.parse(request.body) == wanted)
    }

    @Test func `a thousand rows are not too many`() async throws {
        let rows = "[" + Array(repeating: Self.row, count: 1000).joined(separator: ",") + "]"
        let (storage, _) = try storage { _ in RemoteAnswer(200, rows) }
        #expect(try await storage.list(ListQuery(bucket: "b", limit: 1000)).count == 1000)
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.list(ListQuery(bucket: "b", limit: 999))
            }?.code == .upstream)
    }

    @Test func `an info is read, with the user's own metadata`() async throws {
        let (storage, stub) = try storage { _ in
            RemoteAnswer(
                200,
                #"""
                {"id":"i","name":"u1/a.png","version":"v","bucket_id":"b","size":7,"content_type":"image/gif","cache_control":"no-cache",
                "etag":"\"e\"","metadata":{"a":1},"last_modified":"2026-01-02T03:04:05Z","created_at":"2026-01-01T00:00:00Z"}
                """#)
        }
        let info = try await storage.info(ObjectPath(bucket: "b", key: "u1/a.png"))
        #expect(stub.requests.first?.url.hasSuffix("/storage/v1/object/info/b/u1/a.png") == true)
        #expect((info.size, info.contentType, info.version) == (7, "image/gif", "v"))
        #expect((info.metadata, info.cacheControl, info.updatedAt) == (#"{"a":1}"#, "no-cache", 1_767_323_045_000))
    }

    @Test func `removing answers with what was there`() async throws {
        let (storage, stub) = try storage { _ in RemoteAnswer(200, "[\(Self.row)]") }
        let removed = try await storage.remove(bucket: "b", keys: ["a.png", "gone"])
        #expect(removed.map(\.path.key) == ["a.png"])
        #expect(stub.requests.first?.method == "DELETE")
        #expect(try JSON.parse(#require(stub.requests.first).body) == ["prefixes": ["a.png", "gone"]])
        #expect(try await storage.remove(bucket: "b", keys: []).isEmpty)
        #expect(stub.requests.count == 1)
    }

    @Test(
        arguments: [
            (400, #"{"statusCode":"409","error":"Duplicate","message":"The resource already exists"}"#, .keyAlreadyExists),
            (400, #"{"statusCode":"404","error":"Bucket not found","message":"secret-key"}"#, .noSuchBucket),
            (400, #"{"statusCode":"404","error":"not_found","message":"secret-key"}"#, .noSuchKey),
            (400, #"{"statusCode":"403","error":"Unauthorized","message":"secret-key","code":"AccessDenied"}"#, .upstream),
            (400, #"{"statusCode":"413","error":"Payload too large","message":"x"}"#, .entityTooLarge),
            (400, #"{"statusCode":"415","error":"invalid_mime_type","message":"x","code":"InvalidMimeType"}"#, .invalidMimeType),
            (
                400, #"{"statusCode":"400","error":"InvalidKey","message":"Invalid key: secret-key","code":"InvalidKey"}"#,
                .invalidKey
            ),
            (400, #"{"statusCode":"423","error":"ResourceLocked","message":"x","code":"ResourceLocked"}"#, .resourceLocked),
            (400, #"{"statusCode":404,"error":"not_found","message":"x","code":"NoSuchKey"}"#, .noSuchKey),
            (429, "too many", .slowDown), (544, "", .slowDown), (500, "secret-key", .upstream), (301, "", .upstream),
            (204, "", .upstream),
            (404, #"{"message":"Route GET:/secret-key not found","error":"Not Found","statusCode":404}"#, .noSuchKey),
        ] as [(Int, String, StorageError.Code)])
    func `errors inside a 400 are named, and their messages are not repeated`(
        _ status: Int, _ body: String, _ wanted: StorageError.Code
    ) async throws {
        let (storage, _) = try storage { _ in RemoteAnswer(status, body) }
        let error = await storageFault { () throws(StorageError) in try await storage.info(ObjectPath(bucket: "b", key: "k")) }
        #expect(error?.code == wanted)
        #expect(!"\(String(describing: error))".contains("secret-key"))
        #expect(!"\(String(describing: error))".contains("service-key"))
    }
}
