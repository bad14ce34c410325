import SwiftletSanitize
import Testing

/// Samples are put together from parts, so that no scanner of secrets takes this file for a leak. None of them was ever valid.
private enum Sample {
    static let visa = "4111" + "111111111111"
    static let gitHub = "ghp" + "_" + "vPJeDds3m5Mm6QSYsjyfxo09eU4mwzCfIToD"
    static let aws = "AKIA" + "QYLPMN5HHHFPZAM2"
    static let webToken =
        "eyJ" + "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiI0MiJ9." + "PtfDS1niGoZ7pV6kplI0q1fVKLnknQ3IwcrLZhoVCUx"
    static let random = "q7Rz0vKx" + "93LmTbW2cYp8"
    static func pem(_ kind: String, lineBreak: String) -> String {
        let line = String(repeating: "MIIEvQ9aZ0", count: 6)
        return ["-----BEGIN \(kind)-----", line, line, "-----END \(kind)-----"].joined(separator: lineBreak)
    }
}

@Suite struct SensitiveDataTests {
    private func types(_ text: String, _ types: Set<SensitiveType> = .default) -> [SensitiveType] {
        detectSensitiveData(text, types: types).types
    }

    @Test(arguments: [
        Sample.visa, "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111", "3782 822463 10005", "5555555555554444",
        "2221000000000009", "6011111111111117", "3530111333300000", "30569309025904", "6200000000000005", "6759649826438453",
        "card:4111111111111111,exp 12/29", "pay 4111 1111 1111 1111 12/29", "\\n4111111111111111", "(4111111111111111)",
        "💳4111111111111111💳",
        "4222222222222 is my visa", "\"cc\":\"4111111111111111\"", "4111111111111111.",
    ])
    func `card numbers are found`(text: String) {
        #expect(types(text) == [.creditCard])
    }

    @Test(arguments: [
        "4111111111111112", "1111111111111111", "0000000000000000", "1700000000000000", "3.14159265358979", "0.4111111111111111",
        "-4111111111111111", "+4111111111111111", "$4111111111111111", "a4111111111111111", "4111111111111111b",
        "0x4111111111111111",
        "41111111111111114111111111111111", "id_4111111111111111", "de305d54-4111-1111-1111-111111111111",
        "1234-4111111111111111", "4111111111111111-22", "4111 1111 1111-1111", "41 11 11 11 11 11 11 11",
        "GB29 4111 1111 1111 1111",
        "4006381333931", "20261121103000", "5224 5225 5226 5227", "9788175257665", "4111  1111  1111  1111",
    ])
    func `numbers that look like cards are none`(text: String) {
        #expect(types(text) == [])
    }

    @Test(arguments: [
        "078-05-1123", "my social is 401-33-2910 ok?", "078 05 1123", "078.05.1123", "SSN: 401332910", "**SSN:** 401332910",
        "{\"ssn\": [401332910]}", "401332910 (ssn)",
        "ssn 401-332910",
        "123-45-6789",
    ])
    func `social security numbers are found`(text: String) {
        #expect(types(text) == [.ssn])
    }

    @Test(arguments: [
        "078-05-1120", "219-09-9999", "000-12-3456", "666-12-3456", "900-12-3456", "401-00-2910", "401-33-0000", "111-11-1111",
        "order 401332910", "401-33-29101", "1401-33-2910", "401-33-2910-2", "401-33.2910", "12 401 33 2910", "401-332-2910",
        "94107-1234",
        "2026-11-21", "v401.33.2910", "401.33.29104992815698471001", "x-401-33-2910", "401-332910 pieces", "021000021",
    ])
    func `numbers that look like social security numbers are none`(text: String) {
        #expect(types(text) == [])
    }

    @Test(arguments: [
        Sample.gitHub, "token \(Sample.gitHub), please", "\"\(Sample.aws)\"", "\\n\(Sample.gitHub)\\n", "x=\(Sample.gitHub);",
        "api_key = \"\(Sample.random)\"", "API-Key: \(Sample.random)", "clientSecret => '\(Sample.random)'",
        "env[\"API_TOKEN\"] = '\(Sample.random)'",
        "export DB_PASSWORD=\(Sample.random)", "<api_key>\(Sample.random)</api_key>", "\"password\": \"R7$kp!9xQz2m\"",
        "Authorization: Bearer \(Sample.random)", "Authorization: Basic " + "YWxpY2U6" + "czNjcjN0LXBhc3M=",
        "https://bob:" + "hunter22" + "@files.acme.io/x", "<add key=\"Password\" value=\"C2Lc5ZY" + "BEkH\" />",
        "\"type\": \"service_account\"", "postgres://app:" + Sample.random + "@db:5432/x",
        "curl -u elastic:" + "P@ssw0rd9x https://localhost:9200", "heroku_key = \"1c04445b-1609-0dd6-20d3-" + "ee9bd1944624\"",
        "twitter_api_key: rqks8xraaqo5x" + "qyg9kdte1vjq",
        "//registry.npmjs.org/:_authToken=743b294a-cd03-11ec-" + "9d64-0242ac120002",
    ])
    func `keys and passwords are found`(text: String) {
        #expect(types(text) == [.apiKey])
    }

