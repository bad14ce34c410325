extension HTMLTokenizer {
    /// How deep in comments and scripts inside of comments the text of a script is.
    enum ScriptState: UInt8 {
        case plain
        case escaped, escapedDash, escapedDashDash
        case doubled, doubledDash, doubledDashDash
    }

    mutating func nextInScript() -> Token {
        let start = position
        var at = start
        while at < count {
            let byte = base[at]
            switch byte {
            case 0:
                scriptState = scriptState.after(byte)
                return deliverReplacement(start, at)
            case 0x0D:
                scriptState = scriptState.after(byte)
                return deliverLine(start, at)
            case UInt8(ascii: "<"):
                if !scriptState.isDoubled, isEndTag(at) {
                    if at > start { return deliver(start, at) }
                    mode = .data
                    return tagToken(.endTag, nameAt: at + 2)
                }
                at = afterBracket(at)
            default:
                scriptState = scriptState.after(byte)
                at += 1
            }
        }
        return deliver(start, at)
    }

    /// Takes a `<` that ends nothing, with what belongs to it; the position behind.
    private mutating func afterBracket(_ at: Int) -> Int {
        let next = at + 1 < count ? base[at + 1] : 0
        switch scriptState {
        case .plain:
            guard next == UInt8(ascii: "!"), at + 3 < count, base[at + 2] == UInt8(ascii: "-"), base[at + 3] == UInt8(ascii: "-")
            else { return at + 1 }
            scriptState = .escapedDashDash
            return at + 4
        case .escaped, .escapedDash, .escapedDashDash:
            scriptState = .escaped
            guard next.isASCIILetter else { return at + 1 }
            let (end, isScript) = word(at + 1)
            if isScript { scriptState = .doubled }
            return end
        case .doubled, .doubledDash, .doubledDashDash:
            scriptState = .doubled
            guard next == UInt8(ascii: "/") else { return at + 1 }
            let (end, isScript) = word(at + 2)
            if isScript { scriptState = .escaped }
            return end
        }
    }

    /// The letters from `start` on, and whether they are `script` before something that ends a tag name, which then belongs to them.
    private mutating func word(_ start: Int) -> (end: Int, isScript: Bool) {
        var at = start
        var name = HTMLPackedName()
        while at < count, base[at].isASCIILetter {
            name.append(base[at] | 0x20)
            at += 1
        }
        guard at < count, base[at].isHTMLSpace || base[at] == UInt8(ascii: "/") || base[at] == UInt8(ascii: ">") else {
            return (at, false)
        }
        // A carriage return is left, so that it becomes a line feed.
        let end = base[at] == 0x0D ? at : at + 1
        // "script"
        return (end, name.length == 6 && name.low == 0x7470_6972_6373)
    }
}

extension HTMLTokenizer.ScriptState {
    var isDoubled: Bool { rawValue >= Self.doubled.rawValue }

    /// The state after a byte that is no `<`.
    func after(_ byte: UInt8) -> Self {
        let isDash = byte == UInt8(ascii: "-")
        switch self {
        case .plain: return .plain
        case .escaped: return isDash ? .escapedDash : .escaped
        case .escapedDash: return isDash ? .escapedDashDash : .escaped
        case .escapedDashDash: return isDash ? .escapedDashDash : byte == UInt8(ascii: ">") ? .plain : .escaped
        case .doubled: return isDash ? .doubledDash : .doubled
        case .doubledDash: return isDash ? .doubledDashDash : .doubled
        case .doubledDashDash: return isDash ? .doubledDashDash : byte == UInt8(ascii: ">") ? .plain : .doubled
        }
    }
}
