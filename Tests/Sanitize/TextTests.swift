import SwiftletSanitize
import Testing

@_spi(_Unicode) import Swift

/// Texts are compared scalar by scalar: `==` of strings would not see a missing normalisation.
private func scalars(_ text: String) -> [UInt32] { text.unicodeScalars.map(\.value) }

private func text(_ values: UInt32...) -> String {
    String(String.UnicodeScalarView(values.compactMap(Unicode.Scalar.init)))
}

@Suite struct TextTests {
    @Test func `controls go, tabs and line feeds stay`() {
        #expect(sanitizeText("a\u{0}b\u{1b}[31mc\u{7f}\u{9b}\td\ne") == "ab[31mc\td\ne")
        let kept = (0...0x9F).map { scalars(sanitizeText("a" + text($0) + "b")) }.filter { $0.count == 3 }.map { $0[1] }
        #expect(kept == [9, 10, 13].map { $0 == 13 ? 10 : $0 } + Array(0x20...0x7E))
    }

    @Test func `every line end becomes a line feed`() {
        #expect(sanitizeText("a\r\nb\rc\u{2028}d\u{2029}e\r\r\n") == "a\nb\nc\nd\ne\n\n")
    }

    @Test func `direction controls go`() {
        for value in [0x061C, 0x200E, 0x200F] + Array(0x202A...0x202E) + Array(0x2066...0x2069) as [UInt32] {
            #expect(scalars(sanitizeText("a" + text(value) + "b")) == [0x61, 0x62])
        }
    }

    @Test func `what has no width goes`() {
        let values: [UInt32] =
            [
                0x200B, 0xFEFF, 0x180E, 0x034F, 0xFFFE, 0xFFFF, 0xFDD0, 0x1FFFE, 0x10FFFF, 0xE0001, 0xE0041, 0x200C, 0x200D,
                0xE0100,
            ]
            + Array(0x2060...0x2065) + Array(0xFFF9...0xFFFB)
        for value in values { #expect(scalars(sanitizeText("a" + text(value) + "b")) == [0x61, 0x62], "\(value)") }
    }

    @Test(arguments: [
        "👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑🏿‍🚀", "👁️‍🗨️", "🇺🇦🇵🇱", "می‌خواهم", "क्‍ष", "ക്‍", "ශ්‍රී", "葛󠄀", "café", "日本語", "한국어",
        "שלום", "ह\u{094d}\u{200c}म", "Ελλάδα", "Привет", "ⅷ ﬁ ㎏ ①", "a\u{ad}b",
    ])
    func `writing that needs its joiners keeps them`(line: String) {
        #expect(scalars(sanitizeText(line)) == scalars(line))
        #expect(scalars(sanitizeText("\(line) x \(line)")) == scalars("\(line) x \(line)"))
    }

    @Test func `a joiner between other letters goes, and so does a second one`() {
        #expect(sanitizeText("pass\u{200d}word ad\u{200c}min") == "password admin")
        #expect(scalars(sanitizeText("👩\u{200d}\u{200d}👧")) == [0x1F469, 0x200D, 0x1F467])
        #expect(scalars(sanitizeText("👩\u{200d}")) == [0x1F469])
        #expect(scalars(sanitizeText("👩\u{200d}a")) == [0x1F469, 0x61])
    }

    @Test func `joiners between marks that change places come out the same the second time`() {
        let once = sanitizeText(text(0x5BC, 0x5BC, 0x93C, 0x93C) + String(repeating: text(0x200D, 0x93C), count: 30))
        #expect(scalars(sanitizeText(once)) == scalars(once))
        let apart = sanitizeText(String(repeating: text(0x344), count: 10) + text(0x20E3))
        #expect(scalars(sanitizeText(apart)) == scalars(apart))
        let letter = sanitizeText(text(0x915, 0x5BC, 0x93C) + String(repeating: text(0x200D, 0x5BC, 0x93C), count: 5))
        #expect(scalars(sanitizeText(letter)) == scalars(letter))
    }

    @Test func `a message hidden in selectors or tags goes`() {
        let selectors = String(String.UnicodeScalarView((0xE0100...0xE0140).compactMap(Unicode.Scalar.init)))
        #expect(scalars(sanitizeText("😀" + selectors)) == [0x1F600])
        let tags = String(String.UnicodeScalarView((0xE0061...0xE007A).compactMap(Unicode.Scalar.init)))
        #expect(sanitizeText("hi" + tags + "!") == "hi!")
        #expect(scalars(sanitizeText("😀" + tags + text(0xE007F))) == [0x1F600])
        // Never cancelled, and longer than any region.
        #expect(scalars(sanitizeText("🏴" + tags)) == [0x1F3F4])
        #expect(scalars(sanitizeText("🏴" + tags + tags + text(0xE007F))) == [0x1F3F4])
        #expect(scalars(sanitizeText("❤\u{fe0f}\u{fe0f}\u{fe00}")) == [0x2764, 0xFE0F])
    }

    @Test func `backspaces stay only over underscores`() {
        #expect(sanitizeText("*____\u{8}\u{8}\u{8}\u{8}word*") == "*____\u{8}\u{8}\u{8}\u{8}word*")
        #expect(sanitizeText("__\u{8}\u{8}\u{8}word") == "__word")
        #expect(sanitizeText("secret\u{8}\u{8}\u{8}") == "secret")
        #expect(sanitizeText("a_\u{8}\u{0}\u{8}b") == "a_\u{8}b")
    }

    @Test func `a letter carries twenty marks at most`() {
        let zalgo = "a" + String(repeating: "\u{0316}", count: 10_000) + "b"
        #expect(sanitizeText(zalgo).unicodeScalars.count == 22)
    }

    @Test func `bytes that are not UTF-8 become replacement characters`() {
        let bytes: [UInt8] = [0x61, 0xFF, 0x62, 0xED, 0xA0, 0x80, 0x63, 0xC0, 0xAF, 0xF0, 0x9F]
        let out = bytes.withUnsafeBufferPointer { sanitizeText($0) }
        #expect(out == "a\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}c\u{FFFD}\u{FFFD}\u{FFFD}")
    }

    @Test func `texts are cut where a letter ends`() {
        let family = "👩‍👩‍👧‍👦"
        #expect(sanitizeText("ab" + family + "c", limits: TextLimits(maxCharacters: 3)) == "ab" + family)
        #expect(sanitizeText("ab" + family + "c", limits: TextLimits(maxBytes: 10)) == "ab")
        #expect(sanitizeText("e\u{301}e\u{301}", limits: TextLimits(maxBytes: 3)) == "é")
        #expect(sanitizeText("abc", limits: TextLimits(maxCharacters: 0)) == "")
        #expect(sanitizeText("abc", limits: TextLimits(maxCharacters: -5, maxBytes: -1)) == "")
        #expect(sanitizeText("abc", limits: .message) == "abc")
        // The non-joiner stood between two letters; at the end it means nothing.
        let cut = sanitizeText("می‌خ", limits: TextLimits(maxCharacters: 2))
        #expect(scalars(cut) == [0x645, 0x6CC])
    }
}

@Suite struct TextNormalisationTests {
    @Test func `every scalar is composed as the standard library does it`() {
        var wrong: [UInt32] = []
        for value in 0x20...0x10FFFF as ClosedRange<UInt32> {
            guard let scalar = Unicode.Scalar(value), value < 0x30000 || value & 0xFFF < 4 else { continue }
            let out = scalars(sanitizeText("x" + String(scalar)))
            guard out.count > 1, value != 0x2028, value != 0x2029 else { continue }
            if out != Array(("x" + String(scalar))._nfc.map(\.value)) { wrong.append(value) }
        }
        #expect(wrong.prefix(20) == [])
    }

