/// Builds the tree of the allowed elements by the standard's rules for content of a body.
///
/// What is not allowed is as if it had not been written; only blocks that cannot be allowed still end a paragraph. Four bounds keep every
/// input linear; what stays within them is treated exactly as in a browser:
///
/// - `HTMLTreeBuilder.depth` elements inside of each other; deeper ones are dropped, their text stays.
/// - `HTMLTreeBuilder.active` formatting elements to remember.
/// - What browsers open again by themselves may take 2 KiB and a quarter of the bytes read, and never more than what is left of six bytes
///   for each byte read; beyond, it stays closed.
/// - One attribute of each known name on a tag.
struct HTMLTreeBuilder: ~Copyable {
    static let depth = 100
    static let active = 128
    static let growth = 6
    static let copies = 2048

    let policy: HTMLPolicy
    var tree: HTMLTree
    /// The open elements below the root, the innermost one last.
    var stack = HTMLStore<Int32>(capacity: 104)
    /// The active formatting elements, the newest one last.
    var formatting = HTMLStore<Int32>(capacity: 32)
    /// How many elements of each tag are open.
    var open = HTMLStore<UInt8>(64, of: 0)
    /// How many start tags were dropped because of the depth, by tag: so many end tags belong to them.
    private var dropped = HTMLStore<UInt32>(64, of: 0)
    private var hasDropped = false
    /// Bytes that the tree will take when it is written.
    var spent = 0
    /// How many of them are copies.
    var copied = 0
    /// Bytes read before the token at hand.
    var consumed: Int
    private let excess: Int
    /// Steps of the loops that are bounded by more than one token: what tests count.
    var steps = 0

    /// What is being dropped altogether, how often it was opened inside of itself, and how many places for HTML are open in it.
    private var skipped = HTMLTag.unknown
    private var skippedDepth = 0
    private var skippedPlaces = 0
    private var lastDrawing: Int?
    private var lastFormula: Int?
    private var swallowsLineFeed = false
    private var hasReturn = false
    private var value: [UInt8] = []

    /// - Parameter excess: bytes by which the text became longer when U+FFFD was put in: they buy nothing.
    init(policy: HTMLPolicy, expecting count: Int, tags: Int, excess: Int, keepsNodes: Bool) {
        self.policy = policy
        consumed = -excess
        self.excess = excess
        tree = HTMLTree(expecting: count, tags: tags, keepsNodes: keepsNodes)
    }

    /// Reads to the end, or to where `tree.needsNodes`.
    mutating func read(_ tokenizer: inout HTMLTokenizer) {
        while !tree.needsNodes {
            consumed = tokenizer.position - excess
            let token = tokenizer.next()
            if token == .text, skipped == .unknown {
                text(tokenizer.text)
                continue
            }
            if token == .end { break }
            swallowsLineFeed = false
            hasReturn = false
            switch token {
            case .startTag: startTag(&tokenizer)
            case .endTag: endTag(tokenizer.tag)
            default: break
            }
        }
        pop(to: 0)
    }

    // MARK: Text

    private mutating func text(_ text: UnsafeBufferPointer<UInt8>) {
        var text = text
        if swallowsLineFeed {
            swallowsLineFeed = false
            if !text.isEmpty, text[0] == 0x0A { text = UnsafeBufferPointer(rebasing: text.dropFirst()) }
        }
        // NUL is nothing, and a text of nothing else opens nothing again.
        guard !text.isEmpty, text[0] != 0 || text.contains(where: { $0 != 0 }) else { return }
        reconstruct()
        let start = tree.bytes.count
        HTMLEscape.append(text, to: &tree.bytes, &hasReturn)
        spent += tree.bytes.count - start
        tree.appendText(start, to: current)
    }

    // MARK: Start tags

