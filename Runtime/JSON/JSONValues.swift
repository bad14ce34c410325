/// Builds values out of an open document.
struct JSONValues {
    private let nodes: UnsafeMutablePointer<JSONNode>
    private let base: UnsafePointer<UInt8>
    private let allowsDuplicates: Bool

    init(_ document: JSONDocument, in base: UnsafePointer<UInt8>) {
        nodes = document.nodes
        self.base = base
        allowsDuplicates = document.allowsDuplicates
    }

    /// The value at a place, with all that is in it. Recursive, which the cap on depth keeps safe.
    func value(at index: Int) -> JSON {
        let node = nodes[index]
        switch node.kind {
        case .null: return .null
        case .true: return .bool(true)
        case .false: return .bool(false)
        case .integer, .decimal: return .number(JSON.Number(node, in: base))
        case .string, .escaped: return .string(node.text(in: base))
        case .array: return .array(elements(of: index))
        case .object: return .object(members(of: index))
        }
    }

    private func elements(of array: Int) -> [JSON] {
        let length = Int(nodes[array].length)
        var elements: [JSON] = []
        elements.reserveCapacity(length)
        var child = array &+ 1
        for _ in 0..<length {
            elements.append(value(at: child))
            child = Int(nodes[child].next)
        }
        return elements
    }

    private func members(of object: Int) -> JSON.Object {
        let length = Int(nodes[object].length)
        var child = object &+ 1
        if allowsDuplicates {
            var members = JSON.Object()
            for _ in 0..<length {
                members[nodes[child].text(in: base)] = value(at: child &+ 1)
                child = Int(nodes[child &+ 1].next)
            }
            return members
        }
        var members: [JSON.Object.Member] = []
        members.reserveCapacity(length)
        for _ in 0..<length {
            members.append(JSON.Object.Member(name: nodes[child].text(in: base), value: value(at: child &+ 1)))
            child = Int(nodes[child &+ 1].next)
        }
        return JSON.Object(distinct: members)
    }
}
