import Glibc

/// Tells what a generator made from what a person wrote: counts and runs of characters, no dictionary.
enum SensitiveRandomness {
    /// `n * log2(n)` for small counts, in bits.
    private static let weights: [Double] = [0] + (1...512).map { Double($0) * log2(Double($0)) }

    /// Shannon's entropy in bits a character, over the first 512 bytes.
    static func entropy(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Double {
        let value = value.prefix(512)
        guard value.count > 1 else { return 0 }
        return withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 256) { counts in
            counts.initialize(repeating: 0)
            for byte in value { counts[Int(byte)] &+= 1 }
            var sum = 0.0
            for byte in value {
                let count = Int(counts[Int(byte)])
                if count > 0 { sum += weights[count] }
                counts[Int(byte)] = 0
            }
            return (weights[value.count] - sum) / Double(value.count)
        }
    }

    /// Whether a value beside a telling name is a generated one: mixed characters, no words, no counting up, no stand-in.
    static func isSecret(_ value: Slice<UnsafeBufferPointer<UInt8>>, least: Int = 10, entropy bits: Double = 3.5) -> Bool {
        guard value.count >= least, value.contains(where: \.isASCIIDigit), value.contains(where: SensitiveAlphabet.letters.has)
        else { return false }
        return entropy(value) >= bits && !isStandIn(value) && !isUUID(value) && !isDotted(value) && !isLabel(value)
            && !readsAsWords(value)
    }

    /// Texts that stand for a value in documentation and templates.
    static func isStandIn(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool { standIns.automaton.finds(in: value) }

    private static let standIns = StandIns()

    private final class StandIns: @unchecked Sendable {
        let automaton: SensitiveAutomaton

        init() {
            let words: StaticString = """
                example sample placeholder changeme your xxxx dummy insert redacted 12345 abcde abcd1234 0000 password passwd secret todo
                replace token apikey api_key api-key localhost snapshot sha256 sha512 qwerty foobar ..
                """
            var automaton = SensitiveAutomaton()
            for word in SensitiveTable.lines(words).joined() { automaton.add(word, hit: 0) }
            automaton.finish()
            self.automaton = automaton
        }
    }

    /// `word` must be folded.
    static func contains(_ word: [UInt8], in value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard let first = word.first, value.count >= word.count else { return false }
        for start in value.startIndex...(value.endIndex - word.count) where value[start].asciiFolded == first {
            if zip(word, value[start...]).allSatisfy({ $0 == $1.asciiFolded }) { return true }
        }
        return false
    }

    static func isUUID(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        guard value.count == 36 else { return false }
        return zip(0..., value).allSatisfy { index, byte in
            [8, 13, 18, 23].contains(index) ? byte == UInt8(ascii: "-") : SensitiveAlphabet.hex.has(byte)
        }
    }

    /// Host names, versions and member access: short parts between dots.
    private static func isDotted(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let parts = value.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count > 1 && parts.allSatisfy { $0.count < 24 }
    }

    /// Names of resources, as in `web2-prod-1208358310`: short parts of one kind each.
    private static func isLabel(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let parts = value.split(whereSeparator: SensitiveAlphabet("-_.").has)
        return parts.count > 2 && value.allSatisfy { !SensitiveAlphabet.upper.has($0) }
            && parts.allSatisfy {
                $0.count <= 5 || $0.count <= 12 && ($0.allSatisfy(\.isASCIIDigit) || !$0.contains(where: \.isASCIIDigit))
            }
    }

    /// Whether words make up a good part of it: runs of letters of one case that can be spoken.
    static func readsAsWords(_ value: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        var spoken = 0
        var position = value.startIndex
        while position < value.endIndex {
            guard SensitiveAlphabet.letters.has(value[position]) else {
                position += 1
                continue
            }
            var end = position + 1
            let capital = SensitiveAlphabet.upper.has(value[position])
            let shouting = capital && end < value.endIndex && SensitiveAlphabet.upper.has(value[end])
            let rest = shouting ? SensitiveAlphabet.upper : SensitiveAlphabet.lower
            while end < value.endIndex, rest.has(value[end]) { end += 1 }
            if end - position >= 4, isSpoken(value[position..<end]) { spoken += end - position }
            position = end
        }
        return spoken * 100 >= value.count * 40
    }

    /// For each letter those that often follow it in English words: bit 0 is `a`. Half of all pairs, and nineteen of twenty in words.
    private static let followers: [UInt32] = [
        0x17ebdff, 0x016491f, 0x01e5d9d, 0x016593f, 0x1fefdff, 0x01e493d, 0x01669d1, 0x01a4911, 0x2aefc7f, 0x0104111, 0x0164911,
        0x11cd91d, 0x014d913, 0x13ced7d, 0x07efd7f, 0x11ec995, 0x0100000, 0x13efd7f, 0x15cfd95, 0x31ed9bd, 0x00eb97f, 0x0004111,
        0x0066111, 0x0088110, 0x00cf011, 0x0000111,
    ]
    private static let vowels: UInt32 = 1 << 0 | 1 << 4 | 1 << 8 | 1 << 14 | 1 << 20 | 1 << 24

    /// Whether a run of letters could be a word: it has vowels and other letters, and most pairs of neighbours are usual ones.
    private static func isSpoken(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        var (vowelCount, usual) = (0, 0)
        var before: UInt32?
        for byte in word {
            let letter = UInt32(byte.asciiFolded &- 0x61)
            guard letter < 26 else { return false }
            if vowels >> letter & 1 != 0 { vowelCount += 1 }
            if let before, followers[Int(before)] >> letter & 1 != 0 { usual += 1 }
            before = letter
        }
        return vowelCount * 5 >= word.count && vowelCount < word.count && usual * 4 >= (word.count - 1) * 3
    }
}
