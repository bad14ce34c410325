import SwiftletNet
import SwiftletSanitize
import Testing

@Suite struct URLTests {
    @Test(arguments: [
        "https://example.com/", "http://8.8.8.8/", "https://bücher.example/", "http://example.com:8080/a?b#c", "https://日本語.jp/",
        "https://משהו.com/",
    ])
    func `public URLs are valid`(text: String) { #expect(validateURL(text).errors == []) }

    @Test(arguments: [
        ("", URLFault.notAbsolute), ("/a", .notAbsolute), ("ftp://example.com/", .badScheme), ("javascript:alert(1)", .badScheme),
        ("https://a:b@example.com/", .userinfo), ("https://exa mple.com/", .notCanonical), ("https://a_b\u{e9}.com/", .badHost),
        ("https://localhost/", .localName), ("https://x.internal/", .localName), ("http://127.0.0.1/", .blockedAddress),
        ("http://[::1]/", .blockedAddress), ("http://[::ffff:10.0.0.1]/", .blockedAddress),
        ("http://[64:ff9b::a00:1]/", .blockedAddress),
        ("http://2130706433/", .notCanonical), ("http://0x7f.1/", .notCanonical), ("http://１２７.０.０.１/", .blockedAddress),
        ("http://１６９。２５４。１６９。２５４/", .blockedAddress), ("http://２１３０７０６４３３/", .notCanonical), ("http://ｌｏｃａｌｈｏｓｔ/", .localName),
        ("https://fa\u{1e9e}.de/", .badHost), ("https://xn--bcher-kva.bücher.de/", .badHost),
        ("https://a\u{2100}b.com/", .badHost),
        ("https://example.com:25/", .badPort), ("https://example.com:99999/", .badPort),
        ("https://example\u{ff0f}.com/", .badHost),
        ("https://\u{202e}example.com/", .badHost), ("https://א1٠.com/", .badHost),
    ])
    func `every fault has its code`(text: String, fault: URLFault) { #expect(validateURL(text).errors == [fault]) }

    @Test func `lengths are judged at the limit`() {
        let start = "https://example.com/"
        #expect(validateURL(start + String(repeating: "a", count: 2_048 - start.count)).valid)
        #expect(validateURL(start + String(repeating: "a", count: 2_049 - start.count)).errors == [.tooLong])
        #expect(validateURL(start, maxLength: -1).errors == [.tooLong])
        #expect(validateURL("https://" + String(repeating: "ü", count: 1_900) + ".com/").errors == [.badHost])
    }

    @Test func `without a conversion international names are refused`() {
        #expect(WebURL("https://bücher.example/") == nil)
        #expect(URLJudgement.judge("https://bücher.example/") == .block(.badHost))
    }

    @Test(arguments: [
        ("https://Example.com", "https://example.com/"),
        ("https://bücher.example/ü?q=ü", "https://xn--bcher-kva.example/%C3%BC?q=%C3%BC"),
        ("http://a/b/../c\"<>", "http://a/c%22%3C%3E"), ("MAILTO:me@example.org?subject=hi", "mailto:me@example.org?subject=hi"),
        ("tel:+1-201-555-0123;ext=5", "tel:+1-201-555-0123;ext=5"), ("http://10.0.0.1/", "http://10.0.0.1/"),
    ])
    func `a good link is kept in its canonical spelling`(text: String, link: String) {
        #expect(sanitizeURL(text) == link)
        #expect(sanitizeURL(link) == link)
    }

    @Test(arguments: [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\u{1}javascript:alert(1)",
        "javascript&colon;alert(1)",
        "javascript&#58;alert(1)", "jav&#x09;ascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
        "//evil.example", "/\\evil.example",
        "https://a:b@c.example/", "https://exa\u{0}mple.com/", "https://example.com/\r\nX: y", " https://example.com/",
        "blob:https://a/b", "", "http://",
        "mailto:", "mailto:a%0d%0abcc:b", "mailto:\"><script>", "tel:", "tel:abc", "tel:+1;x=<", "ftp://a/",
        "https://example.com\\@evil.example/", "a",
        "/a", "#a", "?a",
    ])
    func `anything else is no link`(text: String) { #expect(sanitizeURL(text) == nil) }

    @Test(arguments: [
        ("/a/../b?c#d", "/b?c#d"), ("a/b", "a/b"), ("./a", "a"), ("?q=1&r=2", "?q=1&r=2"), ("#top", "#top"), ("/", "/"),
        (".", "./"),
        ("/a:b", "/a:b"),
    ])
    func `a reference to the same site is kept when asked for`(text: String, link: String) {
        #expect(sanitizeURL(text, allowRelative: true) == link)
        #expect(sanitizeURL(link, allowRelative: true) == link)
    }

    @Test(arguments: [
        "//evil.example", "///evil.example", "/..//evil.example", "/.//evil.example", ".//evil.example", "\\\\evil.example",
        "../a", "a/../../b",
        "a/%2e%2E/b", "javascript&#58;alert(1)", "javascript%3aalert(1)", "a:b", "./a:b", "./javascript:alert(1)",
        "x/../javascript:alert(1)", "",
        "https:evil", "https:/evil", "\u{ff0f}/evil",
    ])
    func `a reference that leads elsewhere is not`(text: String) {
        let out = sanitizeURL(text, allowRelative: true)
        #expect(out == nil || out?.hasPrefix("https://") == true, "\(out ?? "")")
    }
}
