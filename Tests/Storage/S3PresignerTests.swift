import Foundation
import SwiftletCrypto
import Testing

@testable import SwiftletStorage

/// What the S3 tests share.
enum S3Sample {
    static let now: Int64 = 1_767_323_045_000
    static let credentials = S3Credentials(
        accessKey: "AKIDEXAMPLE", secret: SecretBytes(utf8: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))

    static func presigner(_ url: String = "http://127.0.0.1:9000", _ addressing: S3Endpoint.Addressing = .path) throws
        -> S3Presigner
    {
        S3Presigner(
            endpoint: try #require(S3Endpoint(url, region: "us-east-1", addressing: addressing)), credentials: credentials)
    }

    static let signer = SigV4Signer(credentials: credentials, options: .s3(region: "us-east-1"))

    static func incoming(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)] = []
    ) -> SigV4Verifier.Incoming {
        let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return SigV4Verifier.Incoming(method: method, target: "/" + parts[3], headers: [("Host", String(parts[2]))] + headers)
    }

    static let keys = [
        "a", "u1/2026/a b.png", "a+b&c=d?e#f", "100%25.txt", "quote\"'`.txt", "ümläut/漢字/🙂.png", "~tilde/-._", "a//b/",
        "e\u{301}/é",
        "back\\slash", "..a/b..", String(repeating: "x", count: 1024),
    ]
}

@Suite struct S3PresignerTests {
    @Test(arguments: S3Sample.keys) func `a link is accepted as it is and refused when anything in it changes`(_ key: String)
        throws
    {
        let put = S3Presigner.Put(
            path: ObjectPath(bucket: "attachments", key: key), contentLength: 5, contentType: "image/png",
            sha256: Array(repeating: 7, count: 32), createOnce: true, metadata: [("owner", "u1")])
        let signed = try S3Sample.presigner().put(put, expires: 60, now: S3Sample.now)
        #expect(signed.expiresAt == S3Sample.now + 60_000)
        #expect(signed.method == "PUT")
        #expect(
            signed.headers.map(\.name) == [
                "content-length", "content-type", "x-amz-checksum-sha256", "if-none-match", "x-amz-meta-owner",
            ])
        let verifier = SigV4Verifier(S3Sample.signer)
        let whole = S3Sample.incoming("PUT", signed.url, signed.headers)
        let seconds = S3Sample.now / 1000
        try verifier.verify(whole, .unsigned, now: seconds)

