import Corpus
import SwiftletSanitize
import Testing

@Suite struct HTMLTests {
    private func clean(_ text: String, _ policy: HTMLPolicy = .chat) -> String { sanitizeHTML(text, policy: policy) }
    private let rel = #"rel="nofollow noopener noreferrer""#

    // MARK: Text

    @Test func `plain text comes back as it is`() {
        #expect(clean("") == "")
        #expect(clean("Hello, wörld 👩‍👩‍👧 \u{A0}\u{FEFF} 1 + 1 = 2\n") == "Hello, wörld 👩‍👩‍👧 \u{A0}\u{FEFF} 1 + 1 = 2\n")
    }

    @Test func `the five characters that could be markup are references, and nothing else is`() {
        #expect(clean(#"a < b & c > "d" 'e'"#) == "a &lt; b &amp; c &gt; &quot;d&quot; &#39;e&#39;")
        #expect(clean("&nbsp;&copy;&lt;&#39;&quot;&#x41;") == "\u{A0}©&lt;&#39;&quot;A")
    }

    @Test func `references are decoded once`() {
        #expect(clean("&amp;lt;b&amp;gt;") == "&amp;lt;b&amp;gt;")
        #expect(clean("&ampamp;") == "&amp;amp;")
        #expect(clean("&notit; &notin; &bogus; & &;") == "¬it; ∉ &amp;bogus; &amp; &amp;;")
        #expect(clean("&#0;&#x110000;&#xD800;&#x80;&#99999999999999999999;") == "\u{FFFD}\u{FFFD}\u{FFFD}€\u{FFFD}")
        #expect(clean("&NotEqualTilde;&fjlig;&CounterClockwiseContourIntegral;") == "≂̸fj∳")
    }

    @Test func `line ends become line feeds, NUL disappears`() {
        #expect(clean("a\r\nb\rc\nd") == "a\nb\nc\nd")
        #expect(clean("a&#13;&#10;b&#13;c&#13;\nd") == "a\nb\nc\nd")
        #expect(clean("a\0<b\0>c\0</b>") == "ac")
    }

