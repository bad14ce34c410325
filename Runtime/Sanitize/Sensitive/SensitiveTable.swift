/// The rules in the form the scanner uses. Made once, at the first scan, and never changed or freed after that.
final class SensitiveTable: @unchecked Sendable {
    /// What a keyword in the text means.
    enum Event: UInt8 {
        /// `index` is of `patterns`.
        case pattern
        /// `index` is of `words`.
        case word
        case secretWord
        case jwt, wrappedJWT, privateKey, puttyKey, authorization, curl, curlUser, url, npmToken, serviceAccount,
            configuredPassword
    }
    struct Hit {
        let event: Event
        let length: UInt8
        let index: UInt16
    }
    /// A pattern and the rule it belongs to.
    struct Entry {
        let atoms: UnsafeBufferPointer<SensitivePattern.Atom>
        let least: Int
        let most: Int
        let keywordOffset: Int
        let keywordLength: Int
        /// What has to stand behind the keyword.
        let follow: SensitiveAlphabet?
        let followLeast: Int
        let entropy: Double
        /// Of `names`.
        let name: Int
        /// Whether a word would fit in as well, and only a digit tells a key from it.
        let canSpell: Bool
    }
    struct Word {
        /// Of `besideWord`.
        let rules: Range<Int>
        let oneCase: Bool
    }

    static let shared = SensitiveTable()

    let names: [String]
    let patterns: UnsafeBufferPointer<Entry>
    let besideWord: UnsafeBufferPointer<Entry>
    let words: UnsafeBufferPointer<Word>
    /// Patterns that start with a number and have no keyword; the scanner tries them where a number stands.
    let afterNumber: [Int]
    let automaton: SensitiveAutomaton
    let hits: UnsafeBufferPointer<Hit>

    private init() {
        var names: [String] = []
        var hits: [Hit] = []
        var automaton = SensitiveAutomaton()
        func listen(_ keyword: some Collection<UInt8>, _ event: Event, _ index: Int = 0) {
            automaton.add(keyword, hit: hits.count)
            hits.append(Hit(event: event, length: UInt8(clamping: keyword.count), index: UInt16(clamping: index)))
        }
        var patterns: [Entry] = []
        var afterNumber: [Int] = []
        for fields in SensitiveTable.lines(SensitiveRules.standalone) {
            for (pattern, entry) in SensitiveTable.entries(fields, &names) {
                if pattern.keyword.count > 1 {
                    listen(pattern.keyword, .pattern, patterns.count)
                } else {
                    afterNumber.append(patterns.count)
                }
                patterns.append(entry)
            }
        }
        // A word may have several rules; those of one word stand together.
        var order: [[UInt8]] = []
        var rules: [[UInt8]: [Entry]] = [:]
        for fields in SensitiveTable.lines(SensitiveRules.besideWord) {
            let entries = SensitiveTable.entries(fields, &names).map(\.1)
            for word in fields[2].dropFirst().split(separator: UInt8(ascii: ",")).map({ Array($0) }) {
                if rules[word] == nil { order.append(word) }
                rules[word, default: []] += entries
            }
        }
        var besideWord: [Entry] = []
        var words: [Word] = []
        for word in order {
            let oneCase = word.first == UInt8(ascii: "!")
            let entries = rules[word] ?? []
            listen(oneCase ? Array(word.dropFirst()) : word, .word, words.count)
            words.append(Word(rules: besideWord.count..<(besideWord.count + entries.count), oneCase: oneCase))
            besideWord += entries
        }
        for word in SensitiveTable.lines(SensitiveRules.secretWords).joined() { listen(word, .secretWord) }
        let others: [(StaticString, Event)] = [
            ("eyj", .jwt), ("eya", .jwt), ("ewo", .jwt), ("zxlk", .wrappedJWT), ("-----begin", .privateKey),
            ("private-lines:", .puttyKey), ("authorization", .authorization), ("curl", .curl), (" -u", .curlUser),
            ("--user", .curlUser), ("://", .url), (":_authtoken", .npmToken), ("service_account", .serviceAccount),
            ("<add key=", .configuredPassword),
        ]
        for (keyword, event) in others { listen(SensitiveTable.bytes(keyword), event) }
        automaton.finish()
        self.names = names
        self.patterns = SensitiveTable.keep(patterns)
        self.besideWord = SensitiveTable.keep(besideWord)
        self.words = SensitiveTable.keep(words)
        self.afterNumber = afterNumber
        self.automaton = automaton
        self.hits = SensitiveTable.keep(hits)
    }

    /// Memory that lives as long as the process: reading it needs no reference counts.
    static func keep<Element>(_ elements: [Element]) -> UnsafeBufferPointer<Element> {
        let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
        _ = memory.initialize(from: elements)
        return UnsafeBufferPointer(memory)
    }

    static func bytes(_ text: StaticString) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    static func lines(_ text: StaticString) -> [[[UInt8]]] {
        bytes(text).split(separator: UInt8(ascii: "\n")).map { line in line.split(separator: UInt8(ascii: " ")).map { Array($0) }
        }
    }

    private static func entries(_ fields: [[UInt8]], _ names: inout [String]) -> [(SensitivePattern, Entry)] {
        guard fields.count > 2, let entropy = Double(String(decoding: fields[1], as: UTF8.self)) else { return [] }
        let name = names.count
        names.append(String(decoding: fields[0], as: UTF8.self))
        return fields.dropFirst(2).filter { $0.first != UInt8(ascii: "@") }.compactMap { SensitivePattern($0) }.map { pattern in
            let canSpell = pattern.atoms.contains { $0.alphabet.has(UInt8(ascii: "5")) && $0.alphabet.has(UInt8(ascii: "o")) }
            let entry = Entry(
                atoms: keep(pattern.atoms), least: pattern.least, most: pattern.most, keywordOffset: pattern.keywordOffset,
                keywordLength: pattern.keyword.count, follow: pattern.follow?.alphabet, followLeast: pattern.follow?.least ?? 0,
                entropy: entropy, name: name, canSpell: canSpell)
            return (pattern, entry)
        }
    }
}

extension SensitiveTable.Entry {
    /// Reads on from `start`: how far it came, and whether that is a match. Looks at no more bytes than the longest match has.
    @inline(__always)
    func read(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, to limit: Int) -> (reach: Int, matches: Bool) {
        guard limit - start >= least else { return (start, false) }
        var position = start
        for atom in atoms {
            let stop = min(limit, position + atom.most)
            let begin = position
            while position < stop, atom.alphabet.has(bytes[position]) { position += 1 }
            if position - begin < atom.least { return (position, false) }
        }
        return (position, true)
    }

    /// Whether the key might go on with this byte, so that what matched is only a part of something else.
    func continues(with byte: UInt8) -> Bool {
        byte.isWord || atoms[atoms.count - 1].alphabet.has(byte)
    }
}
