import SwiftletNet
import Testing

@Suite struct WebURLTests {
    @Test(arguments: [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/A?b#c", "https://example.com/A?b#c"),
        ("http://example.com:8080/a/./b/../c", "http://example.com:8080/a/c"),
        ("http://example.com/%2e%2E/a/%2e", "http://example.com/a/"),
        ("http://example.com/ä?ö'", "http://example.com/%C3%A4?%C3%B6%27"),
        ("http://[2001:DB8:0::1]:80/", "http://[2001:db8::1]/"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/"),
        ("mailto:a@b.c", "mailto:a@b.c"),
        ("sc://Host/x/..", "sc://Host/"),
        ("file:///etc/../x", "file:///x"), ("http:example.com", "http://example.com/"),
        ("https:/example.com/a", "https://example.com/a"),
        ("https:////example.com", "https://example.com/"), ("x:///a", "x:///a"), ("x:/.//a", "x:/.//a"),
        ("file://C|/../x", "file:///C:/x"),
    ])
    func `an accepted text has one canonical form`(text: String, canonical: String) throws {
        let url = try WebURL.parse(text)
        #expect(url.href == canonical)
        #expect(try WebURL.parse(url.href) == url)
    }

    @Test(arguments: [
        ("", WebURL.Failure.notAbsolute), ("example.com", .notAbsolute), ("//example.com/", .notAbsolute), ("/a", .notAbsolute),
        ("http:", .badHost), ("https:///", .badHost), ("http://:80/", .badHost), ("file://host:1/x", .badHost),
        ("http://a@b/", .userinfo), ("http://a:b@c/", .userinfo), ("http://@c/", .userinfo),
        ("http://a\\b/", .notCanonical), ("http://a/\\", .notCanonical), ("http://a b/", .notCanonical),
        (" http://a/", .notCanonical),
        ("http://a\t/", .notCanonical), ("http://a/\n", .notCanonical), ("http://a/\u{7f}", .notCanonical),
        ("http://a/\u{85}", .notCanonical), ("http://a\0/", .notCanonical),
        ("http://a%2eb/", .badHost), ("http://ä.example/", .badHost), ("http://a..b/", .badHost), ("http://.a/", .badHost),
        ("http://a,b/", .badHost), ("http://[::1/", .badHost), ("http://[::1%25lo]/", .badHost), ("http://[1.2.3.4]/", .badHost),
        ("http://[::1]x/", .badHost), ("http://a:b:c/", .badHost),
        ("http://a:65536/", .badPort), ("http://a:080/", .badPort), ("http://a:-1/", .badPort), ("http://a:x/", .badPort),
        ("http://127.1/", .notCanonical), ("http://0x7f.0.0.1/", .notCanonical), ("http://2130706433/", .notCanonical),
        ("http://0177.0.0.1/", .notCanonical), ("http://127.0.0.1./", .notCanonical), ("http://a.0x/", .notCanonical),
        ("http://1.2.3.4.5/", .notCanonical),
    ])
    func `a text that readers could take in two ways is refused with its reason`(text: String, reason: WebURL.Failure) {
        #expect(throws: reason) { try WebURL.parse(text) }
    }

    @Test(arguments: [
        ("http://other.example/x", "http://other.example/x"), ("//other.example/x", "https://other.example/x"),
        ("///other.example/x", "https://other.example/x"), ("https:y", "https://a.example/d/y"),
        ("/y", "https://a.example/y"), ("y", "https://a.example/d/y"), ("../y?z", "https://a.example/y?z"),
        ("?q", "https://a.example/d/e?q"),
        ("", "https://a.example/d/e?p"), ("#f", "https://a.example/d/e?p#f"), ("./", "https://a.example/d/"),
    ])
    func `a redirect target resolves against the URL it came from`(text: String, expected: String) throws {
        let base = try WebURL.parse("https://a.example/d/e?p")
        #expect(try WebURL.parse(text, relativeTo: base).href == expected)
    }

    @Test func `an opaque URL is no base`() throws {
        let base = try WebURL.parse("mailto:a@b.c")
        #expect(throws: WebURL.Failure.notAbsolute) { try WebURL.parse("x", relativeTo: base) }
    }

    @Test func `random text never traps, and what is accepted parses back to itself`() throws {
        let pieces = [
            "http://", "https://", "ftp:", "file://", "x:", "/", "//", "..", "%2e", ".", "?", "#", "a", "B", "0", "1.2.3.4",
            "[::1]", ":80",
            ":", "@", "é", "\\", "[", "]", "xn--", "{", "|", "~", "%",
        ]
        let base = try WebURL.parse("https://a.example/d/e?p")
        var state: UInt64 = 7
        for _ in 0..<20_000 {
            var text = ""
            for _ in 0..<Int(state >> 40 & 7) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += pieces[Int(state >> 33) % pieces.count]
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            for parsed in [try? WebURL.parse(text), try? WebURL.parse(text, relativeTo: base)] {
                guard let parsed else { continue }
                #expect((try? WebURL.parse(parsed.href)) == parsed, "\(text.debugDescription) \(parsed.href)")
            }
        }
    }
}

@Suite struct URLJudgementTests {
    @Test(arguments: [
        ("https://api.example.com/x?y", URLVerdict.resolve), ("http://8.8.8.8/", .allow),
        ("https://[2606:4700:4700::1111]/", .allow),
        ("http://127.0.0.1/", .block(.blockedAddress)), ("http://[::ffff:127.0.0.1]/", .block(.blockedAddress)),
        ("http://localhost/", .block(.localName)), ("http://LOCALHOST./", .block(.localName)), ("http://db/", .block(.localName)),
        ("http://a.internal/", .block(.localName)), ("http://printer.local/", .block(.localName)),
        ("https://example.com./", .block(.notCanonical)), ("ftp://example.com/", .block(.badScheme)),
        ("javascript:alert(1)", .block(.badScheme)),
        ("https://example.com:25/", .block(.badPort)), ("https://example.com:587/", .block(.badPort)),
        ("https://u@example.com/", .block(.userinfo)),
        ("example.com", .block(.notAbsolute)), ("https://ex%61mple.com/", .block(.badHost)),
        ("http://127.1/", .block(.notCanonical)),
    ])
    func `a URL text is judged with a stable reason`(text: String, verdict: URLVerdict) {
        #expect(URLJudgement.judge(text) == verdict)
    }

    @Test func `the length limit counts characters`() {
        let stem = "https://example.com/"
        let full = stem + String(repeating: "é", count: 2_048 - stem.count)
        #expect(URLJudgement.judge(full) == .resolve)
        #expect(URLJudgement.judge(full + "a") == .block(.tooLong))
        #expect(URLJudgement.judge(String(repeating: "a", count: 1 << 20)) == .block(.tooLong))
    }
}
