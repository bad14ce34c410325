/// A document that was checked as ``JSON/parse(_:limits:)`` checks it, seen as ranges of its bytes: for whoever hands parts of it on without
/// making them anew.
///
/// Other than parsing, it takes numbers of any size, because nobody has to hold them; and it always refuses a name that stands twice,
/// because two readers of the same bytes could take different ones. The bytes must stay where they are for as long as it lives.
package struct JSONSlices: ~Copyable {
    package enum Kind: Sendable, Hashable { case null, bool, number, string, array, object }

    /// One value of the document.
    package struct Value: Sendable, Hashable {
        fileprivate let node: Int
        package let kind: Kind
        /// All of it: quotes and brackets included, blanks around it not.
        package let range: Range<Int>
    }

    package struct Member: Sendable, Hashable {
        fileprivate let node: Int
        package let value: Value
    }

    /// A place among the members or elements of one value.
    package struct Cursor: Sendable {
        fileprivate var node: Int
        /// How many are still to come.
        package fileprivate(set) var remaining: Int
        /// Where the last one ended, or the bracket.
        fileprivate var position: Int
        /// The closing bracket.
        fileprivate let end: Int
    }

    private let workspace: JSONWorkspace
    private let nodes: UnsafeMutablePointer<JSONNode>
    private let base: UnsafePointer<UInt8>
    private let bytes: UnsafeRawBufferPointer

    package init(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits = .standard) throws(JSONError) {
        var limits = limits
        limits.duplicateNames = .refuse
        limits.takesAnyNumber = true
        let workspace = try JSONWorkspace.open(bytes, limits: limits)
        self.workspace = workspace
        nodes = workspace.document.nodes
        base = workspace.document.base
        self.bytes = bytes
    }

    deinit { workspace.close() }

    package var root: Value {
        let start = afterSpace(0)
        if let end = scalarEnd(0) { return value(0, from: start, to: end) }
        return value(0, from: start, to: beforeSpace(bytes.count))
    }

    // MARK: Values

    package func bytes(of value: Value) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[value.range]) }

    /// The text of a string, escapes resolved; `nil` for other values.
    package func text(of value: Value) -> String? {
        value.kind == .string ? nodes[value.node].text(in: base) : nil
    }

    /// Whether it is a string that means this text, however it is escaped.
    package func isText(_ value: Value, _ text: StaticString) -> Bool {
        value.kind == .string && isString(value.node, text)
    }

    package func bool(of value: Value) -> Bool? {
        value.kind == .bool ? nodes[value.node].kind == .true : nil
    }

    /// A whole number that fits; `1.0` and `1e3` are whole too, as long as a `Double` holds them exactly.
    package func integer<Number: FixedWidthInteger>(of value: Value, as type: Number.Type = Number.self) -> Number? {
        guard value.kind == .number else { return nil }
        let number = JSON.Number(nodes[value.node], in: base)
        if nodes[value.node].kind != .integer, number.double.magnitude >= 0x1p53 { return nil }
        return number.exactly(type)
    }

    /// How many members or elements it has; 0 for other values.
    package func count(of value: Value) -> Int {
        value.kind == .object || value.kind == .array ? Int(nodes[value.node].length) : 0
    }

    // MARK: Members and elements

    /// Before the first member of an object or the first element of an array. There are none in other values.
    package func children(of value: Value) -> Cursor {
        Cursor(
            node: value.node &+ 1, remaining: count(of: value), position: value.range.lowerBound &+ 1,
            end: value.range.upperBound &- 1)
    }

    package func name(of member: Member) -> String { nodes[member.node].text(in: base) }

    /// A member as it is written: its name with the quotes, the value, and what stands between.
    package func written(_ member: Member) -> UnsafeRawBufferPointer {
        let start = max(Int(nodes[member.node].start) &- 1, 0)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<max(member.value.range.upperBound, start)])
    }

    package func isName(of member: Member, _ name: StaticString) -> Bool { isString(member.node, name) }

    /// The next member of an object.
    package func nextMember(_ cursor: inout Cursor) -> Member? {
        guard cursor.remaining > 0 else { return nil }
        let name = cursor.node
        let node = name &+ 1
        // After the name's closing quote: blanks, a colon, blanks.
        let colon = afterSpace(Int(nodes[name].start) &+ Int(nodes[name].length) &+ 1)
        let start = afterSpace(colon &+ 1)
        let next = Int(nodes[node].next)
        let end =
            scalarEnd(node)
            ?? (cursor.remaining == 1 ? beforeSpace(cursor.end) : beforeComma(Int(nodes[next].start) &- 1))
        cursor.node = next
        cursor.remaining &-= 1
        cursor.position = end
        return Member(node: name, value: value(node, from: start, to: end))
    }

    /// The next element of an array.
    package func nextElement(_ cursor: inout Cursor) -> Value? {
        guard cursor.remaining > 0 else { return nil }
        let node = cursor.node
        var start = afterSpace(cursor.position)
        // Before the first one stands a bracket, before the others a comma.
        if start < bytes.count, base[start] == UInt8(ascii: ",") { start = afterSpace(start &+ 1) }
        let next = Int(nodes[node].next)
        let end = scalarEnd(node) ?? (cursor.remaining == 1 ? beforeSpace(cursor.end) : containerEnd(start))
        cursor.node = next
        cursor.remaining &-= 1
        cursor.position = end
        return value(node, from: start, to: end)
    }

    /// The member of this name, however it is escaped; `nil` for values that are no objects. Looks at one after the other.
    package func member(_ name: String, of object: Value) -> Value? {
        guard object.kind == .object else { return nil }
        var name = name
        return name.withUTF8 { name in
            var cursor = children(of: object)
            while let member = nextMember(&cursor) {
                if nodes[member.node].isString(name, in: base) { return member.value }
            }
            return nil
        }
    }

    // MARK: Ranges

    private func value(_ node: Int, from start: Int, to end: Int) -> Value {
        let kind: Kind =
            switch nodes[node].kind {
            case .null: .null
            case .true, .false: .bool
            case .integer, .decimal: .number
            case .string, .escaped: .string
            case .array: .array
            case .object: .object
            }
        return Value(node: node, kind: kind, range: start..<max(start, end))
    }

    private func isString(_ node: Int, _ text: StaticString) -> Bool {
        nodes[node].isString(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), in: base)
    }

    /// `nil` for containers: their nodes do not say where they end.
    private func scalarEnd(_ node: Int) -> Int? {
        switch nodes[node].kind {
        case .array, .object: nil
        case .string, .escaped: Int(nodes[node].start) &+ Int(nodes[node].length) &+ 1
        default: Int(nodes[node].start) &+ Int(nodes[node].length)
        }
    }

    // The document is valid, so these find what they look for; the bounds are checked all the same.

    private func afterSpace(_ index: Int) -> Int {
        var index = index
        while index < bytes.count, base[index] <= 0x20 { index &+= 1 }
        return index
    }

    private func beforeSpace(_ index: Int) -> Int {
        var index = index
        while index > 0, base[index &- 1] <= 0x20 { index &-= 1 }
        return index
    }

    private func beforeComma(_ index: Int) -> Int { beforeSpace(max(beforeSpace(index) &- 1, 0)) }

    /// Where the container that opens at `start` ends.
    private func containerEnd(_ start: Int) -> Int {
        var index = start
        var depth = 0
        while index < bytes.count {
            switch base[index] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth &+= 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth &-= 1
                if depth == 0 { return index &+ 1 }
            case UInt8(ascii: "\""):
                index &+= 1
                while index < bytes.count, base[index] != UInt8(ascii: "\"") {
                    index &+= base[index] == UInt8(ascii: "\\") ? 2 : 1
                }
            default: break
            }
            index &+= 1
        }
        return bytes.count
    }
}
