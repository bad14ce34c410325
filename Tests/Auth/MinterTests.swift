import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import Testing

@Suite struct MinterTests {
    @Test func `a minted token says what it was given, in a fixed order`() throws {
        var content = TokenMinter.Content(
            subject: "u", role: "anon", issuer: "i", audience: ["a"], issuedAt: 5, expiresAt: 1_900_003_600)
        content.notBefore = 6
        content.extra = [("x", .bool(true))]
        let token = try TokenMinter(.hs256(Door.secret), keyID: "k").mint(content)
        let parts = token.split(separator: ".").map { Base64URL.decode(String($0)) ?? [] }
        #expect(String(decoding: parts[0], as: UTF8.self) == #"{"alg":"HS256","typ":"JWT","kid":"k"}"#)
        #expect(
            String(decoding: parts[1], as: UTF8.self)
                == #"{"iss":"i","sub":"u","aud":"a","role":"anon","iat":5,"nbf":6,"exp":1900003600,"x":true}"#)
    }

    @Test func `text from outside cannot add claims`() throws {
        let subject = #"u","role":"service_role","x":""#
        let token = try #require(try Door().bearer(Door.token(subject: subject, role: "anon")).token)
        #expect(token.subject == subject)
        #expect(token.role == "anon")
    }

    @Test func `a claim may not be given twice, a secret not be short, a token not be too long`() throws {
        #expect(throws: TokenMinter.Problem.duplicateClaim("sub")) { try Door.token(extra: [("sub", .string("x"))]) }
        #expect(throws: TokenMinter.Problem.duplicateClaim("y")) {
            try Door.token(extra: [("y", .bool(true)), ("y", .bool(true))])
        }
        #expect(throws: TokenMinter.Problem.shortSecret) { try TokenMinter(.hs256(SecretBytes(utf8: "short"))) }
        #expect(throws: TokenMinter.Problem.tooLong) {
            try Door.token(subject: String(repeating: "a", count: 8192))
        }
    }
}
