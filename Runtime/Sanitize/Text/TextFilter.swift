/// Takes out of a text what cannot be seen or turns around what is seen. One pass; every scalar is looked at once, flags
/// of at most `longestFlag` letters twice.
struct TextFilter: ~Copyable {
    /// Marks on one letter. Unicode's Stream-Safe format has 30; no writing needs half of these, and ordering them costs the
    /// square of their number.
    static let maxMarks = 20
    private static let longestFlag = 6

    private let reader: TextReader
    /// As long as the input: nothing grows here.
    private let out: UnsafeMutableBufferPointer<UInt8>
    private var written = 0
    private var previous: UInt32 = 0
    private var previousFlags: TextScalar = []
    /// The last scalar that was no variation selector.
    private var baseFlags: TextScalar = []
    /// The last scalar that was no mark, and whether a virama stands on it. Unlike the last mark, they stay the same when marks
    /// are put in order.
    private var letterFlags: TextScalar = []
    private var hasVirama = false
    private var marks = 0
    private var dropped = false
    private var isUnstable = false
    private var keptSpecial = false
    private var steps = 0

    struct Result {
        var text: [UInt8] = []
        var dropped = false
        /// Something kept may not be in normalisation form C.
        var isUnstable = false
        /// Something was kept because of what stands beside it.
        var keptSpecial = false
        /// Steps taken, for tests of the linear bound.
        var steps = 0
    }

    static func filter(_ bytes: UnsafeBufferPointer<UInt8>) -> Result {
        var result = Result()
        result.text = [UInt8](unsafeUninitializedCapacity: bytes.count) { out, initialized in
            var filter = TextFilter(reader: TextReader(bytes: bytes), out: out)
            filter.run()
            initialized = filter.written
            result.dropped = filter.dropped
            result.isUnstable = filter.isUnstable
            result.keptSpecial = filter.keptSpecial
            result.steps = filter.steps
        }
        return result
    }

    private init(reader: TextReader, out: UnsafeMutableBufferPointer<UInt8>) {
        self.reader = reader
        self.out = out
    }

    private mutating func run() {
        let bytes = reader.bytes
        var index = 0
        while index < bytes.count {
            steps &+= 1
            let byte = bytes[index]
            if byte < 0x80 {
                if byte >= 0x20 && byte < 0x7F || byte == 0x0A || byte == 0x09 {
                    keepASCII(byte)
                    index += 1
                } else {
                    index = control(at: index)
                }
                continue
            }
            let (value, length) = reader.scalar(at: index)
            let flags = TextScalar.of(value)
            if !flags.contains(.special) {
                if flags.contains(.mark) {
                    guard marks < TextFilter.maxMarks else {
                        dropped = true
                        index += length
                        continue
                    }
                    marks += 1
                    if flags.contains(.virama) { hasVirama = true }
                } else {
                    marks = 0
                    letterFlags = flags
                    hasVirama = false
                }
                if flags.contains(.unstable) { isUnstable = true }
                keep(value, flags, at: index, length)
                baseFlags = flags
                index += length
                continue
            }
            index = special(value, at: index, length)
        }
    }

    /// What is written has been read before, so there is room.
    @inline(__always)
    private mutating func put(_ byte: UInt8) {
        guard written < out.count else { return }
        out[written] = byte
        written &+= 1
    }

    @inline(__always)
    private mutating func keepASCII(_ byte: UInt8) {
        put(byte)
        previous = UInt32(byte)
        previousFlags = []
        baseFlags = []
        letterFlags = []
        hasVirama = false
        marks = 0
    }

    @inline(__always)
    private mutating func keep(_ value: UInt32, _ flags: TextScalar, at index: Int, _ length: Int) {
        for offset in 0..<length { put(reader.bytes[index &+ offset]) }
        previous = value
        previousFlags = flags
    }

