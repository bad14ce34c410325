import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletHost
import SwiftletJSON
import SwiftletTesting
import Testing

@Suite struct CredentialTests {
    static let keys = [
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_0123456789abcdefXYZ",
        "SUPABASE_SECRET_KEY": "sb_secret_fedcba9876543210XYZabc",
        "FIXTURE_SECRET": "canary-fixture",
    ]
    static var publishable: String { keys["SUPABASE_PUBLISHABLE_KEY"] ?? "" }
    static var secretKey: String { keys["SUPABASE_SECRET_KEY"] ?? "" }

    private static func unsigned(_ header: String) -> String {
        Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(Array(#"{"sub":"u1","exp":4102444800}"#.utf8)) + "."
            + Base64URL.encode([UInt8](repeating: 7, count: 64))
    }

    @Test func `each way a token is bad has its code, and says no more`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let good = try DevelopmentToken.mint(
                .init(subject: "u1", role: "authenticated", expiresAt: Int64(Date().timeIntervalSince1970) + 600))
            let expired = try DevelopmentToken.mint(
                .init(subject: "u1", role: "authenticated", expiresAt: Int64(Date().timeIntervalSince1970) - 1))
            var notYet = TokenMinter.Content(subject: "u1", expiresAt: Int64(Date().timeIntervalSince1970) + 9000)
            notYet.notBefore = Int64(Date().timeIntervalSince1970) + 5000
            let cases: [(String?, String)] = [
                (nil, "UNAUTHORIZED_NO_AUTH_HEADER"), ("", "UNAUTHORIZED_INVALID_JWT_FORMAT"),
                ("Basic dTpw", "UNAUTHORIZED_INVALID_JWT_FORMAT"),
                ("Bearer", "UNAUTHORIZED_INVALID_JWT_FORMAT"), ("Bearer x", "UNAUTHORIZED_INVALID_JWT_FORMAT"),
                ("Bearer a.b.c", "UNAUTHORIZED_INVALID_JWT_FORMAT"), ("Bearer  \(good)", "UNAUTHORIZED_INVALID_JWT_FORMAT"),
                ("Bearer \(good) x", "UNAUTHORIZED_INVALID_JWT_FORMAT"), (good, "UNAUTHORIZED_INVALID_JWT_FORMAT"),
                ("Bearer \(expired)", "UNAUTHORIZED_LEGACY_JWT"),
                ("Bearer \(try DevelopmentToken.mint(notYet))", "UNAUTHORIZED_LEGACY_JWT"),
                ("Bearer \(CredentialTests.unsigned(#"{"alg":"HS256"}"#))", "UNAUTHORIZED_LEGACY_JWT"),
                ("Bearer \(CredentialTests.unsigned(#"{"alg":"ES256","kid":"k"}"#))", "UNAUTHORIZED_ASYMMETRIC_JWT"),
                ("Bearer \(CredentialTests.unsigned(#"{"alg":"RS256","kid":"k"}"#))", "UNAUTHORIZED_ASYMMETRIC_JWT"),
                ("Bearer \(CredentialTests.unsigned(#"{"alg":"none"}"#))", "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM"),
                ("Bearer \(CredentialTests.unsigned(#"{"alg":"HS512"}"#))", "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM"),
                ("Bearer \(CredentialTests.unsigned(#"{"alg":"EdDSA"}"#))", "UNAUTHORIZED_UNSUPPORTED_TOKEN_ALGORITHM"),
            ]
            for (authorization, code) in cases {
                var headers = HTTPFields()
                if let authorization { headers[.authorization] = authorization }
                let answer = try await host.get(path("echo"), headers: headers)
                #expect(answer.status == 401, "\(authorization ?? "nil")")
                #expect(answer.code == code, "\(authorization ?? "nil")")
                #expect(answer.headers[.errorCode] == code)
                #expect(answer.headers[.wwwAuthenticate] == "Bearer")
                #expect(answer.headers[.relayError] == "true")
                for word in ["expired", "signature", "kid", "canary", "not_yet"] { #expect(!answer.text.contains(word)) }
            }
            #expect(
                try await host.request("POST", path("echo"), headers: [.authorization: "bEaReR \(good)"], body: Array("{}".utf8))
                    .status == 200)
            var twice = HTTPFields()
            twice.append(HTTPField(name: .authorization, value: "Bearer \(good)"))
            twice.append(HTTPField(name: .authorization, value: "Bearer \(good)"))
            #expect(
                [400, 401].contains(try await host.request("POST", path("echo"), headers: twice, body: Array("{}".utf8)).status))
        }
    }

    @Test func `a user reaches the function with the claims of the token`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let answer = try await host.post(path("echo"), json: ["a": 1], as: .user("user-1"))
            #expect(answer.status == 200)
            #expect(answer.json?["sub"]?.string == "user-1")
            #expect(answer.json?["echo"]?["a"]?.int == 1)
            let anon = try await host.post(path("echo"), json: ["a": 1], as: .claims(["role": "anon"]))
            #expect(anon.status == 200)
            #expect(anon.json?["sub"]?.isNull != false)
        }
    }

    @Test func `a visitor may come without a token, but not with a bad one`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            #expect(try await host.get(path("optional")).json?["who"]?.string == "nobody")
            #expect(try await host.get(path("optional"), as: .user("u7")).json?["who"]?.string == "u7")
            let bad = try await host.get(path("optional"), as: .token("a.b.c"))
            #expect(bad.status == 401)
            #expect(bad.code == "UNAUTHORIZED_INVALID_JWT_FORMAT")
            #expect(try await host.get(path("optional"), headers: [.apiKeyField: "sb_publishable_unknown_unknown"]).status == 401)
        }
    }

    @Test func `of anyone nothing is asked, and Authorization reaches the function untouched`() async throws {
        struct Hook: EdgeFunction {
            static let name: FunctionName = "hook"
            static let policy = Policy(methods: [.get], body: .none)
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> [String: String] {
                ["saw": request.header("authorization") ?? "nothing"]
            }
        }
        try await TestHost.run([Registration(Hook.self)]) { host async throws in
            for text in ["Bearer a.b.c", "Basic dTpw", "v0=signature,t=1"] {
                let answer = try await host.get(path("hook"), headers: [.authorization: text])
                #expect(answer.status == 200)
                #expect(answer.json?["saw"]?.string == text)
            }
            #expect(try await host.get(path("hook")).json?["saw"]?.string == "nothing")
        }
    }

    @Test func `an API key opens a function as its policy says`() async throws {
        try await TestHost.run(fixtureFunctions, secrets: CredentialTests.keys) { host async throws in
            let publishable: HTTPFields = [.apiKeyField: CredentialTests.publishable]
            let secret: HTTPFields = [.apiKeyField: CredentialTests.secretKey]
            let bearer: HTTPFields = [.authorization: "Bearer \(CredentialTests.publishable)"]
            // In `apikey`: where the policy leaves it as it is.
            for headers in [publishable, secret] {
                let answer = try await host.request("POST", path("echo"), headers: headers, body: Array("{}".utf8))
                #expect(answer.status == 200)
                #expect(answer.json?["sub"]?.isNull != false)
            }
            // As a bearer token: only where the policy says so.
            let refused = try await host.request("POST", path("echo"), headers: bearer, body: Array("{}".utf8))
            #expect(refused.status == 401)
            #expect(refused.code == "UNAUTHORIZED_INVALID_JWT_FORMAT")
            #expect(try await host.get(path("keys-as-bearer"), headers: bearer).json?["role"]?.string == "anon")
            #expect(try await host.get(path("keys-as-bearer"), headers: secret).json?["role"]?.string == "service_role")
            // Nowhere, where keys are refused.
            for headers in [publishable, secret] {
                #expect(try await host.get(path("strict"), headers: headers).code == "UNAUTHORIZED_NO_AUTH_HEADER")
            }
            #expect(try await host.get(path("strict"), headers: bearer).status == 401)
            // A token beside a key: the token says who it is.
            let both = try await host.request("POST", path("echo"), headers: publishable, body: Array("{}".utf8), as: .user("u1"))
            #expect(both.json?["sub"]?.string == "u1")
            // A bad token beside a good key is still a bad token.
            #expect(
                try await host.request("POST", path("echo"), headers: secret, body: Array("{}".utf8), as: .token("a.b.c")).status
                    == 401)
            for odd in [
                "sb_publishable_0123456789abcdefXY", "sb_publishable_0123456789abcdefXYZa", "SB_PUBLISHABLE_0123456789abcdefXYZ",
                "sb_",
            ] {
                #expect(
                    try await host.request("POST", path("echo"), headers: [.apiKeyField: odd], body: Array("{}".utf8)).status
                        == 401)
            }
        }
    }

    @Test func `a token that names a new key is accepted after one fetch of the key set, and strangers cause no more`()
        async throws
    {
        struct KeySet: EdgeFunction {
            static let name: FunctionName = "keys"
            static let policy = Policy(methods: [.get], body: .none)
            static let documents = Documents()
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                Witness.note("keys.fetched")
                return .bytes(KeySet.documents.current, mediaType: "application/json")
            }
        }
        let (first, second) = (try ES256.PrivateKey(), try ES256.PrivateKey())
        let clock = ManualClock(wall: Int64(Date().timeIntervalSince1970))
        let before = Witness.count("keys.fetched")
        KeySet.documents.set([("k1", first.publicKey)])
        try await TestHost.run([Registration(KeySet.self)]) { issuer async throws in
            let configuration = TestHost.settings {
                $0.clock = clock.hostClock
                $0.auth.jwksURL = "http://127.0.0.1:\(issuer.port)\(path("keys"))"
                $0.secrets.environment["JWT_SECRET"] = "only-for-these-tests-0123456789-abcdefghij"
            }
            try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
                func token(_ key: ES256.PrivateKey, _ kid: String) throws -> String {
                    try TokenMinter(.es256(key), keyID: kid).mint(
                        .init(subject: "u1", role: "authenticated", expiresAt: Int64(Date().timeIntervalSince1970) + 3600))
                }
                func status(_ token: String) async throws -> Int {
                    try await host.get(path("optional"), as: .token(token)).status
                }
                #expect(try await status(try token(first, "k1")) == 200)
                #expect(Witness.count("keys.fetched") == before + 1)
                for index in 0..<20 {
                    let answer = try await host.get(path("optional"), as: .token(try token(second, "stranger-\(index)")))
                    #expect(answer.status == 401)
                    #expect(answer.code == "UNAUTHORIZED_ASYMMETRIC_JWT")
                }
                #expect(Witness.count("keys.fetched") == before + 1)
                // The right name with the wrong key stays wrong.
                #expect(try await status(try token(second, "k1")) == 401)
                // The issuer changes its key; after the floor the next token fetches it, and the old key is gone.
                KeySet.documents.set([("k2", second.publicKey)])
                clock.advance(by: .seconds(31))
                #expect(try await status(try token(second, "k2")) == 200)
                #expect(Witness.count("keys.fetched") == before + 2)
                #expect(try await status(try token(first, "k1")) == 401)
            }
        }
    }
}

/// The key set an issuer serves.
final class Documents: Sendable {
    private let bytes = Collected<[UInt8]>()
    func set(_ keys: [(String, ES256.PublicKey)]) {
        let rows = keys.map { kid, key in
            #"{"kty":"EC","crv":"P-256","kid":"\#(kid)","alg":"ES256","use":"sig","x":"\#(Base64URL.encode(key.x))","y":"\#(Base64URL.encode(key.y))"}"#
        }
        bytes.add(Array(#"{"keys":[\#(rows.joined(separator: ","))]}"#.utf8))
    }
    var current: [UInt8] { bytes.all.last ?? [] }
}
