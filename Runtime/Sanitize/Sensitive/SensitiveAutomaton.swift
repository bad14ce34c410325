/// Finds all keywords in one walk over the bytes, whatever their case (Aho and Corasick's automaton as a dense table).
///
/// Besides, it sorts the bytes: those that start a check of their own have the highest classes.
struct SensitiveAutomaton {
    /// One row of the table; classes are below it.
    static let width = 64
    /// Bytes of this class and above are looked at on their own; of `digit` and above are digits.
    static let hook: UInt8 = 46
    static let digit: UInt8 = 54

    /// A class for each of the 256 bytes.
    let classes: UnsafeBufferPointer<UInt8>
    /// `state * width + class` to the next state.
    private(set) var next = UnsafeBufferPointer<UInt16>(start: nil, count: 0)
    /// States from here on have hits.
    private(set) var firstFinal: UInt16 = 0
    /// Of the states with hits: where theirs start in `hits`, and where the last one's end.
    private(set) var hitStarts = UnsafeBufferPointer<UInt16>(start: nil, count: 0)
    private(set) var hits = UnsafeBufferPointer<UInt16>(start: nil, count: 0)

    private var tree: [UInt16] = Array(repeating: 0, count: width)
    private var hitsOfState: [[Int]] = [[]]

    init() {
        var classes: [UInt8] = Array(repeating: 0, count: 256)
        for letter in UInt8(ascii: "a")...UInt8(ascii: "z") {
            classes[Int(letter)] = letter - UInt8(ascii: "a") + 1
            classes[Int(letter) - 32] = letter - UInt8(ascii: "a") + 1
        }
        for (index, byte) in "_-/ ~<".utf8.enumerated() { classes[Int(byte)] = UInt8(27 + index) }
        for (index, byte) in "=:>,|.@".utf8.enumerated() { classes[Int(byte)] = SensitiveAutomaton.hook + UInt8(index) }
        for digit in UInt8(0)...9 { classes[Int(digit) + 48] = SensitiveAutomaton.digit + digit }
        self.classes = SensitiveTable.keep(classes)
    }

    /// `keyword` must be folded; characters without a class of their own match each other.
    mutating func add(_ keyword: some Collection<UInt8>, hit: Int) {
        var state = 0
        for byte in keyword {
            let place = state * SensitiveAutomaton.width + Int(classes[Int(byte)])
            if tree[place] == 0 {
                tree[place] = UInt16(hitsOfState.count)
                tree.append(contentsOf: repeatElement(0, count: SensitiveAutomaton.width))
                hitsOfState.append([])
            }
            state = Int(tree[place])
        }
        hitsOfState[state].append(hit)
    }

    /// Turns the tree of keywords into the automaton; call once, after the last keyword.
    mutating func finish() {
        let width = SensitiveAutomaton.width
        var fallback = Array(repeating: 0, count: hitsOfState.count)
        var queue: [Int] = []
        for place in 0..<width where tree[place] != 0 { queue.append(Int(tree[place])) }
        var done = 0
        while done < queue.count {
            let state = queue[done]
            done += 1
            hitsOfState[state] += hitsOfState[fallback[state]]
            for index in 0..<width {
                let shorter = Int(tree[fallback[state] * width + index])
                let child = Int(tree[state * width + index])
                if child == 0 {
                    tree[state * width + index] = UInt16(shorter)
                } else {
                    fallback[child] = shorter
                    queue.append(child)
                }
            }
        }
        sort()
    }

    /// Gives the states with hits the highest numbers, so that one comparison tells them.
    private mutating func sort() {
        let width = SensitiveAutomaton.width
        let order =
            hitsOfState.indices.filter { hitsOfState[$0].isEmpty } + hitsOfState.indices.filter { !hitsOfState[$0].isEmpty }
        var place = Array(repeating: 0, count: order.count)
        for (new, old) in order.enumerated() { place[old] = new }
        firstFinal = UInt16(hitsOfState.count { $0.isEmpty })
        next = SensitiveTable.keep(
            order.flatMap { old in tree[(old * width)..<((old + 1) * width)].map { UInt16(place[Int($0)]) } })
        var starts: [UInt16] = []
        var hits: [UInt16] = []
        for old in order where !hitsOfState[old].isEmpty {
            starts.append(UInt16(hits.count))
            hits += hitsOfState[old].map { UInt16($0) }
        }
        hitStarts = SensitiveTable.keep(starts + [UInt16(hits.count)])
        self.hits = SensitiveTable.keep(hits)
        tree = []
        hitsOfState = []
    }

    /// What ends at a state with hits, as places in `hits`.
    @inline(__always) func hits(of state: UInt16) -> Range<Int> {
        let index = Int(state &- firstFinal)
        return Int(hitStarts[index])..<Int(hitStarts[index + 1])
    }

    /// Whether one of the keywords is in there.
    func finds(in bytes: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        var state: UInt16 = 0
        for byte in bytes {
            state = next[Int(state) &* SensitiveAutomaton.width &+ Int(classes[Int(byte)])]
            if state >= firstFinal { return true }
        }
        return false
    }
}
