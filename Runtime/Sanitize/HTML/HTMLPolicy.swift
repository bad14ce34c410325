/// What `sanitizeHTML` lets through: elements, attributes and link schemes, chosen from a closed set that is known to be safe.
///
/// There is no way to allow anything else. Tables, forms, `select`, drawings and formulas, `template`, and elements whose content is raw
/// text (`script`, `style`, `iframe`, `textarea`, …) are not in the set on purpose: parsers move their content around, or read it by other
/// rules than the text around it, and a tree that parses differently the second time is how sanitised HTML turns into an attack. Event
/// handlers, `style`, `class`, `id` and `name` are not in the set either: they run code, cover the page, or shadow its names.
public struct HTMLPolicy: Sendable, Hashable {
    /// The elements that can be allowed.
    public enum Element: String, CaseIterable, Sendable, Hashable {
        case a, abbr, b, blockquote, br, cite, code, dd, del, dfn, div, dl, dt, em, figcaption, figure, h1, h2, h3, h4, h5, h6,
            hr, i, img
        case ins, kbd, li, mark, ol, p, pre, q, s, samp, small, span, strong, sub, sup, u, ul, `var`, wbr
    }

    /// The attributes that can be allowed, and where each then counts.
    public enum Attribute: String, CaseIterable, Sendable, Hashable {
        /// On `a`: a link of one of the policy's schemes. The link also gets `rel="nofollow noopener noreferrer"`.
        case href
        /// On `a`, `abbr`, `dfn` and `img`.
        case title
        /// On `img`: an absolute `https` address. An image without one is dropped.
        case src
        /// On `img`.
        case alt
        /// On `img`: one to four digits.
        case width
        /// On `img`: one to four digits.
        case height
        /// On `ol`: one to nine digits.
        case start
    }

    /// The schemes a link can have.
    public enum LinkScheme: String, CaseIterable, Sendable, Hashable { case http, https, mailto, tel }

    /// Bits by the number of the `HTMLTag`.
    let elementMask: UInt64
    /// Bits by the number of the `HTMLAttributeName`.
    let attributeMask: UInt8
    /// Bits by the number of the `HTMLLinkJudge.Scheme`.
    let schemeMask: UInt8
    let keepsRelativeLinks: Bool

    /// - Parameters:
    ///   - relativeLinks: keep links without a scheme that stay on the page's own server (`/help`, `a.html`, `#top`, `?q=1`). Those that
    ///     name another server (`//host`, `/\host`) are dropped all the same.
    public init(
        elements: Set<Element>, attributes: Set<Attribute> = [], linkSchemes: Set<LinkScheme> = [.http, .https, .mailto, .tel],
        relativeLinks: Bool = false
    ) {
        var elementMask: UInt64 = 0
        for element in elements {
            let tag = HTMLTag(spelled: element.rawValue)
            if tag.rawValue < 64 { elementMask |= tag.bit }
        }
        var attributeMask: UInt8 = 0
        for attribute in attributes {
            attributeMask |= HTMLAttributeName(spelled: attribute.rawValue).bit
        }
        var schemeMask: UInt8 = 0
        for scheme in linkSchemes { schemeMask |= HTMLLinkJudge.Scheme(scheme).bit }
        self.init(elementMask, attributeMask, schemeMask, relativeLinks)
    }

    private init(_ elementMask: UInt64, _ attributeMask: UInt8, _ schemeMask: UInt8, _ keepsRelativeLinks: Bool) {
        self.elementMask = elementMask
        self.attributeMask = attributeMask
        self.schemeMask = schemeMask
        self.keepsRelativeLinks = keepsRelativeLinks
    }

    public func allows(_ element: Element) -> Bool { HTMLTag(spelled: element.rawValue).isIn(elementMask) }
    public func allows(_ attribute: Attribute) -> Bool { HTMLAttributeName(spelled: attribute.rawValue).bit & attributeMask != 0 }
    public var allowsRelativeLinks: Bool { keepsRelativeLinks }

    /// Marks inside a line of text: `b i em strong u s del ins mark small code kbd sub sup span br`. No links, no attributes.
    public static var strict: HTMLPolicy {
        HTMLPolicy(
            HTMLTag.mask(.b, .i, .em, .strong, .u, .s, .del, .ins)
                | HTMLTag.mask(.mark, .small, .code, .kbd, .sub, .sup, .span, .br), 0,
            0, false)
    }

    /// What a chat message needs, and the default: `a[href,title] b i em strong u s del p br hr ul ol li code pre blockquote h1-h6 span sub
    /// sup`, with links to `http`, `https`, `mailto` and `tel`.
    public static var chat: HTMLPolicy {
        HTMLPolicy(chatElements, HTMLAttributeName.href.bit | HTMLAttributeName.title.bit, HTMLLinkJudge.Scheme.all, false)
    }

    /// `chat`, and images (`img[src,alt,title,width,height]`, `https` only), `figure figcaption dl dt dd div ins mark small abbr cite dfn kbd
    /// q samp var wbr` and `ol[start]`. Still no tables, forms, drawings or raw text: see above. An image tells its server who reads
    /// the text, and when.
    public static var rich: HTMLPolicy {
        let more =
            HTMLTag.mask(.img, .figure, .figcaption, .dl, .dt, .dd, .div, .ins)
            | HTMLTag.mask(.mark, .small, .abbr, .cite, .dfn, .kbd, .q, .samp)
            | HTMLTag.mask(.var, .wbr)
        return HTMLPolicy(chatElements | more, 0x7F, HTMLLinkJudge.Scheme.all, false)
    }

    private static var chatElements: UInt64 {
        HTMLTag.mask(.a, .b, .i, .em, .strong, .u, .s, .del) | HTMLTag.mask(.p, .br, .hr, .ul, .ol, .li, .code, .pre)
            | HTMLTag.mask(.blockquote, .h1, .h2, .h3, .h4, .h5, .h6, .span) | HTMLTag.mask(.sub, .sup)
    }
}

extension HTMLAttributeName {
    var bit: UInt8 { rawValue < 7 ? 1 << rawValue : 0 }

    init(spelled name: String) {
        var packed = HTMLPackedName()
        for byte in name.utf8 { packed.append(byte) }
        self = packed.length <= 8 ? HTMLAttributeName(packed.low) : .other
    }
}
