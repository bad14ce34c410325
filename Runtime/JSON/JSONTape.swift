/// The structure of a document, found in one strict pass over its bytes: a node per value and per member name, in document order.
///
/// Nothing is copied out of the bytes until someone asks, so a typed decode touches only what its type names. The pass is iterative, so
/// depth costs memory on the heap and none on the stack.
struct JSONTape {
    /// Too little to throw to slow down the way without errors.
    struct Failure: Error {
        let code: JSONError.Code
        let offset: Int
        init(_ code: JSONError.Code, at offset: Int) {
            self.code = code
            self.offset = offset
        }
    }

    private let source: JSONSource
    private var nodes: JSONNodes
    /// Names of the open objects that have many, innermost last.
    private var names: [JSONNameTable] = []

    private static let compared = 16

    /// How many zeros must follow a document: as many bytes as are looked at together.
    static let padding = 16

    /// Writes the nodes of a document into `nodes`, from the first on. What was there before is lost, also after an error.
    ///
    /// - Parameter bytes: followed by ``padding`` zeros, which no document has, so that nothing looks for the end at every byte.
    static func scan(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits, into nodes: inout JSONNodes) throws(JSONError) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { throw JSONError(.unexpectedEnd, at: 0) }
        let source = JSONSource(base: start.assumingMemoryBound(to: UInt8.self), end: bytes.count, limits: limits)
        var tape = JSONTape(source: source, nodes: nodes)
        do {
            try tape.scan()
            nodes = tape.nodes
        } catch {
            nodes = tape.nodes
            throw JSONError(error.code, at: error.offset)
        }
    }

    private init(source: JSONSource, nodes: JSONNodes) {
        self.source = source
        self.nodes = nodes
    }

    private mutating func scan() throws(Failure) {
        let source = source
        let base = source.base
        let refusesDuplicates = source.limits.duplicateNames == .refuse
        // What is left of the limits.
        var members = max(source.limits.members, 0)
        var elements = max(source.limits.elements, 0)
        var depth = source.limits.depth
        var nodes = self.nodes.base
        var capacity = self.nodes.capacity
        var count = 0
        var position = source.afterSpace(0)
        /// The innermost open container, and its children so far; those of the ones around it wait in their nodes.
        var top = 0
        var length: UInt32 = 0
        /// The bracket that ends it; 0 before the root.
        var closing: UInt8 = 0
        /// Bits of the names in it, so that most are known to be new.
        var seen: UInt32 = 0
        while true {
            // Room for a name and a value.
            if count &+ 2 > capacity {
                self.nodes.grow(keeping: count)
                nodes = self.nodes.base
                capacity = self.nodes.capacity
            }
            if closing == UInt8(ascii: "}") {
                guard base[position] == UInt8(ascii: "\"") else { throw source.unexpected(at: position) }
                members &-= 1
                guard members >= 0 else { throw Failure(.tooManyMembers, at: position) }
                let close = try source.text(
                    at: position &+ 1, node: nodes + count, next: count &+ 1, parent: top, ordinal: length)
                if refusesDuplicates {
                    let bit = source.nameBit(nodes + count)
                    if seen & bit != 0 || length >= JSONTape.compared {
                        try refuseDuplicate(of: count, in: top, before: length, at: position)
                    }
                    seen |= bit
                }
                count &+= 1
                position = source.afterSpace(close)
                guard base[position] == UInt8(ascii: ":") else { throw source.unexpected(at: position) }
                position = source.afterSpace(position &+ 1)
            } else if closing != 0 {
                elements &-= 1
                guard elements >= 0 else { throw Failure(.tooManyElements, at: position) }
            }
            // One value.
            let first = base[position]
            let node = nodes + count
            count &+= 1
            switch first {
            case UInt8(ascii: "\""):
                position = try source.text(at: position &+ 1, node: node, next: count, parent: top, ordinal: length)
                length &+= 1
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth &-= 1
                guard depth >= 0 else { throw Failure(.tooDeep, at: position) }
                nodes[top].length = length &+ 1
                nodes[top].next = seen
                node.initialize(
                    to: JSONNode(
                        start: UInt32(truncatingIfNeeded: count), length: 0, next: 0, parent: UInt32(truncatingIfNeeded: top),
                        ordinal: length, kind: first == UInt8(ascii: "{") ? .object : .array, isASCII: false))
                top = count &- 1
                length = 0
                seen = 0
                // Two above the opening one.
                closing = first &+ 2
                position = source.afterSpace(position &+ 1)
                if base[position] != closing { continue }
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                position = try source.number(at: position, node: node, next: count, parent: top, ordinal: length)
                length &+= 1
            default:
                position = try source.word(at: position, node: node, next: count, parent: top, ordinal: length)
                length &+= 1
            }
            // What follows it.
            while true {
                position = source.afterSpace(position)
                if closing == 0 {
                    guard position == source.end else { throw Failure(.trailingBytes, at: position) }
                    return
                }
                let next = base[position]
                position &+= 1
                if next == UInt8(ascii: ",") {
                    position = source.afterSpace(position)
                    break
                }
                guard next == closing else { throw source.unexpected(at: position &- 1) }
                depth &+= 1
                if !names.isEmpty { forgetNames(of: top) }
                let closed = nodes + top
                closed.pointee.length = length
                closed.pointee.next = UInt32(truncatingIfNeeded: count)
                guard top > 0 else {
                    closing = 0
                    continue
                }
                top = Int(closed.pointee.parent)
                length = nodes[top].length
                seen = nodes[top].next
                closing = nodes[top].kind == .object ? UInt8(ascii: "}") : UInt8(ascii: "]")
            }
        }
    }

    /// Few names are compared with each other; more go into a set, whose hashing is seeded.
    @inline(never)
    private mutating func refuseDuplicate(of name: Int, in object: Int, before: UInt32, at position: Int) throws(Failure) {
        let nodes = nodes.base
        guard before < JSONTape.compared else { return try refuseDuplicateAmongMany(of: name, in: object, at: position) }
        let length = nodes[name].length
        let isPlain = nodes[name].kind == .string
        var index = object &+ 1
        while index < name {
            // Names with escapes may have another length than the text they mean.
            if nodes[index].length == length || !isPlain || nodes[index].kind != .string,
                nodes[index].isSameString(as: nodes[name], in: source.base)
            {
                throw Failure(.duplicateName, at: position)
            }
            index = Int(nodes[index &+ 1].next)
        }
    }

    @inline(never)
    private mutating func forgetNames(of object: Int) {
        if let last = names.last, last.object == object { names.removeLast() }
    }

    @inline(never)
    private mutating func refuseDuplicateAmongMany(of name: Int, in object: Int, at position: Int) throws(Failure) {
        let nodes = nodes.base
        if names.last?.object != object {
            var table = JSONNameTable(object: object)
            var index = object &+ 1
            while index < name {
                _ = table.insert(index, of: nodes, in: source.base)
                index = Int(nodes[index &+ 1].next)
            }
            names.append(table)
        }
        guard names[names.count - 1].insert(name, of: nodes, in: source.base) else {
            throw Failure(.duplicateName, at: position)
        }
    }
}
