/// The tags that mean something here. A number instead of an enumeration with gaps: that would be translated through a table at every
/// look. Numbers below 64 may be in the output and are bits of a mask.
struct HTMLTag: Equatable, BitwiseCopyable {
    let rawValue: UInt8

    @inline(__always)
    init(_ rawValue: UInt8) { self.rawValue = rawValue }

    // Those that can be allowed.
    static var a: HTMLTag { HTMLTag(0) }
    static var abbr: HTMLTag { HTMLTag(1) }
    static var b: HTMLTag { HTMLTag(2) }
    static var blockquote: HTMLTag { HTMLTag(3) }
    static var br: HTMLTag { HTMLTag(4) }
    static var cite: HTMLTag { HTMLTag(5) }
    static var code: HTMLTag { HTMLTag(6) }
    static var dd: HTMLTag { HTMLTag(7) }
    static var del: HTMLTag { HTMLTag(8) }
    static var dfn: HTMLTag { HTMLTag(9) }
    static var div: HTMLTag { HTMLTag(10) }
    static var dl: HTMLTag { HTMLTag(11) }
    static var dt: HTMLTag { HTMLTag(12) }
    static var em: HTMLTag { HTMLTag(13) }
    static var figcaption: HTMLTag { HTMLTag(14) }
    static var figure: HTMLTag { HTMLTag(15) }
    static var h1: HTMLTag { HTMLTag(16) }
    static var h2: HTMLTag { HTMLTag(17) }
    static var h3: HTMLTag { HTMLTag(18) }
    static var h4: HTMLTag { HTMLTag(19) }
    static var h5: HTMLTag { HTMLTag(20) }
    static var h6: HTMLTag { HTMLTag(21) }
    static var hr: HTMLTag { HTMLTag(22) }
    static var i: HTMLTag { HTMLTag(23) }
    static var img: HTMLTag { HTMLTag(24) }
    static var ins: HTMLTag { HTMLTag(25) }
    static var kbd: HTMLTag { HTMLTag(26) }
    static var li: HTMLTag { HTMLTag(27) }
    static var mark: HTMLTag { HTMLTag(28) }
    static var ol: HTMLTag { HTMLTag(29) }
    static var p: HTMLTag { HTMLTag(30) }
    static var pre: HTMLTag { HTMLTag(31) }
    static var q: HTMLTag { HTMLTag(32) }
    static var s: HTMLTag { HTMLTag(33) }
    static var samp: HTMLTag { HTMLTag(34) }
    static var small: HTMLTag { HTMLTag(35) }
    static var span: HTMLTag { HTMLTag(36) }
    static var strong: HTMLTag { HTMLTag(37) }
    static var sub: HTMLTag { HTMLTag(38) }
    static var sup: HTMLTag { HTMLTag(39) }
    static var u: HTMLTag { HTMLTag(40) }
    static var ul: HTMLTag { HTMLTag(41) }
    static var `var`: HTMLTag { HTMLTag(42) }
    static var wbr: HTMLTag { HTMLTag(43) }

    // Raw text: the tokenizer reads on in another state.
    static var iframe: HTMLTag { HTMLTag(64) }
    static var noembed: HTMLTag { HTMLTag(65) }
    static var noframes: HTMLTag { HTMLTag(66) }
    static var noscript: HTMLTag { HTMLTag(67) }
    static var script: HTMLTag { HTMLTag(68) }
    static var style: HTMLTag { HTMLTag(69) }
    static var textarea: HTMLTag { HTMLTag(70) }
    static var title: HTMLTag { HTMLTag(71) }
    static var xmp: HTMLTag { HTMLTag(72) }
    static var plaintext: HTMLTag { HTMLTag(73) }

    // A tree of their own.
    static var math: HTMLTag { HTMLTag(74) }
    static var svg: HTMLTag { HTMLTag(75) }
    static var template: HTMLTag { HTMLTag(76) }

    // Blocks that are never in the output, but end a paragraph.
    static var address: HTMLTag { HTMLTag(77) }
    static var article: HTMLTag { HTMLTag(78) }
    static var aside: HTMLTag { HTMLTag(79) }
    static var center: HTMLTag { HTMLTag(80) }
    static var details: HTMLTag { HTMLTag(81) }
    static var dialog: HTMLTag { HTMLTag(82) }
    static var dir: HTMLTag { HTMLTag(83) }
    static var fieldset: HTMLTag { HTMLTag(84) }
    static var footer: HTMLTag { HTMLTag(85) }
    static var form: HTMLTag { HTMLTag(86) }
    static var header: HTMLTag { HTMLTag(87) }
    static var hgroup: HTMLTag { HTMLTag(88) }
    static var listing: HTMLTag { HTMLTag(89) }
    static var main: HTMLTag { HTMLTag(90) }
    static var menu: HTMLTag { HTMLTag(91) }
    static var nav: HTMLTag { HTMLTag(92) }
    static var search: HTMLTag { HTMLTag(93) }
    static var section: HTMLTag { HTMLTag(94) }
    static var summary: HTMLTag { HTMLTag(95) }
    static var table: HTMLTag { HTMLTag(96) }

    // Another spelling of `img`.
    static var image: HTMLTag { HTMLTag(97) }

