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
        return [JSON](unsafeUninitializedCapacity: length) { elements, count in
            guard var element = elements.baseAddress else { return }
            var child = array &+ 1
            for _ in 0..<length {
                element.initialize(to: value(at: child))
                element += 1
                child = Int(nodes[child].next)
            }
            count = length
        }
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
        return JSON.Object(
            distinct: [JSON.Object.Element](unsafeUninitializedCapacity: length) { members, count in
                guard var member = members.baseAddress else { return }
                for _ in 0..<length {
                    member.initialize(to: (nodes[child].text(in: base), value(at: child &+ 1)))
                    member += 1
                    child = Int(nodes[child &+ 1].next)
                }
                count = length
            })
    }
}
