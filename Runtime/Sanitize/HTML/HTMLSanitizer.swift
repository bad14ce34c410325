/// Makes HTML from outside safe to show: whatever comes in, what comes out is text and the elements of the policy, each one closed.
///
/// The text is read as a browser reads the content of a body, and written anew: only own tags, in `text & attributes` the characters
/// `& < > " '` as `&amp; &lt; &gt; &quot; &#39;`, everything else as it is. So every HTML parser reads the same tree from it.
///
/// - Elements outside of the policy are dropped, their text stays. This includes `select`, `option`, `object`, `applet`, `table` and forms.
/// - Dropped with their content: `script style template noscript iframe svg math textarea title xmp plaintext noembed noframes`. An unclosed
///   one takes the rest of the text along, as in a browser; an unclosed `svg` or `math` only up to the next HTML element.
/// - Comments, CDATA, doctypes and processing instructions are dropped; event handlers and all attributes that the policy does not know.
/// - Links lead to the policy's schemes, judged as a browser reads them, and get `rel="nofollow noopener noreferrer"`; another target is
///   dropped, the text of the link stays.
///
/// The result is the same when it is sanitised again (with the same policy), at most 100 elements deep, and at most six times as long as the
/// text in UTF-8, plus two bytes for each relative link. Time and memory grow linearly with the text. Text of more than 256 MiB is not read
/// as HTML: it is escaped as a whole.
///
/// Not promised: that the text is polite, that a link leads to a good place, or that the result is safe anywhere but in the content of an
/// HTML element: not in an attribute, a script, a style, a `textarea` or inside of a drawing.
///
/// - Returns: UTF-8 text; empty for text without anything to show.
public func sanitizeHTML(_ text: String, policy: HTMLPolicy = .chat) -> String {
    var text = text
    let answer: String? = text.withUTF8 { bytes in
        HTMLSanitizer.isPlain(bytes) ? nil : HTMLSanitizer(policy: policy).string(bytes)
    }
    return answer ?? text
}

/// `sanitizeHTML` on bytes of UTF-8; what is no UTF-8 becomes U+FFFD.
package func sanitizeHTML(_ bytes: UnsafeBufferPointer<UInt8>, policy: HTMLPolicy = .chat) -> [UInt8] {
    HTMLSanitizer(policy: policy).sanitize(bytes)
}

/// Reads, builds and writes: the parts of `sanitizeHTML` in their order.
package struct HTMLSanitizer {
    /// Positions in what is written must fit into 32 bits.
    static let limit = 256 << 20

    let policy: HTMLPolicy

    package init(policy: HTMLPolicy = .chat) { self.policy = policy }

    /// Whether there is nothing to change in a text, as it is.
    static func isPlain(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.allSatisfy { !HTMLEscape.needsWork($0) }
    }

    package func sanitize(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        if UnicodeCheck.isValid(bytes) { return sanitize(wellFormed: bytes) }
        var repaired = String(decoding: bytes, as: UTF8.self)
        return repaired.withUTF8 { sanitize(wellFormed: $0, excess: $0.count - bytes.count) }
    }

    private func sanitize(wellFormed bytes: UnsafeBufferPointer<UInt8>, excess: Int = 0) -> [UInt8] {
        guard needsReading(bytes) else { return escaped(bytes) { Array(UnsafeBufferPointer(start: $0, count: $1)) } }
        let builder = build(bytes, excess: excess)
        if !builder.tree.keepsNodes { return Array(builder.tree.written) }
        return [UInt8](unsafeUninitializedCapacity: HTMLTreeWriter.room(builder)) { room, count in
            count = HTMLTreeWriter.write(builder.tree, into: room)
        }
    }

    func string(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        guard needsReading(bytes) else {
            return escaped(bytes) { String(decoding: UnsafeBufferPointer(start: $0, count: $1), as: UTF8.self) }
        }
        let builder = build(bytes)
        if !builder.tree.keepsNodes { return String(decoding: builder.tree.written, as: UTF8.self) }
        return String(unsafeUninitializedCapacity: HTMLTreeWriter.room(builder)) { HTMLTreeWriter.write(builder.tree, into: $0) }
    }

    /// Whether there may be markup in a text, and not too much of it.
    private func needsReading(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.count <= HTMLSanitizer.limit && bytes.contains { $0 == UInt8(ascii: "<") || $0 == UInt8(ascii: "&") || $0 == 0x0D }
    }

    /// How many steps the tree took that are not bounded by the length of one token.
    package func steps(_ bytes: UnsafeBufferPointer<UInt8>) -> Int { build(bytes).steps }

    /// For tests: what comes out when all nodes are kept although it could be written at once.
    package func sanitizeKeepingNodes(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        let builder = build(bytes, 0, keepsNodes: true)
        return [UInt8](unsafeUninitializedCapacity: HTMLTreeWriter.room(builder)) { room, count in
            count = HTMLTreeWriter.write(builder.tree, into: room)
        }
    }

    private func build(_ bytes: UnsafeBufferPointer<UInt8>, excess: Int = 0) -> HTMLTreeBuilder {
        let builder = build(bytes, excess, keepsNodes: false)
        return builder.tree.needsNodes ? build(bytes, excess, keepsNodes: true) : builder
    }

    private func build(_ bytes: UnsafeBufferPointer<UInt8>, _ excess: Int, keepsNodes: Bool) -> HTMLTreeBuilder {
        let tags = keepsNodes ? bytes.count { $0 == UInt8(ascii: "<") } : 0
        var builder = HTMLTreeBuilder(policy: policy, expecting: bytes.count, tags: tags, excess: excess, keepsNodes: keepsNodes)
        let scratch = HTMLStore<UInt8>(8, of: 0)
        var tokenizer = HTMLTokenizer(bytes, scratch: UnsafeMutableBufferPointer(start: scratch.start, count: 8))
        builder.read(&tokenizer)
        withExtendedLifetime(scratch) {}
        return builder
    }

    private func escaped<Result>(
        _ bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafeMutablePointer<UInt8>, Int) -> Result
    ) -> Result {
        var escaped = HTMLStore<UInt8>(capacity: bytes.count + 16)
        var hasReturn = false
        HTMLEscape.append(bytes, to: &escaped, &hasReturn)
        return body(escaped.start, escaped.count)
    }
}

/// Whether bytes are UTF-8.
private enum UnicodeCheck {
    static func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        if bytes.allSatisfy({ $0 < 0x80 }) { return true }
        return String(validating: bytes, as: UTF8.self) != nil
    }
}