    // In drawings and formulas: where HTML is allowed again.
    static var foreignObject: HTMLTag { HTMLTag(98) }
    static var desc: HTMLTag { HTMLTag(99) }
    static var annotationXML: HTMLTag { HTMLTag(100) }
    static var mi: HTMLTag { HTMLTag(101) }
    static var mo: HTMLTag { HTMLTag(102) }
    static var mn: HTMLTag { HTMLTag(103) }
    static var ms: HTMLTag { HTMLTag(104) }
    static var mtext: HTMLTag { HTMLTag(105) }

    // What ends an unclosed drawing or formula, beside the elements above.
    static var big: HTMLTag { HTMLTag(106) }
    static var body: HTMLTag { HTMLTag(107) }
    static var embed: HTMLTag { HTMLTag(108) }
    static var head: HTMLTag { HTMLTag(109) }
    static var meta: HTMLTag { HTMLTag(110) }
    static var nobr: HTMLTag { HTMLTag(111) }
    static var ruby: HTMLTag { HTMLTag(112) }
    static var strike: HTMLTag { HTMLTag(113) }
    static var tt: HTMLTag { HTMLTag(114) }

    static var unknown: HTMLTag { HTMLTag(254) }
    /// A piece of text in a tree.
    static var text: HTMLTag { HTMLTag(255) }
}

extension HTMLTag {
    /// The tag of a name in lower case: its first eight bytes, the first one lowest, and the next eight.
    @inline(__always)
    static func named(_ low: UInt64, _ high: UInt64) -> HTMLTag {
        high == 0 ? short(low) : long(low, high)
    }

    private static func short(_ name: UInt64) -> HTMLTag {
        switch name {
        case 0x61: .a
        case 0x62: .b
        case 0x69: .i
        case 0x70: .p
        case 0x71: .q
        case 0x73: .s
        case 0x75: .u
        case 0x7262: .br
        case 0x6464: .dd
        case 0x6c64: .dl
        case 0x7464: .dt
        case 0x6d65: .em
        case 0x3168: .h1
        case 0x3268: .h2
        case 0x3368: .h3
        case 0x3468: .h4
        case 0x3568: .h5
        case 0x3668: .h6
        case 0x7268: .hr
        case 0x696c: .li
        case 0x696d: .mi
        case 0x6e6d: .mn
        case 0x6f6d: .mo
        case 0x736d: .ms
        case 0x6c6f: .ol
        case 0x7474: .tt
        case 0x6c75: .ul
        case 0x676962: .big
        case 0x6c6564: .del
        case 0x6e6664: .dfn
        case 0x726964: .dir
        case 0x766964: .div
        case 0x676d69: .img
        case 0x736e69: .ins
        case 0x64626b: .kbd
        case 0x76616e: .nav
        case 0x657270: .pre
        case 0x627573: .sub
        case 0x707573: .sup
        case 0x677673: .svg
        case 0x726176: .`var`
        case 0x726277: .wbr
        case 0x706d78: .xmp
        case 0x72626261: .abbr
        case 0x79646f62: .body
        case 0x65746963: .cite
        case 0x65646f63: .code
        case 0x63736564: .desc
        case 0x6d726f66: .form
        case 0x64616568: .head
        case 0x6e69616d: .main
        case 0x6b72616d: .mark
        case 0x6874616d: .math
        case 0x756e656d: .menu
        case 0x6174656d: .meta
        case 0x72626f6e: .nobr
        case 0x79627572: .ruby
        case 0x706d6173: .samp
        case 0x6e617073: .span
        case 0x6564697361: .aside
        case 0x6465626d65: .embed
        case 0x6567616d69: .image
        case 0x747865746d: .mtext
        case 0x6c6c616d73: .small
        case 0x656c797473: .style
        case 0x656c626174: .table
        case 0x656c746974: .title
        case 0x7265746e6563: .center
        case 0x676f6c616964: .dialog
        case 0x657275676966: .figure
        case 0x7265746f6f66: .footer
        case 0x726564616568: .header
        case 0x70756f726768: .hgroup
        case 0x656d61726669: .iframe
        case 0x747069726373: .script
        case 0x686372616573: .search
        case 0x656b69727473: .strike
        case 0x676e6f727473: .strong
        case 0x73736572646461: .address
        case 0x656c6369747261: .article
        case 0x736c6961746564: .details
        case 0x676e697473696c: .listing
        case 0x6465626d656f6e: .noembed
        case 0x6e6f6974636573: .section
        case 0x7972616d6d7573: .summary
        case 0x746573646c656966: .fieldset
        case 0x73656d6172666f6e: .noframes
        case 0x7470697263736f6e: .noscript
        case 0x6574616c706d6574: .template
        case 0x6165726174786574: .textarea
        default: .unknown
        }
    }

    private static func long(_ low: UInt64, _ high: UInt64) -> HTMLTag {
        switch (low, high) {
        case (0x7865746e69616c70, 0x74): .plaintext
        case (0x6f75716b636f6c62, 0x6574): .blockquote
        case (0x6974706163676966, 0x6e6f): .figcaption
        case (0x6f6e676965726f66, 0x7463656a62): .foreignObject
        case (0x697461746f6e6e61, 0x6c6d782d6e6f): .annotationXML
        default: .unknown
        }
    }
}