    private mutating func startTag(_ tokenizer: inout HTMLTokenizer) {
        var tag = tokenizer.tag
        if skipped != .unknown {
            guard endsSkipping(tag, &tokenizer) else { return }
        }
        if tag == .image { tag = .img }
        guard tag.isIn(policy.elementMask) else {
            startForbidden(tag, &tokenizer)
            return
        }
        if tag.isIn(HTMLTag.formatting) {
            startFormatting(tag, &tokenizer)
        } else if tag.isIn(HTMLTag.closesParagraph) {
            startBlock(tag, &tokenizer)
        } else if tag.isIn(HTMLTag.void) {
            reconstruct()
            insertVoid(tag, &tokenizer)
        } else {
            reconstruct()
            insert(tag, &tokenizer)
        }
    }

    private mutating func startForbidden(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) {
        if let mode = tag.rawText {
            // The content comes as text, which is dropped up to the end tag.
            tokenizer.enter(mode, until: tokenizer.bytes(tokenizer.name))
            skip(tag)
        } else if tag == .template || (tag == .svg || tag == .math) && !tokenizer.isSelfClosing {
            skip(tag)
        } else if tag.isForbiddenBlock || tag.isIn(HTMLTag.closesParagraph) {
            closeParagraph()
        }
    }

    private mutating func startFormatting(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) {
        if tag == .a, let last = stack.last, tree[last].tag == .a, formatting.last == last {
            // The usual case of what follows: the link before was not closed.
            pop()
            dropActive(formatting.count - 1)
        } else if tag == .a, let index = lastActive(.a) {
            let node = formatting[index]
            adopt(.a)
            if tree[node].isActive { forget(node) }
            if tree[node].isOpen, tree[node].tag == .a { removeFromStack(node) }
        }
        reconstruct()
        guard let node = insert(tag, &tokenizer) else { return }
        remember(node)
    }

    private mutating func startBlock(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) {
        if tag == .li {
            closeItem(HTMLTag.li.bit)
        } else if tag.isIn(HTMLTag.terms) {
            closeItem(HTMLTag.terms)
        }
        closeParagraph()
        if tag == .hr {
            insertVoid(tag)
            return
        }
        if tag.isIn(HTMLTag.headings), let last = stack.last, tree[last].tag.isIn(HTMLTag.headings) { pop() }
        let node = insert(tag, &tokenizer)
        swallowsLineFeed = tag == .pre && node != nil
    }

    /// Closes the open item that a new one ends, unless another block lies between.
    private mutating func closeItem(_ items: UInt64) {
        guard openCount(items) else { return }
        var index = stack.count - 1
        while index >= 0 {
            steps += 1
            let tag = tree[stack[index]].tag
            if tag.isIn(items) {
                pop(to: index)
                return
            }
            if tag.isIn(HTMLTag.special & ~HTMLTag.itemPasses) { return }
            index -= 1
        }
    }

    // MARK: End tags

    private mutating func endTag(_ tag: HTMLTag) {
        if skipped != .unknown {
            endSkipped(tag)
            return
        }
        guard tag.isIn(policy.elementMask) else {
            if tag.isForbiddenBlock || tag.isIn(HTMLTag.closesParagraph) && tag != .p { closeParagraph() }
            return
        }
        if hasDropped, dropped[Int(tag.rawValue)] > 0 {
            dropped[Int(tag.rawValue)] -= 1
            return
        }
        if tag.isIn(HTMLTag.formatting) {
            adopt(tag)
        } else if tag == .p {
            if open[Int(tag.rawValue)] == 0 { insert(.p) }
            closeParagraph()
        } else if tag == .br {
            reconstruct()
            insertVoid(.br)
        } else if tag.isIn(HTMLTag.headings) {
            if openCount(HTMLTag.headings) { pop(through: HTMLTag.headings) }
        } else if tag == .li {
            endItem()
        } else if tag.isIn(HTMLTag.plainBlocks | HTMLTag.terms | HTMLTag.pre.bit) {
            if open[Int(tag.rawValue)] > 0 { pop(through: tag.bit) }
        } else {
            endOther(tag)
        }
    }

