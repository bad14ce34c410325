import Foundation
import SwiftletJSON
import Testing

@Suite struct ValueTests {
    private func parse(_ text: String) throws -> JSON { try JSON.parse(Array(text.utf8)) }

    @Test(arguments: [
        ("0", JSON.Number.integer(0)), ("-1", .integer(-1)), ("9223372036854775807", .integer(.max)),
        ("-9223372036854775808", .integer(.min)), ("9223372036854775808", .unsigned(9_223_372_036_854_775_808)),
        ("18446744073709551615", .unsigned(.max)), ("18446744073709551616", .decimal(18_446_744_073_709_551_616)),
        ("-9223372036854775809", .decimal(-9_223_372_036_854_775_808)), ("1.0", .decimal(1)), ("1e3", .decimal(1000)),
        ("0.1", .decimal(0.1)), ("5e-324", .decimal(5e-324)), ("1.7976931348623157e308", .decimal(.greatestFiniteMagnitude)),
        ("1e-400", .decimal(0)), ("123456789012345678", .integer(123_456_789_012_345_678)),
        ("9007199254740993.0", .decimal(9_007_199_254_740_992)),
    ]) func `a number means its nearest value`(text: String, number: JSON.Number) throws {
        #expect(try parse(text) == .number(number))
    }

    @Test func `decimals agree with the standard library`() throws {
        var random = Seeded(state: 5)
        for _ in 0..<3000 {
            let text =
                "\(Int.random(in: -99_999...99_999, using: &random)).\(UInt32.random(in: 0...(.max), using: &random))e\(Int.random(in: -40...40, using: &random))"
            #expect(try parse(text).double?.bitPattern == Double(text)?.bitPattern, "\(text)")
        }
    }

    @Test func `negative zero keeps its sign`() throws {
        let zero = try parse("-0")
        #expect(zero.double?.sign == .minus)
        #expect(zero.int == 0)
        #expect(try JSON.parse(zero.bytes).double?.sign == .minus)
    }

