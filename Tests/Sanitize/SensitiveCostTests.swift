import SwiftletSanitize
import Testing

/// The work a text causes is counted, not timed.
@Suite struct SensitiveCostTests {
    private static let units = [
        "4", "4111 ", "4 ", "078-", "078-05-", "sk-", "sk-proj-", "glpat-", "api_key=", "api_key= \"", "api_key= \"a1b2c3d4",
        "key:=,",
        "twitter_linkedin_discord=", "-----BEGIN", "-----BEGIN RSA PRIVATE KEY-----\n", "eyJ", "eyJ.", "eyJhbGciOiJIUzI1NiJ9.",
        "ZXlK", "ZXlK.",
        "://", "://aaaa:bbbb@", "curl -u ", "curl -u aaa:bbb\"", "xoxb-", "authorization: basic ",
        "authorization: bearer a1b2c3d4", "a.aaaaaa.",
        "MaaaaaaaaaaaaaaaaaaaaaaA1.aaaaaa.", "key:", "s.", " SK", "_mmk", "key,", "GB29 ", "a@a.a", "a@", "::1", "+49 ", "\0",
        "1.", "1:", "ssn 401332910,",
        "pypi-AgEIcHlwaS5vcmc-", "fo1_", "service_account\"", "private-lines: 3\n", "//a/:_authtoken=", "\"", "hvs.",
        "pscale_pw_", "hf_", "-", "=",
        "api_key=" + String(repeating: "a", count: 300) + " ", "k=" + String(repeating: "key=", count: 90) + " ",
    ]

    private func steps(_ unit: String, times: Int) -> Int {
        let bytes = Array(String(repeating: unit, count: times).utf8)
        return bytes.withUnsafeBufferPointer {
            var scanner = SensitiveScanner($0, types: .all)
            scanner.scan()
            return scanner.steps
        }
    }

    @Test(arguments: units)
    func `four times the text costs four times the work, and not much of it`(unit: String) {
        let few = max(1, 8_000 / unit.utf8.count)
        let small = steps(unit, times: few)
        let large = steps(unit, times: few * 4)
        #expect(large <= small * 5 + 10_000, "\(small) steps, then \(large)")
        // Looks at each byte: a bound that no text gets over.
        #expect(large <= few * 4 * unit.utf8.count * 64, "\(large) steps for \(few * 4 * unit.utf8.count) bytes")
    }
}
