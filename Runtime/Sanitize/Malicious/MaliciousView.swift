/// The bytes of one reading of a text. Reads outside answer 0.
struct MaliciousBytes {
    let base: UnsafePointer<UInt8>
    let count: Int

    @inline(__always) subscript(_ place: Int) -> UInt8 {
        UInt(bitPattern: place) < UInt(bitPattern: count) ? base[place] : 0
    }

    /// Whether the text stands at the place.
    @inline(__always) func holds(_ text: StaticString, at place: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        guard place >= 0, place <= count - length else { return false }
        let letters = text.utf8Start
        for offset in 0..<length where base[place &+ offset] != letters[offset] { return false }
        return true
    }
}

/// One reading of a text, made even for the matchers: ASCII letters lower case, runs of blanks one space, NUL dropped, typographic quotes, dashes
/// and full-width forms as their ASCII twins.
struct MaliciousView: ~Copyable {
    /// Zeros behind the text, so that a word can be read eight bytes at a time.
    static let padding = 32

    private let storage: UnsafeMutablePointer<UInt8>
    private(set) var count = 0

    /// Room for `capacity` bytes; writing never makes a text longer.
    init(capacity: Int) {
        storage = .allocate(capacity: capacity + Self.padding)
    }

    deinit { storage.deallocate() }

    var bytes: MaliciousBytes { MaliciousBytes(base: UnsafePointer(storage), count: count) }

    /// Reads `source` anew.
    mutating func fill(from source: UnsafeBufferPointer<UInt8>) {
        guard let base = source.baseAddress else {
            storage.initialize(repeating: 0, count: Self.padding)
            count = 0
            return
        }
        let length = source.count
        var read = 0
        var written = 0
        var previous: UInt8 = 0
        let table = MaliciousEven.table.base
        while read < length {
            var even = table[Int(base[read])]
            read &+= 1
            if even <= MaliciousEven.special {
                guard even == MaliciousEven.special else { continue }
                let (taken, twin) = Self.twin(base, read &- 1, length)
                read &+= taken &- 1
                if twin == Self.dash {
                    storage[written] = 0x2D
                    written &+= 1
                    even = 0x2D
                } else {
                    even = twin == 0 ? base[read &- 1] : twin
                }
            }
            // Without a branch: blanks come too often to be foreseen.
            storage[written] = even
            written &+= even == 0x20 && previous == 0x20 ? 0 : 1
            previous = even
        }
        (storage + written).initialize(repeating: 0, count: Self.padding)
        count = written
    }

    private static let dash: UInt8 = 1

    /// The ASCII twin of the character at a lead byte that has some, and how many bytes it takes; 0 when this one has none.
    private static func twin(_ base: UnsafePointer<UInt8>, _ place: Int, _ length: Int) -> (Int, UInt8) {
        let lead = base[place]
        if lead == 0xC2 {
            guard place + 1 < length else { return (1, 0) }
            switch base[place + 1] {
            case 0xA0: return (2, 0x20)
            // The bytes that were angle brackets in an old charset.
            case 0xBC: return (2, 0x3C)
            case 0xBE: return (2, 0x3E)
            default: return (1, 0)
            }
        }
        guard place + 2 < length else { return (1, 0) }
        let (second, third) = (base[place + 1], base[place + 2])
        switch (lead, second) {
        case (0xE2, 0x80):
            switch third {
            case 0x80...0x8A, 0xAF: return (3, 0x20)
            case 0x98, 0x99, 0x9A, 0x9B: return (3, 0x27)
            case 0x9C, 0x9D, 0x9E, 0x9F: return (3, 0x22)
            case 0x93, 0x94: return (3, dash)
            default: return (1, 0)
            }
        case (0xE3, 0x80) where third == 0x80: return (3, 0x20)
        case (0xEF, 0xBC) where (0x81...0xBF).contains(third): return (3, lower(third - 0x60))
        case (0xEF, 0xBD) where (0x80...0x9E).contains(third): return (3, third - 0x20)
        case (0xEF, 0xBF) where third == 0xBD: return (3, 0x20)
        case (0xEF, 0xB9) where third == 0xA4: return (3, 0x3C)
        case (0xEF, 0xB9) where third == 0xA5: return (3, 0x3E)
        default: return (1, 0)
        }
    }

    private static func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte + 0x20 : byte }
}

/// What each byte becomes in a view.
enum MaliciousEven {
    static let blank: UInt8 = 0x20
    static let dropped: UInt8 = 0
    static let special: UInt8 = 1

    static let table = MaliciousTable<UInt8>(count: 256) { index in
        switch index {
        case 0x00: dropped
        case 0x0A, 0x0D: UInt8(index)
        // The other controls are blanks to more than one parser.
        case 0x01...0x20, 0x7F: blank
        case 0x41...0x5A: UInt8(index) + 0x20
        case 0xC2, 0xE2, 0xE3, 0xEF: special
        default: UInt8(truncatingIfNeeded: index)
        }
    }
}

/// A table made once and kept for good, so that hot loops read it without counting references.
struct MaliciousTable<Element: Sendable>: @unchecked Sendable {
    let base: UnsafePointer<Element>
    let count: Int

    init(count: Int, _ element: (Int) -> Element) {
        let storage = UnsafeMutablePointer<Element>.allocate(capacity: count)
        for index in 0..<count { (storage + index).initialize(to: element(index)) }
        base = UnsafePointer(storage)
        self.count = count
    }
}
