/// A node: an element or a piece of text. Numbers of nodes are indices of the tree's array, 0 is the root, -1 is none.
struct HTMLNode: BitwiseCopyable {
    var parent: Int32 = -1
    var first: Int32 = -1
    var last: Int32 = -1
    var previous: Int32 = -1
    var next: Int32 = -1
    /// Where the attributes or the text lie in the tree's bytes, already escaped.
    var start: UInt32 = 0
    var end: UInt32 = 0
    var tag: HTMLTag
    /// On the stack of open elements.
    var isOpen = false
    /// On the list of active formatting elements.
    var isActive = false
}

/// What is going to be written.
///
/// Almost always elements close in the order that a stack gives, and can be written at once: then `bytes` is the result, and there are nodes
/// only for elements that are open or may be opened again. When a block has to leave an element that is open around it, this does not
/// do any more (`needsNodes`): the text is read again, now keeping all nodes, and written by the `HTMLTreeWriter`.
struct HTMLTree: ~Copyable {
    private(set) var nodes: HTMLStore<HTMLNode>
    var bytes: HTMLStore<UInt8>
    let keepsNodes: Bool
    /// It cannot be written at once.
    var needsNodes = false
    /// Numbers that can be used again; only without `keepsNodes`.
    private var free = HTMLStore<Int32>(capacity: 32)
    /// `pre` was just opened: parsers drop a line feed there.
    private var losesLineFeed = false

    /// - Parameters:
    ///   - count: the length of the text.
    ///   - tags: how many there are at most.
    init(expecting count: Int, tags: Int, keepsNodes: Bool) {
        self.keepsNodes = keepsNodes
        // An element and the text behind it for each tag; what is not used costs nothing.
        nodes = HTMLStore(capacity: keepsNodes ? tags * 2 + 16 : 32)
        bytes = HTMLStore(capacity: count * 2 + 64)
        nodes.append(HTMLNode(tag: .unknown))
    }

    @inline(__always)
    subscript(_ node: Int32) -> HTMLNode {
        get { nodes[Int(node)] }
        _modify { yield &nodes[Int(node)] }
    }

    /// The result, without `keepsNodes`.
    var written: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: bytes.start, count: bytes.count) }

    /// Begins the tag of an element; its attributes come next.
    @inline(__always)
    mutating func begin(_ tag: HTMLTag) {
        if keepsNodes { return }
        bytes.append(table: HTMLTagText.openings, at: Int(tag.rawValue) * 16, tag.nameLength + 1)
    }

    /// Ends the tag of an element, with the attributes `start..<end`, and adds it as the last child of `parent`.
    @inline(__always)
    mutating func append(_ tag: HTMLTag, _ start: UInt32, _ end: UInt32, to parent: Int32) -> Int32 {
        if keepsNodes {
            let node = make(tag, start, end)
            attach(node, to: parent)
            return node
        }
        bytes.append(UInt8(ascii: ">"))
        losesLineFeed = tag == .pre
        if tag.isIn(HTMLTag.void) { return 0 }
        guard let node = free.removeLast() else { return make(tag, start, end) }
        self[node] = HTMLNode(start: start, end: end, tag: tag)
        return node
    }

    /// The same element once more.
    mutating func appendCopy(of node: Int32, to parent: Int32) -> Int32 {
        let it = self[node]
        begin(it.tag)
        if !keepsNodes {
            let length = Int(it.end - it.start)
            bytes.reserve(length)
            bytes.append(UnsafePointer(bytes.start + Int(it.start)), length)
        }
        return append(it.tag, it.start, it.end, to: parent)
    }

    /// An element was closed.
    @inline(__always)
    mutating func close(_ node: Int32) {
        self[node].isOpen = false
        if keepsNodes { return }
        let tag = self[node].tag
        bytes.append(table: HTMLTagText.closings, at: Int(tag.rawValue) * 16, tag.nameLength + 3)
        losesLineFeed = false
        if !self[node].isActive { free.append(node) }
    }

    /// An element will not be opened again.
    @inline(__always)
    mutating func deactivate(_ node: Int32) {
        self[node].isActive = false
        if !keepsNodes, !self[node].isOpen { free.append(node) }
    }

    /// A node that is nowhere yet.
    @inline(__always)
    mutating func make(_ tag: HTMLTag, _ start: UInt32, _ end: UInt32) -> Int32 {
        nodes.append(HTMLNode(start: start, end: end, tag: tag))
        return Int32(truncatingIfNeeded: nodes.count - 1)
    }

    /// Puts a node that is nowhere behind the last child of `parent`.
    @inline(__always)
    mutating func attach(_ node: Int32, to parent: Int32) {
        let last = self[parent].last
        self[node].parent = parent
        self[node].previous = last
        if last >= 0 { self[last].next = node } else { self[parent].first = node }
        self[parent].last = node
    }

    mutating func detach(_ node: Int32) {
        let (parent, previous, next) = (self[node].parent, self[node].previous, self[node].next)
        guard parent >= 0 else { return }
        if previous >= 0 { self[previous].next = next } else { self[parent].first = next }
        if next >= 0 { self[next].previous = previous } else { self[parent].last = previous }
        self[node].parent = -1
        self[node].previous = -1
        self[node].next = -1
    }

    /// Moves all children of `node` to `target`, which has none.
    mutating func moveChildren(of node: Int32, to target: Int32) {
        var child = self[node].first
        self[target].first = child
        self[target].last = self[node].last
        while child >= 0 {
            self[child].parent = target
            child = self[child].next
        }
        self[node].first = -1
        self[node].last = -1
    }

    /// Appends text to what `parent` holds, joined with the text before it where that is possible.
    @inline(__always)
    mutating func appendText(_ start: Int, to parent: Int32) {
        let end = UInt32(truncatingIfNeeded: bytes.count)
        let start = UInt32(truncatingIfNeeded: start)
        guard end > start else { return }
        if !keepsNodes {
            if losesLineFeed, bytes[Int(start)] == 0x0A { bytes.insert(0x0A, at: Int(start)) }
            losesLineFeed = false
            return
        }
        let last = self[parent].last
        if last >= 0, self[last].tag == .text, self[last].end == start {
            self[last].end = end
        } else {
            _ = append(.text, start, end, to: parent)
        }
    }
}

