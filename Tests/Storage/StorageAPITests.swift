import NIOCore
import Swiftlet
import SwiftletCrypto
import SwiftletJSON
import Testing

@testable import SwiftletStorage

@Suite struct `Slots for uploads` {
    @Test func `one user does not hold them all, and an innocent one goes on`() async throws {
        let host = try LocalUnderTest(StorageLimits(maxConcurrentUploads: 8))
        let store = host.disk
        var held: [DiskUpload] = []
        for number in 0..<2 {
            held.append(try await store.begin(Self.intent("greedy", number)))
        }
        #expect(await refusal { try await store.begin(Self.intent("greedy", 2)) } == .slowDown)
        // The user's links, which anybody may hold, are the user's.
        let link = try await host.storage.signUpload(Self.grant("greedy"))
        let answer = try await host.put(link, Array("hello".utf8))
        #expect(answer.status == 429 && answer.header("retry-after") == "1")
        let text = String(decoding: answer.body, as: UTF8.self)
        #expect(text.contains(#""statusCode":"429""#) && text.contains("2 of your uploads are under way"))
        // Resumable ones too, in the words of their protocol.
        let begun = try await Self.resumable(host, "greedy")
        let refused = try await Self.patch(host, begun, "greedy")
        #expect(refused.status == 429 && refused.header("retry-after") == "1" && refused.header("tus-resumable") == "1.0.0")
        #expect(try await Self.offset(host, begun, "greedy") == "0")
        // Somebody else notices nothing.
        let other = try await host.storage.signUpload(Self.grant("innocent"))
        #expect(try await host.put(other, Array("hello".utf8)).isGood)
        #expect(try await Self.patch(host, Self.resumable(host, "innocent"), "innocent").status == 204)
        // What is given back counts no more.
        held.removeLast().discard()
        #expect(try await Self.patch(host, begun, "greedy").status == 204)
        #expect(try await host.put(link, Array("hello".utf8)).isGood)
        held.removeLast().discard()
    }

    @Test func `what belongs to nobody leaves a share for users`() async throws {
        let store = try LocalUnderTest(StorageLimits(maxConcurrentUploads: 8)).disk
        var held: [DiskUpload] = []
        for number in 0..<6 { held.append(try await store.begin(Self.intent(nil, number))) }
        #expect(await refusal { try await store.begin(Self.intent(nil, 6)) } == .slowDown)
        held.append(try await store.begin(Self.intent("u1", 0)))
        held.append(try await store.begin(Self.intent("u2", 0)))
        // All eight are taken.
        #expect(await refusal { try await store.begin(Self.intent("u3", 0)) } == .slowDown)
        for upload in held { upload.discard() }
        _ = try await store.begin(Self.intent("u3", 0))
    }

    @Test func `owners are told apart by their bytes, and a share is a quarter`() async throws {
        #expect(StorageLimits().maxUploadsOfOwner == 64)
        let store = try LocalUnderTest(StorageLimits(maxConcurrentUploads: 4)).disk
        let one = try await store.begin(Self.intent("\u{E9}", 0))
        let two = try await store.begin(Self.intent("e\u{301}", 1))
        #expect(await refusal { try await store.begin(Self.intent("\u{E9}", 2)) } == .slowDown)
        one.discard()
        two.discard()
    }

    @Test func `the last byte of a resumable upload is not lost for want of a slot`() async throws {
        let host = try LocalUnderTest(StorageLimits(maxConcurrentUploads: 4))
        let begun = try await Self.resumable(host, "u1")
        let id = try #require(begun.split(separator: "/").last.map(String.init))
        let writer = try await host.disk.appendResumable(id, at: 0)
        try await writer.write(Array("hello".utf8))
        _ = try await writer.close()
        let other = try await host.disk.begin(Self.intent("u1", 0))
        let last = try await host.disk.appendResumable(id, at: 5, isWhole: true)
        #expect(try await last.finish().size == 5)
        other.discard()
    }

    private static func intent(_ owner: String?, _ number: Int) -> UploadIntent {
        UploadIntent(
            path: ObjectPath(bucket: "attachments", key: "\(owner ?? "nobody")/\(number).txt"), owner: owner,
            contentType: "text/plain", maxBytes: 1000)
    }

    private static func grant(_ owner: String) -> UploadGrant {
        LocalUnderTest.grant("\(owner)/link.txt") { $0.owner = owner }
    }

    private static func resumable(_ host: LocalUnderTest, _ user: String) async throws -> String {
        try await host.beginResumable("\(user)/resumable.txt", length: 5, as: .user(user))
    }

