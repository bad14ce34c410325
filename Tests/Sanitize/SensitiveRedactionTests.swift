import SwiftletSanitize
import Testing

@Suite struct SensitiveRedactionTests {
    private static let card = "5555" + "555555554444"
    private static let key = "ghs" + "_" + "PnHShdTaU4iSANunxhHtgYJSAY8mMbPVZLGm"
    private static let ssn = "401-33-" + "2910"
    private static let values = [
        card, key, ssn, "xoxb-" + "282029623751-BVtmnS3BQitmjZvjpQL7PSGP", "4111 1111 1111 " + "1111",
        "eyJ" + "hbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiJ9.PtfDS1niGoZ7pV6kplI0q1fVKLnknQ3IwcrLZhoVCUx",
    ]
    private static let pieces = [
        " ", "\n", ", ", "🙂", "👩‍👩‍👧", "é", "ключ", "key=", "\"", "'", ":", "-", ".", "[", "]", "4111", "api_key", "Bearer ", "a",
        "\0", "://u:",
        "@h.io", "curl -u ", "日本", "7", "=", "[api_key]", "********", "\r\n", "\\n", "+", "/", "e\u{301}", "-----BEGIN", "eyJ",
        "password: ",
    ]

    /// The same sequence in each run.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    @Test func `a value gives way to its type or to asterisks`() {
        let text = "pay with \(Self.card) 🙂 or ask \(Self.key)"
        #expect(redactSensitiveData(text).text == "pay with [credit_card] 🙂 or ask [api_key]")
        #expect(redactSensitiveData(text, with: .asterisks).text == "pay with ******** 🙂 or ask ********")
        #expect(redactSensitiveData(text, types: [.ssn]).text == text)
        #expect(redactSensitiveData("nothing here").text == "nothing here")
        #expect(redactSensitiveData("").text == "")
    }

    @Test func `a long card number goes whole, though its head is a number as well`() {
        #expect(redactSensitiveData("pay 6294 6484 6465 7376 611 now").text == "pay [credit_card] now")
    }

    @Test func `names stay, values go`() {
        let value = "q7Rz0vKx" + "93LmTbW2cYp8"
        #expect(redactSensitiveData("api_key = \"\(value)\";").text == "api_key = \"[api_key]\";")
        #expect(redactSensitiveData("postgres://app:\(value)@db/x").text == "postgres://app:[api_key]@db/x")
        #expect(redactSensitiveData("Authorization: Bearer \(value)").text == "Authorization: Bearer [api_key]")
    }

    @Test func `planted values leave nothing behind, and the rest stays as it is`() {
        var dice = Dice(state: 7)
        for _ in 0..<1500 {
            var text = ""
            var planted: [String] = []
            for _ in 0..<Int.random(in: 1...8, using: &dice) {
                for _ in 0..<Int.random(in: 0...6, using: &dice) { text += Self.pieces.randomElement(using: &dice) ?? "" }
                guard let value = Self.values.randomElement(using: &dice) else { continue }
                text += " \(value), "
                planted.append(value)
            }
            for style in [SensitiveReplacement.label, .asterisks] {
                let (redacted, data) = redactSensitiveData(text, types: .all, with: style)
                for value in planted { #expect(!redacted.contains(value), "left in \(text.debugDescription)") }
                #expect(
                    redactSensitiveData(redacted, types: .all, with: style).text == redacted,
                    "not idempotent: \(text.debugDescription)")
                // What is between the spans is there byte for byte.
                let original = Array(text.utf8)
                var expected: [UInt8] = []
                var position = 0
                for span in data.spans {
                    #expect(span.range.lowerBound >= position && !span.range.isEmpty && span.range.upperBound <= original.count)
                    expected += original[position..<span.range.lowerBound]
                    expected += (style == .label ? "[\(span.type.rawValue)]" : "********").utf8
                    position = span.range.upperBound
                }
                expected += original[position...]
                #expect(Array(redacted.utf8) == expected)
            }
        }
    }

    @Test func `bytes that are no text come through`() {
        var bytes: [UInt8] = [0xff, 0xc3, 0x20]
        bytes += Self.card.utf8
        bytes += [0x20, 0xe2, 0x82]
        let (redacted, data) = bytes.withUnsafeBufferPointer { redactSensitiveData(bytes: $0) }
        #expect(data.types == [.creditCard])
        #expect(redacted == [0xff, 0xc3, 0x20] + Array("[credit_card]".utf8) + [0x20, 0xe2, 0x82])
    }
}