    /// A carriage return is a line end; the others go. One exception: backspaces right behind at least as many underscores
    /// only go back over these. That is how plain text has underlined words since the teletype, and it can hide nothing.
    private mutating func control(at index: Int) -> Int {
        let bytes = reader.bytes
        var end = index + 1
        switch bytes[index] {
        case 0x0D:
            dropped = true
            if end < bytes.count, bytes[end] == 0x0A { end += 1 }
            keepASCII(0x0A)
        case 0x08:
            while end < bytes.count, bytes[end] == 0x08 { end += 1 }
            let needed = end - index
            steps &+= 2 &* needed
            if previous == 0x5F, written >= needed, out[(written - needed)..<written].allSatisfy({ $0 == 0x5F }) {
                for _ in 0..<needed { put(0x08) }
                previous = 0x08
            } else {
                dropped = true
            }
        default:
            dropped = true
        }
        return end
    }

    private mutating func special(_ value: UInt32, at index: Int, _ length: Int) -> Int {
        let end = index + length
        switch value {
        case 0x2028, 0x2029:
            dropped = true
            keepASCII(0x0A)
            return end
        case 0x200C, 0x200D:
            if mayJoin(value, at: end) {
                keepSpecial(value, at: index, length)
                return end
            }
        case 0xFE00...0xFE0F:
            if maySelect {
                keepSpecial(value, at: index, length)
                return end
            }
        case 0xE0100...0xE01EF:
            if isIdeograph(previous) {
                keepSpecial(value, at: index, length)
                return end
            }
        case 0xE0020...0xE007F:
            if previous == 0x1F3F4, let flagEnd = flag(from: index) {
                keepSpecial(0xE007F, at: index, flagEnd - index)
                return flagEnd
            }
            // All of it: the rest of a flag that is none must not read as one.
            dropped = true
            return tagsEnd(from: end)
        default: break
        }
        dropped = true
        return end
    }

    private mutating func keepSpecial(_ value: UInt32, at index: Int, _ length: Int) {
        keptSpecial = true
        keep(value, [], at: index, length)
    }

    /// Joiners make families and professions out of emoji, and shapes out of letters in the scripts that need them.
    private func mayJoin(_ value: UInt32, at next: Int) -> Bool {
        let isJoiner = value == 0x200D
        if isJoiner, baseFlags.contains(.pictographic), previousFlags.contains(.pictographic) || previous == 0xFE0F {
            return TextScalar.of(reader.scalar(at: next).value).contains(.pictographic)
        }
        // Right behind the letter or its marks, once.
        guard letterFlags.contains(.joining), !previousFlags.isDisjoint(with: [.joining, .mark]) else { return false }
        // A half letter may end a word in Malayalam, a letter of open form in Persian.
        if isJoiner || hasVirama { return true }
        let following = TextScalar.of(reader.scalar(at: next).value)
        return following.contains(.joining) && !following.contains(.mark)
    }

    /// One selector for each scalar that can be seen and is no mark.
    private var maySelect: Bool {
        guard previous > 0x20, previousFlags.isDisjoint(with: .mark) else { return false }
        switch previous {
        case 0x200C, 0x200D, 0xFE00...0xFE0F, 0xE0000...0xE0FFF, 0xA0, 0x1680, 0x2000...0x200A, 0x202F, 0x205F, 0x3000:
            return false
        default: return true
        }
    }

    private func isIdeograph(_ value: UInt32) -> Bool {
        switch value {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFD: true
        default: false
        }
    }

    private mutating func tagsEnd(from start: Int) -> Int {
        var index = start
        while index < reader.bytes.count {
            let (value, length) = reader.scalar(at: index)
            guard value >= 0xE0020, value <= 0xE007F else { break }
            steps &+= 1
            index += length
        }
        return index
    }

    /// Where the flag of a region ends: two or more tag letters and digits, then the cancel tag.
    private func flag(from start: Int) -> Int? {
        var index = start
        for count in 0...TextFilter.longestFlag {
            let (value, length) = reader.scalar(at: index)
            index += length
            switch value {
            case 0xE0030...0xE0039, 0xE0061...0xE007A: continue
            case 0xE007F: return count >= 2 ? index : nil
            default: return nil
            }
        }
        return nil
    }
}