    @Test func `bytes that are no UTF-8 become U+FFFD`() {
        #expect(
            sanitised([0x61, 0xFF, 0x3C, 0x62, 0x3E, 0xC3, 0x28, 0xED, 0xA0, 0x80], .chat)
                == Array("a\u{FFFD}<b>\u{FFFD}(\u{FFFD}\u{FFFD}\u{FFFD}</b>".utf8))
        #expect(sanitised([0xF0, 0x9F], .chat) == Array("\u{FFFD}".utf8))
    }

    // MARK: What goes

    @Test func `content that is no text goes with its element`() {
        for name in [
            "script", "style", "template", "noscript", "iframe", "svg", "math", "textarea", "title", "xmp", "noembed", "noframes",
        ] {
            #expect(clean("a<\(name)>x<b>y</b></\(name)>c") == "ac", "\(name)")
            #expect(clean("a<\(name.uppercased()) x='>'>x</\(name) >c") == "ac", "\(name)")
            #expect(clean("a<\(name)>x").hasPrefix("a"), "\(name)")
            #expect(!clean("a<\(name)>x").contains("x"), "\(name)")
        }
        #expect(clean("a<plaintext>x</plaintext>c") == "a")
        #expect(clean("<script><!--<script></script>x</script>--></script>y") == "--&gt;y")
    }

    @Test func `unknown elements go, their text stays`() {
        #expect(clean("a<x-y>b</x-y>c<table><tr><td>d</td></table><select><option>e</select><object>f</object>") == "abcdef")
        #expect(clean("<form action=x><input name=y><button>z</button></form>") == "z")
        #expect(clean("<html><head><body onload=x>a</body></html>b") == "ab")
    }

    @Test func `an unclosed drawing ends where a browser ends it`() {
        #expect(clean("a<svg><circle>x<p>b") == "a<p>b</p>")
        #expect(clean("a<svg><foreignObject><p>x</p></foreignObject></svg>b") == "ab")
        #expect(clean("a<svg><p>x</p></svg>b<svg>y<p>c") == "ab<p>c</p>")
        #expect(clean("a<svg/>b<math/>c") == "abc")
        #expect(clean("a<svg><svg>x</svg>y</svg>b") == "ab")
    }

    @Test func `comments, sections, doctypes and instructions go`() {
        #expect(clean("a<!--x-->b<!-->c<!--->d<!--x--!>e<![CDATA[x]]>f<!doctype html>g<?php x?>h</ x>i<!x>j") == "abcdefghij")
        #expect(clean("a<!--x") == "a")
    }

    @Test func `what only looks like markup is text`() {
        #expect(clean("I <3 you, 1 < 2, <>, <-, a</>b, </ x>") == "I &lt;3 you, 1 &lt; 2, &lt;&gt;, &lt;-, ab, ")
        #expect(clean("a</") == "a&lt;/")
        #expect(clean("a<") == "a&lt;")
        #expect(clean("a<b") == "a")
    }

    // MARK: Attributes and links

    @Test func `only href and title stay, and links get their rel`() {
        #expect(
            clean(#"<a title='x"y' onclick=z style=w href=https://a/?b=1&copy=2&amp;c id=d rel=opener target=_blank>e</a>"#)
                == #"<a href="https://a/?b=1&amp;copy=2&amp;c" title="x&quot;y" \#(rel)>e</a>"#)
        #expect(clean("<b title=x onmouseover=y>z</b>") == "<b>z</b>")
        #expect(clean("<a>x</a>") == "<a>x</a>")
    }

    @Test func `of attributes of one name the first counts`() {
        #expect(clean("<a href=javascript:x href=http://a>b</a>") == "<a>b</a>")
        #expect(clean("<a HREF=http://a href=javascript:x>b</a>") == #"<a href="http://a" \#(rel)>b</a>"#)
    }

    @Test(arguments: [
        "http://a", "HTTPS://a/b?c#d", "mailto:a@b.c", "tel:+1", " \u{1}http://a ", "ht\ntp://a", "&#104;ttp://a",
        "http&colon;//a",
    ])
    func `a link of an allowed scheme stays`(_ link: String) {
        #expect(clean("<a href=\"\(link)\">x</a>").contains(" href="))
    }

    @Test(arguments: [
        "javascript:alert(1)", "JaVaScRiPt:x", "java\tscript:x", "java\nscript:x", " \u{1}javascript:x", "&#106;avascript:x",
        "javascript&colon;x",
        "java&Tab;script:x", "java&NewLine;script&#58;x", "data:text/html,x", "vbscript:x", "file:///x", "blob:x", "x-y:z", "//a",
        "/a", "a", "", "#a", "?a",
        "\\\\a", "http:a", "https:/a", "http:\\\\a", ":a", "java\0script:x", "feed:javascript:x", "view-source:http://a",
        "ftp://a", "é:x",
    ])
    func `any other link goes, its text stays`(_ link: String) {
        #expect(clean("<a href=\"\(link)\">x</a>") == "<a>x</a>")
    }

    @Test func `relative links stay when the policy says so, but never lead to another server`() {
        for link in ["/a", "a", "", "#a", "?a=b", "./a", "../a", "/a//b", "a:b/".replacingOccurrences(":", "/"), "\\a", "1:2"] {
            #expect(clean("<a href=\"\(link)\">x</a>", .chatWithRelativeLinks).contains(" href="), "\(link)")
        }
        for link in ["//a", "/\\a", "\\/a", "\\\\a", "/\t/a", " //a", "/&#10;/a", "javascript:x", "java\tscript:x", "https:a"] {
            #expect(clean("<a href=\"\(link)\">x</a>", .chatWithRelativeLinks) == "<a>x</a>", "\(link)")
        }
    }

    // MARK: The tree

    @Test(arguments: [
        ("<b>x", "<b>x</b>"), ("</b>x", "x"), ("<p>a<p>b", "<p>a</p><p>b</p>"), ("</p>", "<p></p>"), ("</br>", "<br>"),
        ("<br/>a</br>", "<br>a<br>"),
        ("<p>a<h1>b</p>c", "<p>a</p><h1>b<p></p>c</h1>"), ("<h1>a<h2>b", "<h1>a</h1><h2>b</h2>"), ("<h1>a</h3>b", "<h1>a</h1>b"),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"),
        ("<p><b>a<p>b</b>c", "<p><b>a</b></p><p><b>b</b>c</p>"), ("<b>a<p>b</b>c</p>d", "<b>a</b><p><b>b</b>c</p>d"),
        ("<b>1<i>2<p>3</b>4", "<b>1<i>2</i></b><i><p><b>3</b>4</p></i>"), ("<b><i>a</b>b</i>c", "<b><i>a</i></b><i>b</i>c"),
        ("<a>b<a>c", "<a>b</a><a>c</a>"), ("<a>b<p>c<a>d", "<a>b</a><p><a>c</a><a>d</a></p>"),
        ("<b><b><b><b><p>x", "<b><b><b><b><p>x</p></b></b></b></b>"),
        ("<p><b><b><b><b><p>x", "<p><b><b><b><b></b></b></b></b></p><p><b><b><b>x</b></b></b></p>"),
        ("<pre>\n\na</pre>", "<pre>\n\na</pre>"), ("<pre>\na</pre>", "<pre>a</pre>"), ("<pre>&#10;a</pre>", "<pre>a</pre>"),
        ("<p>a<hr>b", "<p>a</p><hr>b"),
        ("<p>a<div>b</div>c", "<p>a</p>bc"), ("<li>a<p>b<li>c", "<li>a<p>b</p></li><li>c</li>"),
        ("<span>a<p>b</span>c", "<span>a<p>bc</p></span>"),
        ("<code><p>a</code>b", "<code></code><p><code>a</code>b</p>"), ("<i>a</p>b", "<i>a<p></p>b</i>"),
    ])
    func `the tree is the one that browsers build`(_ input: String, _ output: String) {
        #expect(clean(input) == output)
        #expect(clean(output) == output)
    }

    @Test func `nothing is deeper than a hundred, and everything is closed`() {
        let deep = clean(
            String(repeating: "<blockquote>", count: 1000) + "x" + String(repeating: "</blockquote>", count: 1000) + "y")
        #expect(
            deep == String(repeating: "<blockquote>", count: 100) + "x" + String(repeating: "</blockquote>", count: 100) + "y")
    }

    @Test func `links never end up inside of links`() {
        let output = clean("<a>" + String(repeating: "<b><blockquote>", count: 12) + "<a>x")
        #expect(HTMLJudge(.chat).fault(Array(output.utf8)) == nil)
        #expect(clean(output) == output)
    }

    // MARK: Policies

    @Test func `strict keeps marks only`() {
        #expect(clean("<p>a<b>b</b><a href=http://c>c</a><br><h1>d", .strict) == "a<b>b</b>c<br>d")
    }

    @Test func `rich keeps images with a good address`() {
        #expect(
            clean("<img src=https://a/b alt='\"' width=10 height=1e9 onerror=x><image src=https://c>", .rich)
                == #"<img src="https://a/b" alt="&quot;" width="10"><img src="https://c">"#)
        #expect(clean("<img src=http://a><img src=data:x><img><img src=//a><img src=javascript:x>", .rich) == "")
        #expect(
            clean("<figure><img src=https://a><figcaption>b</figure><dl><dt>c<dd>d</dl><ol start=3 type=a><li>e", .rich)
                == #"<figure><img src="https://a"><figcaption>b</figcaption></figure><dl><dt>c</dt><dd>d</dd></dl><ol start="3"><li>e</li></ol>"#
        )
        #expect(clean("<img src=https://a>") == "")
    }

    @Test func `an author can choose`() {
        let policy = HTMLPolicy(elements: [.a, .p], attributes: [.href], linkSchemes: [.https])
        #expect(
            clean("<p><b>x</b><a href=https://a title=t>y</a><a href=http://b>z</a>", policy)
                == #"<p>x<a href="https://a" \#(rel)>y</a><a>z</a></p>"#)
        #expect(clean("<p>x<script>y</script>", HTMLPolicy(elements: [])) == "x")
        #expect(Set([HTMLPolicy.chat, .rich, .strict, .chat]).count == 3)
        #expect(
            HTMLPolicy.chat.allows(.a) && HTMLPolicy.chat.allows(.title) && !HTMLPolicy.chat.allows(.img)
                && !HTMLPolicy.chat.allowsRelativeLinks)
    }
}

extension String {
    fileprivate func replacingOccurrences(_ one: String, _ other: String) -> String {
        split(separator: one).joined(separator: other)
    }
}