    @Test(arguments: [
        "ghp_" + String(repeating: "x", count: 36), "ghp_short", "a\(Sample.gitHub)", "\(Sample.gitHub)0",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "api_key = \"YOUR_API_KEY_HERE_123\"", "api_key = ${API_KEY_2}", "api_key=<key-1234567890>", "password=********",
        "api_key: changeme12345",
        "public_key = \"\(Sample.random)\"", "key_id: \(Sample.random)", "author = \"\(Sample.random)\"",
        "monkey=\(Sample.random)",
        "cache-key: \(Sample.random)", "token_url=https://id.acme.io/oauth2/token", "\(Sample.random)",
        "Authorization: Bearer <token>",
        "Authorization: Bearer $TOKEN_2_USE", "postgres://user:pass@db:5432/x", "http://localhost:8000/@x",
        "https://example.org/a:b@c",
        "curl -u test:test", "curl -u \"$USER:$PASS_2\"", "curl -u {{ user }}:{{ pw1 }}", "key: 2026-11-21T10:30:00",
        "token=1.2.3-rc.45",
        "secret = sha256-of-file", "key: f47ac10b-58cc-4372-a567-0e02b2c3d479", "okTa0 = 00x", "SKILLS and ASKED", "APPLICATIONS",
    ])
    func `placeholders, names and other values are no keys`(text: String) {
        #expect(types(text) == [])
    }

    @Test func `web tokens are found by their head`() {
        let none = "eyJ" + "hbGciOiJub25lIn0.eyJzdWIiOiIxMjMifQ."
        #expect(types("Bearer \(Sample.webToken) ok") == [.jwt])
        #expect(types("api_token=\(Sample.webToken)") == [.jwt])
        #expect(types(none) == [.jwt])
        #expect(types("ZXlKaGJHY2lPaUpJVXpJMU5pSXNJblI1" + "Y0NJNklrcFhWQ0o5LmV5SnpkV0lpT2lJME1pSjk") == [.jwt])
        #expect(types("a.b.c") == [])
        #expect(types("eyJ" + "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9") == [])
        // Decodes to an object without `alg`, and to no object.
        #expect(types("eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.eyJzdWIiOiIxMjMifQ.PtfDS1niGoZ7pV6kplI0") == [])
        #expect(types("eyJ" + "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ.eyJzdWIiOiIxMjMifQ.PtfDS1niGoZ7pV6kplI0") == [])
    }

    @Test(arguments: [
        "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK",
    ])
    func `private keys are found whole, with line breaks real and escaped`(kind: String) {
        for lineBreak in ["\n", "\r\n", "\\n", " "] {
            let key = Sample.pem(kind, lineBreak: lineBreak)
            let data = detectSensitiveData("a \(key) b")
            #expect(data.types == [.privateKey])
            #expect(data.spans.map(\.range) == [2..<(2 + key.utf8.count)])
        }
        // Cut off, it is a key still; a heading alone is none.
        #expect(types(String(Sample.pem(kind, lineBreak: "\n").prefix(130))) == [.privateKey])
        #expect(types("-----BEGIN \(kind)-----\nanything\n-----END \(kind)-----") == [])
        #expect(types(Sample.pem(kind.replacing("PRIVATE", with: "PUBLIC"), lineBreak: "\n")) == [])
    }

    @Test func `what people exchange on purpose is found only when asked for`() {
        let samples: [(String, SensitiveType)] = [
            ("GB29 NWBK 6016 1331 9268 19", .iban), ("DE89370400440532013000", .iban), ("write to anna@example.org!", .email),
            ("call +49 30 901820", .phone), ("(415) 555-0132", .phone), ("from 192.0.2.17.", .ip), ("at [2001:db8::1]", .ip),
        ]
        for (text, type) in samples {
            #expect(types(text) == [], "\(text)")
            #expect(types(text, [type]) == [type], "\(text)")
        }
        #expect(types("GB29 NWBK 6016 1331 9268 18", .all) == [])
        #expect(types("DE8937040044053201300", [.iban]) == [])
        #expect(types("a@b", .all) == [] && types("1.2.3", .all) == [] && types("12:34:56", .all) == [])
    }

    @Test func `spans say where and by which rule, never what`() {
        let text = "🙂 \(Sample.visa), ключ: \(Sample.gitHub)"
        let data = detectSensitiveData(text)
        #expect(data.found)
        #expect(data.types == [.creditCard, .apiKey])
        #expect(data.spans.map(\.rule) == ["visa", "github-token"])
        #expect(data.ranges(in: text).map { String(text[$0]) } == [Sample.visa, Sample.gitHub])
        #expect(!"\(data)".contains(Sample.visa) && !"\(data)".contains(Sample.gitHub))
        #expect(detectSensitiveData(text, types: [.apiKey]).types == [.apiKey])
        #expect(detectSensitiveData(text, types: []).spans.isEmpty)
        // Of another text: nothing, and no trap.
        #expect(data.ranges(in: "short").isEmpty)
    }

    @Test func `a rule that knows the value goes before the name beside it`() {
        #expect(detectSensitiveData("secret_key=\(Sample.gitHub)").spans.map(\.rule) == ["github-token"])
        #expect(detectSensitiveData("secret_key=\(Sample.random)").spans.map(\.rule) == ["named-secret"])
    }

    @Test func `types come in their fixed order, each once`() {
        let text = "\(Sample.webToken) \(Sample.gitHub) 401-33-2910 \(Sample.visa) \(Sample.visa)"
        #expect(types(text) == [.creditCard, .ssn, .apiKey, .jwt])
    }
}
