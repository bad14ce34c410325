import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import Testing

@Suite struct TokenTests {
    private let exp = #""exp":1900003600"#

    @Test func `a verified token tells what was signed`() throws {
        var content = TokenMinter.Content(
            subject: "u", role: "authenticated", issuer: "https://issuer", audience: ["a", "b"], issuedAt: 1_899_999_999,
            expiresAt: 1_900_000_060)
        content.sessionID = "s-1"
        content.extra = [("app", .string("x"))]
        let text = try TokenMinter(.hs256(Door.secret)).mint(content)
        let token = try #require(try Door().bearer(text).token)
        #expect(token.subject == "u")
        #expect(token.role == "authenticated")
        #expect(token.issuer == "https://issuer")
        #expect(token.audience == ["a", "b"])
        #expect(token.sessionID == "s-1")
        #expect(token.issuedAt == 1_899_999_999)
        #expect(token.expiry == 1_900_000_060)
        #expect(token.claims["app"]?.string == "x")
        #expect(token.algorithm == .hs256)
        #expect(token.tokenHash == String(SHA256.hash(Array(text.utf8)).hex.prefix(8)))
    }

    @Test func `a token never prints itself`() throws {
        let text = try Door.token(subject: "canary-subject")
        let token = try #require(try Door().bearer(text).token)
        var dumped = ""
        dump(token, to: &dumped)
        dump(AuthOutcome.token(token), to: &dumped)
        for output in ["\(token)", String(reflecting: token), "\(AuthOutcome.token(token))", dumped] {
            #expect(!output.contains("canary"))
            #expect(!output.contains(text))
            #expect(!output.contains(text.suffix(20)))
        }
    }

    @Test func `every flipped bit of a token is refused`() throws {
        let door = try Door()
        let good = Array(try Door.token().utf8)
        #expect(door.bearer(String(decoding: good, as: UTF8.self)).token != nil)
        var accepted: [String] = []
        for index in good.indices {
            for bit in 0..<8 {
                var changed = good
                changed[index] ^= 1 << UInt8(bit)
                let outcome = changed.withUnsafeBytes { door.authenticator.token($0, now: door.now) }
                if outcome.refusal == nil { accepted.append("\(index).\(bit)") }
            }
        }
        #expect(accepted == [])
    }

