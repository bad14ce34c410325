/// A parsed document while it is read. Decoders that outlive the call find no bytes any more.
final class JSONDocument {
    private(set) var base: UnsafePointer<UInt8>?
    let nodes: UnsafeMutablePointer<JSONNode>
    private let count: Int
    let allowsDuplicates: Bool
    /// Made for objects with many members that are not asked for in order: a scan for each would be quadratic.
    private var indexes: [Int: [JSONName: Int]] = [:]
    private static let indexed = 32

    /// `bytes` stay valid until ``close()``.
    init(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits) throws(JSONError) {
        let tape = try JSONTape(bytes, limits: limits)
        nodes = tape.nodes
        count = tape.count
        base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        allowsDuplicates = limits.duplicateNames == .lastWins
    }

    deinit { nodes.deallocate() }

    func close() { base = nil }

    @inline(__always)
    func live() throws -> UnsafePointer<UInt8> {
        guard let base else { throw JSONError(.other, path: "", "was read after decoding had ended") }
        return base
    }

    @inline(__always)
    func decode<Value: Decodable>(_ type: Value.Type, at index: Int) throws -> Value {
        if type == JSON.self { return try json(at: index) }
        return try Value(from: JSONValueDecoder(document: self, index: index))
    }

    @inline(never)
    private func json<Value>(at index: Int) throws -> Value {
        guard let value = value(at: index, in: try live()) as? Value else { throw mismatch(Value.self, at: index) }
        return value
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
    func string(at index: Int) throws -> String {
        let node = nodes[index]
        guard node.isString else { throw mismatch(String.self, at: index) }
        return node.text(in: try live())
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
    func integer<Value: FixedWidthInteger>(_ type: Value.Type, at index: Int) throws -> Value {
        let node = nodes[index]
        guard node.isNumber else { throw mismatch(type, at: index) }
        guard let value = JSON.Number(node, in: try live()).exactly(type) else { throw outOfRange(at: index) }
        return value
    }

    func double(at index: Int) throws -> Double {
        let node = nodes[index]
        guard node.isNumber else { throw mismatch(Double.self, at: index) }
        return JSON.Number(node, in: try live()).double
    }

    func float(at index: Int) throws -> Float {
        let value = Float(try double(at: index))
        guard value.isFinite else { throw outOfRange(at: index) }
        return value
    }

    // MARK: Members

    /// Where a member's value is. Looks first at the member found last and the one after it, because types mostly ask in order.
    @inline(__always)
    func member(_ name: String, of object: Int) throws -> Int? {
        let base = try live()
        let length = nodes[object].length
        guard length > 0 else { return nil }
        guard !allowsDuplicates else { return lastMember(name, of: object, in: base) }
        var name = name
        let found: Int = name.withUTF8 { name in
            let end = Int(nodes[object].next)
            var child = Int(nodes[object].start)
            var left = length > JSONDocument.indexed ? 2 : length
            while left > 0 {
                if nodes[child].isString(name, in: base) {
                    nodes[object].start = UInt32(truncatingIfNeeded: child)
                    return child &+ 1
                }
                child = Int(nodes[child &+ 1].next)
                if child == end { child = object &+ 1 }
                left &-= 1
            }
            return 0
        }
        if found > 0 { return found }
        return length > JSONDocument.indexed ? indexedMember(name, of: object, in: base) : nil
    }

    @inline(never)
    private func lastMember(_ name: String, of object: Int, in base: UnsafePointer<UInt8>) -> Int? {
        if nodes[object].length > JSONDocument.indexed { return indexedMember(name, of: object, in: base) }
        var name = name
        return name.withUTF8 { name in
            var found: Int?
            forEachMember(of: object) { if nodes[$0].isString(name, in: base) { found = $0 &+ 1 } }
            return found
        }
    }

    @inline(never)
    private func indexedMember(_ name: String, of object: Int, in base: UnsafePointer<UInt8>) -> Int? {
        if let index = indexes[object] {
            let found = index[JSONName(name)]
            if let found { nodes[object].start = UInt32(truncatingIfNeeded: found &- 1) }
            return found
        }
        var index: [JSONName: Int] = [:]
        index.reserveCapacity(Int(nodes[object].length))
        forEachMember(of: object) { index[JSONName(nodes[$0].text(in: base))] = $0 &+ 1 }
        indexes[object] = index
        return index[JSONName(name)]
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
                keys.append(JSONNameKey(base.map { nodes[index &- 1].text(in: $0) } ?? ""))
            } else {
                keys.append(JSONIndexKey(Int(nodes[index].ordinal)))
            }
            index = parent
        }
        return keys.reversed()
    }

    // MARK: Values

    /// Recursive, which the cap on depth keeps safe.
    func value(at index: Int, in base: UnsafePointer<UInt8>) -> JSON {
        let node = nodes[index]
        switch node.kind {
        case .null: return .null
        case .true: return .bool(true)
        case .false: return .bool(false)
        case .integer, .decimal: return .number(JSON.Number(node, in: base))
        case .string: return .string(String(decoding: node.slice(in: base), as: UTF8.self))
        case .escaped: return .string(node.text(in: base))
        case .array:
            let length = Int(node.length)
            return .array(
                [JSON](unsafeUninitializedCapacity: length) { elements, count in
                    guard var element = elements.baseAddress else { return }
                    var child = index &+ 1
                    for _ in 0..<length {
                        element.initialize(to: value(at: child, in: base))
                        element += 1
                        count &+= 1
                        child = Int(nodes[child].next)
                    }
                })
        case .object:
            if allowsDuplicates {
                var object = JSON.Object()
                forEachMember(of: index) { object[nodes[$0].text(in: base)] = value(at: $0 &+ 1, in: base) }
                return .object(object)
            }
            let length = Int(node.length)
            return .object(
                JSON.Object(
                    distinct: [JSON.Object.Element](unsafeUninitializedCapacity: length) { members, count in
                        guard var member = members.baseAddress else { return }
                        var child = index &+ 1
                        for _ in 0..<length {
                            member.initialize(to: (nodes[child].text(in: base), value(at: child &+ 1, in: base)))
                            member += 1
                            count &+= 1
                            child = Int(nodes[child &+ 1].next)
                        }
                    }))
        }
    }
}