    private static func patch(_ host: LocalUnderTest, _ location: String, _ user: String) async throws -> ClientAnswer {
        try await host.send(
            "PATCH", location,
            [("tus-resumable", "1.0.0"), ("upload-offset", "0"), ("content-type", "application/offset+octet-stream")],
            Array("hello".utf8), as: .user(user))
    }

    private static func offset(_ host: LocalUnderTest, _ location: String, _ user: String) async throws -> String? {
        try await host.send("HEAD", location, [("tus-resumable", "1.0.0")], as: .user(user)).header("upload-offset")
    }
}

@Suite struct `Resumable uploads by request` {
    private static let version = [(name: "tus-resumable", value: "1.0.0")]

    private static func head(_ host: LocalUnderTest, _ location: String, as user: String = "u1") async throws -> Int {
        try await host.send("HEAD", location, version, as: .user(user)).status
    }

    @Test func `one that has ended is gone, and one that never was is not found`() async throws {
        let host = try LocalUnderTest()
        let patch =
            version + [(name: "upload-offset", value: "0"), (name: "content-type", value: "application/offset+octet-stream")]
        // Finished.
        let done = try await host.beginResumable("u1/done.txt", length: 5, as: .user("u1"))
        #expect(try await host.send("PATCH", done, patch, Array("hello".utf8), as: .user("u1")).status == 204)
        #expect(try await Self.head(host, done) == 410)
        let again = try await host.send("PATCH", done, patch, Array("hello".utf8), as: .user("u1"))
        #expect(again.status == 410 && again.header("content-type") == "text/plain; charset=utf-8")
        // Given up.
        let dropped = try await host.beginResumable("u1/dropped.txt", length: 5, as: .user("u1"))
        #expect(try await host.send("DELETE", dropped, Self.version, as: .user("u1")).status == 204)
        #expect(try await host.send("DELETE", dropped, Self.version, as: .user("u1")).status == 410)
        // Too old, before it is cleared away and after.
        let old = try await host.beginResumable("u1/old.txt", length: 5, as: .user("u1"))
        #expect(try await Self.head(host, old) == 200)
        host.clock.advance(StorageLimits().resumableLifetime)
        #expect(try await Self.head(host, old) == 410)
        await host.disk.maintain()
        #expect(try await Self.head(host, old) == 410)
        // Nobody was ever given these.
        let root = "/storage/v1/upload/resumable"
        for id in ["none", "a/b", String(repeating: "A", count: 42), String(repeating: "A", count: 44), "%00"] {
            #expect(try await Self.head(host, "\(root)/\(id)") == 404, "\(id)")
        }
        // It is refused for what the signature lacks only while it is there.
        let signed = try await host.beginResumable("u1/signed.txt", length: 5, as: .user("u1"))
        #expect(try await Self.head(host, signed, as: "u2") == 403)
    }

    @Test func `one that is given up while it is written tells its writer`() async throws {
        let host = try LocalUnderTest()
        let begun = try await host.disk.createResumable(
            UploadIntent(
                path: ObjectPath(bucket: "attachments", key: "u1/a.txt"), owner: "u1", contentType: "text/plain",
                maxBytes: 1000), length: 5)
        let writer = try await host.disk.appendResumable(begun.id, at: 0)
        try await writer.write(Array("hel".utf8))
        // Not by a request, which its writer would keep out.
        _ = try await host.disk.line.commit { database in
            try CatalogueResumables.delete(begun.id, in: database)
            return Change()
        }
        #expect(await refusal { try await writer.close() } == .uploadGone)
    }

    private var version: [(name: String, value: String)] { Self.version }
}

@Suite struct `Whose an object is` {
    private static let json = [(name: "content-type", value: "application/json")]

    private static func change(
        _ host: LocalUnderTest, _ verb: String, _ from: String, _ to: String, as caller: StorageCaller, upsert: Bool = false
    ) async throws -> Int {
        let body: JSON = ["bucketId": "attachments", "sourceKey": .string(from), "destinationKey": .string(to)]
        let headers = json + (upsert ? [(name: "x-upsert", value: "true")] : [])
        return try await host.send("POST", "/storage/v1/object/\(verb)", headers, body.bytes, as: caller).status
    }

    private static func put(_ host: LocalUnderTest, _ key: String, as caller: StorageCaller) async throws {
        let answer = try await host.send(
            "POST", "/storage/v1/object/attachments/\(key)", [("content-type", "text/plain")], Array("hello".utf8), as: caller)
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
    }

    private static func owner(_ host: LocalUnderTest, _ key: String) async throws -> String? {
        try await host.disk.info(ObjectPath(bucket: "attachments", key: key)).owner
    }

