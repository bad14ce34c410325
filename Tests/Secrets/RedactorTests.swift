import Swiftlet
import Testing

@testable import SwiftletSecrets

@Suite struct `The redactor` {
    func redact(_ secrets: [String], _ text: String) -> String { Redactor(secrets: secrets.map { Secret($0) }).redacted(text) }

    @Test(arguments: [
        (["hunter2hunter2"], "key=hunter2hunter2&x", "key=[redacted]&x"), (["12345678"], "12345678", "[redacted]"),
        (["1234567"], "1234567", "1234567"), ([], "anything", "anything"), (["abcdefgh"], "", ""),
        (["abcdefgh"], "abcdefg", "abcdefg"),
        (["abcdefgh"], "abcdefabcdefgh", "abcdef[redacted]"), (["abcdefgh", "abcdefghijkl"], "xabcdefghijklx", "x[redacted]x"),
        (["abcdefgh", "abcdefghijkl"], "xabcdefghijx", "x[redacted]ijx"),
        (["cdefghij", "abcdefghijkl"], "abcdefghijkX", "ab[redacted]kX"),
        (["abcdefgh", "efghijkl"], "abcdefghijkl", "[redacted]"), (["abcdefgh"], "abcdefghabcdefgh", "[redacted][redacted]"),
        (["aaaaaaaa"], "aaaaaaaaaaaa", "[redacted]"), (["пароль🔑"], "<пароль🔑>", "<[redacted]>"),
        (["0123456789"], "0123456789", "[redacted]"),
        (["[redacted]"], "[redacted]", "[redacted]"), (["same1234", "same1234"], "same1234", "[redacted]"),
    ])
    func `takes out what is a secret and nothing else`(secrets: [String], text: String, expected: String) {
        #expect(redact(secrets, text) == expected)
    }

    @Test func `bytes that are no text pass`() {
        var bytes: [UInt8] = [0xFF, 0xFE] + Array("hunter2hunter2".utf8) + [0x00]
        Redactor(secrets: [Secret("hunter2hunter2")]).redact(&bytes)
        #expect(bytes == [0xFF, 0xFE] + Array("[redacted]".utf8) + [0x00])
    }

    @Test func `finds the same as a plain search`() {
        var state: UInt64 = 5
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        for _ in 0..<300 {
            let secrets = (0..<4).map { _ in (0..<(8 + random(4))).map { _ in UInt8(97 + random(2)) } }
            let text = (0..<200).map { _ in UInt8(97 + random(2)) }
            var covered = [Bool](repeating: false, count: text.count)
            for secret in secrets {
                for start in 0...(text.count - secret.count) where text[start..<start + secret.count].elementsEqual(secret) {
                    for index in start..<start + secret.count { covered[index] = true }
                }
            }
            var result = text
            Redactor(secrets: secrets.map { Secret(String(decoding: $0, as: UTF8.self)) }).redact(&result)
            let left = zip(text, covered).filter { !$0.1 }.map(\.0)
            // What is not covered stays, in order, and every covered stretch is marked.
            var shown = String(decoding: result, as: UTF8.self)
            var marks = 0
            while let range = shown.range(of: "[redacted]") {
                shown.removeSubrange(range)
                marks += 1
            }
            #expect(Array(shown.utf8) == left)
            let stretches = zip(covered, [false] + covered).filter { $0.0 && !$0.1 }.count
            #expect(marks >= stretches)
        }
    }

    @Test func `a value that repeats itself is no trap`() {
        let redactor = Redactor(secrets: [
            Secret(String(repeating: "a", count: 4096) + "b"), Secret(String(repeating: "a", count: 2048) + "c"),
        ])
        let text = String(repeating: "a", count: 100_000)
        #expect(redactor.redacted(text) == text)
    }
}

extension String {
    fileprivate func range(of part: String) -> Range<String.Index>? {
        let bytes = Array(utf8)
        let wanted = Array(part.utf8)
        guard bytes.count >= wanted.count else { return nil }
        for start in 0...(bytes.count - wanted.count) where bytes[start..<start + wanted.count].elementsEqual(wanted) {
            let from = utf8.index(startIndex, offsetBy: start)
            return from..<utf8.index(from, offsetBy: wanted.count)
        }
        return nil
    }
}