    @Test(arguments: ["1e400", "-1e400", "1e309", "[1e999999999999]", #"{"unused":1e400}"#])
    func `a number past every Double is refused, read or not`(text: String) {
        struct Nothing: Decodable {}
        #expect(throws: JSONError.self) { try parse(text) }
        #expect(throws: JSONError.self) { try JSONReader().decode(Nothing.self, from: Array(text.utf8)) }
    }

    @Test func `numbers are the same by value, however written`() throws {
        #expect(try Set([parse("1"), parse("1.0"), parse("1e0"), parse("10e-1")]).count == 1)
        #expect(JSON.number(.unsigned(5)) == 5)
        #expect(try parse("9223372036854775808.0") == parse("9223372036854775808"))
        #expect(try parse("1.5") != parse("1"))
    }

    @Test func `empty input ends too early`() {
        #expect { try JSON.parse([]) } throws: { ($0 as? JSONError)?.code == .unexpectedEnd }
    }

    @Test(arguments: [
        (" [1,]", JSONError.Code.unexpectedByte, 4), ("[1", .unexpectedEnd, 2), ("1 2", .trailingBytes, 2),
        ("[01]", .invalidNumber, 2),
        (#"["\x"]"#, .invalidEscape, 2), (#"["\ud800"]"#, .loneSurrogate, 2), ("[\"a\nb\"]", .controlCharacter, 3),
        ("{\"a\" 1}", .unexpectedByte, 5), ("nul", .unexpectedEnd, 3), ("{1:2}", .unexpectedByte, 1),
        ("\u{FEFF}1", .unexpectedByte, 0),
    ]) func `an error says what and where`(text: String, code: JSONError.Code, offset: Int) {
        #expect { try parse(text) } throws: { error in
            let error = error as? JSONError
            return error?.code == code && error?.offset == offset && error?.path == nil
        }
    }

    @Test(
        arguments: [
            [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80],
            [0xF5, 0x80, 0x80, 0x80], [0x80], [0xE2, 0x82], [0xFF], [0xC3],
        ] as [[UInt8]]) func `bytes that are no UTF-8 are refused at every place in a string`(bad: [UInt8])
    {
        for before in 0..<18 {
            let text = [UInt8(ascii: "\"")] + [UInt8](repeating: 0x61, count: before) + bad + Array("bcdefghi\"".utf8)
            #expect { try JSON.parse(text) } throws: { ($0 as? JSONError)?.code == .invalidUTF8 }
        }
    }

    @Test func `special characters are seen at every place in a string`() throws {
        for before in 0..<20 {
            let text = String(repeating: "x", count: before)
            for (written, meant) in [
                (#"\""#, "\""), (#"\\"#, "\\"), (#"\n"#, "\n"), (#"\ud83d\ude00"#, "\u{1F600}"), ("\u{20AC}", "\u{20AC}"),
                ("\u{7F}", "\u{7F}"),
            ] {
                #expect(try parse("\"\(text)\(written)\(text)\"") == .string(text + meant + text))
                #expect(try JSON.parse(JSON.string(text + meant + text).bytes) == .string(text + meant + text))
            }
            for control in UInt8(0)..<0x20 {
                #expect(throws: JSONError.self) { try JSON.parse(Array("\"\(text)".utf8) + [control] + Array("\"".utf8)) }
            }
        }
    }

    @Test func `text and escapes in any order mean what they say`() throws {
        var random = Seeded(state: 17)
        let escapes = [
            (#"\n"#, "\n"), (#"\\"#, "\\"), (#"\""#, "\""), (#"\/"#, "/"), (#"\u0041"#, "A"), (#"\u00e9"#, "\u{E9}"),
            (#"\u20AC"#, "\u{20AC}"),
            (#"\ud83d\ude00"#, "\u{1F600}"), (#"\u0000"#, "\0"),
        ]
        for _ in 0..<2000 {
            var written = ""
            var meant = ""
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let plain = String(repeating: "x\u{20AC}", count: Int.random(in: 0...20, using: &random))
                let escape = escapes.randomElement(using: &random) ?? ("", "")
                written += plain + escape.0
                meant += plain + escape.1
            }
            // By bytes: `String` takes some that differ for the same.
            let read = try #require(try parse("{\"\(written)\":\"\(written)\"}").object)
            #expect(read.names.map { Array($0.utf8) } == [Array(meant.utf8)], "\(written)")
            #expect(read[meant]?.string.map { Array($0.utf8) } == Array(meant.utf8), "\(written)")
        }
    }

    @Test func `what is written reads back as the same value`() throws {
        var random = Seeded(state: 42)
        for _ in 0..<2000 {
            let value = random.json(depth: 4)
            let written = value.bytes
            let read = try JSON.parse(written)
            #expect(read == value)
            #expect(read.bytes == written)
            #expect(try JSONWriter().encode(value) == written)
        }
    }

    @Test func `cut or changed documents never trap`() throws {
        var random = Seeded(state: 7)
        for _ in 0..<300 {
            let written = random.json(depth: 4).bytes
            for cut in 0..<min(written.count, 40) { _ = try? JSON.parse(Array(written.prefix(cut))) }
            var changed = written
            changed[Int.random(in: changed.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            if let value = try? JSON.parse(changed) { #expect(try JSON.parse(value.bytes) == value) }
        }
    }

    @Test func `members can be set, replaced and taken away`() throws {
        var json: JSON = ["a": 1]
        for index in 0..<40 { json["n\(index)"] = .number(.integer(Int64(index))) }
        json["a"] = nil
        json["n3"] = "x"
        for index in 10..<40 { json["n\(index)"] = nil }
        #expect(json.object?.names == (0..<10).map { "n\($0)" })
        #expect(json["n3"] == "x")
        #expect(json["n39"] == nil)
        json["b"] = nil
        #expect(json.object?.count == 10)
        #expect(try parse(#"{"a":1,"b":2}"#) == ["b": 2, "a": 1])
    }

    @Test func `log text hides nothing and keeps to one line`() throws {
        let text = "a\u{1B}[2J\r\n\u{85}\u{2028}\u{202E}\u{200B}\u{FEFF}\u{7F}\u{AD}\"\\\u{E9}\u{20AC}\u{1F600}"
        var bytes: [UInt8] = [0x3E]
        JSONText.append(string: text, to: &bytes, escaping: .forLogs)
        let line = String(decoding: bytes, as: UTF8.self)
        #expect(line == #">"a\u001b[2J\r\n\u0085\u2028\u202e\u200b\ufeff\u007f\u00ad\"\\"# + "\u{E9}\u{20AC}\u{1F600}\"")
        #expect(try JSON.parse(Array(bytes.dropFirst())) == .string(text))
        #expect(JSON.string("\u{2028}\u{7F}").description == "\"\u{2028}\u{7F}\"")
    }

    @Test func `numbers are written in their shortest exact form`() {
        var bytes: [UInt8] = []
        for value in [0, -0.0, 1, -1.5, 1e15, 123_456_789_012_345, 1e21, 5e-324, 0.1] {
            JSONText.append(value, to: &bytes)
            bytes.append(0x20)
        }
        for value in [Int64.min, Int64.max, 0, -7] {
            JSONText.append(value, to: &bytes)
            bytes.append(0x20)
        }
        JSONText.append(UInt64.max, to: &bytes)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "0 -0.0 1 -1.5 1000000000000000.0 123456789012345 1e+21 5e-324 0.1 -9223372036854775808 9223372036854775807 0 -7 18446744073709551615"
        )
    }

    @Test func `long output outgrows its first storage`() throws {
        let value = JSON.array((0..<2000).map { .string(String(repeating: "\u{1}x", count: $0 % 50)) })
        #expect(try JSON.parse(value.bytes) == value)
        #expect(try JSONWriter().encode(value) == value.bytes)
    }
}

/// The same numbers in every run.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func text() -> String {
        let pool: [Unicode.Scalar] = [
            "a", "b", "\"", "\\", "/", "\n", "\u{0}", "\u{1F}", "\u{7F}", "\u{E9}", "\u{301}", "\u{20AC}", "\u{1F600}",
            "\u{10FFFF}", " ",
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...20, using: &self) { text.append(pool.randomElement(using: &self) ?? "a") }
        return String(text)
    }

    mutating func json(depth: Int) -> JSON {
        switch Int.random(in: 0...(depth > 0 ? 8 : 6), using: &self) {
        case 0: return .null
        case 1: return .bool(.random(using: &self))
        case 2: return .number(.integer(Int64(bitPattern: next())))
        case 3: return .number(.unsigned(next() | 1 << 63))
        case 4:
            let value = Double(bitPattern: next())
            return .number(.decimal(value.isFinite ? value : 0.5))
        case 5, 6: return .string(text())
        case 7: return .array((0..<Int.random(in: 0...5, using: &self)).map { _ in json(depth: depth - 1) })
        default:
            var object = JSON.Object()
            for _ in 0..<Int.random(in: 0...(depth == 4 ? 30 : 5), using: &self) { object[text()] = json(depth: depth - 1) }
            return .object(object)
        }
    }
}
