import SwiftletJSON
import TestSupport
import Testing

/// What the whole document is refused for, or `nil`.
private func parsed(_ bytes: [UInt8], _ limits: JSONLimits) -> JSONError.Code? {
    do throws(JSONError) {
        _ = try JSON.parse(bytes, limits: limits)
        return nil
    } catch { return error.code }
}

/// The same for a document that arrives in parts, `length` says how long each is.
private func taken(_ bytes: [UInt8], _ limits: JSONLimits, _ length: () -> Int) -> JSONError.Code? {
    var intake = JSONIntake(limits: limits)
    do throws(JSONError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(max(1, length())))
            rest = rest.dropFirst(part.count)
            let result: Result<Void, JSONError> = part.withUnsafeBytes { part in
                do throws(JSONError) { return .success(try intake.take(part)) } catch { return .failure(error) }
            }
            try result.get()
        }
        try intake.finish()
        return nil
    } catch { return error.code }
}

private struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

@Suite struct IntakeTests {
    private let small = JSONLimits(depth: 3, members: 4, elements: 5, digits: 6, stringBytes: 7)

    private func agree(_ bytes: [UInt8], _ limits: JSONLimits, _ dice: inout Dice) -> Bool {
        let expected = parsed(bytes, limits)
        guard taken(bytes, limits, { .max }) == expected, taken(bytes, limits, { 1 }) == expected else { return false }
        var dice = dice
        return taken(bytes, limits, { Int.random(in: 1...9, using: &dice) }) == expected
    }

    @Test(arguments: [
        "", " ", "{}", "[]", "1", "-", "-0", "01", "1.", "1.5", "1e", "1e5", "1E+5", "1e400", "-1e-400", "1e0400", "true", "tru",
        "trux", "null ",
        "false,", "[1,]", "[,]", "[1 2]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{"a":1 "b":2}"#, #"{"a":1,"a":2}"#,
        #"{"a":1,"\u0061":2}"#, #"{"é":1,"\u00e9":2}"#, #"{"😀":1,"\ud83d\ude00":2}"#, #"[{"a":1},{"a":2}]"#, #"{"a":{"a":1}}"#,
        #""\ud83d""#, #""\ud83dx""#, #""\ud83d\n""#, #""\ud83d\u0041""#, #""\ude00""#, #""\u12x4""#, #""\u12""#, #""\x""#,
        "\"\u{1}\"", "\"a", "\"é\"",
        "{\"a\":1}}", "[1]]", "[1}", "{\"a\":1]", "[[[[]]]]", "[1,2,3,4,5]", "[1,2,3,4,5,6]", #"{"a":1,"b":2,"c":3,"d":4}"#,
        "123456", "1234567",
        "-123.456", "-123.4567", #""1234567""#, #""12345678""#, #"{"12345678":1}"#, "\u{FEFF}1", "1\u{0}", "nul",
    ])
    func `a document in parts has the verdict of the whole one`(text: String) {
        var dice = Dice(state: 1)
        #expect(agree(Array(text.utf8), .standard, &dice))
        #expect(agree(Array(text.utf8), small, &dice))
        #expect(agree(Array(text.utf8), JSONLimits(duplicateNames: .lastWins), &dice))
    }

    @Test(
        arguments: [
            [0x80], [0xC1, 0xBF], [0xC2], [0xC3, 0xA9], [0xE0, 0x80, 0x80], [0xE0, 0xA0, 0x80], [0xED, 0xA0, 0x80],
            [0xED, 0x9F, 0xBF], [0xEF, 0xBF, 0xBF],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
        ] as [[UInt8]])
    func `UTF-8 is checked across parts`(bytes: [UInt8]) {
        var dice = Dice(state: 2)
        #expect(agree([0x22] + bytes + [0x22], .standard, &dice))
        #expect(agree([0x7B, 0x22] + bytes + Array(#"":1}"#.utf8), .standard, &dice))
    }

    @Test func `a name among many is not taken twice`() {
        let names = (0..<500).map { "\"n\($0)\":\($0)" }
        var dice = Dice(state: 3)
        #expect(parsed(Array("{\(names.joined(separator: ","))}".utf8), .standard) == nil)
        #expect(agree(Array("{\(names.joined(separator: ","))}".utf8), .standard, &dice))
        for twice in [0, 5, 15, 16, 17, 499] {
            #expect(agree(Array("{\(names.joined(separator: ",")),\"n\(twice)\":0}".utf8), .standard, &dice))
        }
    }

    @Test func `documents with a byte changed have the verdict of the whole one`() {
        var dice = Dice(state: 4)
        let source = Array(
            #"{"name":"Ä \u00e4\ud83d\ude00 b","list":[1,-2.5e3,{"x":null,"y":[true,false,[]]}],"n":0,"long":12345.678E-2}"#.utf8)
        let bytes = Array(#"{}[]",:\u0019eE+-. tfn"#.utf8) + [0x00, 0x1F, 0x80, 0xC3, 0xED, 0xF0]
        var accepted = 0
        for _ in 0..<20_000 {
            var document = source
            for _ in 0..<Int.random(in: 1...2, using: &dice) {
                let place = Int.random(in: 0..<document.count, using: &dice)
                switch Int.random(in: 0..<3, using: &dice) {
                case 0: document.remove(at: place)
                case 1: document.insert(bytes.randomElement(using: &dice) ?? 0, at: place)
                default: document[place] = bytes.randomElement(using: &dice) ?? 0
                }
            }
            let limits =
                Bool.random(using: &dice)
                ? JSONLimits.standard : JSONLimits(depth: 4, members: 6, elements: 6, digits: 8, stringBytes: 30)
            guard agree(document, limits, &dice) else {
                Issue.record("parts are judged otherwise: \(String(decoding: document, as: UTF8.self))")
                return
            }
            if parsed(document, limits) == nil { accepted += 1 }
        }
        #expect(accepted > 500)
    }

    @Test func `it is refused at the byte that decides it`() {
        var intake = JSONIntake(limits: JSONLimits(depth: 2))
        func take(_ text: String) -> JSONError? {
            Array(text.utf8).withUnsafeBytes { bytes in
                do throws(JSONError) {
                    try intake.take(bytes)
                    return nil
                } catch { return error }
            }
        }
        #expect(take("[[1, ") == nil)
        #expect(take(" \"a") == nil)
        #expect(take("b\", [")?.code == .tooDeep)
    }
}

@Suite(.enabled(if: CorpusFiles.has(Corpus.file), "shared/corpora/json is not beside the repository"))
struct IntakeCorpusTests {
    @Test func `every row has the verdict of the whole document, however it is cut`() throws {
        var dice = Dice(state: 5)
        let wrong = try Corpus.rows().filter { row in
            let expected = parsed(row.bytes, .standard)
            return taken(row.bytes, .standard, { .max }) != expected
                || taken(row.bytes, .standard, { Int.random(in: 1...5, using: &dice) }) != expected
        }
        #expect(wrong.map(\.id) == [])
    }
}
