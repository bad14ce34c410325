extension PhoenixEncoder {
    /// `presence_state`: everybody who is there. Entries of one key may stand anywhere; their order within a key stays.
    package static func presenceState(
        _ serializer: Serializer, joinRef: RawJSON?, topic: String, entries: [PresenceEntry]
    ) -> WireFrame {
        let groups = PresenceGroups(entries)
        return envelope(serializer, joinRef, nil, topic, "presence_state") { groups.write(to: &$0) }
    }

    /// `presence_diff`, the same for every receiver of a topic with this serializer.
    package static func presenceDiff(
        _ serializer: Serializer, topic: String, joins: [PresenceEntry], leaves: [PresenceEntry]
    ) -> WireFrame {
        let joins = PresenceGroups(joins)
        let leaves = PresenceGroups(leaves)
        return envelope(serializer, nil, nil, topic, "presence_diff") { writer in
            writer.text(#"{"joins":"#)
            joins.write(to: &writer)
            writer.text(#","leaves":"#)
            leaves.write(to: &writer)
            writer.text("}")
        }
    }
}

/// Entries by key, in the order in which the keys appear.
private struct PresenceGroups {
    private let entries: [PresenceEntry]
    /// The first entry of each key.
    private var firsts: [Int] = []
    /// For each entry the next one of its key, or -1.
    private var next: [Int]

    /// A presence key by its bytes: `String` would take composed and decomposed letters for one another.
    private struct Key: Hashable {
        let text: String

        static func == (left: Self, right: Self) -> Bool {
            left.text == right.text && left.text.utf8.elementsEqual(right.text.utf8)
        }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    init(_ entries: [PresenceEntry]) {
        self.entries = entries
        next = [Int](repeating: -1, count: entries.count)
        var last: [Key: Int] = [:]
        // One entry, which most diffs have, needs no table.
        if entries.count > 1 { last.reserveCapacity(entries.count) }
        for index in entries.indices {
            if entries.count > 1, let before = last.updateValue(index, forKey: Key(text: entries[index].key)) {
                next[before] = index
            } else {
                firsts.append(index)
            }
        }
    }

    /// `{key:{"metas":[…]},…}`
    func write(to writer: inout FrameWriter) {
        writer.text("{")
        for (place, first) in firsts.enumerated() {
            if place > 0 { writer.text(",") }
            writer.string(entries[first].key)
            writer.text(#":{"metas":["#)
            var index = first
            while index >= 0 {
                if index != first { writer.text(",") }
                entries[index].write(to: &writer)
                index = next[index]
            }
            writer.text("]}")
        }
        writer.text("}")
    }
}
