import SwiftletAuth
import SwiftletCrypto
import Testing

@Suite struct ConfigurationTests {
    private let demo = "super-secret-jwt-token-with-at-least-32-characters-long"
    private let good = SecretBytes(utf8: "vM2x9Qw7Lr4Tz8Kc1Yb6Nf3Hs5Jd0PgA")

    private func error(_ body: () throws -> AuthConfiguration) -> AuthConfigurationError? {
        do {
            _ = try body()
            return nil
        } catch {
            return error as? AuthConfigurationError
        }
    }

    private func error(secret: String, onLoopback: Bool = false) -> AuthConfigurationError? {
        error { try AuthConfiguration(hs256Secrets: [SecretBytes(utf8: secret)], onLoopback: onLoopback) }
    }

    @Test func `a secret needs 32 bytes, everywhere`() {
        let text = "vM2x9Qw7Lr4Tz8Kc1Yb6Nf3Hs5Jd0PgA"
        #expect(text.utf8.count == 32)
        #expect(error(secret: text) == nil)
        #expect(error(secret: String(text.dropLast())) != nil)
        #expect(error(secret: String(text.dropLast()), onLoopback: true) != nil)
        #expect(error(secret: "") != nil)
    }

    @Test func `published demo secrets are for loopback only`() {
        for secret in [demo, "your-" + demo, "a-string-secret-at-least-256-bits-long", "reallyreallyreallyreallyverysafe"] {
            #expect(error(secret: secret) != nil)
            #expect(error(secret: secret, onLoopback: true) == nil)
        }
        #expect(error(secret: demo + "-but-mine-0123456789") == nil)
    }

    @Test func `a secret without variety is refused`() {
        for secret in [
            String(repeating: "a", count: 64), String(repeating: "ab", count: 32), String(repeating: "secret12", count: 8),
            String(repeating: "0123456789abcdef", count: 2), String(repeating: "abcdefg", count: 10),
        ] {
            #expect(error(secret: secret) != nil, "\(secret)")
        }
        // Random hex, decimal digits and base64 are fine.
        for secret in [
            "9f86d081884c7d659a2feaa0c55ad015", "31415926535897932384626433832795", "dGhpcyBpcyBub3QgdmVyeSByYW5kb20h",
        ] {
            #expect(error(secret: secret) == nil, "\(secret)")
        }
    }

    @Test func `a demo secret hidden in a key set is found too`() throws {
        let row = #"{"kty":"oct","kid":"o","k":"\#(Base64URL.encode(Array(demo.utf8)))"}"#
        let set = try JWKS(parsing: JWKText.set(row))
        #expect(error { try AuthConfiguration(jwks: set, symmetricKeysInJWKS: true) } != nil)
        #expect(error { try AuthConfiguration(jwks: set, symmetricKeysInJWKS: true, onLoopback: true) } == nil)
    }

    @Test func `an error names the setting and what to do, never the value`() {
        let value = "canary-canary-canary"
        let errors = [
            error(secret: value), error(secret: demo), error(secret: String(repeating: "canary", count: 10)),
            error { try AuthConfiguration(jwksURL: "http://canary.example/jwks") },
            error { try AuthConfiguration(publishableKeys: ["web": SecretBytes(utf8: value)]) },
            error { try AuthConfiguration(secretKeys: ["server": SecretBytes(utf8: "sb_secret_canary")]) },
        ]
        for error in errors {
            let text = error.map { "\($0) \($0.setting) \($0.advice)" } ?? ""
            #expect(!text.isEmpty)
            #expect(!text.contains("canary"))
            #expect(!text.contains(demo))
        }
        #expect(errors[0]?.advice.contains("openssl rand") == true)
    }

    @Test func `the demo API keys are for loopback only`() throws {
        // Put together here, so that no scanner takes this file for a leak.
        let publishable = SecretBytes(utf8: "sb_" + "publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH")
        let secret = SecretBytes(utf8: "sb_" + "secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz")
        #expect(error { try AuthConfiguration(publishableKeys: ["default": publishable]) } != nil)
        #expect(error { try AuthConfiguration(secretKeys: ["default": secret]) } != nil)
        let local = try AuthConfiguration(
            publishableKeys: ["default": publishable], secretKeys: ["default": secret], onLoopback: true)
        let door = try Door(local)
        #expect(door.ask(apiKey: "sb_" + "secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz").key?.kind == .secret)
    }