    /// An item ends only inside of its own list.
    private mutating func endItem() {
        guard openCount(HTMLTag.li.bit) else { return }
        var index = stack.count - 1
        while index >= 0 {
            steps += 1
            let tag = tree[stack[index]].tag
            if tag == .li {
                pop(to: index)
                return
            }
            if tag == .ol || tag == .ul { return }
            index -= 1
        }
    }

    /// Closes an element and what is open in it, unless a block lies between.
    mutating func endOther(_ tag: HTMLTag) {
        guard tag.canBeAllowed, open[Int(tag.rawValue)] > 0 else { return }
        var index = stack.count - 1
        while index >= 0 {
            steps += 1
            let other = tree[stack[index]].tag
            if other == tag {
                pop(to: index)
                return
            }
            if other.isIn(HTMLTag.special) { return }
            index -= 1
        }
    }

    private mutating func closeParagraph() {
        guard open[Int(HTMLTag.p.rawValue)] > 0 else { return }
        if let last = stack.last, tree[last].tag == .p { pop() } else { pop(through: HTMLTag.p.bit) }
    }

    // MARK: What is dropped altogether

    private mutating func skip(_ tag: HTMLTag) {
        skipped = tag
        skippedDepth = 1
        skippedPlaces = 0
    }

    /// Whether a start tag ends a drawing or formula, as in a browser; only one that is never closed.
    private mutating func endsSkipping(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) -> Bool {
        if tag == skipped {
            if !tokenizer.isSelfClosing || tag == .template { skippedDepth += 1 }
            return false
        }
        guard skipped == .svg || skipped == .math else { return false }
        if tag.isForeignPlace {
            if !tokenizer.isSelfClosing { skippedPlaces += 1 }
            return false
        }
        guard skippedPlaces == 0, tag.endsForeign, tokenizer.position > lastEnd(of: skipped, &tokenizer) else { return false }
        skipped = .unknown
        return true
    }

    /// Where the last end tag of a drawing or formula begins; looked for once.
    private mutating func lastEnd(of tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) -> Int {
        if let known = tag == .svg ? lastDrawing : lastFormula { return known }
        let found = tokenizer.lastPlace(of: tag == .svg ? "</svg" : "</math")
        if tag == .svg { lastDrawing = found } else { lastFormula = found }
        return found
    }

    private mutating func endSkipped(_ tag: HTMLTag) {
        if tag == skipped {
            skippedDepth -= 1
            if skippedDepth <= 0 { skipped = .unknown }
        } else if tag.isForeignPlace, skippedPlaces > 0 {
            skippedPlaces -= 1
        }
    }

    // MARK: Elements

    @inline(__always)
    var current: Int32 { stack.last ?? 0 }

    mutating func openCount(_ mask: UInt64) -> Bool {
        var mask = mask
        while mask != 0 {
            if open[mask.trailingZeroBitCount] > 0 { return true }
            mask &= mask - 1
        }
        return false
    }

    /// Begins an element with what is allowed of the attributes of the tag at hand, escaped, as a range of the tree's bytes.
    @inline(__always)
    private mutating func begin(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) -> Range<Int> {
        tree.begin(tag)
        return tokenizer.attributes.isEmpty ? 0..<0 : attributes(of: tag, &tokenizer)
    }

    private mutating func attributes(of tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) -> Range<Int> {
        HTMLAttributeWriter(policy: policy, tag: tag).write(&tokenizer, into: &tree.bytes, value: &value)
    }

    private mutating func insertVoid(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) {
        guard stack.count < HTMLTreeBuilder.depth else { return }
        let mark = tree.bytes.count
        let attributes = begin(tag, &tokenizer)
        // An image that shows nothing is none.
        if tag == .img, attributes.isEmpty {
            tree.bytes.cut(to: mark)
            return
        }
        insertVoid(tag, attributes)
    }