    @Test func `mixed letters and marks are composed as the standard library does it`() {
        var pool: [Unicode.Scalar] = []
        for value in 0xA0...0x1E943 as ClosedRange<UInt32> {
            guard let scalar = Unicode.Scalar(value), sanitizeText("क" + String(scalar) + "क").unicodeScalars.count > 2 else {
                continue
            }
            let isMark = scalar.properties.canonicalCombiningClass != .notReordered
            if isMark || Array(String(scalar)._nfd).count > 1 || (0x1100...0x11FF).contains(value) { pool.append(scalar) }
        }
        pool += "aeiouAEIOUcnsyk가각अআ".unicodeScalars
        var random = SplitMix(state: 42)
        var wrong: [[UInt32]] = []
        for _ in 0..<20_000 {
            let line = (0..<(1 + Int(random.next() % 9))).map { _ in pool[Int(random.next() % UInt64(pool.count))] }
            let input = String(String.UnicodeScalarView(line))
            guard !line.contains(where: { 0x200B...0x206F ~= $0.value }) else { continue }
            let expected = input._nfc.map(\.value)
            let out = sanitizeText(input)
            if scalars(out) != expected || scalars(sanitizeText(out)) != expected { wrong.append(scalars(input)) }
        }
        #expect(wrong.prefix(5) == [])
    }

    @Test(arguments: [
        "e\u{301}", "a\u{316}\u{301}", "\u{0344}", "\u{1100}\u{1161}\u{11a8}", "\u{1161}", "ক\u{09C7}\u{09BE}", "👩\u{200d}",
        "🏴\u{E0061}",
        "_\u{8}", "____\u{8}", "\u{8}", "a\u{200d}", "\u{fb2c}", "\u{fe0f}", "\u{1D15F}",
    ])
    func `work grows with the length and not faster`(piece: String) {
        let small = SanitizedText.steps(String(repeating: piece, count: 1_000))
        let large = SanitizedText.steps(String(repeating: piece, count: 4_000))
        #expect(large <= 4 * small + 1_000)
        let once = SanitizedText.steps("a" + String(repeating: piece, count: 4_000) + "b")
        #expect(once <= 4_000 * piece.unicodeScalars.count * 64)
    }
}

struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
