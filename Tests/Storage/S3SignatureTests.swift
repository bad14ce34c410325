import Foundation
import SwiftletCrypto
import Testing

@testable import SwiftletStorage

/// One published case: a request, and what each step of signing it gives.
struct SigV4Case: Decodable, Sendable, CustomTestStringConvertible {
    struct Context: Decodable, Sendable {
        struct Credentials: Decodable, Sendable {
            let access_key_id: String
            let secret_access_key: String
            let token: String?
        }
        let credentials: Credentials
        let expiration_in_seconds: Int
        let normalize: Bool
        let region: String
        let service: String
        let sign_body: Bool
        let timestamp: String
        let omit_session_token: Bool?
    }
    let name: String
    let request: String
    let context: Context
    let header: [String]
    let query: [String]

    var testDescription: String { name }

    /// Each file line is a header; an indented one goes on with the header before.
    func parsed() -> (request: SigV4.Request, body: [UInt8]) {
        let halves = request.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
        var lines = halves[0].split(separator: "\n").map(String.init)
        let first = lines.removeFirst()
        let target = first.dropFirst(first.prefix { $0 != " " }.count + 1).dropLast(" HTTP/1.1".count)
        let pieces = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers: [(name: String, value: String)] = []
        for line in lines {
            if line.hasPrefix(" "), let last = headers.indices.last {
                headers[last].value += "\n" + line
            } else {
                let parts = line.split(separator: ":", maxSplits: 1)
                headers.append((String(parts[0]), String(parts[1])))
            }
        }
        let request = SigV4.Request(
            method: String(first.prefix { $0 != " " }), path: String(pieces[0]),
            query: S3Text.query(pieces.count > 1 ? pieces[1] : "") ?? [], headers: headers)
        return (request, halves.count > 1 ? Array(halves[1].utf8) : [])
    }

    var signer: SigV4Signer {
        let token = context.omit_session_token == true ? nil : context.credentials.token
        return SigV4Signer(
            credentials: S3Credentials(
                accessKey: context.credentials.access_key_id, secret: SecretBytes(utf8: context.credentials.secret_access_key),
                sessionToken: token.map { SecretBytes(utf8: $0) }),
            options: SigV4.Options(
                region: context.region, service: context.service, normalize: context.normalize, pathEncoding: .once))
    }

    var now: Int64 { (S3Time.parseExtended(context.timestamp) ?? 0) / 1000 }

    static let all: [SigV4Case] = {
        struct Line: Decodable {
            let line: SigV4Case?
            init(from decoder: any Decoder) throws { line = try? SigV4Case(from: decoder) }
        }
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("sigv4-cases.json")
        guard let data = try? Data(contentsOf: file) else { return [] }
        return ((try? JSONDecoder().decode([Line].self, from: data)) ?? []).compactMap(\.line)
    }()
}

@Suite struct S3SignatureTests {
    @Test func `all 38 published cases are here`() {
        #expect(SigV4Case.all.count == 38)
    }

    @Test(arguments: SigV4Case.all) func `header signing gives the published value at every step`(_ row: SigV4Case) {
        let (request, body) = row.parsed()
        let signed = row.signer.signHeaders(request, .of(body), statesPayload: row.context.sign_body, now: row.now)
        #expect(String(decoding: signed.steps.canonicalRequest, as: UTF8.self) == row.header[0])
        #expect(String(decoding: signed.steps.stringToSign, as: UTF8.self) == row.header[1])
        #expect(signed.steps.signature == row.header[2])
    }

    @Test(arguments: SigV4Case.all) func `query signing gives the published value at every step`(_ row: SigV4Case) {
        let (request, body) = row.parsed()
        let signed = row.signer.presign(request, .of(body), expires: row.context.expiration_in_seconds, now: row.now)
        #expect(String(decoding: signed.steps.canonicalRequest, as: UTF8.self) == row.query[0])
        #expect(String(decoding: signed.steps.stringToSign, as: UTF8.self) == row.query[1])
        #expect(signed.steps.signature == row.query[2])
    }

