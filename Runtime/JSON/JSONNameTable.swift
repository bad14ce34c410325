/// The names of one object that has many, so that each new one is looked for among them in constant time.
///
/// Hashing is the standard library's, seeded anew in every process: a sender cannot choose names that meet.
struct JSONNameTable {
    let object: Int
    /// Nodes of names, 0 where none is; at least half of them are free.
    private var slots = [UInt32](repeating: 0, count: 64)
    private var count = 0

    init(object: Int) { self.object = object }

    /// Answers false when the name is there already.
    mutating func insert(_ name: Int, of nodes: UnsafeMutablePointer<JSONNode>, in base: UnsafePointer<UInt8>) -> Bool {
        if (count &+ 1) &* 2 > slots.count { grow(nodes, base) }
        let inserted = slots.withUnsafeMutableBufferPointer { slots in
            let mask = slots.count &- 1
            var slot = JSONNameTable.hash(nodes[name], base) & mask
            while slots[slot] != 0 {
                if nodes[Int(slots[slot])].isSameString(as: nodes[name], in: base) { return false }
                slot = (slot &+ 1) & mask
            }
            slots[slot] = UInt32(truncatingIfNeeded: name)
            return true
        }
        if inserted { count &+= 1 }
        return inserted
    }

    private mutating func grow(_ nodes: UnsafeMutablePointer<JSONNode>, _ base: UnsafePointer<UInt8>) {
        var larger = [UInt32](repeating: 0, count: slots.count &* 4)
        let mask = larger.count &- 1
        for name in slots where name != 0 {
            var slot = JSONNameTable.hash(nodes[Int(name)], base) & mask
            while larger[slot] != 0 { slot = (slot &+ 1) & mask }
            larger[slot] = name
        }
        slots = larger
    }

    private static func hash(_ node: JSONNode, _ base: UnsafePointer<UInt8>) -> Int {
        var hasher = Hasher()
        if node.kind == .string {
            hasher.combine(bytes: UnsafeRawBufferPointer(node.slice(in: base)))
        } else {
            var text = node.text(in: base)
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
        return hasher.finalize()
    }
}