    @Test func `a user copies and moves what the project put into the user's folder`() async throws {
        let host = try LocalUnderTest()
        try await Self.put(host, "u1/given.txt", as: .service)
        #expect(try await Self.owner(host, "u1/given.txt") == nil)
        #expect(try await Self.change(host, "copy", "u1/given.txt", "u1/copy.txt", as: .user("u1")) == 200)
        #expect(try await Self.owner(host, "u1/copy.txt") == "u1")
        #expect(try host.disk.usage(of: "u1") == 5)
        #expect(try await Self.change(host, "move", "u1/given.txt", "u1/mine.txt", as: .user("u1")) == 200)
        #expect(try await Self.owner(host, "u1/mine.txt") == nil)
        // Over what the project put there as well, with leave.
        try await Self.put(host, "u1/given.txt", as: .service)
        #expect(try await Self.change(host, "copy", "u1/copy.txt", "u1/given.txt", as: .user("u1")) == 409)
        #expect(try await Self.change(host, "copy", "u1/copy.txt", "u1/given.txt", as: .user("u1"), upsert: true) == 200)
        #expect(try await Self.owner(host, "u1/given.txt") == "u1")
        // And nothing of somebody else's.
        #expect(try await Self.change(host, "copy", "u1/copy.txt", "u2/copy.txt", as: .user("u2")) == 404)
        #expect(try await Self.change(host, "copy", "u1/copy.txt", "u2/copy.txt", as: .user("u1")) == 403)
        #expect(try await Self.change(host, "move", "u1/copy.txt", "u10/copy.txt", as: .user("u1")) == 403)
    }

    @Test func `what the project moves out of its owner's folder is nobody's, and counts for nobody`() async throws {
        let host = try LocalUnderTest()
        try await Self.put(host, "u1/a.txt", as: .user("u1"))
        #expect(try host.disk.usage(of: "u1") == 5)
        #expect(try await Self.change(host, "move", "u1/a.txt", "u1/deep/b.txt", as: .service) == 200)
        #expect(try await Self.owner(host, "u1/deep/b.txt") == "u1" && host.disk.usage(of: "u1") == 5)
        #expect(try await Self.change(host, "copy", "u1/deep/b.txt", "archive/b.txt", as: .service) == 200)
        #expect(try await Self.owner(host, "archive/b.txt") == nil && host.disk.usage(of: "u1") == 5)
        #expect(try await Self.change(host, "copy", "u1/deep/b.txt", "u1/c.txt", as: .service) == 200)
        #expect(try await Self.owner(host, "u1/c.txt") == "u1" && host.disk.usage(of: "u1") == 10)
        #expect(try await Self.change(host, "move", "u1/deep/b.txt", "u2/b.txt", as: .service) == 200)
        #expect(try await Self.owner(host, "u2/b.txt") == nil)
        #expect(try host.disk.usage(of: "u1") == 5 && host.disk.usage(of: "u2") == 0)
        // The folder's user may use it like any other.
        #expect(
            try await host.send("DELETE", "/storage/v1/object/attachments/u2/b.txt", as: .user("u2")).status == 200)
    }
}

@Suite struct `Names by their bytes` {
    @Test func `two spellings of one letter are two buckets and two paths`() async throws {
        let (composed, apart) = ("caf\u{E9}", "cafe\u{301}")
        #expect(composed == apart)
        let scratch = Scratch()
        let clock = TestClock()
        let buckets = [Bucket(id: composed, maxBytes: 10), Bucket(id: apart, maxBytes: 20)]
        let store = try DiskStore(directory: scratch.store, buckets: buckets, now: { clock.now })
        #expect(store.bucket(composed)?.maxBytes == 10 && store.bucket(apart)?.maxBytes == 20)
        let one = try DiskStore(directory: scratch.path + "/one", buckets: [buckets[0]], now: { clock.now })
        #expect(one.bucket(apart) == nil)
        #expect(ObjectPath(bucket: composed, key: "k") != ObjectPath(bucket: apart, key: "k"))
        #expect(Set([ObjectPath(bucket: composed, key: "k"), ObjectPath(bucket: apart, key: "k")]).count == 2)
        #expect(ObjectPath(bucket: "b", key: composed) != ObjectPath(bucket: "b", key: apart))
        #expect(Set([ObjectPath(bucket: "ab", key: "c"), ObjectPath(bucket: "a", key: "bc")]).count == 2)
        let signer = TokenSigner(key: try SecretBytes.random(count: 32))
        let token = StorageToken(
            scope: .download, path: ObjectPath(bucket: composed, key: "k"), issuedAt: 0, expiresAt: 10)
        #expect(throws: StorageError.self) {
            try signer.verify(signer.sign(token), for: .download, of: ObjectPath(bucket: apart, key: "k"), now: 1)
        }
        let desk = StorageDesk(backend: LocalStorage(store: one, signer: signer, now: { clock.now }), buckets: [buckets[0]])
        let error = await storageFault { () throws(StorageError) in
            try await desk.answer(.info(bucket: apart, path: "u1/a"), by: .user("u1"), origin: "https://a.example")
        }
        #expect(error?.code == .noSuchBucket)
        await store.close()
        await one.close()
    }
}