    @Test(arguments: SigV4Case.all) func `the verifier accepts the published cases in both forms and refuses them changed`(
        _ row: SigV4Case
    ) throws {
        let (request, body) = row.parsed()
        let verifier = SigV4Verifier(row.signer)
        let path = S3Text.encoded(request.path, keepingSlash: true)
        let query = SigV4.canonicalQuery(request.query)
        let headers = row.signer.signHeaders(request, .of(body), statesPayload: row.context.sign_body, now: row.now).added
        var incoming = SigV4Verifier.Incoming(
            method: request.method, target: query.isEmpty ? path : "\(path)?\(query)", headers: request.headers + headers)
        try verifier.verify(incoming, .of(body), now: row.now)
        #expect(throws: SigV4Verifier.Fault.self) { try verifier.verify(incoming, .of(body + [1]), now: row.now) }
        #expect(throws: SigV4Verifier.Fault.expired) { try verifier.verify(incoming, .of(body), now: row.now + 901) }
        #expect(throws: SigV4Verifier.Fault.notYetValid) { try verifier.verify(incoming, .of(body), now: row.now - 901) }
        incoming.method = "PATCH"
        #expect(throws: SigV4Verifier.Fault.mismatch) { try verifier.verify(incoming, .of(body), now: row.now) }

        let link = row.signer.presign(request, .of(body), expires: row.context.expiration_in_seconds, now: row.now).query
        incoming = SigV4Verifier.Incoming(method: request.method, target: "\(path)?\(link)", headers: request.headers)
        try verifier.verify(incoming, .of(body), now: row.now + Int64(row.context.expiration_in_seconds) - 1)
        #expect(throws: SigV4Verifier.Fault.expired) {
            try verifier.verify(incoming, .of(body), now: row.now + Int64(row.context.expiration_in_seconds))
        }
        incoming.headers.append(("X-Amz-Acl", "public-read"))
        #expect(throws: SigV4Verifier.Fault.unsignedHeader("x-amz-acl")) {
            try verifier.verify(incoming, .of(body), now: row.now)
        }
    }

    @Test func `a path that is encoded twice is encoded twice`() {
        var options = SigV4.Options(region: "r", service: "s", normalize: false, pathEncoding: .twice)
        let request = SigV4.Request(method: "GET", path: "/a b/c~", headers: [("host", "h")])
        func path() -> Substring? {
            String(decoding: SigV4.canonicalRequest(request, .empty, options), as: UTF8.self).split(separator: "\n").dropFirst()
                .first
        }
        #expect(path() == "/a%2520b/c~")
        options.pathEncoding = .once
        #expect(path() == "/a%20b/c~")
    }

    @Test func `the cached key of a day is the key of that day`() {
        func signer() -> SigV4Signer {
            SigV4Signer(credentials: S3Credentials(accessKey: "A", secret: SecretBytes(utf8: "s")), options: .s3(region: "r"))
        }
        let kept = signer()
        for _ in 0..<2 {
            for day in 20_260_101...20_260_109 {
                #expect(kept.sign([1], date: String(day)) == signer().sign([1], date: String(day)))
            }
        }
    }

    @Test func `the examples of the S3 guide and of botocore come out`() throws {
        let guide = SigV4Signer(
            credentials: S3Credentials(
                accessKey: "AKIAIOSFODNN7EXAMPLE", secret: SecretBytes(utf8: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")),
            options: .s3(region: "us-east-1"))
        let get = SigV4.Request(method: "GET", path: "/test.txt", headers: [("host", "examplebucket.s3.amazonaws.com")])
        let then = try #require(S3Time.parseBasic("20130524T000000Z"))
        #expect(
            guide.presign(get, .unsigned, expires: 86_400, now: then).steps.signature
                == "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")

        let botocore = SigV4Signer(
            credentials: S3Credentials(
                accessKey: "AKIDEXAMPLE", secret: SecretBytes(utf8: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")),
            options: .s3(region: "us-east-1"))
        let put = SigV4.Request(
            method: "PUT", path: "/attachments/u1/2026/a b.png",
            headers: [("host", "127.0.0.1:9000"), ("content-length", "5"), ("content-type", "image/png")])
        let now = try #require(S3Time.parseBasic("20260102T030405Z"))
        #expect(
            botocore.presign(put, .unsigned, expires: 7200, now: now).steps.signature
                == "09f22179874c1bed8c0ed291dea10ec14f973997e4cab0fba1bde4ede928688e")
    }
}

@Suite struct S3TimeTests {
    @Test func `times go out and come back as Foundation has them`() throws {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        var seconds: Int64 = 0
        while seconds < 253_402_300_799 {
            let extended = S3Time.extended(seconds)
            #expect(formatter.date(from: extended)?.timeIntervalSince1970 == Double(seconds))
            #expect(S3Time.parseExtended(extended) == seconds * 1000)
            #expect(S3Time.parseBasic(S3Time.basic(seconds)) == seconds)
            seconds += 86_399 * 3_571 + 12_345
        }
        #expect(S3Time.basic(253_402_300_799) == "99991231T235959Z")
        #expect(S3Time.basic(.max) == "99991231T235959Z")
        #expect(S3Time.basic(.min) == "19700101T000000Z")
    }

    @Test(arguments: [
        "", "20260102T030405", "20260230T000000Z", "20261301T000000Z", "20260102T240000Z", "20260102t030405Z",
        "20260102T030405Z ",
        "2026010aT030405Z", "00000000T000000Z", "19691231T235959Z", "20260431T000000Z", "+0260102T030405Z",
    ])
    func `what is no time is refused`(_ text: String) {
        #expect(S3Time.parseBasic(text) == nil)
    }

    @Test func `zones and fractions are read`() {
        #expect(S3Time.parseExtended("1970-01-02T00:00:00.5+01:30") == 81_000_500)
        #expect(S3Time.parseExtended("1970-01-02 00:00:00.123456+00") == 86_400_123)
        #expect(S3Time.parseExtended("1970-01-02T00:00:00-00:00Z") == nil)
        #expect(S3Time.parseExtended("1970-01-02T00:00:00.Z") == nil)
    }
}
