import SwiftletAuth
import SwiftletCrypto
import Testing

@Suite("Which header counts") struct CredentialTests {
    private func door(acceptKeyAsBearer: Bool = false, acceptTokenAsAPIKey: Bool = true) throws -> Door {
        try Door(
            AuthConfiguration(
                hs256Secrets: [Door.secret],
                publishableKeys: ["web": SecretBytes(utf8: Door.publishable)],
                secretKeys: ["server": SecretBytes(utf8: Door.secretKey)],
                acceptKeyAsBearer: acceptKeyAsBearer, acceptTokenAsAPIKey: acceptTokenAsAPIKey))
    }

    @Test func `no header at all is no credential, and the host has the refusal ready`() throws {
        #expect(try door().ask().isNone)
        #expect(AuthRefusal.missing.code == .noAuthorizationHeader)
        #expect(AuthRefusal.missing.code.rawValue == "UNAUTHORIZED_NO_AUTH_HEADER")
        #expect(AuthRefusal.missing.message == "Missing authorization header")
    }

    @Test(arguments: ["Bearer", "bearer", "BEARER", "bEaReR"])
    func `the scheme is read in any case`(scheme: String) throws {
        #expect(try door().ask("\(scheme) \(Door.token())").token?.subject == "user-1")
    }

    @Test func `anything but one scheme, one space and one token is a format error`() throws {
        let (door, token) = (try door(), try Door.token())
        let values = [
            "", " ", "Bearer", "Bearer ", "Bearer  \(token)", "Bearer\t\(token)", " Bearer \(token)", "Bearer \(token) ",
            "Bearer \(token) x", "Bearer \(token),\(token)", token, "Basic dXNlcjpwYXNz", "Digest x", "Token \(token)",
            "Bearer: \(token)", "Bearer=\(token)", "BearerX\(token)", "Bearer null", "Bearer undefined", "Bearer \0",
            "Bearer Bearer \(token)", "Bearer \"\(token)\"", "Bear\u{0} \(token)",
        ]
        for value in values {
            let refusal = door.ask(value).refusal
            #expect(refusal?.code == .invalidFormat, "\(value.debugDescription)")
            #expect(refusal?.message == "Invalid JWT format")
        }
    }

    @Test func `two headers of one name are refused even when both are good`() throws {
        let door = try door()
        let bearer = Array("Bearer \(try Door.token())".utf8)
        let key = Array(Door.publishable.utf8)
        bearer.withUnsafeBytes { bearer in
            key.withUnsafeBytes { key in
                let two = door.authenticator.authenticate(
                    authorization: bearer, authorizationCount: 2, apiKey: nil, apiKeyCount: 0, now: door.now)
                #expect(two.refusal?.code == .invalidFormat)
                #expect(two.refusal?.reason == .severalHeaders)
                let keys = door.authenticator.authenticate(
                    authorization: nil, authorizationCount: 0, apiKey: key, apiKeyCount: 2, now: door.now)
                #expect(keys.refusal?.reason == .severalHeaders)
                // A count without a value must not pass for "no header".
                let empty = door.authenticator.authenticate(
                    authorization: nil, authorizationCount: 1, apiKey: key, apiKeyCount: 1, now: door.now)
                #expect(empty.refusal?.code == .invalidFormat)
                let noKey = door.authenticator.authenticate(
                    authorization: nil, authorizationCount: 0, apiKey: nil, apiKeyCount: 1, now: door.now)
                #expect(noKey.refusal?.reason == .unknownAPIKey)
            }
        }
    }

    @Test func `a known key in apikey is known by kind and name`() throws {
        let door = try door()
        #expect(door.ask(apiKey: Door.publishable).key == APIKeyIdentity(kind: .publishable, name: "web"))
        #expect(door.ask(apiKey: Door.secretKey).key == APIKeyIdentity(kind: .secret, name: "server"))
    }

    @Test func `a key that is nearly right is refused`() throws {
        let door = try door()
        for good in [Door.publishable, Door.secretKey] {
            let bytes = Array(good.utf8)
            for index in bytes.indices {
                var other = bytes
                other[index] ^= 0x01
                let value = String(decoding: other, as: UTF8.self)
                #expect(door.ask(apiKey: value).refusal?.code == .invalidFormat)
            }
            for value in [good + "x", String(good.dropLast()), good + " ", " " + good, good.uppercased()] {
                #expect(door.ask(apiKey: value).refusal?.code == .invalidFormat)
            }
        }
        let long = "sb_secret_" + String(repeating: "a", count: 100_000)
        for value in ["", "sb_", "sb_secret_", "sb_publishable_", "nothing", long] {
            #expect(door.ask(apiKey: value).refusal?.reason == .unknownAPIKey)
        }
    }

