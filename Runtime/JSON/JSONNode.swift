/// One place in a document: a value or a member name.
struct JSONNode {
    enum Kind: UInt8 {
        case null, `true`, `false`, integer, decimal, string, escaped, array, object
    }

    /// For strings: the byte after the quote. For objects: the member name found last, where the next search begins.
    var start: UInt32
    /// For containers: members or elements. For strings: bytes between the quotes. For numbers: bytes.
    var length: UInt32
    /// The index of the node after this value with all that is in it.
    var next: UInt32
    /// The container around it; the root is its own.
    let parent: UInt32
    /// Which element of its array it is.
    let ordinal: UInt32
    let kind: Kind
    /// For strings without escapes: whether every byte is ASCII.
    let isASCII: Bool
    /// For objects: whether the names were taken from the document, as a dictionary does, and so must not be shown.
    var hasForeignNames = false
}

extension JSONNode {
    @inline(__always)
    init(_ kind: Kind, at start: Int, length: Int, next: Int, parent: Int, ordinal: UInt32, isASCII: Bool = false) {
        self.init(
            start: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length),
            next: UInt32(truncatingIfNeeded: next), parent: UInt32(truncatingIfNeeded: parent), ordinal: ordinal, kind: kind,
            isASCII: isASCII)
    }
}

/// Room for nodes that grows, and is kept from one document to the next.
struct JSONNodes {
    private(set) var base: UnsafeMutablePointer<JSONNode>
    private(set) var capacity: Int

    init(capacity: Int) {
        base = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    /// Doubles the room; the first `count` nodes stay.
    @inline(never)
    mutating func grow(keeping count: Int) {
        let larger = UnsafeMutablePointer<JSONNode>.allocate(capacity: capacity &* 2)
        larger.moveInitialize(from: base, count: count)
        base.deallocate()
        base = larger
        capacity &*= 2
    }

    /// One very large document must not hold on to its memory for as long as the thread lives.
    mutating func trim() {
        guard capacity > JSONNodes.kept else { return }
        base.deallocate()
        self = JSONNodes(capacity: JSONNodes.first)
    }

    static let first = 128
    private static let kept = 8192
}

/// Room for a document's text with zeros after it, so that reading needs no look at where it ends; kept from one document to the next.
struct JSONPaddedText {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int

    init() {
        capacity = JSONPaddedText.first
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    @inline(__always) var start: UnsafePointer<UInt8> { UnsafePointer(base.assumingMemoryBound(to: UInt8.self)) }

    @inline(__always)
    mutating func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        if bytes.count &+ JSONTape.padding > capacity { grow(to: bytes.count &+ JSONTape.padding) }
        if let start = bytes.baseAddress { base.copyMemory(from: start, byteCount: bytes.count) }
        (base + bytes.count).storeBytes(of: (0, 0), as: (UInt64, UInt64).self)
        return UnsafeRawBufferPointer(start: base, count: bytes.count)
    }

    @inline(never)
    private mutating func grow(to count: Int) {
        base.deallocate()
        capacity = max(count, capacity &* 2)
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    mutating func trim() {
        guard capacity > JSONPaddedText.kept else { return }
        base.deallocate()
        self = JSONPaddedText()
    }

    private static let first = 4096
    private static let kept = 1 << 18
}