    private mutating func insertVoid(_ tag: HTMLTag) {
        guard stack.count < HTMLTreeBuilder.depth else { return }
        tree.begin(tag)
        insertVoid(tag, 0..<0)
    }

    private mutating func insertVoid(_ tag: HTMLTag, _ attributes: Range<Int>) {
        _ = tree.append(
            tag, UInt32(truncatingIfNeeded: attributes.lowerBound), UInt32(truncatingIfNeeded: attributes.upperBound), to: current
        )
        spent += tag.cost + attributes.count
    }

    @discardableResult
    private mutating func insert(_ tag: HTMLTag, _ tokenizer: inout HTMLTokenizer) -> Int32? {
        guard hasRoom(tag) else { return nil }
        return insert(tag, begin(tag, &tokenizer))
    }

    private mutating func insert(_ tag: HTMLTag) {
        guard hasRoom(tag) else { return }
        tree.begin(tag)
        _ = insert(tag, 0..<0)
    }

    private mutating func insert(_ tag: HTMLTag, _ attributes: Range<Int>) -> Int32 {
        spent += tag.cost + attributes.count
        let node = tree.append(
            tag, UInt32(truncatingIfNeeded: attributes.lowerBound), UInt32(truncatingIfNeeded: attributes.upperBound), to: current
        )
        push(node)
        return node
    }

    /// Whether an element may be opened here. If not, its end tag will be dropped as well.
    private mutating func hasRoom(_ tag: HTMLTag) -> Bool {
        if stack.count < HTMLTreeBuilder.depth { return true }
        dropped[Int(tag.rawValue & 63)] &+= 1
        hasDropped = true
        return false
    }

    @inline(__always)
    mutating func push(_ node: Int32) {
        stack.append(node)
        tree[node].isOpen = true
        let tag = tree[node].tag
        // The stack knows a link as open that is not active any more: only the writer can tell what may stand here.
        if tag == .a, open[Int(tag.rawValue)] > 0, !tree.keepsNodes { tree.needsNodes = true }
        open[Int(tag.rawValue & 63)] &+= 1
    }

    @inline(__always)
    mutating func pop() {
        guard let node = stack.removeLast() else { return }
        close(node)
    }

    @inline(__always)
    mutating func close(_ node: Int32) {
        open[Int(tree[node].tag.rawValue & 63)] &-= 1
        tree.close(node)
        if hasDropped {
            // What was dropped was inside of this one.
            for index in 0..<64 { dropped[index] = 0 }
            hasDropped = false
        }
    }

    /// Pops the element at `index` of the stack and everything in it.
    mutating func pop(to index: Int) {
        while stack.count > index { pop() }
    }

    /// Pops up to and with the innermost element of `tags`, one of which is open.
    mutating func pop(through tags: UInt64) {
        while let node = stack.last {
            let found = tree[node].tag.isIn(tags)
            pop()
            if found { return }
        }
    }

    mutating func removeFromStack(_ node: Int32) {
        guard let index = stack.lastIndex(of: node) else { return }
        if !tree.keepsNodes { tree.needsNodes = true }
        stack.remove(at: index)
        close(node)
    }
}

extension HTMLTag {
    /// Where a drawing or a formula holds HTML, so that nothing in it ends the whole.
    var isForeignPlace: Bool {
        self == .title || rawValue >= HTMLTag.foreignObject.rawValue && rawValue <= HTMLTag.mtext.rawValue
    }

    /// What never stands in a drawing or a formula.
    var endsForeign: Bool {
        switch self {
        case .b, .blockquote, .br, .code, .dd, .div, .dl, .dt, .em, .h1, .h2, .h3, .h4, .h5, .h6, .hr, .i, .img, .li, .ol, .p,
            .pre, .s,
            .small, .span, .strong, .sub, .sup, .u, .ul, .var, .center, .listing, .menu, .table:
            true
        default: rawValue >= HTMLTag.big.rawValue && rawValue <= HTMLTag.tt.rawValue
        }
    }
}
