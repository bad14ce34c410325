/// The shape of a key: literal text and runs of an alphabet, matched from left to right without ever going back.
///
/// Written as in `ghp_<a36>` or `glcbt-<a1,5>_<w20>`: `<` alphabet, least count, greatest count `>`. The letters are those of
/// `SensitiveAlphabet.named`; `[…]` lists characters instead. A leading `~` makes the literal text match in either case.
struct SensitivePattern: Sendable {
    struct Atom: Sendable {
        var alphabet: SensitiveAlphabet
        var least: Int
        var most: Int
    }

    private(set) var atoms: [Atom] = []
    /// The part the automaton looks for, folded, and how many bytes of a match stand before it.
    private(set) var keyword: [UInt8] = []
    private(set) var keywordOffset = 0
    /// What has to stand behind the keyword, when something has to.
    var follow: Atom? {
        var place = 0
        for atom in atoms {
            if place == keywordOffset + keyword.count { return atom.least > 0 ? atom : nil }
            place += atom.least
        }
        return nil
    }
    private(set) var least = 0
    private(set) var most = 0

    /// Answers nil for a text that is not in the form above.
    init?(_ text: some Collection<UInt8>) {
        var rest = Array(text)[...]
        let folds = rest.first == UInt8(ascii: "~")
        if folds { rest.removeFirst() }
        var run: [UInt8] = []
        var runOffset: Int? = 0
        var offset: Int? = 0
        func close(_ run: [UInt8], _ place: Int?) -> ([UInt8], Int)? {
            guard let place, run.count > keyword.count else { return nil }
            return (run, place)
        }
        while let byte = rest.first {
            rest.removeFirst()
            guard byte == UInt8(ascii: "<") else {
                let both = folds ? [byte, byte.asciiFolded, byte.asciiUppercased] : [byte]
                atoms.append(Atom(alphabet: SensitiveAlphabet(both), least: 1, most: 1))
                if run.isEmpty { runOffset = offset }
                run.append(byte.asciiFolded)
                offset = offset.map { $0 + 1 }
                continue
            }
            if let (word, place) = close(run, runOffset) { (keyword, keywordOffset) = (word, place) }
            run = []
            guard let end = rest.firstIndex(of: UInt8(ascii: ">")), let atom = SensitivePattern.atom(rest[..<end]) else {
                return nil
            }
            rest = rest[(end + 1)...]
            atoms.append(atom)
            offset = atom.least == atom.most ? offset.map { $0 + atom.least } : nil
        }
        if let (word, place) = close(run, runOffset) { (keyword, keywordOffset) = (word, place) }
        guard !atoms.isEmpty else { return nil }
        for atom in atoms {
            least += atom.least
            most += atom.most
        }
    }

    /// `a36`, `b100,` or `[abc]2,4`; an open count ends at 4,096.
    private static func atom(_ text: ArraySlice<UInt8>) -> Atom? {
        guard let first = text.first else { return nil }
        var counts = text.dropFirst()
        var alphabet = SensitiveAlphabet.named(first)
        if first == UInt8(ascii: "["), let end = counts.firstIndex(of: UInt8(ascii: "]")) {
            alphabet = SensitiveAlphabet(counts[..<end])
            counts = counts[(end + 1)...]
        }
        let numbers = counts.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
            Int(String(decoding: $0, as: UTF8.self))
        }
        guard let alphabet, let least = numbers.first ?? nil else { return nil }
        let most = numbers.count == 1 ? least : numbers[1] ?? 4096
        guard numbers.count <= 2, least >= 0, most >= least else { return nil }
        return Atom(alphabet: alphabet, least: least, most: most)
    }
}

extension UInt8 {
    fileprivate var asciiUppercased: UInt8 { self &- 0x61 < 26 ? self & 0xdf : self }
}
