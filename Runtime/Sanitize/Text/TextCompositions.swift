/// How letters with marks are taken apart and put together. Read from `TextTables` at first use, about 110 KB; two open hash
/// tables of fixed size, half full and small enough for the first cache, so that a look-up is a few loads.
///
/// The tables are written once and live as long as the process, so they are plain memory without counts and checks.
struct TextCompositions: @unchecked Sendable {
    static let shared = TextCompositions()

    private static let pairBits = 11
    private static let wholeBits = 12
    /// First and second part in the halves of a key; zero in free places.
    private let pairKeys: UnsafePointer<UInt64>
    private let pairValues: UnsafePointer<UInt32>
    private let wholeKeys: UnsafePointer<UInt32>
    /// Start in `flat` above the lowest four bits, which hold the number of parts.
    private let wholeValues: UnsafePointer<UInt32>
    private let flat: UnsafePointer<UInt32>
    /// One bit for each scalar of the tables: it is taken apart; it may be a second part.
    private let wholeBitmap: UnsafePointer<UInt32>
    private let secondBitmap: UnsafePointer<UInt32>

    private init() {
        var pairs: [UInt32: (UInt32, UInt32)] = [:]
        var taken: [UInt32: [UInt32]] = [:]
        var pairKeys = [UInt64](repeating: 0, count: 1 << TextCompositions.pairBits)
        var pairValues = [UInt32](repeating: 0, count: 1 << TextCompositions.pairBits)
        TextTables.pairs.withUTF8Buffer { text in
            var index = 0
            while index + 15 <= text.count {
                let whole = TextCompositions.number(text, index)
                let first = TextCompositions.number(text, index + 5)
                let second = TextCompositions.number(text, index + 10)
                pairs[whole] = (first, second)
                let key = UInt64(first) << 32 | UInt64(second)
                let place = TextCompositions.place(of: key, in: pairKeys, TextCompositions.pairBits)
                pairKeys[place] = key
                pairValues[place] = whole
                index += 15
            }
        }
        TextTables.fixed.withUTF8Buffer { text in
            var index = 0
            while index + 6 <= text.count {
                let count = Int(text[index + 5] & 0xF)
                guard index + 6 + count * 5 <= text.count else { break }
                taken[TextCompositions.number(text, index)] = (0..<count).map {
                    TextCompositions.number(text, index + 6 + $0 * 5)
                }
                index += 6 + count * 5
            }
        }
        for whole in pairs.keys {
            var tail: [UInt32] = []
            var head = whole
            while let (first, second) = pairs[head] {
                tail.append(second)
                head = first
            }
            taken[whole] = (taken[head] ?? [head]) + tail.reversed()
        }
        var wholeKeys = [UInt32](repeating: 0, count: 1 << TextCompositions.wholeBits)
        var wholeValues = [UInt32](repeating: 0, count: 1 << TextCompositions.wholeBits)
        var flat: [UInt32] = []
        for (whole, pieces) in taken {
            let place = TextCompositions.place(of: whole, in: wholeKeys, TextCompositions.wholeBits)
            wholeKeys[place] = whole
            wholeValues[place] = UInt32(flat.count << 4 | pieces.count)
            flat += pieces
        }
        var wholeBitmap = [UInt32](repeating: 0, count: Int(TextTables.end >> 5))
        var secondBitmap = wholeBitmap
        for whole in taken.keys where whole < TextTables.end { wholeBitmap[Int(whole >> 5)] |= 1 << (whole & 31) }
        for (_, second) in pairs.values where second < TextTables.end { secondBitmap[Int(second >> 5)] |= 1 << (second & 31) }
        self.wholeBitmap = TextCompositions.kept(wholeBitmap)
        self.secondBitmap = TextCompositions.kept(secondBitmap)
        self.pairKeys = TextCompositions.kept(pairKeys)
        self.pairValues = TextCompositions.kept(pairValues)
        self.wholeKeys = TextCompositions.kept(wholeKeys)
        self.wholeValues = TextCompositions.kept(wholeValues)
        self.flat = TextCompositions.kept(flat)
    }

    @inline(__always)
    func takesApart(_ value: UInt32) -> Bool {
        value < TextTables.end && wholeBitmap[Int(value >> 5)] & 1 << (value & 31) != 0
    }

    /// Where the full canonical decomposition of a scalar stands; empty when it has none. Not for Hangul syllables.
    @inline(__always)
    func pieces(of value: UInt32) -> Range<Int> {
        guard takesApart(value) else { return 0..<0 }
        let place = TextCompositions.place(of: value, in: wholeKeys, TextCompositions.wholeBits)
        guard wholeKeys[place] == value else { return 0..<0 }
        let entry = Int(wholeValues[place])
        return (entry >> 4)..<((entry >> 4) + (entry & 15))
    }

    @inline(__always)
    func piece(_ index: Int) -> UInt32 { flat[index] }

    @inline(__always)
    func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if second >= 0x1161, second <= 0x11C2 { return syllable(first, second) }
        guard second < TextTables.end, secondBitmap[Int(second >> 5)] & 1 << (second & 31) != 0 else { return nil }
        let key = UInt64(first) << 32 | UInt64(second)
        let place = TextCompositions.place(of: key, in: pairKeys, TextCompositions.pairBits)
        return pairKeys[place] == key ? pairValues[place] : nil
    }

    private func syllable(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if second <= 0x1175 {
            guard first >= 0x1100, first <= 0x1112 else { return nil }
            return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28
        }
        guard second >= 0x11A8, first >= 0xAC00, first <= 0xD7A3, (first - 0xAC00) % 28 == 0 else { return nil }
        return first + (second - 0x11A7)
    }

    /// Where a key is, or would be. There are always free places.
    @inline(__always)
    private static func place<Key: FixedWidthInteger>(of key: Key, in keys: UnsafePointer<Key>, _ bits: Int) -> Int {
        // The upper bits of the product: a place in a table of that size, always.
        var place = Int(truncatingIfNeeded: (UInt64(truncatingIfNeeded: key) &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 &- bits))
        while keys[place] != 0, keys[place] != key { place = (place &+ 1) & ((1 << bits) &- 1) }
        return place
    }

    private static func kept<Element>(_ array: [Element]) -> UnsafePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(1, array.count))
        memory.initialize(from: array, count: array.count)
        return UnsafePointer(memory)
    }

    private static func number(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in start..<min(start + 5, text.count) {
            let byte = UInt32(text[index])
            value = value << 4 | (byte & 0xF) + (byte >= 0x61 ? 9 : 0)
        }
        return value
    }
}
