/// One walk over a text. Keywords and a few bytes start checks, each of which looks at a bounded stretch or at a run that is
/// never looked at again.
package struct SensitiveScanner {
    let bytes: UnsafeBufferPointer<UInt8>
    let count: Int
    package private(set) var spans: [SensitiveData.Span] = []
    /// Bytes looked at by the checks, beside the one look the walk itself has at each byte.
    package private(set) var steps = 0

    let table = SensitiveTable.shared
    private let wanted: UInt16
    /// Where the walk goes on; a finding moves it to its end.
    var position = 0

    /// Words seen of late, beside which a value may be a secret.
    struct Pending {
        /// Of `table.words`; -1 for a word such as `token`.
        var word = -1
        var end = -1
    }
    /// The last eight, in a ring.
    private var pending = InlineArray<8, Pending>(repeating: Pending())
    private var newest = 0
    var lastWordEnd = -1000
    var operatorEnd = 0
    /// The run of value bytes looked at last, and how many assignments were tried in it.
    var valueRun = 0..<0
    var triesInRun = 0
    /// Where keys were read for nothing, and how often.
    var failedRead = 0..<0
    var failedReads = 0
    /// Where the addresses looked at end.
    var addressEnd = 0
    var curl: Int?
    /// The last span is a guess by the name beside it; a rule that knows the value itself takes its place.
    private var lastIsGuess = false

    package init(_ bytes: UnsafeBufferPointer<UInt8>, types: Set<SensitiveType>) {
        self.bytes = bytes
        count = bytes.count
        wanted = types.reduce(0) { $0 | SensitiveScanner.bit($1) }
    }

    private static func bit(_ type: SensitiveType) -> UInt16 {
        switch type {
        case .creditCard: 1
        case .ssn: 2
        case .apiKey: 4
        case .jwt: 8
        case .privateKey: 16
        case .email: 32
        case .iban: 64
        case .phone: 128
        case .ip: 256
        }
    }

    @inline(__always) func wants(_ type: SensitiveType) -> Bool { wanted & SensitiveScanner.bit(type) != 0 }

    /// Zero outside of the text.
    @inline(__always) func at(_ index: Int) -> UInt8 { index >= 0 && index < count ? bytes[index] : 0 }

    mutating func look(_ many: Int) { steps &+= many }

    package mutating func scan() {
        let classes = table.automaton.classes
        let next = table.automaton.next
        let final = table.automaton.firstFinal
        let hook = SensitiveAutomaton.hook
        var state: UInt16 = 0
        var index = 0
        // Only the first digit of a number is looked at.
        var inNumber = false
        while index < count {
            let kind = classes[Int(bytes[index])]
            state = next[Int(state) &* SensitiveAutomaton.width &+ Int(kind)]
            let isDigit = kind >= SensitiveAutomaton.digit
            if state < final, kind < hook || isDigit && inNumber {
                inNumber = isDigit
                index &+= 1
                continue
            }
            inNumber = isDigit
            position = index &+ 1
            if state >= final { keywords(state, end: index &+ 1) }
            if kind >= hook, position == index &+ 1 { byte(kind, at: index) }
            if position != index &+ 1 { (state, inNumber) = (0, false) }
            index = position
        }
    }

    /// Writes a finding down. What overlaps an earlier one becomes a part of it.
    mutating func add(_ type: SensitiveType, _ rule: String, _ start: Int, _ end: Int, guess: Bool = false) {
        guard wants(type), start < end, end <= count else { return }
        let last = spans.count - 1
        if last >= 0, spans[last].range.upperBound > start {
            let old = spans[last]
            let range = min(old.range.lowerBound, start)..<max(old.range.upperBound, end)
            let better = lastIsGuess && !guess
            spans[last] = SensitiveData.Span(type: better ? type : old.type, rule: better ? rule : old.rule, range: range)
            if better { lastIsGuess = false }
            // A look back may reach past the span before.
            while spans.count > 1, spans[spans.count - 2].range.upperBound > spans[spans.count - 1].range.lowerBound {
                let tail = spans.removeLast()
                let head = spans.removeLast()
                let both = head.range.lowerBound..<max(head.range.upperBound, tail.range.upperBound)
                spans.append(SensitiveData.Span(type: head.type, rule: head.rule, range: both))
            }
        } else {
            spans.append(SensitiveData.Span(type: type, rule: rule, range: start..<end))
            lastIsGuess = guess
        }
        // The options of a command go on behind each value, however long that was.
        if let curl, start - curl < 1000 { self.curl = end }
        // A guess is left open: what stands in it may be known by itself.
        if !guess { position = max(position, end) }
    }

    private mutating func byte(_ kind: UInt8, at index: Int) {
        if kind >= SensitiveAutomaton.digit {
            if !at(index - 1).isASCIIDigit { number(at: index) }
            return
        }
        switch bytes[index] {
        case UInt8(ascii: "."):
            if at(index + 7) == UInt8(ascii: ".") { discordToken(dot: index) }
        case UInt8(ascii: "@"):
            if wants(.email) { emailAddress(at: index) }
        default:
            if bytes[index] == UInt8(ascii: ":"), wants(.ip) { addressV6(colon: index) }
            if index - lastWordEnd <= 32, index >= operatorEnd { assignment(at: index) }
        }
    }

    private mutating func keywords(_ state: UInt16, end: Int) {
        for place in table.automaton.hits(of: state) {
            let entry = table.hits[Int(table.automaton.hits[place])]
            let start = end - Int(entry.length)
            switch entry.event {
            case .pattern: standalone(Int(entry.index), keyword: start)
            case .word: expect(Int(entry.index), start, end)
            case .secretWord: expect(-1, start, end)
            case .jwt: webToken(at: start)
            case .wrappedJWT: wrappedWebToken(at: start)
            case .privateKey: privateKey(at: start, textEnd: end)
            case .puttyKey: puttyKey(after: end)
            case .authorization: authorization(after: end)
            case .curl: if !isWord(at: start - 1), !isWord(at: end) { curl = start }
            case .curlUser: curlUser(after: end)
            case .url: urlCredentials(after: end)
            case .serviceAccount: serviceAccount(at: start, end: end)
            case .configuredPassword: configuredPassword(after: end)
            case .npmToken: npmToken(at: start, after: end)
            }
            // A finding ends the walk up to here; what else ends here lies inside of it.
            if position != end { return }
        }
    }

    private mutating func expect(_ word: Int, _ start: Int, _ end: Int) {
        if word >= 0, table.words[word].oneCase, !isOneCase(start, end) { return }
        newest = (newest &+ 1) & 7
        pending[newest] = Pending(word: word, end: end)
        lastWordEnd = end
    }

    /// The word seen last, the one before, and so on, eight of them.
    @inline(__always) func pending(_ back: Int) -> Pending { pending[(newest &- back) & 7] }

    /// `okta`, `Okta` or `OKTA`.
    private func isOneCase(_ start: Int, _ end: Int) -> Bool {
        let upper = bytes[(start + 1)..<end].count(where: SensitiveAlphabet.upper.has)
        return upper == 0 || upper == end - start - 1 && SensitiveAlphabet.upper.has(bytes[start])
    }

    @inline(__always) func isWord(at index: Int) -> Bool { at(index).isWord }

    /// Whether a value may start here: at the edge of a word, and after an escaped line break or tab too.
    func startsWord(_ index: Int) -> Bool {
        guard isWord(at: index - 1) else { return true }
        let before = at(index - 1)
        return (before == UInt8(ascii: "n") || before == UInt8(ascii: "t") || before == UInt8(ascii: "r"))
            && at(index - 2) == UInt8(ascii: "\\")
    }

    func slice(_ start: Int, _ end: Int) -> Slice<UnsafeBufferPointer<UInt8>> { bytes[start..<end] }

    @inline(__always) mutating func digitsEnd(from start: Int, most: Int) -> Int {
        var index = start
        let stop = min(count, start + most)
        while index < stop, bytes[index].isASCIIDigit { index += 1 }
        look(index - start + 1)
        return index
    }

    /// The end of the run of `alphabet` that starts at `start`, at most `most` bytes on.
    mutating func end(of alphabet: SensitiveAlphabet, from start: Int, most: Int) -> Int {
        var index = start
        let stop = min(count, start + most)
        while index < stop, alphabet.has(bytes[index]) { index += 1 }
        look(index - start + 1)
        return index
    }

    /// The other way: where the run that ends before `end` starts.
    mutating func start(of alphabet: SensitiveAlphabet, before end: Int, most: Int) -> Int {
        var index = end
        let stop = max(0, end - most)
        while index > stop, alphabet.has(bytes[index - 1]) { index -= 1 }
        look(end - index + 1)
        return index
    }
}
