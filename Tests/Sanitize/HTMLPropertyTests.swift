import Corpus
import SwiftletSanitize
import Testing

/// Random documents from fixed seeds.
@Suite struct HTMLPropertyTests {
    private struct Source: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }

    private static let names =
        HTMLPolicy.Element.allCases.map(\.rawValue)
        + "a a b b i p p li ul table tr td select option svg math style script template noscript iframe textarea title form button nobr font foreignObject mtext plaintext body x-y"
        .split(separator: " ").map(String.init)
    private static let pieces = [
        "x", "y", " ", "\n", "\r", "\0", "&", "&lt;", "&amp", "&#13;", "&#x80;", "<", ">", "\"", "'", "é", "😀", "<!--", "-->",
        "--!>", "<![CDATA[", "]]>", "</", "<a ",
        "<b/", "=", "/", "<!doctype x>", "<?", "\u{A0}",
    ]
    private static let attributes = [
        " href=http://a", " href='javascript:x'", " href=\"/x\"", " href=//y", " title=\"<b>\"", " src=https://a", " src=x",
        " onclick=y", " width=5", " start=x", " =", "/",
        " title='", " alt=\r\n", " title=&quot;&#13;",
    ]

    private func document(_ source: inout Source) -> [UInt8] {
        var text = ""
        for _ in 0..<Int.random(in: 1..<60, using: &source) {
            let name = HTMLPropertyTests.names.randomElement(using: &source) ?? "b"
            switch Int.random(in: 0..<10, using: &source) {
            case 0..<4:
                text += "<" + name
                while Bool.random(using: &source), Bool.random(using: &source) {
                    text += HTMLPropertyTests.attributes.randomElement(using: &source) ?? ""
                }
                text += ">"
            case 4..<7: text += "</" + name + ">"
            default: text += HTMLPropertyTests.pieces.randomElement(using: &source) ?? ""
            }
        }
        return Array(text.utf8)
    }

    private static let everything = HTMLPolicy(
        elements: Set(HTMLPolicy.Element.allCases), attributes: Set(HTMLPolicy.Attribute.allCases), relativeLinks: true)

    @Test(arguments: [HTMLPolicy.chat, .strict, .rich, everything])
    func `random documents keep every promise`(_ policy: HTMLPolicy) {
        var source = Source(state: 42)
        let judge = HTMLJudge(policy)
        for _ in 0..<1000 {
            let input = document(&source)
            let output = sanitised(input, policy)
            let shown = String(decoding: input, as: UTF8.self)
            #expect(judge.fault(output) == nil, "\(shown.debugDescription)")
            #expect(sanitised(output, policy) == output, "\(shown.debugDescription)")
            #expect(output.count <= 6 * input.count + 2 * input.count { $0 == UInt8(ascii: "<") })
            // Written at once or from a tree, it is the same.
            let tree = input.withUnsafeBufferPointer { HTMLSanitizer(policy: policy).sanitizeKeepingNodes($0) }
            #expect(tree == output, "\(shown.debugDescription)")
        }
    }

    @Test func `random bytes keep every promise`() {
        var source = Source(state: 7)
        let judge = HTMLJudge(.rich)
        for _ in 0..<1000 {
            let input = (0..<Int.random(in: 0..<80, using: &source)).map { _ in
                Bool.random(using: &source)
                    ? UInt8.random(in: 0...255, using: &source)
                    : Array("<>/&;#=\"' ab\0p".utf8).randomElement(using: &source) ?? 0
            }
            let output = sanitised(input, .rich)
            #expect(judge.fault(output) == nil, "\(input)")
            #expect(sanitised(output, .rich) == output, "\(input)")
        }
    }

    /// Steps that are not bounded by one token, for each byte: the same for a long text as for a short one.
    @Test(arguments: [
        "<div>", "<b>", "<a>", "<p>", "<li>", "<ul><li>", "<p><b>", "<b><p>", "<b><p></b>", "<a><p>", "<p><b><i><u>x",
        "<em><blockquote></em>",
        "<b><p><h1><ul><ol><li><pre><blockquote></b>", "<b></p><p>x", "</b>", "</span>", "<i></b>", "<span><li>",
        "<blockquote><a><b></a>",
    ])
    func `work grows with the length and no faster`(_ piece: String) {
        func steps(_ count: Int) -> Int {
            let text = Array(String(repeating: piece, count: count).utf8)
            return text.withUnsafeBufferPointer { HTMLSanitizer(policy: .chat).steps($0) }
        }
        let (short, long) = (steps(1000), steps(4000))
        #expect(long <= 5 * short + 1000)
        #expect(long <= 130 * 4000 * piece.utf8.count)
    }

    @Test func `a reference that is copied cannot make a text grow beyond its bound`() {
        let link = "<a href=\"http://" + String(repeating: "x", count: 5000) + "\">" + String(repeating: "<p>x", count: 5000)
        let output = sanitizeHTML(link)
        #expect(output.utf8.count < 4 * link.utf8.count)
        #expect(sanitizeHTML(output) == output)
        let marks = String(repeating: "<p><b><i><u><s><em><code>x", count: 2000)
        #expect(sanitizeHTML(marks).utf8.count <= 6 * marks.utf8.count)
    }

    @Test func `bytes that are no UTF-8 buy no more room than others`() {
        let head = Array("<p><strong><a href=\"/".utf8)
        let input = head + [UInt8](repeating: 0xFF, count: 200) + Array("\"><em>b<p>c<p>d<p>e<p>f".utf8)
        let output = sanitised(input, .chatWithRelativeLinks)
        #expect(output.count <= 6 * input.count + 2)
        #expect(sanitised(output, .chatWithRelativeLinks) == output)
    }
}