        for place in signed.headers.indices {
            var changed = signed.headers
            changed[place].value += "x"
            #expect(throws: SigV4Verifier.Fault.mismatch) {
                try verifier.verify(S3Sample.incoming("PUT", signed.url, changed), .unsigned, now: seconds)
            }
            changed.remove(at: place)
            #expect(throws: SigV4Verifier.Fault.self) {
                try verifier.verify(S3Sample.incoming("PUT", signed.url, changed), .unsigned, now: seconds)
            }
        }
        // Any letter of the address, made another one.
        let bytes = Array(signed.url.utf8)
        let step = bytes.count > 1000 ? 7 : 1
        for place in stride(from: "http://127.0.0.1:9000/".utf8.count, to: bytes.count, by: step) {
            var changed = bytes
            changed[place] = changed[place] == UInt8(ascii: "7") ? UInt8(ascii: "8") : UInt8(ascii: "7")
            #expect(throws: SigV4Verifier.Fault.self, "byte \(place)") {
                let url = String(decoding: changed, as: UTF8.self)
                try verifier.verify(S3Sample.incoming("PUT", url, signed.headers), .unsigned, now: seconds)
            }
        }
        #expect(throws: SigV4Verifier.Fault.mismatch) {
            try verifier.verify(S3Sample.incoming("GET", signed.url, signed.headers), .unsigned, now: seconds)
        }
        #expect(throws: SigV4Verifier.Fault.expired) { try verifier.verify(whole, .unsigned, now: seconds + 60) }
    }

    @Test func `a signature is refused with every other digit at every place`() throws {
        let link = try S3Sample.presigner().get(
            ObjectPath(bucket: "attachments", key: "a"), expires: 60, now: S3Sample.now
        ).url
        let bytes = Array(link.utf8)
        let verifier = SigV4Verifier(S3Sample.signer)
        try verifier.verify(S3Sample.incoming("GET", link), .unsigned, now: S3Sample.now / 1000)
        for place in bytes.count - 64..<bytes.count {
            for digit in "0123456789abcdefABCDEF".utf8 where digit != bytes[place] {
                var changed = bytes
                changed[place] = digit
                #expect(throws: SigV4Verifier.Fault.mismatch) {
                    try verifier.verify(
                        S3Sample.incoming("GET", String(decoding: changed, as: UTF8.self)), .unsigned, now: S3Sample.now / 1000)
                }
            }
        }
        for shorter in [String(link.dropLast()), link + "0", String(link.dropLast(64))] {
            #expect(throws: SigV4Verifier.Fault.mismatch) {
                try verifier.verify(S3Sample.incoming("GET", shorter), .unsigned, now: S3Sample.now / 1000)
            }
        }
    }

    @Test func `a parameter that stands twice is refused`() throws {
        let link = try S3Sample.presigner().get(ObjectPath(bucket: "attachments", key: "a"), expires: 60, now: S3Sample.now).url
        for name in [
            "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Algorithm",
        ] {
            #expect(throws: SigV4Verifier.Fault.malformed) {
                try SigV4Verifier(S3Sample.signer).verify(
                    S3Sample.incoming("GET", "\(link)&\(name)=1"), .unsigned, now: S3Sample.now / 1000)
            }
        }
    }

    @Test func `a link for reading says under which name it is saved`() throws {
        let presigner = try S3Sample.presigner()
        let path = ObjectPath(bucket: "attachments", key: "a")
        let link = try presigner.get(
            path, contentDisposition: S3Text.attachment(named: "Bericht \"é\".txt"), contentType: "text/plain", expires: 60,
            now: S3Sample.now
        ).url
        let items = try #require(URLComponents(string: link)?.queryItems)
        #expect(
            items.first { $0.name == "response-content-disposition" }?.value
                == "attachment; filename=\"Bericht ___.txt\"; filename*=UTF-8''Bericht%20%22%C3%A9%22.txt")
        #expect(items.first { $0.name == "response-content-type" }?.value == "text/plain")
        #expect(throws: StorageError.self) {
            _ = try presigner.get(path, contentDisposition: "a\r\nb", expires: 60, now: S3Sample.now)
        }
        #expect(throws: StorageError.self) { _ = try presigner.get(path, method: "PUT", expires: 60, now: S3Sample.now) }
    }

    @Test func `requests by header are accepted, and refused when they change or age`() throws {
        let presigner = try S3Sample.presigner()
        let path = ObjectPath(bucket: "attachments", key: "u1/a b+c.png")
        let requests = [
            try presigner.head(path, now: S3Sample.now), try presigner.delete(path, now: S3Sample.now),
            try presigner.list(bucket: "attachments", prefix: "u1/", continuation: "a+/=", now: S3Sample.now),
        ]
        let verifier = SigV4Verifier(S3Sample.signer)
        for request in requests {
            let incoming = S3Sample.incoming(request.method, request.url, request.headers)
            try verifier.verify(incoming, .empty, now: S3Sample.now / 1000)
            #expect(throws: SigV4Verifier.Fault.wrongPayload) {
                try verifier.verify(incoming, .of([1]), now: S3Sample.now / 1000)
            }
            #expect(throws: SigV4Verifier.Fault.expired) { try verifier.verify(incoming, .empty, now: S3Sample.now / 1000 + 901) }
            #expect(throws: SigV4Verifier.Fault.unsignedHeader("x-amz-acl")) {
                var more = incoming
                more.headers.append(("x-amz-acl", "public-read"))
                try verifier.verify(more, .empty, now: S3Sample.now / 1000)
            }
        }
    }

    @Test func `a virtual host carries the bucket in its name`() throws {
        let presigner = try S3Sample.presigner("https://s3.eu-west-1.amazonaws.com:443/", .virtualHost)
        let link = try presigner.get(ObjectPath(bucket: "attachments", key: "a/b"), expires: 60, now: S3Sample.now).url
        #expect(link.hasPrefix("https://attachments.s3.eu-west-1.amazonaws.com/a/b?"))
        try SigV4Verifier(S3Sample.signer).verify(S3Sample.incoming("GET", link), .unsigned, now: S3Sample.now / 1000)
        #expect(throws: StorageError(.invalidBucketName, "Bucket name invalid")) {
            _ = try presigner.get(ObjectPath(bucket: "a.b.c", key: "a"), expires: 60, now: S3Sample.now)
        }
    }

    @Test(arguments: [
        "", "s3.amazonaws.com", "ftp://s3", "https://", "https://user@host", "https://host?x", "https://host#x",
        "https://host/path",
        "https://host:0", "https://host:65536", "https://host:", "https://host:80x", "https://a..b", "https://a b",
        "https://[::1",
        "https://[::1]x", "https://[]", "https:/host", "https://hö.st", "https://host\r\n", "https://%41",
    ])
    func `what is no plain address is no endpoint`(_ url: String) {
        #expect(S3Endpoint(url, region: "r") == nil)
    }

    @Test func `usual ports are left out and regions are plain`() {
        #expect(S3Endpoint("https://Host:443", region: "r")?.host == "host")
        #expect(S3Endpoint("http://host:443", region: "r")?.host == "host:443")
        #expect(S3Endpoint("http://[::1]:9000", region: "r")?.host == "[::1]:9000")
        #expect(S3Endpoint("http://host", region: "") == nil)
        #expect(S3Endpoint("http://host", region: "a/b") == nil)
        #expect(S3Endpoint("http://127.0.0.1", region: "r", addressing: .virtualHost) == nil)
    }

    @Test(arguments: [
        "", "/a", ".", "..", "a/../b", "a/./b", "a/..", "a\u{0}b", "a\nb", "a\u{7f}", "a\u{85}",
        String(repeating: "x", count: 1025),
    ])
    func `a key that a client would change on the way is refused`(_ key: String) throws {
        #expect(throws: StorageError(.invalidKey, "Invalid key")) {
            _ = try S3Sample.presigner().get(ObjectPath(bucket: "attachments", key: key), expires: 60, now: S3Sample.now)
        }
    }

    @Test(arguments: [
        "", "ab", "Attachments", "a_b", "-abc", "abc-", "a..b", "a/b", "a?b", "..", String(repeating: "a", count: 64),
    ])
    func `a bucket with another name than S3 allows is refused`(_ bucket: String) throws {
        #expect(throws: StorageError(.invalidBucketName, "Bucket name invalid")) {
            _ = try S3Sample.presigner().get(ObjectPath(bucket: bucket, key: "a"), expires: 60, now: S3Sample.now)
        }
    }

    @Test func `values that no header can carry are refused`() throws {
        let presigner = try S3Sample.presigner()
        let path = ObjectPath(bucket: "attachments", key: "a")
        func code(_ put: S3Presigner.Put, expires: Int = 60) -> StorageError.Code? {
            do throws(StorageError) {
                _ = try presigner.put(put, expires: expires, now: S3Sample.now)
                return nil
            } catch {
                return error.code
            }
        }
        func put(
            _ length: Int = 1, _ type: String = "image/png", _ sha256: [UInt8]? = nil,
            _ metadata: [(name: String, value: String)] = []
        ) -> S3Presigner.Put {
            S3Presigner.Put(path: path, contentLength: length, contentType: type, sha256: sha256, metadata: metadata)
        }
        #expect(code(put()) == nil)
        #expect(code(put(-1)) == .entityTooLarge)
        #expect(code(put(5 << 30 + 1)) == .entityTooLarge)
        for type in ["", "png", "image/png\r\nx: y", "image/png ", " image/png", "a/b;  c", "a/ü"] {
            #expect(code(put(1, type)) == .invalidMimeType, "\(type)")
        }
        #expect(code(put(1, "a/b", [1])) == .invalidParameter)
        for (name, value) in [("", "a"), ("Owner", "a"), ("a:b", "a"), ("a", ""), ("a", "b\nc"), ("a", "é")] {
            #expect(code(put(1, "a/b", nil, [(name, value)])) == .invalidParameter, "\(name)=\(value)")
        }
        #expect(code(put(1, "a/b", nil, [("a", String(repeating: "b", count: 2048))])) == .invalidParameter)
        for expires in [0, -1, 604_801, .max, .min] { #expect(code(put(), expires: expires) == .invalidParameter) }
    }

    @Test func `secrets do not show when values are printed`() throws {
        let presigner = try S3Sample.presigner()
        #expect(!"\(presigner)".contains("wJalr"))
        #expect(!String(reflecting: S3Sample.credentials).contains("wJalr"))
    }
}

