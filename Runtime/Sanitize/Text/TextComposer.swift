/// Normalisation form C of UTF-8 whose runs of combining marks are bounded (`TextFilter` sees to that), so that it is linear.
///
/// The standard library has the same in its `String`, at three times the cost and quadratic in the length of a run.
struct TextComposer: ~Copyable {
    /// Room for one letter with all its marks taken apart, several times over.
    private static let room = 512
    /// No scalar needs more than three times its bytes when it is composed.
    private static let growth = 3

    private let reader: TextReader
    private let compositions = TextCompositions.shared
    private let out: UnsafeMutableBufferPointer<UInt8>
    private var written = 0
    /// One letter and what stands on it, taken apart: combining class above the lowest 24 bits, scalar in them.
    private let parts: UnsafeMutableBufferPointer<UInt32>
    private var count = 0
    private var hasLongRun = false
    private var steps = 0

    struct Result {
        var text: [UInt8] = []
        /// Taken apart, some letter may have more marks than the filter leaves.
        var hasLongRun = false
        /// Steps taken, for tests of the linear bound.
        var steps = 0
    }

    static func compose(_ bytes: UnsafeBufferPointer<UInt8>) -> Result {
        var result = Result()
        result.text = [UInt8](unsafeUninitializedCapacity: bytes.count * growth) { out, initialized in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: room) { parts in
                var composer = TextComposer(reader: TextReader(bytes: bytes), out: out, parts: parts)
                composer.run()
                initialized = composer.written
                result.hasLongRun = composer.hasLongRun
                result.steps = composer.steps
            }
        }
        return result
    }

    private init(reader: TextReader, out: UnsafeMutableBufferPointer<UInt8>, parts: UnsafeMutableBufferPointer<UInt32>) {
        self.reader = reader
        self.out = out
        self.parts = parts
    }

    private mutating func run() {
        let bytes = reader.bytes
        var index = 0
        // What comes before it is written; the scalar there may still change with what follows.
        var pending = 0
        var hasPending = false
        while index < bytes.count {
            steps &+= 1
            let (value, length) = reader.scalar(at: index)
            if value < 0x300 || !TextScalar.of(value).contains(.unstable) {
                if hasPending { copy(pending, index) }
                pending = index
                hasPending = true
                index += length
                continue
            }
            if hasPending { take(reader.scalar(at: pending).value) }
            hasPending = false
            index = takeUnstable(from: index)
            finish()
        }
        if hasPending { copy(pending, bytes.count) }
    }

    @inline(__always)
    private mutating func copy(_ start: Int, _ end: Int) {
        guard written + (end - start) <= out.count else { return }
        for index in start..<end {
            out[written] = reader.bytes[index]
            written += 1
        }
    }

    /// Takes scalars up to the next one that starts something new.
    private mutating func takeUnstable(from start: Int) -> Int {
        var index = start
        while index < reader.bytes.count {
            let (value, length) = reader.scalar(at: index)
            if value < 0x300 { break }
            let order = TextScalar.combiningClass(value)
            if order == 0, !TextScalar.of(value).contains(.unstable) { break }
            if count >= TextComposer.room / 2 { handOver(before: value) }
            if order != 0, !compositions.takesApart(value) {
                // Most marks: no need to ask twice.
                steps &+= 1
                push(UInt32(order) << 24 | value)
            } else {
                take(value)
            }
            index += length
        }
        return index
    }

    /// Long rows of letters that all may join their neighbours are written as they come, but for the last one.
    private mutating func handOver(before value: UInt32) {
        let pieces = compositions.pieces(of: value)
        let first = pieces.isEmpty ? value : compositions.piece(pieces.lowerBound)
        guard TextScalar.combiningClass(first) == 0 else {
            // No letter carries as many marks after the filter. If one does, better a wrong order than no end.
            if count >= TextComposer.room - 8 { finish() }
            return
        }
        let kept = join()
        // Marks behind the last letter keep the next one from joining it.
        let rest = kept > 0 && parts[kept - 1] >> 24 == 0 ? 1 : 0
        write(kept - rest)
        if rest == 1 { parts[0] = parts[kept - 1] }
        count = rest
    }

    @inline(__always)
    private mutating func push(_ part: UInt32) {
        guard count < parts.count else { return }
        parts[count] = part
        count += 1
    }

    @inline(__always)
    private mutating func pushWithClass(_ value: UInt32) { push(UInt32(TextScalar.combiningClass(value)) << 24 | value) }

    @inline(__always)
    private mutating func take(_ value: UInt32) {
        steps &+= 1
        if value < 0xC0 {
            push(value)
        } else {
            takeApart(value)
        }
    }

    private mutating func takeApart(_ value: UInt32) {
        if value >= 0xAC00, value <= 0xD7A3 {
            let syllable = value - 0xAC00
            push(0x1100 + syllable / 588)
            push(0x1161 + syllable % 588 / 28)
            if syllable % 28 != 0 { push(0x11A7 + syllable % 28) }
            return
        }
        let pieces = compositions.pieces(of: value)
        if pieces.isEmpty {
            pushWithClass(value)
        } else {
            for index in pieces { pushWithClass(compositions.piece(index)) }
        }
    }

    /// Orders the marks, puts together what goes together, writes it.
    @inline(__always)
    private mutating func finish() {
        write(join())
        count = 0
    }

    private mutating func write(_ end: Int) {
        if end > TextFilter.maxMarks { hasLongRun = true }
        for index in 0..<end {
            let value = parts[index] & 0xFF_FFFF
            guard written + 4 <= out.count else {
                writeLast(value)
                continue
            }
            written += TextReader.write(value, to: out, at: written)
        }
    }

    /// Where less than four bytes are left.
    private mutating func writeLast(_ value: UInt32) {
        var bytes: [UInt8] = []
        TextReader.append(value, to: &bytes)
        guard written + bytes.count <= out.count else { return }
        for byte in bytes {
            out[written] = byte
            written += 1
        }
    }

    /// Answers how many parts are left, at the start of the buffer.
    private mutating func join() -> Int {
        sortMarks()
        steps &+= count
        var starter = -1
        var last: UInt32 = 0
        var kept = 0
        for index in 0..<count {
            let part = parts[index]
            let order = part >> 24
            if starter >= 0, last < order || last == 0 && kept == starter + 1,
                let composed = compositions.compose(parts[starter], part & 0xFF_FFFF)
            {
                parts[starter] = composed
                continue
            }
            if order == 0 {
                starter = kept
                last = 0
            } else {
                last = order
            }
            parts[kept] = part
            kept += 1
        }
        return kept
    }

    /// Stable, by combining class, each run of marks for itself.
    private mutating func sortMarks() {
        var index = 1
        while index < count {
            let part = parts[index]
            let order = part >> 24
            // Starters have class 0: nothing moves past one, and none moves.
            if order != 0, parts[index - 1] >> 24 > order {
                var hole = index
                while hole > 0, parts[hole - 1] >> 24 > order {
                    parts[hole] = parts[hole - 1]
                    hole -= 1
                }
                parts[hole] = part
                steps &+= index - hole
            }
            index += 1
        }
    }
}
