import Testing

@testable import SwiftletSecrets

@Suite struct `A dotenv file` {
    func read(_ text: String) throws -> [String: String] {
        var result: [String: String] = [:]
        for entry in try DotEnv(Array(text.utf8)).entries { result[entry.name] = String(decoding: entry.value, as: UTF8.self) }
        return result
    }

    @Test(arguments: [
        ("A=b", "b"), ("A = b ", "b"), ("  A=b\n", "b"), ("export A=b", "b"), ("export\tA='b'", "b"), ("A=b\r\nB=c", "b"),
        ("A=", ""),
        ("A=   ", ""), ("A= # note", ""), ("A=b # note", "b"), ("A=b#c", "b#c"), ("A=#c", "#c"), ("A=b\t#c", "b"),
        ("A=b c", "b c"),
        ("A='b # c' # note", "b # c"), ("A=\"b\" # note", "b"), ("A=\"b\"#note", "b"), ("A=`b\"'c`", "b\"'c"),
        ("A='a\\nb'", "a\\nb"),
        ("A=\"a\\nb\\rc\\\"d\\\\e\\$f\\tg\"", "a\nb\rc\"d\\e$f\\tg"), ("A=\"a\nb\"", "a\nb"), ("A='a\r\nb'", "a\nb"),
        ("A=$B${C}", "$B${C}"),
        ("A=x=y==", "x=y=="), ("\u{FEFF}A=b", "b"), ("# c\n\n \t\n#\nA=b", "b"), ("A=it's", "it's"), ("A=a\nA=b", "b"),
        ("A=ключ", "ключ"),
        ("A=''", ""), ("A='b'\r\n", "b"), ("A=a\\nb", "a\\nb"),
    ])
    func `reads`(text: String, value: String) throws {
        #expect(try read(text)["A"] == value)
    }

    @Test func `export may be a name`() throws {
        #expect(try read("export=x") == ["export": "x"])
        #expect(try read("export = x") == ["export": "x"])
    }

    @Test(arguments: [
        ("A", 1, "expected NAME=VALUE"), ("A=1\nhunter2 hunter2\n", 2, "expected NAME=VALUE"),
        ("=hunter2", 1, "expected NAME=VALUE"),
        ("export", 1, "expected NAME=VALUE"), ("A-B=hunter2", 1, "expected NAME=VALUE"),
        ("1A=hunter2", 1, "a name must not start with a digit"),
        ("A='x\ny'\n\nB=\"hunter2\nC=3\n", 4, "the quote that opens the value of B is never closed"),
        ("A=\"x\" hunter2", 1, "text after the closing quote of A"), ("A='x'y", 1, "text after the closing quote of A"),
        ("A=hun\u{0}ter2", 1, "a control character in the value of A: put the value in quotes"),
        ("A=hunter2\rB=1", 1, "a control character in the value of A: put the value in quotes"),
        ("A='\u{0}'", 1, "a NUL byte in the value of A"),
        ("# \u{0}", 1, "a NUL byte: is this a text file?"),
        ("A=\"hunter2\\", 1, "the quote that opens the value of A is never closed"),
    ])
    func `refuses by line, without a value`(text: String, line: Int, reason: String) {
        #expect(throws: DotEnv.Problem(line: line, reason: reason)) { try read(text) }
        #expect(!reason.contains("hunter2"))
    }

    @Test func `names and values have their limits`() throws {
        #expect(try read(String(repeating: "n", count: 256) + "=v").count == 1)
        #expect(throws: DotEnv.Problem.self) { try read(String(repeating: "n", count: 257) + "=v") }
        #expect(try read("A=" + String(repeating: "v", count: 48 * 1024))["A"]?.utf8.count == 48 * 1024)
        #expect(throws: DotEnv.Problem.self) { try read("A=" + String(repeating: "v", count: 48 * 1024 + 1)) }
    }

    @Test func `no bytes make it trap`() {
        let alphabet = Array("A=\"'`\\\n\r\t #$n1\u{0}".utf8) + [0xFF, 0xEF, 0xBB, 0xBF]
        var state: UInt64 = 9
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<12 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(alphabet[Int(state >> 33) % alphabet.count])
            }
            guard let file = try? DotEnv(bytes) else { continue }
            for entry in file.entries {
                #expect(
                    entry.range.lowerBound <= entry.valueRange.lowerBound && entry.valueRange.upperBound <= entry.range.upperBound
                )
            }
        }
    }
}
