/// Writes the attributes of one tag that the policy allows, in an order of its own, so that the same tag is always the same text.
struct HTMLAttributeWriter {
    let policy: HTMLPolicy
    let tag: HTMLTag

    /// Appends ` name="value"` for each; the range of what was written. An image without a good address has none.
    func write(_ tokenizer: inout HTMLTokenizer, into bytes: inout HTMLStore<UInt8>, value: inout [UInt8]) -> Range<Int> {
        let start = bytes.count
        let allowed = places & policy.attributeMask & tokenizer.seenAttributes
        guard allowed != 0 else { return start..<start }
        var isLink = false
        var isImage = false
        var mask = allowed
        while mask != 0 {
            let number = UInt8(truncatingIfNeeded: mask.trailingZeroBitCount)
            mask &= mask - 1
            guard let name = HTMLAttributeName(rawValue: number),
                let attribute = tokenizer.attributes.first(where: { $0.known == name })
            else { continue }
            value.removeAll(keepingCapacity: true)
            tokenizer.decode(attribute.value, into: &value)
            guard value.withUnsafeBufferPointer({ accepts(name, $0) }) else { continue }
            isLink = isLink || name == .href
            isImage = isImage || name == .src
            bytes.append(name.opening)
            var hasReturn = false
            value.withUnsafeBufferPointer { HTMLEscape.append($0, to: &bytes, &hasReturn) }
            bytes.append(UInt8(ascii: "\""))
        }
        if isLink { bytes.append(" rel=\"nofollow noopener noreferrer\"") }
        if tag == .img, !isImage { bytes.cut(to: start) }
        return start..<bytes.count
    }

    /// The attributes that mean something on the tag.
    private var places: UInt8 {
        switch tag {
        case .a: HTMLAttributeName.href.bit | HTMLAttributeName.title.bit
        case .abbr, .dfn: HTMLAttributeName.title.bit
        case .img:
            HTMLAttributeName.src.bit | HTMLAttributeName.alt.bit | HTMLAttributeName.title.bit | HTMLAttributeName.width.bit
                | HTMLAttributeName.height.bit
        case .ol: HTMLAttributeName.start.bit
        default: 0
        }
    }

    private func accepts(_ name: HTMLAttributeName, _ value: UnsafeBufferPointer<UInt8>) -> Bool {
        switch name {
        case .href: HTMLLinkJudge(schemes: policy.schemeMask, keepsRelative: policy.keepsRelativeLinks).allows(value)
        case .src: HTMLLinkJudge(schemes: HTMLLinkJudge.Scheme.https.bit, keepsRelative: false).allows(value)
        case .width, .height: isNumber(value, upTo: 4)
        case .start: isNumber(value, upTo: 9)
        case .title, .alt: true
        case .other: false
        }
    }

    private func isNumber(_ value: UnsafeBufferPointer<UInt8>, upTo digits: Int) -> Bool {
        !value.isEmpty && value.count <= digits && value.allSatisfy { $0 &- 0x30 < 10 }
    }
}

extension HTMLAttributeName {
    fileprivate var opening: StaticString {
        switch self {
        case .href: " href=\""
        case .title: " title=\""
        case .src: " src=\""
        case .alt: " alt=\""
        case .width: " width=\""
        case .height: " height=\""
        case .start: " start=\""
        case .other: ""
        }
    }
}
