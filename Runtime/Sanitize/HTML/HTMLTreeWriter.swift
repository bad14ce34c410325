/// Writes a tree as text that every HTML parser reads back as exactly this tree.
///
/// The builder follows the standard, and in rare cases (a link that was pulled out of nine blocks, say) the standard's trees do not survive
/// being written and read. So an element that a parser would move or close where it stands is left out here, and its content stays.
struct HTMLTreeWriter {
    /// What the content at hand stands in.
    fileprivate struct Place: BitwiseCopyable {
        var node: Int32 = 0
        var tag = HTMLTag.unknown
        var flags: UInt8 = 0
    }

    fileprivate static var inParagraph: UInt8 { 1 }
    fileprivate static var inLink: UInt8 { 2 }
    fileprivate static var inItem: UInt8 { 4 }
    fileprivate static var inTerm: UInt8 { 8 }
    fileprivate static var inHeading: UInt8 { 16 }

    private let out: UnsafeMutablePointer<UInt8>
    private let capacity: Int
    private var count = 0
    /// Parsers drop a line feed that comes first in `pre`.
    private var losesLineFeed = false

    /// How many bytes of room a tree needs: those it takes at most, and some because tags are stored sixteen bytes at a time.
    static func room(_ builder: borrowing HTMLTreeBuilder) -> Int { builder.spent + 32 }

    /// Writes into `room` bytes; how many it were.
    static func write(_ tree: borrowing HTMLTree, into room: UnsafeMutableBufferPointer<UInt8>) -> Int {
        guard let out = room.baseAddress else { return 0 }
        var writer = HTMLTreeWriter(out: out, capacity: room.count)
        writer.write(tree)
        return writer.count
    }

    private init(out: UnsafeMutablePointer<UInt8>, capacity: Int) {
        self.out = out
        self.capacity = capacity
    }

    private mutating func write(_ tree: borrowing HTMLTree) {
        var path = HTMLStore<Place>(capacity: HTMLTreeBuilder.depth + 1)
        var place = Place()
        var node = tree[0].first
        while node > 0 {
            let it = tree[node]
            if it.tag == .text {
                text(tree, it)
            } else if path.count < HTMLTreeBuilder.depth, !place.forbids(it.tag) {
                open(tree, it)
                if !it.tag.isIn(HTMLTag.void) {
                    path.append(place)
                    place = place.inside(it.tag, node)
                }
            }
            if it.first >= 0 {
                node = it.first
                continue
            }
            // Up to the next one that is not written yet.
            var next = it.next
            while true {
                if place.node == node {
                    close(place.tag)
                    place = path.removeLast() ?? Place()
                }
                if next >= 0 { break }
                node = tree[node].parent
                if node <= 0 { return }
                next = tree[node].next
            }
            node = next
        }
    }

    @inline(__always)
    private mutating func open(_ tree: borrowing HTMLTree, _ it: HTMLNode) {
        let length = it.tag.nameLength + 1
        store(HTMLTagText.openings, it.tag, length)
        if it.end > it.start { append(tree, it) }
        append(UInt8(ascii: ">"))
        losesLineFeed = it.tag == .pre
    }

    @inline(__always)
    private mutating func close(_ tag: HTMLTag) {
        store(HTMLTagText.closings, tag, tag.nameLength + 3)
        losesLineFeed = false
    }

    @inline(__always)
    private mutating func text(_ tree: borrowing HTMLTree, _ it: HTMLNode) {
        if losesLineFeed, tree.bytes[Int(it.start)] == 0x0A { append(0x0A) }
        losesLineFeed = false
        append(tree, it)
    }

    // Every write looks at the room first. That it is enough follows from how the builder counts; here it is made sure.

    @inline(__always)
    private mutating func store(_ table: StaticString, _ tag: HTMLTag, _ length: Int) {
        guard capacity - count >= 16, tag.rawValue <= HTMLTag.wbr.rawValue else { return }
        HTMLStore<UInt8>.copy16(from: table.utf8Start + Int(tag.rawValue) * 16, to: out + count)
        count += length
    }

    @inline(__always)
    private mutating func append(_ byte: UInt8) {
        guard count < capacity else { return }
        out[count] = byte
        count += 1
    }

    @inline(__always)
    private mutating func append(_ tree: borrowing HTMLTree, _ it: HTMLNode) {
        let length = Int(it.end) - Int(it.start)
        guard length > 0, Int(it.end) <= tree.bytes.count, length <= capacity - count else { return }
        (out + count).update(from: tree.bytes.start + Int(it.start), count: length)
        count += length
    }
}

extension HTMLTreeWriter.Place {
    /// Whether a parser would move or close something instead of putting the element here.
    @inline(__always)
    fileprivate func forbids(_ child: HTMLTag) -> Bool {
        if flags == 0 { return false }
        return flags & HTMLTreeWriter.inParagraph != 0 && child.isIn(HTMLTag.closesParagraph)
            || flags & HTMLTreeWriter.inLink != 0 && child == .a
            || flags & HTMLTreeWriter.inItem != 0 && child == .li
            || flags & HTMLTreeWriter.inTerm != 0 && child.isIn(HTMLTag.terms)
            || flags & HTMLTreeWriter.inHeading != 0 && child.isIn(HTMLTag.headings)
    }

    @inline(__always)
    fileprivate func inside(_ child: HTMLTag, _ node: Int32) -> Self {
        // A heading minds only its own children.
        var flags = flags & ~HTMLTreeWriter.inHeading
        if child == .a { flags |= HTMLTreeWriter.inLink }
        if child == .p { flags |= HTMLTreeWriter.inParagraph }
        if child.isIn(HTMLTag.special & ~HTMLTag.itemPasses) {
            flags &= ~(HTMLTreeWriter.inItem | HTMLTreeWriter.inTerm)
            if child == .li { flags |= HTMLTreeWriter.inItem }
            if child.isIn(HTMLTag.terms) { flags |= HTMLTreeWriter.inTerm }
            if child.isIn(HTMLTag.headings) { flags |= HTMLTreeWriter.inHeading }
        }
        return Self(node: node, tag: child, flags: flags)
    }
}
