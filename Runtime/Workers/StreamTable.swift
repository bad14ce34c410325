/// What runs now, by the number of its stream.
///
/// Streams are numbered upwards, and one multiplication spreads such numbers evenly: also past a thousand in a row that stay for long. Two hardly
/// ever want one place; the second one takes the next that is free.
package struct StreamTable<Value: AnyObject> {
    private struct Slot {
        var stream: UInt32 = 0
        var value: Value?
    }

    /// A power of two, and at least twice as many as are in use.
    private var slots: [Slot]
    package private(set) var count = 0

    private static var least: Int { 64 }

    package init() { slots = Array(repeating: Slot(), count: StreamTable.least) }

    package var isEmpty: Bool { count == 0 }
    package var values: [Value] { slots.compactMap { $0.value } }

    package subscript(stream: UInt32) -> Value? {
        get { slots[place(of: stream)].value }
        set {
            let place = place(of: stream)
            switch (slots[place].value, newValue) {
            case (nil, nil): break
            case (_?, nil): remove(at: place)
            case (_?, let value?): slots[place].value = value
            case (nil, let value?):
                slots[place] = Slot(stream: stream, value: value)
                count += 1
                if 2 * count > slots.count { resize(2 * slots.count) }
            }
        }
    }

    package mutating func removeAll() { self = StreamTable() }

    /// Where it belongs: the first bits of its product with 2³² over the golden ratio.
    private func home(of stream: UInt32) -> Int {
        Int(truncatingIfNeeded: (stream &* 0x9E37_79B1) >> UInt32(truncatingIfNeeded: 32 - slots.count.trailingZeroBitCount))
    }

    /// Where it is, or where it would be put.
    private func place(of stream: UInt32) -> Int {
        let mask = slots.count - 1
        var place = home(of: stream)
        while slots[place].value != nil, slots[place].stream != stream { place = (place + 1) & mask }
        return place
    }

    /// Who was put further on because this place was taken moves up, so that a search may end at the first free one.
    private mutating func remove(at place: Int) {
        let mask = slots.count - 1
        var free = place
        var next = place
        slots[free].value = nil
        count -= 1
        while true {
            next = (next + 1) & mask
            guard slots[next].value != nil else { break }
            let home = home(of: slots[next].stream)
            if (next - home) & mask >= (next - free) & mask {
                slots.swapAt(free, next)
                free = next
            }
        }
        // A crowd is not remembered for ever.
        if count == 0, slots.count > 64 * StreamTable.least { removeAll() }
    }

    private mutating func resize(_ size: Int) {
        var old: [Slot] = Array(repeating: Slot(), count: size)
        swap(&old, &slots)
        for slot in old where slot.value != nil { slots[place(of: slot.stream)] = slot }
    }
}
