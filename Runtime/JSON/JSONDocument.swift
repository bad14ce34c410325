/// A scanned document while it is read: the address of what is known of it.
///
/// One serves one document after the other, and is never freed: no reader counts references to it. Every reader holds the epoch it was made
/// in: one that outlives the call that made it finds another epoch and throws, instead of reading what is no longer there.
@usableFromInline
struct JSONDocument {
    private struct State {
        var text = JSONPaddedText()
        var storage = JSONNodes(capacity: JSONNodes.first)
        var nodes: UnsafeMutablePointer<JSONNode>
        var epoch: UInt32 = 0
        var allowsDuplicates = false
        /// Made for objects with many members that are not asked for in order: a scan for each would be quadratic.
        var indexes: [Int: [JSONName: Int]] = [:]
        let reuse = JSONReuse()

        init() { nodes = storage.base }
    }

    private let state: UnsafeMutablePointer<State>
    private static let indexed = 32

    @inline(__always) var base: UnsafePointer<UInt8> { state.pointee.text.start }
    @inline(__always) var nodes: UnsafeMutablePointer<JSONNode> { state.pointee.nodes }
    @inline(__always) var epoch: UInt32 { state.pointee.epoch }
    @inline(__always) var allowsDuplicates: Bool { state.pointee.allowsDuplicates }
    @inline(__always) var reuse: JSONReuse { state.pointee.reuse }

    /// Stays for as long as the program runs.
    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    @inline(__always)
    func open(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits) throws(JSONError) {
        // Before any of it is copied.
        guard bytes.count < Int(UInt32.max) else { throw JSONError(.tooLong, at: 0) }
        defer { state.pointee.nodes = state.pointee.storage.base }
        let text = state.pointee.text.copy(bytes)
        try JSONTape.scan(text, limits: limits, into: &state.pointee.storage)
        state.pointee.allowsDuplicates = limits.duplicateNames == .lastWins
    }

    func close() {
        state.pointee.epoch &+= 1
        if !state.pointee.indexes.isEmpty { state.pointee.indexes = [:] }
        state.pointee.storage.trim()
        state.pointee.text.trim()
        state.pointee.nodes = state.pointee.storage.base
    }

    @inline(__always)
    func live(_ epoch: UInt32) throws -> UnsafePointer<UInt8> {
        guard isLive(epoch) else { throw JSONDocument.ended() }
        return base
    }

    @inline(__always) func isLive(_ epoch: UInt32) -> Bool { epoch == self.epoch }

    @inline(never)
    private static func ended() -> JSONError { JSONError(.other, path: "", "was read after decoding had ended") }

    // MARK: Values of any type. The caller has checked the epoch.

    @inline(__always)
    func decode<Value: Decodable>(_ type: Value.Type, at index: Int) throws -> Value {
        if let shortcut = reuse.shortcut(for: type) {
            return try shortcut._withUnsafeGuaranteedRef { try $0.decode(self, index) }
        }
        return try Value(from: JSONValueDecoder(document: self, index: index))
    }

    @inline(__always)
    func members<Key: CodingKey>(at index: Int) throws -> KeyedDecodingContainer<Key> {
        guard nodes[index].kind == .object else { throw mismatch([String: Any].self, at: index) }
        if let kept: Unmanaged<JSONKept<KeyedDecodingContainer<Key>>> = reuse.members(of: self, at: index, by: Key.self) {
            return kept._withUnsafeGuaranteedRef { $0.copy() }
        }
        return reuse.newMembers(of: self, at: index)
    }

    // MARK: Leaves

    @inline(never)
    func mismatch(_ type: Any.Type, at index: Int) -> DecodingError {
        let context = DecodingError.Context(codingPath: path(to: index), debugDescription: "another shape was expected")
        return nodes[index].kind == .null ? .valueNotFound(type, context) : .typeMismatch(type, context)
    }

    @inline(never)
    private func outOfRange(at index: Int) -> DecodingError {
        .dataCorrupted(.init(codingPath: path(to: index), debugDescription: "out of range"))
    }

    @inline(__always)
    func string(at index: Int, in base: UnsafePointer<UInt8>) throws -> String {
        let node = nodes[index]
        guard node.isString else { throw mismatch(String.self, at: index) }
        return node.text(in: base)
    }

    @inline(__always)
    func bool(at index: Int) throws -> Bool {
        switch nodes[index].kind {
        case .true: return true
        case .false: return false
        default: throw mismatch(Bool.self, at: index)
        }
    }

    @inline(__always)
    func integer<Value: FixedWidthInteger>(_ type: Value.Type, at index: Int, in base: UnsafePointer<UInt8>) throws -> Value {
        let node = nodes[index]
        guard node.isNumber else { throw mismatch(type, at: index) }
        if node.kind == .integer, let value = JSON.Number(node, in: base).exactly(type) { return value }
        return try wholeNumber(type, at: index, in: base)
    }

