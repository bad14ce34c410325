extension PhoenixEncoder {
    /// `presence_state`: everybody who is there. Entries of one key may stand anywhere; their order within a key stays.
    package static func presenceState(
        _ serializer: Serializer, joinRef: RawJSON?, topic: String, entries: [PresenceEntry]
    ) -> WireFrame {
        envelope(serializer, joinRef, nil, topic, "presence_state", room: room(entries)) { write(entries, to: &$0) }
    }

    /// `presence_diff`, the same for every receiver of a topic with this serializer.
    package static func presenceDiff(
        _ serializer: Serializer, topic: String, joins: [PresenceEntry], leaves: [PresenceEntry]
    ) -> WireFrame {
        envelope(serializer, nil, nil, topic, "presence_diff", room: room(joins) &+ room(leaves) &+ 24) { writer in
            writer.text(#"{"joins":"#)
            write(joins, to: &writer)
            writer.text(#","leaves":"#)
            write(leaves, to: &writer)
            writer.text("}")
        }
    }

    private static func room(_ entries: [PresenceEntry]) -> Int {
        entries.reduce(2) { $0 &+ $1.key.utf8.count &+ $1.phxRef.utf8.count &+ $1.members.count &+ 64 }
    }

    /// `{key:{"metas":[…]},…}`
    private static func write(_ entries: [PresenceEntry], to writer: inout FrameWriter) {
        // A chain of entries for each key, in the order in which the keys appear.
        var firsts: [Int] = []
        var next = [Int](repeating: -1, count: entries.count)
        var last: [Key: Int] = [:]
        last.reserveCapacity(entries.count)
        for index in entries.indices {
            if let before = last.updateValue(index, forKey: Key(text: entries[index].key)) {
                next[before] = index
            } else {
                firsts.append(index)
            }
        }
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

    /// A presence key by its bytes: `String` would take composed and decomposed letters for one another.
    private struct Key: Hashable {
        let text: String

        static func == (left: Self, right: Self) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }
}