    @Test func `every cut and every added byte is refused`() throws {
        let door = try Door()
        let good = try Door.token()
        for count in 0..<good.utf8.count { #expect(door.bearer(String(good.prefix(count))).refusal != nil) }
        for extra in ["A", "=", ".", " ", "\n", "\0", ".A", "AAAA"] {
            #expect(door.bearer(good + extra).refusal != nil)
            #expect(door.bearer(extra + good).refusal != nil)
        }
    }

    @Test(arguments: [
        #"{"alg":"HS256","crit":["exp"]}"#, #"{"alg":"HS256","crit":[]}"#, #"{"alg":"HS256","crit":null}"#,
        #"{"alg":"HS256","b64":false}"#, #"{"alg":"HS256","b64":true}"#,
        #"{"alg":"HS256","jwk":{}}"#, #"{"alg":"HS256","jku":"https://a.example"}"#,
        #"{"alg":"HS256","x5u":"https://a.example"}"#, #"{"alg":"HS256","x5c":[]}"#, #"{"alg":"HS256","jwk":null}"#,
    ])
    func `critical members and keys inside the header refuse a rightly signed token`(header: String) throws {
        let refusal = try Door().bearer(Door.token(header: header, payload: "{\(exp)}")).refusal
        #expect(refusal?.code == .legacy)
        #expect(refusal?.message == "Invalid JWT")
        #expect([.critical, .embeddedKey].contains(refusal?.reason))
    }

    @Test(arguments: [
        #"{"alg":"HS256","alg":"HS256"}"#, #"{"alg":"HS256","\u0061lg":"none"}"#, #"{"alg":"HS256","kid":7}"#,
        #"{"alg":"HS256","kid":null}"#, #"{"alg":"HS256","typ":1}"#, #"["alg","HS256"]"#, #""HS256""#, "{", "",
        #"{"alg":"HS256"} x"#, #"{"alg":"HS256",}"#,
    ])
    func `a header that is not one clean object is a format error`(header: String) throws {
        #expect(try Door().bearer(Door.token(header: header, payload: "{\(exp)}")).refusal?.code == .invalidFormat)
    }

    @Test(arguments: [
        #"{}"#, #"{"alg":null}"#, #"{"alg":["HS256"]}"#, #"{"alg":"none"}"#, #"{"alg":"hs256"}"#, #"{"alg":"HS384"}"#,
        #"{"alg":"PS256"}"#, #"{"alg":"EdDSA"}"#, #"{"alg":"HS256 "}"#, #"{"alg":"HS256\u0000"}"#, #"{"alg":true}"#,
    ])
    func `an algorithm that is not ours has its own code`(header: String) throws {
        #expect(try Door().bearer(Door.token(header: header, payload: "{\(exp)}")).refusal?.code == .unsupportedAlgorithm)
    }

    @Test(arguments: [
        #"{"typ":"JWT","alg":"HS256"}"#, #"{"alg":"HS256","kid":"anything/../../etc"}"#, #"{"alg":"HS256","typ":"at+jwt"}"#,
        #"{"alg":"HS256","x5t":"abc","other":{"deep":[1]}}"#, #" { "alg" : "\u0048S256" } "#,
    ])
    func `headers with other members are fine`(header: String) throws {
        #expect(try Door().bearer(Door.token(header: header, payload: "{\(exp)}")).token != nil)
    }

    @Test(arguments: [
        #""sub":1"#, #""sub":null"#, #""sub":["u"]"#, #""role":true"#, #""role":["service_role"]"#, #""iss":{}"#,
        #""aud":1"#, #""aud":null"#, #""aud":["a",1]"#, #""aud":{}"#, #""session_id":5"#, #""nbf":"0""#, #""nbf":null"#,
        #""iat":"1""#, #""iat":true"#,
    ])
    func `a claim of the wrong type refuses the token`(claim: String) throws {
        let refusal = try Door().bearer(Door.token(payload: "{\(exp),\(claim)}")).refusal
        #expect(refusal?.code == .legacy)
        #expect(refusal?.reason == .claimType)
    }

    @Test(arguments: [
        #""exp":1,"exp":1900003600"#, #""exp":1900003600,"\u0065xp":1900003600"#,
        #""exp":1900003600,"role":"a","role":"b""#, #""exp":1900003600,"x":{"y":1,"y":2}"#,
    ])
    func `a claim named twice refuses the token`(claims: String) throws {
        let refusal = try Door().bearer(Door.token(payload: "{\(claims)}")).refusal
        #expect(refusal?.code == .legacy)
        #expect(refusal?.reason == .duplicateMember)
    }

    @Test(arguments: ["[]", "null", "1", #""x""#, "", "{", "{\"exp\":NaN}", "{\"exp\":1900003600}}"])
    func `a payload that is not one object is a format error`(payload: String) throws {
        #expect(try Door().bearer(Door.token(payload: payload)).refusal?.code == .invalidFormat)
    }

    @Test func `an empty audience list stops nothing but a required audience`() throws {
        let token = try Door.token(payload: #"{\#(exp),"aud":[]}"#)
        #expect(try Door().bearer(token).token?.audience == [])
        let strict = try Door(AuthConfiguration(hs256Secrets: [Door.secret], audience: "authenticated"))
        #expect(strict.bearer(token).refusal?.reason == .audience)
    }

    @Test func `issuer and audience are compared whole`() throws {
        let door = try Door(AuthConfiguration(hs256Secrets: [Door.secret], issuer: "https://i/auth", audience: "me"))
        let right = #""iss":"https://i/auth","aud":"me""#
        #expect(door.bearer(try Door.token(payload: "{\(exp),\(right)}")).token != nil)
        let listed = #""iss":"https://i/auth","aud":["x","me"]"#
        #expect(door.bearer(try Door.token(payload: "{\(exp),\(listed)}")).token != nil)
        for wrong in [
            #""aud":"me""#, #""iss":"https://i/auth""#, #""iss":"https://i/auth/","aud":"me""#,
            #""iss":"https://I/auth","aud":"me""#, #""iss":"https://i/auth","aud":"ME""#, #""iss":"https://i/auth","aud":"mee""#,
            #""iss":"https://i/auth","aud":["x"]"#, #""iss":"https://i/auth","aud":"m\u0065\u0301""#, #""iss":"","aud":"""#,
        ] {
            #expect(door.bearer(try Door.token(payload: "{\(exp),\(wrong)}")).refusal?.code == .legacy)
        }
    }

    @Test func `a token of 8192 bytes is read and one byte more is not`() throws {
        let door = try Door()
        // Grows the payload until the token has exactly the limit, then adds to it.
        func token(padding: Int) throws -> String {
            try Door.token(payload: #"{\#(exp),"pad":"\#(String(repeating: "a", count: padding))"}"#)
        }
        let least = try token(padding: 0).utf8.count
        var padding = (8192 - least) * 3 / 4 - 4
        while try token(padding: padding + 1).utf8.count <= 8192 { padding += 1 }
        #expect(try token(padding: padding).utf8.count <= 8192)
        #expect(door.bearer(try token(padding: padding)).token != nil)
        let over = try token(padding: padding + 1)
        #expect(over.utf8.count > 8192)
        #expect(door.bearer(over).refusal?.code == .invalidFormat)
        #expect(door.bearer(over).refusal?.reason == .tooLong)
        #expect(door.bearer(String(repeating: "a", count: 1_000_000)).refusal?.reason == .tooLong)
    }

    @Test func `the fingerprint is one per subject and issuer, and one per token without a subject`() throws {
        let door = try Door()
        func print(_ payload: String) throws -> SipHash.Hash128 {
            try #require(door.bearer(Door.token(payload: payload)).token).fingerprint
        }
        let one = try print(#"{"exp":1900003600,"sub":"a","iss":"i"}"#)
        #expect(try print(#"{"exp":1900003601,"sub":"a","iss":"i","x":1}"#) == one)
        #expect(try print(#"{"exp":1900003600,"sub":"b","iss":"i"}"#) != one)
        #expect(try print(#"{"exp":1900003600,"sub":"a","iss":"j"}"#) != one)
        #expect(try print(#"{"exp":1900003600}"#) != print(#"{"exp":1900003601}"#))
        // Another process with the same key sees the same caller; with its own key it does not.
        let key = SipHash(k0: 1, k1: 2)
        let text = Array(try Door.token().utf8)
        func other(_ key: SipHash?) throws -> SipHash.Hash128? {
            let authenticator = try Authenticator(
                configuration: AuthConfiguration(hs256Secrets: [Door.secret]), fingerprintKey: key)
            return text.withUnsafeBytes { authenticator.token($0, now: door.now) }.token?.fingerprint
        }
        #expect(try other(key) == other(key))
        #expect(try other(nil) != other(nil))
    }
}