    @Test func `a bearer token decides alone, whatever apikey holds`() throws {
        let (door, token) = (try door(), try Door.token())
        for key in [Door.publishable, Door.secretKey, "sb_publishable_of_another_project", "rubbish", "", token] {
            #expect(door.ask("Bearer \(token)", apiKey: key).token?.subject == "user-1")
        }
    }

    @Test func `a bad bearer token is refused even beside a good key`() throws {
        let door = try door()
        let bad = try Door.token() + "x"
        #expect(door.ask("Bearer \(bad)", apiKey: Door.secretKey).refusal != nil)
        #expect(door.ask("Bearer \(bad)", apiKey: Door.publishable).refusal != nil)
        #expect(door.ask("", apiKey: Door.secretKey).refusal != nil)
        #expect(door.ask("Basic eDp5", apiKey: Door.secretKey).refusal != nil)
    }

    @Test func `a key as bearer is told where keys belong`() throws {
        let refusal = try door().ask("Bearer \(Door.publishable)").refusal
        #expect(refusal?.code == .invalidFormat)
        #expect(refusal?.reason == .keyAsBearer)
        #expect(refusal?.message.contains("apikey header") == true)
        #expect(refusal?.message.contains(Door.publishable) == false)
    }

    @Test func `a key as bearer is accepted when the policy says so`() throws {
        let door = try door(acceptKeyAsBearer: true)
        #expect(door.ask("Bearer \(Door.publishable)").key?.kind == .publishable)
        #expect(door.ask("bearer \(Door.secretKey)").key?.kind == .secret)
        #expect(door.ask("Bearer sb_secret_0123456789012345678901").refusal?.reason == .unknownAPIKey)
        #expect(door.ask("Bearer \(Door.secretKey)", apiKey: Door.publishable).refusal != nil)
        // One function may be stricter than the host, not laxer.
        #expect(door.ask("Bearer \(Door.secretKey)", acceptKeyAsBearer: false).refusal?.reason == .keyAsBearer)
        #expect(try self.door().ask("Bearer \(Door.secretKey)", acceptKeyAsBearer: true).refusal?.reason == .keyAsBearer)
    }

    @Test func `a key as bearer beside the same apikey counts once, beside another it is refused`() throws {
        for policy in [false, true] {
            let door = try door(acceptKeyAsBearer: policy)
            #expect(door.ask("Bearer \(Door.publishable)", apiKey: Door.publishable).key?.name == "web")
            #expect(door.ask("Bearer \(Door.secretKey)", apiKey: Door.publishable).refusal?.reason == .keyAsBearer)
            #expect(door.ask("Bearer \(Door.publishable)", apiKey: Door.secretKey).refusal?.reason == .keyAsBearer)
            let unknown = "sb_secret_0123456789012345678901"
            #expect(door.ask("Bearer \(unknown)", apiKey: unknown).refusal?.reason == .unknownAPIKey)
        }
    }

    @Test func `a token in apikey alone is verified like a bearer token, unless switched off`() throws {
        let token = try Door.token(subject: nil, role: "anon")
        let open = try door()
        #expect(open.ask(apiKey: token).token?.role == "anon")
        #expect(open.ask(apiKey: token).token?.subject == nil)
        #expect(open.ask(apiKey: token + "A").refusal?.code == .legacy)
        let expired = try Door.token(lifetime: 0)
        #expect(open.ask(apiKey: expired).refusal?.code == .legacy)
        #expect(try door(acceptTokenAsAPIKey: false).ask(apiKey: token).refusal?.reason == .unknownAPIKey)
    }

    @Test func `no refusal message repeats what was sent, but for the name of an algorithm`() throws {
        let door = try door()
        let canary = "canary0123456789"
        for value in ["Bearer \(canary)", "\(canary) x", "Bearer \(canary).\(canary).\(canary)", "Bearer sb_\(canary)"] {
            #expect(door.ask(value).refusal?.message.contains("canary") == false)
        }
        let named = try Door.token(header: #"{"alg":"HS512"}"#, payload: "{}")
        #expect(door.bearer(named).refusal?.message == "Unsupported JWT algorithm HS512")
        for odd in [#"<script>"#, #"HS256\r\nX: y"#, String(repeating: "A", count: 17), "", "ЅHS"] {
            let token = try Door.token(header: #"{"alg":"\#(odd)"}"#, payload: "{}")
            #expect(door.bearer(token).refusal?.message == "Unsupported JWT algorithm")
        }
    }
}