    @Test func `the demo tokens come in only with the demo secret`() throws {
        // Signed with the demo secret, as Supabase's local stack hands out.
        var content = TokenMinter.Content(role: "service_role", issuer: "supabase-demo", expiresAt: 1_983_812_996)
        content.subject = nil
        let token = try TokenMinter(.hs256(SecretBytes(utf8: demo))).mint(content)
        #expect(try Door().bearer(token).refusal?.code == .legacy)
        let local = try Door(AuthConfiguration(hs256Secrets: [SecretBytes(utf8: demo)], onLoopback: true))
        #expect(local.bearer(token).token?.role == "service_role")
    }

    @Test func `API keys have their prefix, some length, and a value of their own`() {
        let web = SecretBytes(utf8: Door.publishable)
        let server = SecretBytes(utf8: Door.secretKey)
        #expect(error { try AuthConfiguration(publishableKeys: ["a": web], secretKeys: ["a": server]) } == nil)
        #expect(error { try AuthConfiguration(publishableKeys: ["a": server]) } != nil)
        #expect(error { try AuthConfiguration(secretKeys: ["a": web]) } != nil)
        #expect(error { try AuthConfiguration(publishableKeys: ["a": web, "b": web]) } != nil)
        for text in ["sb_publishable_", "sb_publishable_short", "sb_publishable_" + String(repeating: "x", count: 600), ""] {
            #expect(error { try AuthConfiguration(publishableKeys: ["a": SecretBytes(utf8: text)]) } != nil)
        }
    }

    @Test func `the address of the keys is https, or loopback`() {
        for address in [
            "https://p.supabase.co/auth/v1/.well-known/jwks.json", "https://h:8443/x", "http://127.0.0.1:54321/x",
            "http://localhost/x", "http://[::1]:80/x",
        ] {
            #expect(error { try AuthConfiguration(jwksURL: address) } == nil, "\(address)")
        }
        for address in [
            "", "p.supabase.co", "http://p.supabase.co/x", "ftp://h/x", "HTTPS:/h", "https://", "https:///x",
            "https://user@h/x", "https://u:p@h/x", "http://127.0.0.1.evil.example/x", "http://localhost.evil.example/",
            "http://127.0.0.1@evil.example/", "http://localhost:80@evil.example/", "https://h/ x", "https://h\\x",
            "https://h/\u{0}", "https://hé/x", "file:///etc/passwd", "http://[::1].evil.example/", "http://0x7f.1/",
            "https://h/" + String(repeating: "a", count: 3000),
        ] {
            #expect(error { try AuthConfiguration(jwksURL: address) } != nil, "\(address)")
        }
    }

    @Test func `leeway, issuer, audience and the number of secrets have limits`() {
        for leeway in [0, 30, 60] { #expect(error { try AuthConfiguration(leewaySeconds: leeway) } == nil) }
        for leeway in [-1, 61, Int.max, Int.min] { #expect(error { try AuthConfiguration(leewaySeconds: leeway) } != nil) }
        #expect(error { try AuthConfiguration(issuer: "") } != nil)
        #expect(error { try AuthConfiguration(audience: "") } != nil)
        #expect(error { try AuthConfiguration(hs256Secrets: [good, good, good, good]) } == nil)
        #expect(error { try AuthConfiguration(hs256Secrets: [good, good, good, good, good]) } != nil)
    }

    @Test func `a key set without a usable key is a mistake of the operator`() throws {
        let empty = try JWKS(parsing: Array(#"{"keys":[]}"#.utf8))
        #expect(error { try AuthConfiguration(jwks: empty) } != nil)
        let odd = try JWKS(parsing: JWKText.set(#"{"kty":"OKP"}"#))
        #expect(error { try AuthConfiguration(jwks: odd) }?.advice.contains("other_algorithm") == true)
    }
}