/// Writes text so that it is nothing but text: the five characters that could be markup as references. NUL is dropped, and a carriage
/// return (which only a reference can have made) becomes the line feed that every parser would make of it.
enum HTMLEscape {
    /// - Parameter hasReturn: whether the text before ended with a carriage return, whose line feed would be one too many.
    static func append(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout HTMLStore<UInt8>, _ hasReturn: inout Bool) {
        guard let base = text.baseAddress, !text.isEmpty else { return }
        // Six bytes for each, and eight are stored at a time.
        bytes.reserve(text.count * HTMLTreeBuilder.growth + 8)
        var start = hasReturn && base[0] == 0x0A ? 1 : 0
        hasReturn = false
        var at = start
        while at < text.count {
            let byte = base[at]
            guard needsWork(byte) else {
                at += 1
                continue
            }
            if at > start { bytes.append(base + start, at - start) }
            switch byte {
            case UInt8(ascii: "&"): store(0x3B_706D_6126, 5, &bytes)
            case UInt8(ascii: "<"): store(0x3B74_6C26, 4, &bytes)
            case UInt8(ascii: ">"): store(0x3B74_6726, 4, &bytes)
            case UInt8(ascii: "\""): store(0x3B74_6F75_7126, 6, &bytes)
            case UInt8(ascii: "'"): store(0x3B_3933_2326, 5, &bytes)
            case 0x0D:
                store(0x0A, 1, &bytes)
                if at + 1 < text.count, base[at + 1] == 0x0A { at += 1 } else { hasReturn = at + 1 == text.count }
            default: break
            }
            at += 1
            start = at
        }
        if at > start { bytes.append(base + start, at - start) }
    }

    /// Whether a byte cannot stand as it is.
    @inline(__always)
    static func needsWork(_ byte: UInt8) -> Bool {
        if byte > 0x3E { return false }
        // NUL, CR, both quotes, ampersand, both angle brackets.
        let mask: UInt64 = 0x5000_00C4_0000_2001
        return mask & (1 << UInt64(byte)) != 0
    }

    /// Up to eight bytes, the first one lowest.
    @inline(__always)
    private static func store(_ packed: UInt64, _ length: Int, _ bytes: inout HTMLStore<UInt8>) {
        UnsafeMutableRawPointer(bytes.start + bytes.count).storeBytes(of: packed.littleEndian, as: UInt64.self)
        bytes.advance(length)
    }
}