@Suite struct S3PostPolicyTests {
    private let verifier = PostPolicyVerifier(S3Sample.signer)
    private let seconds = S3Sample.now / 1000

    private func form(_ key: String = "u1/a b.png") throws -> [(name: String, value: String)] {
        let form = S3Presigner.Form(
            path: ObjectPath(bucket: "attachments", key: key), contentType: "image/png", size: 1...100,
            sha256: Array(repeating: 1, count: 32), metadata: [("owner", "u1")])
        let signed = try S3Sample.presigner().post(form, expires: 60, now: S3Sample.now)
        #expect(signed.url == "http://127.0.0.1:9000/attachments")
        #expect(signed.method == "POST")
        #expect(signed.headers.isEmpty)
        return signed.fields
    }

    private func fault(
        _ fields: [(name: String, value: String)], bytes: Int = 1, bucket: String = "attachments", now: Int64? = nil
    ) -> PostPolicyVerifier.Fault? {
        do throws(PostPolicyVerifier.Fault) {
            try verifier.verify(bucket: bucket, fields: fields, fileBytes: bytes, now: now ?? seconds)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: S3Sample.keys) func `a form is accepted within its range and refused changed`(_ key: String) throws {
        let fields = try form(key)
        #expect(fault(fields) == nil)
        #expect(fault(fields, bytes: 100) == nil)
        #expect(fault(fields, bytes: 0) == .broken("content-length-range"))
        #expect(fault(fields, bytes: 101) == .broken("content-length-range"))
        #expect(fault(fields, bucket: "others") == .broken("bucket"))
        #expect(fault(fields, now: seconds + 59) == nil)
        #expect(fault(fields, now: seconds + 60) == .expired)
        for place in fields.indices {
            var changed = fields
            changed[place].value += "x"
            #expect(fault(changed) != nil, "\(fields[place].name)")
            changed.remove(at: place)
            #expect(fault(changed) != nil, "\(fields[place].name)")
            changed = fields + [fields[place]]
            #expect(fault(changed) == .malformed)
        }
        #expect(fault(fields + [("acl", "public-read")]) == .uncovered("acl"))
        #expect(fault(fields + [("X-Ignore-Me", "1")]) == nil)
    }

    @Test func `every changed byte of a policy is refused`() throws {
        let fields = try form()
        let place = try #require(fields.firstIndex { $0.name == "policy" })
        let policy = Array(fields[place].value.utf8)
        for index in policy.indices {
            var bytes = policy
            bytes[index] = bytes[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            var changed = fields
            changed[place].value = String(decoding: bytes, as: UTF8.self)
            #expect(fault(changed) == .mismatch)
        }
    }

    /// A policy of somebody who holds the key but writes strangely.
    private func signed(_ policy: String, _ more: [(name: String, value: String)] = []) -> [(name: String, value: String)] {
        let date = S3Time.basic(seconds)
        let text = S3Base64.encode(Array(policy.utf8))
        return [
            ("key", "k"), ("x-amz-algorithm", SigV4.algorithm), ("x-amz-credential", S3Sample.signer.credential(date: date)),
            ("x-amz-date", date), ("policy", text), ("x-amz-signature", S3Sample.signer.sign(Array(text.utf8), date: date)),
        ] + more
    }

    @Test(arguments: [
        #"{"conditions":[]}"#, #"{"expiration":"soon","conditions":[]}"#, #"{"expiration":"2030-01-01T00:00:00Z"}"#, "[]", "",
        "nonsense",
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","key","k"]]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[["like","$key","k"]]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","$key"]]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[{"key":"k","bucket":"attachments"}]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[{"key":1}]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[["content-length-range",5,1]]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[["content-length-range",-5,1]]}"#,
        #"{"expiration":"2030-01-01T00:00:00Z","conditions":[["content-length-range",0,1e99]]}"#,
        #"{"expiration":1,"conditions":[7]}"#,
    ])
    func `a policy that cannot be read is malformed, though signed`(_ policy: String) {
        #expect(fault(signed(policy)) == .malformed)
    }

    @Test func `prefixes are compared by bytes, not by looks`() {
        let all = #"{"bucket":"attachments"},["starts-with","$x-amz-",""],{"x-amz-algorithm":"AWS4-HMAC-SHA256"}"#
        let end = #"{"expiration":"2030-01-01T00:00:00Z","conditions":["#
        #expect(fault(signed("\(end)[\"eq\",\"$key\",\"k\"],\(all)]}")) == .broken("x-amz-"))
        #expect(fault(signed("\(end)[\"starts-with\",\"$note\",\"e\u{301}\"]]}", [("note", "é")])) == .broken("note"))
        #expect(fault(signed("\(end){\"note\":\"e\u{301}\"}]}", [("note", "é")])) == .broken("note"))
        #expect(fault(signed("\(end)[\"eq\",\"$key\",\"k\"]]}")) != nil)
    }

    @Test func `a key that the store would fill in is refused`() throws {
        #expect(throws: StorageError(.invalidKey, "Invalid key")) { _ = try form("u1/${filename}") }
    }
}

@Suite struct S3Base64Tests {
    @Test func `bytes go out as Foundation writes them, and come back`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ count) }
            #expect(S3Base64.encode(bytes) == Data(bytes).base64EncodedString())
            #expect(S3Base64.decode(S3Base64.encode(bytes)) == bytes)
        }
    }

    @Test(arguments: ["A", "AA", "AAA", "A===", "====", "AA=A", "AB==", "AAB=", "AA==AA==", "AA-_", "AAA\n"])
    func `what is not exactly base64 is refused`(_ text: String) {
        #expect(S3Base64.decode(text) == nil)
    }
}
