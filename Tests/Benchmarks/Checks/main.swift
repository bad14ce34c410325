import Glibc
import SwiftletSanitize

// Milliseconds for one megabyte of each input, and nanoseconds for one call on an ordinary value.

/// CPU time, not wall time: the machine may be busy with other things.
func best(_ work: () -> Void) -> Double {
    var best = Double.infinity
    for _ in 0..<7 {
        let start = clock()
        work()
        best = min(best, Double(clock() - start) * 1e3 / Double(CLOCKS_PER_SEC))
    }
    return best
}

func fill(_ piece: String) -> String { String(repeating: piece, count: (1 << 20) / piece.utf8.count) }

func text(_ values: [UInt32]) -> String { String(String.UnicodeScalarView(values.compactMap(Unicode.Scalar.init))) }

let marks: [UInt32] = [0x315, 0x301, 0x316, 0x345, 0x334, 0x327, 0x31B, 0x5B0, 0x94D, 0x344, 0x5BF, 0x64B, 0x651, 0x302, 0x93C]
let inputs: [(String, String)] = [
    ("ASCII", fill("The quick brown fox jumps over the lazy dog. ")), ("controls", fill("a\u{1}\u{7f}")),
    ("CR LF", fill("a\r\n")),
    ("Cyrillic", fill("Привет мир ")), ("CJK", fill("日本語")), ("Hangul", fill("한국어")), ("emoji families", fill("👩‍👩‍👧‍👦")),
    ("e + acute", fill("e\u{301}")), ("a + 30 marks", fill("a" + text(marks + marks))),
    ("a + 20 marks, worst order", fill("a" + text((0..<20).map { marks.sorted(by: >)[$0 % 15] }))),
    ("a + 30 marks, worst order", fill("a" + text((0..<30).map { marks.sorted(by: >)[$0 % 15] }))),
    ("one letter, all marks", "a" + fill("\u{301}\u{316}")), ("U+0344", fill("\u{344}")),
    ("30 x U+0344", fill("a" + text([UInt32](repeating: 0x344, count: 30)))), ("jamo", fill("\u{1100}\u{1161}\u{11a8}")),
    ("vowel jamo", fill("\u{1161}")), ("Devanagari", fill("क्‍षि")), ("composed Greek", fill("\u{1F82}")),
    ("U+FB2C", fill("\u{FB2C}")), ("U+1D160", fill("\u{1D160}")),
    ("joiners", fill("\u{200d}")), ("flags", fill("🏴󠁧󠁢󠁥󠁮󠁧󠁿")), ("open flags", fill("🏴\u{E0061}")), ("tags", fill("\u{E0061}")),
    ("underscores, backspaces", String(repeating: "_", count: 1 << 19) + String(repeating: "\u{8}", count: 1 << 19)),
    ("backspaces in turn", fill("_\u{8}\u{8}")),
]
for (name, input) in inputs {
    var size = 0
    let plain = best { size &+= sanitizeText(input).utf8.count }
    let cut = best { size &+= sanitizeText(input, limits: TextLimits(maxCharacters: 10_000, maxBytes: 40_000)).utf8.count }
    var all = MessageLimits()
    all.maxBytes = .max
    let message = best { size &+= validateMessage(input, limits: all).errors.count }
    print("\(name): sanitizeText \(plain) ms, cut \(cut) ms, validateMessage without byte limit \(message) ms")
}
let calls: [(String, () -> Int)] = [
    ("sanitizeText, 45 bytes", { sanitizeText("The quick brown fox jumps over the lazy dog. ").utf8.count }),
    ("validateURL, ASCII", { validateURL("https://example.com/a/b?c=d").errors.count }),
    ("validateURL, international", { validateURL("https://bücher.example/").errors.count }),
    ("sanitizeURL", { sanitizeURL("https://example.com/a/b?c=d")?.utf8.count ?? 0 }),
    ("validateEmail", { validateEmail("ann.oneil@example.org").errors.count }),
    ("validateEmail, 1 MB", { validateEmail(inputs[0].1).errors.count }),
    ("validateURL, 1 MB", { validateURL(inputs[0].1).errors.count }),
    ("sanitizeFileName", { sanitizeFileName("holiday photo (1).jpg")?.utf8.count ?? 0 }),
    ("sanitizeFileName, 1 MB", { sanitizeFileName(inputs[0].1)?.utf8.count ?? 0 }),
    ("sanitizeFileName, 4 KB of marks", { sanitizeFileName(String(inputs[8].1.prefix(66)))?.utf8.count ?? 0 }),
    ("international name, 1 KB", { validateURL("https://" + String(repeating: "ü", count: 500) + "/").errors.count }),
    (
        "validateFile",
        {
            validateFile(name: "a.png", size: 9, declaredType: "image/png", head: [UInt8](repeating: 0x3C, count: 512)).errors
                .count
        }
    ),
]
for (name, call) in calls {
    var sum = 0
    let time = best { for _ in 0..<1_000 { sum &+= call() } }
    print("\(name): \(Int(time * 1_000)) ns")
}
