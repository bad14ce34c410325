import SwiftletSanitize

/// UTF-8 without control characters but tab, line ends and form feed, from the first byte to the last, that does not start
/// like markup however many blanks stand before.
struct TextWalk: Sendable {
    /// Place in a letter of several bytes: 0 between letters. Steps lead to what may follow.
    private var state: UInt8 = 0
    private var isBlank = true
    private var blanks = 0
    /// What stands behind blanks that the first look did not see past.
    private var start: [UInt8]?

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        guard let base = input.baseAddress else { return nil }
        var first = 0
        if isBlank {
            while first < input.count, input[first] == 0x20 || (input[first] >= 0x09 && input[first] <= 0x0D) { first += 1 }
            blanks += first
            if first < input.count {
                isBlank = false
                // The first look took blanks within its bytes into account, but needs some letters behind them.
                if blanks > FileSniffer.length - 64 { start = [] }
            }
        }
        if let begun = start, begun.count < FileSniffer.length {
            let all = begun + input[first...].prefix(FileSniffer.length - begun.count)
            start = all
            if all.count == FileSniffer.length, case .types = FileSniffer.sniff(all) { return .typeMismatch }
        }
        return validate(base, input.count) ? nil : .notText
    }

    func finish() -> ContentRefusal? {
        guard state == 0 else { return .notText }
        if let start, start.count < FileSniffer.length, case .types = FileSniffer.sniff(start) { return .typeMismatch }
        return nil
    }

    private mutating func validate(_ base: UnsafeRawPointer, _ count: Int) -> Bool {
        var state = Int(self.state)
        var at = 0
        defer { self.state = UInt8(truncatingIfNeeded: state) }
        return Self.table.withUnsafeBufferPointer { table -> Bool in
            guard let table = table.baseAddress else { return false }
            while at < count {
                if state == 0 {
                    // Sixteen letters of ASCII at once, as most text is.
                    while at &+ 16 <= count {
                        let low = base.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                        let high = base.loadUnaligned(fromByteOffset: at &+ 8, as: UInt64.self)
                        guard Self.isPlain(low), Self.isPlain(high) else { break }
                        at &+= 16
                    }
                    guard at < count else { break }
                }
                // A few letters one by one, then another try.
                let stop = min(count, at &+ 16)
                while at < stop {
                    // Most letters of two and three bytes, without a step through the table for each.
                    if state == 0, at &+ 3 <= count {
                        let lead = base.load(fromByteOffset: at, as: UInt8.self)
                        let second = base.load(fromByteOffset: at &+ 1, as: UInt8.self)
                        let third = base.load(fromByteOffset: at &+ 2, as: UInt8.self)
                        if lead >= 0xE1, lead <= 0xEF, lead != 0xED, second & 0xC0 == 0x80, third & 0xC0 == 0x80 {
                            at &+= 3
                            continue
                        }
                        if lead >= 0xC2, lead <= 0xDF, second & 0xC0 == 0x80 {
                            at &+= 2
                            continue
                        }
                    }
                    state = Int(table[state &<< 8 | Int(base.load(fromByteOffset: at, as: UInt8.self))])
                    at &+= 1
                }
                guard state != Self.bad else { return false }
            }
            return true
        }
    }

    /// Every byte is 0x20...0x7E.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let high: UInt64 = 0x8080_8080_8080_8080
        let deleted = word ^ 0x7F7F_7F7F_7F7F_7F7F
        let controls = (word &- 0x2020_2020_2020_2020) & ~word
        return (word | controls | ((deleted &- 0x0101_0101_0101_0101) & ~deleted)) & high == 0
    }

    private static let bad = 8

    /// 0 between letters; 1 to 3: so many bytes to come; 4 to 7: the same, but the next one is restricted (after E0, ED, F0 and F4,
    /// where letters could be spelled too long, be half a pair or lie beyond Unicode).
    private static let table: [UInt8] = {
        var out = [UInt8](repeating: UInt8(bad), count: 9 * 256)
        func set(_ state: Int, _ range: ClosedRange<Int>, _ next: UInt8) {
            for byte in range { out[state << 8 | byte] = next }
        }
        set(0, 0x20...0x7E, 0)
        for byte in [0x09, 0x0A, 0x0C, 0x0D] { set(0, byte...byte, 0) }
        set(0, 0xC2...0xDF, 1)
        set(0, 0xE0...0xEF, 2)
        set(0, 0xE0...0xE0, 4)
        set(0, 0xED...0xED, 5)
        set(0, 0xF0...0xF0, 6)
        set(0, 0xF1...0xF3, 3)
        set(0, 0xF4...0xF4, 7)
        set(1, 0x80...0xBF, 0)
        set(2, 0x80...0xBF, 1)
        set(3, 0x80...0xBF, 2)
        set(4, 0xA0...0xBF, 1)
        set(5, 0x80...0x9F, 1)
        set(6, 0x90...0xBF, 2)
        set(7, 0x80...0x8F, 2)
        return out
    }()
}
