import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import Testing

@Suite struct KeySetTests {
    static let ec = try! ES256.PrivateKey()
    static let rsa = try! RS256.PrivateKey()
    private let content = TokenMinter.Content(subject: "u", expiresAt: 1_900_003_600)

    private func door(_ document: [UInt8], symmetric: Bool = false) throws -> Door {
        try Door(AuthConfiguration(jwks: JWKS(parsing: document), symmetricKeysInJWKS: symmetric))
    }

    private func skipped(_ document: [UInt8]) throws -> [JWKS.Skipped] { try JWKS(parsing: document).skipped }

    @Test func `ES256 and RS256 tokens are verified by the key they name`() throws {
        let document = JWKText.set(
            JWKText.of(Self.ec.publicKey, kid: "e", extra: #","use":"sig","alg":"ES256","key_ops":["verify"]"#),
            JWKText.of(Self.rsa.publicKey, kid: "r"))
        let door = try door(document)
        for (signer, kid) in [(TokenMinter.Signer.es256(Self.ec), "e"), (.rs256(Self.rsa), "r")] {
            #expect(door.bearer(try TokenMinter(signer, keyID: kid).mint(content)).token?.subject == "u")
            // The only key of its algorithm needs no name.
            #expect(door.bearer(try TokenMinter(signer).mint(content)).token?.subject == "u")
            let refusal = door.bearer(try TokenMinter(signer, keyID: "x").mint(content)).refusal
            #expect(refusal?.code == .asymmetric)
            #expect(refusal?.reason == .unknownKey)
        }
        #expect(door.bearer(try TokenMinter(.es256(Self.ec), keyID: "r").mint(content)).refusal?.code == .asymmetric)
        #expect(door.bearer(try TokenMinter(.rs256(Self.rsa), keyID: "e").mint(content)).refusal?.code == .asymmetric)
    }

    @Test func `without a kid two keys of one algorithm are ambiguous`() throws {
        let other = try ES256.PrivateKey()
        let door = try door(
            JWKText.set(JWKText.of(Self.ec.publicKey, kid: "1"), JWKText.of(other.publicKey, kid: "2")))
        let refusal = door.bearer(try TokenMinter(.es256(Self.ec)).mint(content)).refusal
        #expect(refusal?.reason == .ambiguousKey)
        #expect(door.bearer(try TokenMinter(.es256(Self.ec), keyID: "1").mint(content)).token != nil)
        #expect(door.bearer(try TokenMinter(.es256(Self.ec), keyID: "2").mint(content)).refusal?.reason == .signature)
    }

    @Test func `every flipped byte of an ES256 or RS256 token is refused`() throws {
        let door = try door(
            JWKText.set(JWKText.of(Self.ec.publicKey, kid: "e"), JWKText.of(Self.rsa.publicKey, kid: "r")))
        for (signer, kid) in [(TokenMinter.Signer.es256(Self.ec), "e"), (.rs256(Self.rsa), "r")] {
            let good = Array(try TokenMinter(signer, keyID: kid).mint(content).utf8)
            #expect(good.withUnsafeBytes { door.authenticator.token($0, now: door.now) }.token != nil)
            var accepted: [Int] = []
            for index in good.indices {
                var changed = good
                changed[index] ^= 0x01
                if changed.withUnsafeBytes({ door.authenticator.token($0, now: door.now) }).refusal == nil {
                    accepted.append(index)
                }
            }
            #expect(accepted == [])
        }
    }

    @Test func `a public key is never a shared secret`() throws {
        let document = JWKText.set(JWKText.of(Self.ec.publicKey, kid: "e"), JWKText.of(Self.rsa.publicKey, kid: "r"))
        let door = try door(document, symmetric: true)
        let texts = [
            document, Self.rsa.publicKey.n, Self.ec.publicKey.x + Self.ec.publicKey.y,
            [4] + Self.ec.publicKey.x + Self.ec.publicKey.y, Array(JWKText.of(Self.rsa.publicKey, kid: "r").utf8),
            [UInt8](repeating: 0, count: 32),
        ]
        for bytes in texts {
            for kid in ["e", "r", nil] {
                let token = try TokenMinter(.hs256(SecretBytes(bytes)), keyID: kid).mint(content)
                #expect(door.bearer(token).refusal?.code == .legacy)
            }
        }
    }

    @Test func `a key for another use, operation or algorithm is skipped`() throws {
        let ec = Self.ec.publicKey
        for (extra, why) in [
            (#","use":"enc""#, JWKS.Skipped.otherUse), (#","use":1"#, .otherUse), (#","use":null"#, .otherUse),
            (#","key_ops":["sign"]"#, .otherUse), (#","key_ops":[]"#, .otherUse), (#","key_ops":"verify""#, .wrongType),
            (#","alg":"ES384""#, .otherAlgorithm), (#","alg":"RS256""#, .otherAlgorithm), (#","alg":7"#, .otherAlgorithm),
            (#","d":"AAAA""#, .privateKey),
        ] {
            #expect(try skipped(JWKText.set(JWKText.of(ec, kid: "k", extra: extra))) == [why], "\(extra)")
        }
        for (row, why) in [
            (#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, JWKS.Skipped.otherAlgorithm),
            (#"{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}"#, .otherAlgorithm),
            (#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#, .badNumbers), (#"{"kty":"EC","crv":"P-256"}"#, .badNumbers),
            (#"{"kty":"EC","crv":"P-256","x":1,"y":2}"#, .badNumbers), (#"{"kty":"rsa","n":"AQ","e":"AQAB"}"#, .otherAlgorithm),
            (#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, .badNumbers), (#"{"kty":"RSA"}"#, .badNumbers), (#"{}"#, .wrongType),
            ("7", .notAnObject), ("null", .notAnObject), (#"{"kty":"oct","k":"AAAA"}"#, .tooShort),
            (#"{"kty":"oct","k":"\#(String(repeating: "A", count: 43))="}"#, .badNumbers),
            (#"{"kty":"EC","crv":"P-256","kid":9}"#, .wrongType),
        ] {
            #expect(try skipped(JWKText.set(row)) == [why], "\(row)")
        }
    }

    @Test func `a padded or non-canonical number makes no key`() throws {
        let good = JWKText.of(Self.ec.publicKey, kid: "e")
        let x = Base64URL.encode(Self.ec.publicKey.x)
        #expect(try JWKS(parsing: JWKText.set(good)).count == 1)
        for bad in [x + "=", x + "A", String(x.dropLast()), "AA" + x, " " + x] {
            let row = good.replacing(x, with: bad)
            #expect(try skipped(JWKText.set(row)) == [.badNumbers])
        }
    }

    @Test func `a good key beside odd ones is used, and the second of one name is not`() throws {
        let other = try ES256.PrivateKey()
        let document = JWKText.set(
            #"{"kty":"OKP"}"#, "[]", JWKText.of(Self.ec.publicKey, kid: "k"), JWKText.of(other.publicKey, kid: "k"))
        let set = try JWKS(parsing: document)
        #expect(set.count == 1)
        #expect(set.skipped == [.otherAlgorithm, .notAnObject, .sameID])
        let door = try door(document)
        #expect(door.bearer(try TokenMinter(.es256(Self.ec), keyID: "k").mint(content)).token != nil)
        #expect(door.bearer(try TokenMinter(.es256(other), keyID: "k").mint(content)).refusal != nil)
    }

    @Test func `a document that is no key set is refused`() {
        for (text, problem) in [
            ("", JWKS.Problem.notJSON), ("{", .notJSON), ("[]", .notAKeySet), ("{}", .notAKeySet),
            (#"{"keys":{}}"#, .notAKeySet), (#"{"keys":null}"#, .notAKeySet), (#"{"keys":[],"keys":[]}"#, .notJSON),
        ] {
            #expect(throws: problem) { try JWKS(parsing: Array(text.utf8)) }
        }
        #expect(throws: JWKS.Problem.tooManyKeys) {
            try JWKS(parsing: Array((#"{"keys":["# + Array(repeating: "1", count: 33).joined(separator: ",") + "]}").utf8))
        }
        #expect(throws: Never.self) {
            try JWKS(parsing: Array((#"{"keys":["# + Array(repeating: "1", count: 32).joined(separator: ",") + "]}").utf8))
        }
        let padded = Array((#"{"keys":[]}"# + String(repeating: " ", count: 65_536 - 11)).utf8)
        #expect(throws: Never.self) { try JWKS(parsing: padded) }
        #expect(throws: JWKS.Problem.tooLarge) { try JWKS(parsing: padded + [0x20]) }
    }

    @Test func `a symmetric key of a set verifies only when allowed, and only under its own kid`() throws {
        let secret = Array("a-secret-inside-a-key-set-0123456789".utf8)
        let row = #"{"kty":"oct","kid":"o1","alg":"HS256","k":"\#(Base64URL.encode(secret))"}"#
        let signer = TokenMinter.Signer.hs256(SecretBytes(secret))
        let allowed = try door(JWKText.set(row), symmetric: true)
        #expect(allowed.bearer(try TokenMinter(signer, keyID: "o1").mint(content)).token != nil)
        #expect(allowed.bearer(try TokenMinter(signer, keyID: "o2").mint(content)).refusal?.code == .legacy)
        #expect(allowed.bearer(try TokenMinter(signer).mint(content)).refusal?.code == .legacy)
        let both = try door(JWKText.set(row, JWKText.of(Self.ec.publicKey, kid: "e")))
        #expect(both.bearer(try TokenMinter(signer, keyID: "o1").mint(content)).refusal?.code == .legacy)
        #expect(throws: AuthConfigurationError.self) { try AuthConfiguration(jwks: JWKS(parsing: JWKText.set(row))) }
        let unnamed = JWKText.set(row.replacing(#""kid":"o1","#, with: ""))
        #expect(throws: AuthConfigurationError.self) {
            try AuthConfiguration(jwks: JWKS(parsing: unnamed), symmetricKeysInJWKS: true)
        }
    }

    @Test func `nothing configured lets no token in`() throws {
        let door = try Door(AuthConfiguration())
        #expect(door.bearer(try Door.token()).refusal?.code == .legacy)
        #expect(door.bearer(try TokenMinter(.es256(Self.ec)).mint(content)).refusal?.code == .asymmetric)
        #expect(door.ask(apiKey: Door.secretKey).refusal != nil)
        for secret in [[UInt8](repeating: 0, count: 32), [UInt8](repeating: 0, count: 64)] {
            #expect(door.bearer(try TokenMinter(.hs256(SecretBytes(secret))).mint(content)).refusal != nil)
        }
    }
}