    /// `1.0` and `1e3` are integers too.
    @inline(never)
    private func wholeNumber<Value: FixedWidthInteger>(_ type: Value.Type, at index: Int, in base: UnsafePointer<UInt8>) throws
        -> Value
    {
        let node = nodes[index]
        let number = JSON.Number(node, in: base)
        // From 2^53 on a Double may not be the number that a text such as `9007199254740993.0` means.
        let isExact = node.kind == .integer || number.double.magnitude < 0x1p53
        guard let value = (isExact ? number : JSON.Number(whole: node.slice(in: base)))?.exactly(type) else {
            throw outOfRange(at: index)
        }
        return value
    }

    func double(at index: Int, in base: UnsafePointer<UInt8>) throws -> Double {
        let node = nodes[index]
        guard node.isNumber else { throw mismatch(Double.self, at: index) }
        return JSON.Number(node, in: base).double
    }

    func float(at index: Int, in base: UnsafePointer<UInt8>) throws -> Float {
        let node = nodes[index]
        guard node.isNumber else { throw mismatch(Float.self, at: index) }
        let double = JSON.Number(node, in: base).double
        // Rounding twice goes wrong only where the first result lies exactly between two Floats; those and the tiniest start from the text.
        let isBetween = double.bitPattern & 0x1FFF_FFFF == 0x1000_0000 || double.magnitude < Double(Float.leastNormalMagnitude)
        let value = isBetween ? Float(String(decoding: node.slice(in: base), as: UTF8.self)) ?? .nan : Float(double)
        guard value.isFinite else { throw outOfRange(at: index) }
        return value
    }

    // MARK: Members

    /// Where a member's value is, or 0. Looks first at the member after the one found last, because types mostly ask in order.
    @inline(__always)
    func member(_ key: some CodingKey, of object: Int, in base: UnsafePointer<UInt8>) -> Int {
        var name = key.stringValue
        return name.withUTF8 { name in
            guard !allowsDuplicates else { return lastMember(name, of: object, in: base) }
            let end = Int(nodes[object].next)
            let hint = Int(nodes[object].start)
            // An empty object ends where its first member would stand.
            if hint < end, nodes[hint].isString(name, in: base) { return found(hint, of: object) }
            return otherMember(name, of: object, in: base)
        }
    }

    /// Notes where the next search begins.
    @inline(__always)
    private func found(_ name: Int, of object: Int) -> Int {
        let value = name &+ 1
        let next = nodes[value].next
        nodes[object].start = next < nodes[object].next ? next : UInt32(truncatingIfNeeded: object &+ 1)
        return value
    }

    @inline(never)
    private func otherMember(_ name: UnsafeBufferPointer<UInt8>, of object: Int, in base: UnsafePointer<UInt8>) -> Int {
        let length = nodes[object].length
        if length > JSONDocument.indexed { return indexedMember(name, of: object, in: base) }
        var child = object &+ 1
        for _ in 0..<length {
            if nodes[child].isString(name, in: base) { return found(child, of: object) }
            child = Int(nodes[child &+ 1].next)
        }
        return 0
    }

    @inline(never)
    private func lastMember(_ name: UnsafeBufferPointer<UInt8>, of object: Int, in base: UnsafePointer<UInt8>) -> Int {
        if nodes[object].length > JSONDocument.indexed { return indexedMember(name, of: object, in: base) }
        var found = 0
        forEachMember(of: object) { if nodes[$0].isString(name, in: base) { found = $0 &+ 1 } }
        return found
    }

    @inline(never)
    private func indexedMember(_ name: UnsafeBufferPointer<UInt8>, of object: Int, in base: UnsafePointer<UInt8>) -> Int {
        let name = JSONName(String(decoding: name, as: UTF8.self))
        let value: Int?
        if let index = state.pointee.indexes[object] {
            value = index[name]
        } else {
            var index: [JSONName: Int] = [:]
            index.reserveCapacity(Int(nodes[object].length))
            forEachMember(of: object) { index[JSONName(nodes[$0].text(in: base))] = $0 &+ 1 }
            state.pointee.indexes[object] = index
            value = index[name]
        }
        guard let value else { return 0 }
        return allowsDuplicates ? value : found(value &- 1, of: object)
    }

    /// Calls `body` with the place of each member name.
    @inline(__always)
    func forEachMember(of object: Int, _ body: (Int) -> Void) {
        var child = object &+ 1
        for _ in 0..<nodes[object].length {
            body(child)
            child = Int(nodes[child &+ 1].next)
        }
    }

    // MARK: Paths

    /// The way from the root, found when someone asks: the common case keeps no record of it.
    @inline(never)
    func path(to index: Int) -> [any CodingKey] {
        var keys: [any CodingKey] = []
        var index = index
        while index > 0 {
            let parent = Int(nodes[index].parent)
            if nodes[parent].kind == .object {
                keys.append(JSONNameKey(nodes[index &- 1].text(in: base), isForeign: nodes[parent].hasForeignNames))
            } else {
                keys.append(JSONIndexKey(Int(nodes[index].ordinal)))
            }
            index = parent
        }
        return keys.reversed()
    }
}