@Suite struct `The length of links` {
    private static let origin = "https://storage.with-a-name-of-some-length.example:8443"

    private static func desk(_ host: LocalUnderTest) -> StorageDesk { StorageDesk(backend: host.storage, buckets: Store.buckets) }

    private static func sign(_ host: LocalUnderTest, _ metadata: String, _ key: String) async throws -> Result<String, any Error>
    {
        let upload = UploadRequest(
            bucket: "attachments", place: .path(key), contentType: "text/plain", size: 5, upsert: true, metadata: metadata)
        let told = try await desk(host).answer(.signUploads([upload]), by: .user("u1"), origin: origin)
        guard case .uploads(let results) = told, let first = results.first else {
            throw StorageError(.internalError, "no answer")
        }
        return first.map(\.url).mapError { $0 }
    }

    @Test func `a link that is signed is shorter than seven KiB, and it works`() async throws {
        let host = try LocalUnderTest()
        var (signed, refused) = (0, 0)
        for folders in [0, 1, 2, 3] {
            // Each of these signs is three in a link.
            let key = "u1/" + String(repeating: String(repeating: "a&", count: 150) + "/", count: folders) + "a.txt"
            // Each quote is written twice as long within the token, and base64 comes on top.
            for (filler, count) in [("x", 2000), (#"\""#, 400), (#"\""#, 1000), ("é", 1000)] {
                switch try await Self.sign(host, #"{"a":"\#(String(repeating: filler, count: count))"}"#, key) {
                case .success(let url):
                    signed += 1
                    #expect(url.utf8.count < 7 * 1024)
                    let answer = try await host.send(
                        "PUT", String(url.dropFirst(Self.origin.count)), [("content-type", "text/plain")], Array("hello".utf8),
                        as: .nobody)
                    #expect(answer.status == 200)
                case .failure(let error):
                    refused += 1
                    let error = try #require(error as? HTTPError)
                    #expect(error.status == 413 && error.message.contains("shorten the metadata"), "\(error)")
                }
            }
        }
        #expect(signed > 10 && refused > 0)
    }

    @Test func `the storage API refuses it as well, counted as clients encode it`() async throws {
        let host = try LocalUnderTest()
        func sign(_ key: String, _ metadata: String) async throws -> ClientAnswer {
            let value = S3Base64.encode(Array(metadata.utf8))
            return try await host.send(
                "POST", "/storage/v1/object/upload/sign/attachments/\(S3Text.encoded(key, keepingSlash: true))",
                [("x-metadata", value)], as: .service)
        }
        let quotes = #"{"a":"\#(String(repeating: #"\""#, count: 1000))"}"#
        #expect(try await sign("u1/a.txt", quotes).status == 200)
        let long = try await sign("u1/" + String(repeating: "&a", count: 500), quotes)
        #expect(long.status == 413 && String(decoding: long.body, as: UTF8.self).contains("shorten the metadata or the path"))
    }

    @Test func `a name for a download is not longer than a link can be`() async throws {
        let host = try LocalUnderTest()
        try await host.store("u1/a.txt")
        for (length, isGood) in [(1000, true), (4000, false)] {
            let told = try await Self.desk(host).answer(
                .signDownloads(
                    bucket: "attachments", paths: ["u1/a.txt"], seconds: 60,
                    download: .named(String(repeating: "é", count: length))), by: .user("u1"), origin: Self.origin)
            guard case .downloads(let links) = told, let link = links.first else {
                throw StorageError(.internalError, "no answer")
            }
            switch link {
            case .success(let link): #expect(isGood && link.url.utf8.count < 7 * 1024)
            case .failure(let error): #expect(!isGood && error.status == 413 && error.message.contains("shorten the name"))
            }
        }
    }
}

extension LocalUnderTest {
    /// - Returns: where it goes on.
    func beginResumable(_ key: String, length: Int, as caller: StorageCaller) async throws -> String {
        func text(_ value: String) -> String { S3Base64.encode(Array(value.utf8)) }
        let metadata = "bucketName \(text("attachments")),objectName \(text(key)),contentType \(text("text/plain"))"
        let answer = try await send(
            "POST", "/storage/v1/upload/resumable",
            [("tus-resumable", "1.0.0"), ("upload-length", String(length)), ("upload-metadata", metadata)], as: caller)
        #expect(answer.status == 201, "\(String(decoding: answer.body, as: UTF8.self))")
        return String(try #require(answer.header("location")).dropFirst("https://host.example".count))
    }
}
