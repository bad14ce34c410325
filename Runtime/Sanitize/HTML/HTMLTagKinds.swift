extension HTMLTag {
    @inline(__always)
    var canBeAllowed: Bool { rawValue < 64 }

    /// The tag's place in a mask; only for those that can be allowed.
    @inline(__always)
    var bit: UInt64 { 1 << UInt64(rawValue & 63) }

    @inline(__always)
    func isIn(_ mask: UInt64) -> Bool { rawValue < 64 && mask & bit != 0 }

    init(spelled name: some StringProtocol) {
        var packed = HTMLPackedName()
        for byte in name.utf8 { packed.append(byte) }
        self = packed.length <= 16 ? HTMLTag.named(packed.low, packed.high) : .unknown
    }

    /// Up to eight tags as a mask.
    @inline(__always)
    static func mask(
        _ a: HTMLTag, _ b: HTMLTag, _ c: HTMLTag? = nil, _ d: HTMLTag? = nil, _ e: HTMLTag? = nil, _ f: HTMLTag? = nil,
        _ g: HTMLTag? = nil,
        _ h: HTMLTag? = nil
    ) -> UInt64 {
        a.bit | b.bit | (c?.bit ?? 0) | (d?.bit ?? 0) | (e?.bit ?? 0) | (f?.bit ?? 0) | (g?.bit ?? 0) | (h?.bit ?? 0)
    }

    /// Elements without content.
    @inline(__always)
    static var void: UInt64 { mask(.br, .hr, .img, .wbr) }

    /// Elements that browsers open again when a block closed them by accident. Links are among them.
    @inline(__always)
    static var formatting: UInt64 { mask(.a, .b, .code, .em, .i, .s, .small, .strong) | HTMLTag.u.bit }

    @inline(__always)
    static var headings: UInt64 { mask(.h1, .h2, .h3, .h4, .h5, .h6) }

    /// Blocks that open and close in the plain way.
    @inline(__always)
    static var plainBlocks: UInt64 { mask(.blockquote, .div, .dl, .figcaption, .figure, .ol, .ul) }

    @inline(__always)
    static var terms: UInt64 { mask(.dd, .dt) }

    /// What the standard calls special: end tags of other elements do not reach through them.
    @inline(__always)
    static var special: UInt64 {
        headings | plainBlocks | terms | void | mask(.li, .p, .pre)
    }

    /// What closes an open paragraph.
    @inline(__always)
    static var closesParagraph: UInt64 { headings | plainBlocks | terms | mask(.li, .p, .pre, .hr) }

    /// Special, but a list item is looked for beyond them.
    @inline(__always)
    static var itemPasses: UInt64 { mask(.div, .p) }

    /// A block that cannot be allowed, but ends a paragraph as in a browser.
    @inline(__always)
    var isForbiddenBlock: Bool { rawValue >= HTMLTag.address.rawValue && rawValue <= HTMLTag.table.rawValue }

    /// How the tokenizer reads on after the start tag of an element whose content is raw text; `nil` for others.
    var rawText: HTMLTokenizer.Mode? {
        switch self {
        case .iframe, .noembed, .noframes, .noscript, .style, .xmp: .rawtext
        case .textarea, .title: .rcdata
        case .script: .script
        case .plaintext: .plaintext
        default: nil
        }
    }

    /// The length of the name; only for those that can be allowed.
    @inline(__always)
    var nameLength: Int { Int(HTMLTagText.lengths.utf8Start[Int(min(rawValue, HTMLTag.wbr.rawValue))] &- 0x30) }

    /// The bytes of an element without attributes and content.
    @inline(__always)
    var cost: Int {
        isIn(HTMLTag.void) ? nameLength + 2 : 2 * nameLength + (self == .pre ? 6 : 5)
    }
}
