import Foundation
import SwiftletCrypto
import TestSupport
import Testing

@testable import SwiftletStorage

@Suite struct S3ElementTests {
    @Test func `elements, attributes, entities and declarations are read`() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" a='b>c'>
              <Name>a&amp;b&#x41;&#233;&lt;&gt;&quot;&apos;</Name><Empty/><Empty2 ></Empty2 >
              <Contents><Key>k</Key></Contents></ListBucketResult>

            """
        let root = try #require(S3Element(Array(text.utf8)))
        #expect(root.name == "ListBucketResult")
        #expect(root["Name"] == "a&bAé<>\"'")
        #expect(root["Empty"] == "")
        #expect(root.children.map(\.name) == ["Name", "Empty", "Empty2", "Contents"])
        #expect(root.children.last?["Key"] == "k")
    }

    @Test(arguments: [
        "", " ", "a", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<!DOCTYPE a><a/>", "<a><!-- x --></a>", "<a><![CDATA[x]]></a>",
        "<a>&b;</a>",
        "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&#99999999;</a>", "<a>&#x;</a>", "<a>&</a>", "<a b></a>",
        "<a b=c/>",
        "<a b='<'/>", "<a b='c'd='e'/>", "<a\u{0}/>", "<a>\u{1}</a>", "<1/>", "</a>", "<a", "<a b='", "<?xml",
        "<?xml?><a><?php ?></a>",
        "\u{feff}<a/>", "<a></a", "<a><b></a></b>",
    ])
    func `what is not the XML of S3 is refused`(_ text: String) {
        #expect(S3Element(Array(text.utf8)) == nil)
    }

    @Test func `bytes that are no UTF-8 are refused`() {
        #expect(S3Element(Array("<a>".utf8) + [0xC3, 0x28] + Array("</a>".utf8)) == nil)
    }

    @Test func `depth, number and text are limited`() {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)).utf8)
        }
        #expect(S3Element(nested(8)) != nil)
        #expect(S3Element(nested(9)) == nil)
        #expect(S3Element(nested(100_000)) == nil)
        #expect(S3Element(Array("<a>\(String(repeating: "<b/>", count: 19_999))</a>".utf8)) != nil)
        #expect(S3Element(Array("<a>\(String(repeating: "<b/>", count: 20_000))</a>".utf8)) == nil)
        #expect(S3Element(Array("<a>\(String(repeating: "b", count: 8192))</a>".utf8)) != nil)
        #expect(S3Element(Array("<a>\(String(repeating: "b", count: 8193))</a>".utf8)) == nil)
    }

    @Test func `cut and changed documents never trap`() {
        let text = Array("<?xml version='1.0'?><a b=\"c\"><d>e&amp;&#65;</d><f/>g</a>".utf8)
        var random = SystemRandomNumberGenerator()
        for end in text.indices { #expect(S3Element(Array(text[..<end])) == nil) }
        for _ in 0..<3000 {
            var changed = text
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: changed.indices, using: &random)
                changed[place] = [UInt8.random(in: 0...255), UInt8(ascii: "<"), UInt8(ascii: "&")].randomElement() ?? 0
            }
            _ = S3Element(changed)
        }
    }
}

@Suite struct S3StorageTests {
    private func storage(_ answer: @escaping @Sendable (RemoteRequest) throws -> RemoteAnswer) throws -> (S3Storage, RemoteStub) {
        let stub = RemoteStub(answer)
        return (S3Storage(presigner: try S3Sample.presigner(), transport: stub, now: { S3Sample.now }), stub)
    }

    private func grant(_ size: UploadGrant.Size, upsert: Bool = false) -> UploadGrant {
        UploadGrant(
            path: ObjectPath(bucket: "attachments", key: "u1/a.png"), owner: "user 1", contentType: "image/png", size: size,
            sha256: Array(repeating: 1, count: 32), upsert: upsert, metadata: #"{"a":"é"}"#, displayName: "Ä.png",
            expiresInSeconds: 120)
    }

    private static let found = RemoteAnswer(
        200, "",
        [
            ("Content-Length", "5"), ("Content-Type", "image/png"), ("ETag", "\"abc\""),
            ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"), ("x-amz-meta-owner", "user%201"),
            ("x-amz-meta-name", "%C3%84.png"),
            ("x-amz-meta-metadata", Base64URL.encode(Array(#"{"a":"é"}"#.utf8))),
        ])

    @Test func `an exact size becomes a PUT that creates once and binds everything`() async throws {
        let (storage, stub) = try storage { _ in RemoteAnswer(404, "") }
        let signed = try await storage.signUpload(grant(.exactly(5)))
        #expect(stub.requests.map(\.method) == ["HEAD"])
        #expect(signed.method == "PUT")
        #expect(signed.expiresAt == S3Sample.now + 120_000)
        #expect(
            signed.headers.map(\.name) == [
                "content-length", "content-type", "x-amz-checksum-sha256", "if-none-match", "x-amz-meta-owner", "x-amz-meta-name",
                "x-amz-meta-metadata",
            ])
        try SigV4Verifier(S3Sample.signer).verify(
            S3Sample.incoming("PUT", signed.url, signed.headers), .unsigned, now: S3Sample.now / 1000)
        let request = try #require(stub.requests.first)
        try SigV4Verifier(S3Sample.signer).verify(
            S3Sample.incoming("HEAD", request.url, request.headers), .empty, now: S3Sample.now / 1000)
    }

    @Test func `an upper bound becomes a form`() async throws {
        let (storage, stub) = try storage { _ in RemoteAnswer(404, "") }
        let signed = try await storage.signUpload(grant(.upTo(100), upsert: true))
        #expect(stub.requests.isEmpty)
        #expect(signed.method == "POST")
        let verifier = PostPolicyVerifier(S3Sample.signer)
        try verifier.verify(bucket: "attachments", fields: signed.fields, fileBytes: 100, now: S3Sample.now / 1000)
        #expect(throws: PostPolicyVerifier.Fault.broken("content-length-range")) {
            try verifier.verify(bucket: "attachments", fields: signed.fields, fileBytes: 101, now: S3Sample.now / 1000)
        }
        #expect(await storageFault { () throws(StorageError) in try await storage.signUpload(grant(.upTo(-1))) } != nil)
    }

    @Test func `what is there is not overwritten without leave`() async throws {
        let (storage, _) = try storage { _ in Self.found }
        #expect(await storageFault { () throws(StorageError) in try await storage.signUpload(grant(.exactly(5))) } == .exists)
        #expect(
            try await storage.signUpload(grant(.exactly(5), upsert: true)).headers.contains { $0.name == "if-none-match" }
                == false)
    }

    @Test func `an object is described with what was signed for it`() async throws {
        let (storage, _) = try storage { _ in Self.found }
        let info = try await storage.info(ObjectPath(bucket: "attachments", key: "u1/a.png"))
        #expect(info.size == 5)
        #expect(info.contentType == "image/png")
        #expect(info.etag == "\"abc\"")
        #expect(info.version == "abc")
        #expect(info.updatedAt == 1_445_412_480_000)
        #expect(info.owner == "user 1")
        #expect(info.displayName == "Ä.png")
        #expect(info.metadata == #"{"a":"é"}"#)
        #expect(UUID(uuidString: info.id)?.uuidString.lowercased() == info.id)
    }

    private static func page(_ keys: [String], folders: [String] = [], next: String? = nil) -> RemoteAnswer {
        let contents = keys.map {
            "<Contents><Key>\($0)</Key><LastModified>2026-01-02T03:04:0\($0.utf8.count % 10).000Z</LastModified><ETag>&quot;e&quot;</ETag>"
                + "<Size>\($0.utf8.count)</Size></Contents>"
        }.joined()
        let prefixes = folders.map { "<CommonPrefixes><Prefix>\($0)</Prefix></CommonPrefixes>" }.joined()
        let end = next.map { "<IsTruncated>true</IsTruncated><NextContinuationToken>\($0)</NextContinuationToken>" } ?? ""
        return RemoteAnswer(
            200, "<ListBucketResult><EncodingType>url</EncodingType>\(contents)\(prefixes)\(end)</ListBucketResult>")
    }

    private func names(_ entries: [ListEntry]) -> [String] {
        entries.map { entry in
            switch entry {
            case .object(let name, _): name
            case .folder(let name): name + "/"
            }
        }
    }

    @Test func `pages are joined, decoded, sorted, searched and cut`() async throws {
        let (storage, stub) = try storage { request in
            request.url.contains("continuation-token=t%2B1")
                ? Self.page(["u1/b+c%2Bd", "u1/%C3%A9"], folders: ["u1/z/"])
                : Self.page(["u1/", "u1/a.txt"], folders: ["u1/a/"], next: "t+1")
        }
        func list(_ change: (inout ListQuery) -> Void) async throws -> [String] {
            var query = ListQuery(bucket: "attachments", prefix: "u1")
            change(&query)
            return names(try await storage.list(query))
        }
        #expect(try await list { _ in } == ["a.txt", "a/", "b c+d", "z/", "é"])
        #expect(stub.requests.allSatisfy { $0.url.contains("prefix=u1%2F") })
        #expect(try await list { $0.ascending = false } == ["é", "z/", "b c+d", "a/", "a.txt"])
        #expect(try await list { $0.search = "A" } == ["a.txt", "a/"])
        #expect(try await list { $0.search = "nothing" } == [])
        #expect(try await list { ($0.offset, $0.limit) = (1, 2) } == ["a/", "b c+d"])
        #expect(try await list { ($0.sortBy, $0.ascending) = (.updated_at, false) } == ["a/", "z/", "é", "a.txt", "b c+d"])
        #expect(try await list { $0.owner = "u1" }.count == 5)
        // The wanted part is on the first page: no second one is read.
        let before = stub.requests.count
        #expect(try await list { $0.limit = 2 } == ["a.txt", "a/"])
        #expect(stub.requests.count == before + 1)
    }

    @Test func `a listing that cannot be kept is refused`() async throws {
        let (storage, stub) = try storage { _ in Self.page([], next: "again") }
        for query in [
            ListQuery(bucket: "attachments", limit: 0), ListQuery(bucket: "attachments", limit: 1001),
            ListQuery(bucket: "attachments", offset: -1), ListQuery(bucket: "attachments", offset: .max),
            ListQuery(bucket: "attachments", owner: "u1"), ListQuery(bucket: "attachments", prefix: "u2/", owner: "u1"),
            ListQuery(bucket: "attachments", prefix: "u1", owner: ""),
            ListQuery(bucket: "attachments", prefix: "u10", owner: "u1"),
        ] {
            #expect(await storageFault { () throws(StorageError) in try await storage.list(query) }?.code == .invalidParameter)
        }
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.list(ListQuery(bucket: "attachments", prefix: "../x"))
            }?.code == .invalidKey)
        #expect(stub.requests.isEmpty)
        // A store that never ends.
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.list(ListQuery(bucket: "attachments"))
            }?.code == .invalidParameter)
        #expect(stub.requests.count == S3Storage.maxPages)
    }

    @Test(arguments: [
        "", "<a/>", "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><CommonPrefixes><Prefix>a</Prefix></CommonPrefixes></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%ZZ</Key><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%C3</Key><Size>1</Size></Contents></ListBucketResult>",
    ])
    func `a listing that cannot be read is a fault of the store`(_ text: String) async throws {
        let (storage, _) = try storage { _ in RemoteAnswer(200, text) }
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.list(ListQuery(bucket: "attachments"))
            }?.code == .upstream)
    }

    @Test func `keys outside the folder are a fault of the store`() async throws {
        let (storage, _) = try storage { _ in Self.page(["u2/a"]) }
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.list(ListQuery(bucket: "attachments", prefix: "u1"))
            }?.code == .upstream)
    }

    @Test(arguments: [
        ("NoSuchBucket", 404, StorageError.Code.noSuchBucket), ("NoSuchKey", 404, .noSuchKey), ("AccessDenied", 403, .upstream),
        ("SignatureDoesNotMatch", 403, .upstream), ("SlowDown", 503, .slowDown), ("", 503, .slowDown),
        ("EntityTooLarge", 400, .entityTooLarge),
        ("PreconditionFailed", 412, .keyAlreadyExists), ("KeyTooLongError", 400, .invalidKey), ("", 404, .noSuchKey),
        ("", 301, .upstream), ("", 500, .upstream), ("a\nb/X-Amz-Signature=c", 500, .upstream),
    ])
    func `errors are named, and nothing of theirs is repeated`(_ code: String, _ status: Int, _ wanted: StorageError.Code)
        async throws
    {
        let (storage, _) = try storage { _ in
            RemoteAnswer(
                status, "<Error><Code>\(code)</Code><Message>/secret-key?sig=1</Message><Resource>/secret-key</Resource></Error>")
        }
        let error = await storageFault { () throws(StorageError) in try await storage.list(ListQuery(bucket: "attachments")) }
        #expect(error?.code == wanted)
        #expect(!"\(String(describing: error))".contains("secret-key"))
        #expect(error?.cause?.contains("\n") != true)
        #expect(error?.cause?.contains("=") != true)
    }

    @Test func `a transport that fails does not tell its url`() async throws {
        let (storage, _) = try storage { _ in throw RemoteStub.Broken() }
        let error = await storageFault { () throws(StorageError) in
            try await storage.info(ObjectPath(bucket: "attachments", key: "a"))
        }
        #expect(error?.code == .upstream)
        #expect(error?.cause == "transport: Broken")
    }

    @Test func `an answer over the limit is not read`() async throws {
        let (storage, _) = try storage { _ in RemoteAnswer(200, String(repeating: " ", count: S3Storage.maxAnswerBytes + 1)) }
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.list(ListQuery(bucket: "attachments"))
            }?.code == .upstream)
    }

    @Test func `links come in order, one answer each, and what could run is saved`() async throws {
        let (storage, _) = try storage { request in
            if request.url.hasSuffix("/gone") { return RemoteAnswer(404, "") }
            let type = request.url.hasSuffix("/page") ? "text/html" : "image/png; a=b"
            return RemoteAnswer(200, "", [("content-length", "1"), ("content-type", type)])
        }
        let paths = ["a/png", "a/gone", "a/page", "a/../x"].map { ObjectPath(bucket: "attachments", key: $0) }
        let results = try await storage.signDownloads(paths, DownloadOptions(expiresInSeconds: 60))
        let links = results.map { try? $0.get().url }
        #expect(links[0]?.contains("response-content-disposition") == false)
        #expect(links[2]?.contains("response-content-disposition=attachment") == true)
        #expect(results[1] == .failure(.noObject))
        #expect(results[3] == .failure(StorageError(.invalidKey, "Invalid key")))
        let saved = try await storage.signDownloads(
            [paths[0]], DownloadOptions(expiresInSeconds: 60, download: .attachment(name: "x y.png")))
        #expect(try saved[0].get().url.contains("filename%2A%3DUTF-8%27%27x%2520y.png"))
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.signDownloads(
                    Array(repeating: paths[0], count: 1001), DownloadOptions(expiresInSeconds: 60))
            }?.code == .invalidParameter)
    }

    @Test func `removing says what was there, asks once for each key and few at a time`() async throws {
        let active = Locked<(now: Int, most: Int)>((0, 0))
        let (storage, stub) = try storage { request in
            active.withLock { state in
                state.now += 1
                state.most = max(state.most, state.now)
            }
            defer { active.withLock { $0.now -= 1 } }
            if request.url.hasSuffix("/gone") { return RemoteAnswer(404, "") }
            return request.method == "HEAD" ? Self.found : RemoteAnswer(204, "")
        }
        let keys = (0..<40).map { "a/\($0)" }
        let removed = try await storage.remove(bucket: "attachments", keys: keys + ["a/gone", "a/0"])
        #expect(removed.map(\.path.key) == keys)
        #expect(stub.requests.count == 81)
        #expect(active.withLock { $0.most } <= RemoteBatch.width)
    }

    @Test func `when one key cannot be removed the others are, and the fault is told`() async throws {
        let (storage, stub) = try storage { request in
            if request.method == "HEAD" { return Self.found }
            return request.url.hasSuffix("/1") ? RemoteAnswer(500, "") : RemoteAnswer(204, "")
        }
        #expect(
            await storageFault { () throws(StorageError) in
                try await storage.remove(bucket: "attachments", keys: ["a/0", "a/1", "a/2"])
            }?.code == .upstream)
        #expect(stub.requests.filter { $0.method == "DELETE" }.count == 3)
    }
}
