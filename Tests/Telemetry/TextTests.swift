import Foundation
import Testing

@testable import SwiftletTelemetry

@Suite struct TextTests {
    @Test(arguments: [
        "Bearer abcdef0123456789", "bearer short-1", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "AIzaSyEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAM",
        "4111 1111 1111 1111",
        "4111111111111111", "378282246310005", "5500-0000-0000-0004", "password=hunter2", "dbPassword: \"two words\"",
        "{\"token\":\"abc\"}",
        "{\\\"password\\\":\\\"abc\\\"}", "api_key = abc", "Authorization: Basic abc def", "Cookie: a=b; c=d",
        "sb_secret_0123456789ab",
        "sk-proj-0123456789abcdef", "ghp_0123456789abcdefghijklmnopqrstuvwxyz", "123-45-6789", "token: Bearer abc",
    ])
    func `a credential is redacted whole`(_ text: String) {
        #expect(safe("x " + text + " y").contains("[redacted]"))
        let left = safe("x " + text).replacingOccurrences(of: "[redacted]", with: "")
        for part in ["abc", "hunter2", "words", "0123", "1111", "2822", "0004", "6789", "EXAMPLE", "short"] {
            #expect(!left.contains(part))
        }
    }

    @Test func `user info of an address is redacted up to the last at sign`() {
        #expect(safe("postgres://u:p%40ss@db:5432/x") == "postgres[redacted]@db:5432/x")
        #expect(safe("http://u:a@b@host/") == "http[redacted]@host/")
        #expect(safe("https://t0ken@host/") == "https[redacted]@host/")
    }

    @Test func `a card followed by other digits is redacted`() {
        #expect(safe("4111 1111 1111 1111 2031") == "[redacted] 2031")
    }

    @Test(arguments: [
        "plain", "/functions/v1/gemini-proxy", "task-management-service-v2", "the bearer of news",
        "bearer authentication is missing", "https://host:8080/a@b",
        "https://medium.com/@user", "1700000000000", "1700000000123456789", "2024-01-02 10:11:12.123", "0.4111111111111111",
        "8b1c6c1e-5b0b-4a57-9d3c-41111111aaaa", "secrets: none", "unexpected token", "cookies", "eyJ", "AIza", "+49 30 1234567",
        "password", "é😀",
    ])
    func `ordinary text is unharmed`(_ text: String) { #expect(safe(text) == text) }

    @Test func `controls, separators and direction marks are escaped`() {
        let plain = safe("a\n\r\t\0\u{1B}[2J\u{7F}\u{9B}\u{2028}\u{202E}\u{200B}\u{FEFF}\u{E0041}b")
        #expect(plain.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F })
        #expect(
            object("{\"v\":\"\(plain)\"}")?["v"] as? String
                == "a\n\r\t\0\u{1B}[2J\u{7F}\u{9B}\u{2028}\u{202E}\u{200B}\u{FEFF}\u{E0041}b")
    }

    @Test(
        arguments: [
            [0xFF], [0xC3], [0xED, 0xA0, 0xBD], [0xF0, 0x9F, 0x98], [0xC0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0x80, 0x41],
        ] as [[UInt8]])
    func `ill-formed text becomes replacement characters`(_ bytes: [UInt8]) {
        let text = safe(bytes + Array("ok".utf8))
        #expect(text.hasPrefix("\u{FFFD}"))
        #expect(text.hasSuffix("ok"))
    }

    @Test(arguments: [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1In0", "AIzaSyA1234567890abcdefghijk", "AKIA1234567890ABCDEFGH", "authorization: x",
        "apikey=x",
        "api_key=x", "api-key=x", "bearer 1234", "cookie: a=b", "github_pat_1234567890abcdefghij1234567890",
        "ghp_1234567890abcdefghij1234567890", "password=x", "passwd=x", "pwd=x", "passphrase=x", "private_key=x", "secret=x",
        "secret_key=x",
        "sb_secret_1234567890", "sbp_1234567890", "sk-1234567890abcdefgh", "sk_live_1234567890abcdefgh", "token=x", "://a:b@c",
        "4111111111111111", "4111 1111 1111 1111", "4 111-1111-1111-1111", "123-45-6789",
    ]) func `the search for credentials begins at every known shape`(_ shape: String) {
        // Where its letters are found in any case, in any case.
        let insensitive = [shape.uppercased(), shape.capitalized].map { Array($0.utf8) }.filter { bytes in
            bytes.withUnsafeBytes { Credential.length(in: $0, at: 0) != nil }
        }
        for bytes in [Array(shape.utf8)] + insensitive {
            #expect(bytes.withUnsafeBytes { Credential.length(in: $0, at: 0) } != nil)
            #expect(Credential.mayStart(bytes[0], bytes[1]))
            #expect(safe(Array("/a ".utf8) + bytes).hasPrefix("/a [redacted]"))
        }
    }

    @Test func `any bytes in any room stay within it and well formed`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let room = Int.random(in: 20...100, using: &random)
            var out = LineBuffer()
            bytes.withUnsafeBytes { LogText.append($0, to: &out, room: room) }
            #expect(out.count <= room)
            #expect(String(validating: out.bytes, as: UTF8.self) != nil)
        }
    }

    /// The least of several runs, so that a busy machine does not matter; quadratic work would be 64 times as much.
    @Test(arguments: [
        "eyJ", "eyJa.", "1", "1 ", "4-", "a", "AIza", "sk-", "sk-a", "token=", "token= ", "password=\"", "cookie:", "://",
        "://a:", "bearer ", "s", "\"\\", "ghp_",
    ])
    func `hostile text takes linear time`(_ unit: String) {
        func cost(_ size: Int) -> UInt64 {
            let text = Array(String(repeating: unit, count: size / unit.utf8.count).utf8)
            return (0..<3).map { _ in
                var out = LineBuffer(capacity: 8 * size)
                let start = DispatchTime.now().uptimeNanoseconds
                text.withUnsafeBytes { LogText.append($0, to: &out, room: 8 * size) }
                return DispatchTime.now().uptimeNanoseconds - start
            }.min() ?? 0
        }
        let small = max(cost(4096), 20_000)
        #expect(cost(8 * 4096) < small * 32)
    }
    @Test(arguments: ["eyJ", "1", "1 ", "sk-", "://"]) func `a megabyte is cut to its room`(_ unit: String) {
        #expect(safe(String(repeating: unit, count: 1_000_000 / unit.utf8.count), room: 2048).utf8.count <= 2048)
    }
}
