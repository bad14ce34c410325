import Foundation
import SwiftletJSON
import Testing

private struct Tree: Codable, Equatable {
    var name: String
    var leaves: [Tree]?
}

/// Keeps the container it was read from.
private struct Keeper: Decodable {
    let container: KeyedDecodingContainer<AnyKey>
    init(from decoder: any Decoder) throws { container = try decoder.container(keyedBy: AnyKey.self) }
}

private struct Note: Codable, Equatable {
    let id: Int
    let text: String
}

private struct MarkedKey<Mark>: CodingKey {
    let stringValue: String
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
    var intValue: Int? { nil }
}

private struct Wrapped<Key: CodingKey, Value: Decodable>: Decodable {
    let value: Value?
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        value = try Key(stringValue: "v").map { try container.decode(Value.self, forKey: $0) }
    }
}

private func read<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
    try JSONReader().decode(type, from: Array(text.utf8))
}

/// Readers are used again for the next object of the same type; none of that may be seen.
@Suite struct ReaderTests {
    @Test func `a type within itself reads its own members`() throws {
        let text = #"{"name":"a","leaves":[{"name":"b","leaves":[{"name":"c"},{"leaves":[],"name":"d"}]},{"name":"e"}]}"#
        for _ in 0..<3 {
            #expect(try read(Tree.self, text) == JSONDecoder().decode(Tree.self, from: Data(text.utf8)))
        }
    }

    @Test func `two containers held at once stay apart`() throws {
        struct Pair: Decodable {
            let sum: [Int]
            init(from decoder: any Decoder) throws {
                var elements = try decoder.unkeyedContainer()
                let first = try elements.nestedContainer(keyedBy: AnyKey.self)
                let second = try elements.nestedContainer(keyedBy: AnyKey.self)
                let third = try elements.nestedContainer(keyedBy: AnyKey.self)
                sum = try [third, first, second].map { try $0.decode(Int.self, forKey: AnyKey("n")) }
            }
        }
        #expect(try read(Pair.self, #"[{"n":1},{"n":2},{"n":3}]"#).sum == [3, 1, 2])
        #expect(try read(Pair.self, #"[{"n":4},{"n":5},{"n":6}]"#).sum == [6, 4, 5])
    }

    @Test func `a container that was kept reads nothing of later documents`() throws {
        let keepers = try read([Keeper].self, #"[{"a":1},{"a":2}]"#)
        #expect(try read([Note].self, #"[{"id":1,"text":"x"}]"#) == [Note(id: 1, text: "x")])
        let others = try read([Keeper].self, #"[{"a":3,"b":4}]"#)
        for keeper in keepers + others {
            #expect(throws: JSONError.self) { try keeper.container.decode(Int.self, forKey: AnyKey("a")) }
            #expect(!keeper.container.contains(AnyKey("a")))
            #expect(keeper.container.allKeys.isEmpty && keeper.container.codingPath.isEmpty)
        }
    }

    @Test func `a container that was kept reads nothing of a document being read`() throws {
        struct Outer: Decodable {
            let keeper: Keeper
            let seen: Bool
            init(from decoder: any Decoder) throws {
                keeper = try read(Keeper.self, #"{"a":1}"#)
                let container = try decoder.container(keyedBy: AnyKey.self)
                seen = keeper.container.contains(AnyKey("a"))
                _ = try container.decode(Int.self, forKey: AnyKey("a"))
            }
        }
        #expect(try !read(Outer.self, #"{"a":7}"#).seen)
    }

    @Test func `a type may read another document while it is read`() throws {
        struct Outer: Decodable {
            let notes: [Note]
            let after: Int
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: AnyKey.self)
                notes = try read([Note].self, try container.decode(String.self, forKey: AnyKey("inner")))
                after = try container.decode(Int.self, forKey: AnyKey("after"))
            }
        }
        let outer = try read(Outer.self, #"{"inner":"[{\"id\":1,\"text\":\"é\"}]","after":9}"#)
        #expect(outer.notes == [Note(id: 1, text: "é")] && outer.after == 9)
        #expect((try? read(Outer.self, #"{"inner":"[{]","after":9}"#)) == nil)
        #expect(try read(Note.self, #"{"id":2,"text":"y"}"#) == Note(id: 2, text: "y"))
    }

    @Test func `a failed reading leaves nothing behind`() throws {
        for _ in 0..<3 {
            #expect(throws: JSONError.self) { try read([Note].self, #"[{"id":1,"text":"x"},{"id":"#) }
            #expect(throws: JSONError.self) { try read([Note].self, #"[{"id":1,"text":"x"},{"id":2}]"#) }
            #expect(throws: JSONError.self) { try JSON.parse(Array("[1,".utf8)) }
            #expect(try read([Note].self, #"[{"id":3,"text":"z"}]"#) == [Note(id: 3, text: "z")])
        }
    }

    @Test func `threads read side by side`() async throws {
        let expected = (0..<40).map { Note(id: $0, text: "text number \($0)") }
        let bytes = try JSONWriter().encode(expected)
        try await withThrowingTaskGroup(of: [Note].self) { group in
            for _ in 0..<32 {
                group.addTask { try (0..<20).map { _ in try JSONReader().decode([Note].self, from: bytes) }.last ?? [] }
            }
            for try await notes in group { #expect(notes == expected) }
        }
    }

    @Test func `more types than are kept are all read`() throws {
        func check<First>(_ type: First.Type) throws {
            #expect(try read(Wrapped<MarkedKey<First>, [Int]>.self, #"{"v":[1,2]}"#).value == [1, 2])
            #expect(try read([Wrapped<MarkedKey<[First]>, String>].self, #"[{"v":"x"},{"v":"y"}]"#).map(\.value) == ["x", "y"])
        }
        func checkMany<First>(_ type: First.Type, _ depth: Int) throws {
            try check(type)
            if depth > 0 {
                try checkMany(First?.self, depth - 1)
                try checkMany([First].self, depth - 1)
                try checkMany(Result<First, any Error>.self, depth - 1)
            }
        }
        for _ in 0..<2 { try checkMany(Int.self, 4) }
    }

    @Test func `arrays of every leaf agree with Foundation`() throws {
        func agree<Value: Decodable & Equatable>(_ type: Value.Type, _ texts: [String]) {
            for text in texts {
                #expect((try? read(type, text)) == (try? JSONDecoder().decode(type, from: Data(text.utf8))), "\(type) \(text)")
            }
        }
        let texts = [
            "[]", "[1]", "[1,2,3]", "[1.5]", "[\"a\",\"\"]", "[true,false]", "[null]", "[1,\"a\"]", "{}", "null", "[[1],[]]",
        ]
        agree([Int].self, texts)
        agree([String].self, texts)
        agree([Bool].self, texts)
        agree([Double].self, texts)
        agree([Float].self, texts)
        agree([UInt8].self, texts)
        agree([Int?].self, texts)
        agree([[Int]].self, texts)
        agree([[Int]?].self, texts)
        agree(ContiguousArray<Int>.self, texts)
    }

    @Test func `an integer written with a fraction or an exponent is read digit by digit`() throws {
        #expect(try read(Int.self, "9007199254740993.0") == 9_007_199_254_740_993)
        #expect(try read(Int64.self, "922337203685477580.7e1") == .max)
        #expect(try read(Int64.self, "-9223372036854775808.000") == .min)
        #expect(try read(UInt64.self, "1844674407370955161500e-2") == 18_446_744_073_709_551_615)
        #expect(try read(Int.self, "1e18") == 1_000_000_000_000_000_000)
        #expect(try read(Int.self, "0e999") == 0)
        for text in ["9223372036854775808.0", "1e19", "0.5", "1e-1", "9007199254740993.5", "-1e19"] {
            #expect(throws: JSONError.self) { try read(Int.self, text) }
        }
    }

    @Test func `a Float is rounded once`() throws {
        // Each lies so near the middle of two Floats that a Double of it lies exactly there.
        let texts = [
            "1.00000017881393432617187499", "1.00000017881393432617187501", "16777217.0000000001", "0.1", "3.4028235e38", "1e-45",
        ]
        for text in texts { #expect(try read(Float.self, text) == Float(text), "\(text)") }
        var random = Seeded(state: 11)
        for _ in 0..<2000 {
            let value = Float(bitPattern: UInt32.random(in: 0..<0x7F80_0000, using: &random))
            #expect(try read(Float.self, "\(value)") == value)
        }
    }

    @Test(arguments: [1, 12, 40]) func `names with escapes are the names they mean`(others: Int) throws {
        let more = (0..<others).map { #","\u006d\u00e9\#($0)":0"# }.joined()
        let text = #"{"\u0069d":7,"te\u0078t":"\ud83d\ude00\u20ac\u00e9\u0041"\#(more)}"#
        #expect(try read(Note.self, text) == Note(id: 7, text: "😀€éA"))
        #expect(try JSON.parse(Array(text.utf8))["mé0"] == 0)
        for again in [#"id"#, #"i\u0064"#, #"m\u00e90"#] {
            #expect(throws: JSONError.self) { try read(Note.self, text.dropLast() + ",\"\(again)\":1}") }
        }
    }

    @Test func `what a thread kept of its reading throws after its end, whoever reads then`() async throws {
        /// Reads on a thread that ends with it.
        func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
            try await withCheckedThrowingContinuation { done in
                Thread { done.resume(with: Result(catching: work)) }.start()
            }
        }
        struct Held: @unchecked Sendable { let keeper: Keeper }
        let bytes = Array(#"{"a":"first"}"#.utf8)
        var held: [Held] = []
        for round in 0..<50 {
            held.append(try await onThread { Held(keeper: try JSONReader().decode(Keeper.self, from: bytes)) })
            let note = try await onThread {
                try JSONReader().decode(Note.self, from: Array(#"{"id":\#(round),"text":"a"}"#.utf8))
            }
            #expect(note == Note(id: round, text: "a"))
        }
        for one in held {
            #expect(one.keeper.container.allKeys.isEmpty)
            #expect(throws: JSONError.self) { try one.keeper.container.decode(String.self, forKey: AnyKey("a")) }
        }
    }

    @Test func `what stands after the bytes is never read`() throws {
        let text = #"{"a":"b c\n\u00e9 é and some more text","c":[1,-2.5e3,true,false,null],"d":{"e":""},"f":12345678}"#
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            bytes.withUnsafeBytes { all in
                // The rest of the document follows in memory.
                let cut = UnsafeRawBufferPointer(rebasing: all[0..<count])
                #expect(throws: JSONError.self, "\(count)") { try JSON.parse(cut) }
            }
        }
        let number = Array("12345678".utf8)
        let cut = try number.withUnsafeBytes { try JSON.parse(UnsafeRawBufferPointer(rebasing: $0[0..<3])) }
        #expect(cut == 123)
    }

    @Test func `more bytes than a document may have are refused before any is read`() {
        withUnsafeBytes(of: UInt64(0)) { few in
            // Whoever copied or read them would leave the eight that are there.
            let claimed = UnsafeRawBufferPointer(start: few.baseAddress, count: 1 << 33)
            let error = #expect(throws: JSONError.self) { try JSON.check(claimed) }
            #expect(error?.code == .tooLong)
        }
    }

    @Test func `a zero is a byte like any other that may not stand there`() {
        for text in [
            "\0", "1\0", "[1\0]", "[1]\0", "{\"a\"\0:1}", "\"a\0b\"", "\"abcdefghijklmno\0\"", "tru\0", "1.\0", "[\0", "\"\\\0\"",
        ] {
            #expect(throws: JSONError.self, "\(text.debugDescription)") { try JSON.parse(Array(text.utf8)) }
        }
    }

    @Test func `a second member of a name is found wherever it stands`() throws {
        var random = Seeded(state: 7)
        // Names that share first letters and lengths, spelled in two ways.
        let names = [
            "a", "b", "aa", "ab", "ba", "abc", "abd", "prompt", "option", "operation", "history_", "options_", "é", "", "n",
            "name",
        ]
        func spelled(_ name: String) -> String {
            guard random.next() % 4 == 0, let first = name.unicodeScalars.first else { return name }
            let digits = String(first.value, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits + name.dropFirst()
        }
        func object(_ depth: Int) -> (text: String, isUnique: Bool) {
            var seen: Set<String> = []
            var isUnique = true
            var members: [String] = []
            for _ in 0..<(random.next() % 5) {
                let name = names[Int(random.next() % UInt64(names.count))]
                if !seen.insert(name).inserted { isUnique = false }
                if depth < 4, random.next() % 3 == 0 {
                    let inner = object(depth + 1)
                    isUnique = isUnique && inner.isUnique
                    members.append("\"\(spelled(name))\":\(random.next() % 2 == 0 ? inner.text : "[\(inner.text)]")")
                } else {
                    members.append("\"\(spelled(name))\":1")
                }
            }
            return ("{" + members.joined(separator: ",") + "}", isUnique)
        }
        var refused = 0
        for _ in 0..<4000 {
            let one = object(0)
            let isTaken = (try? JSON.parse(Array(one.text.utf8))) != nil
            #expect(isTaken == one.isUnique, "\(one.text)")
            if !isTaken { refused += 1 }
        }
        #expect((400...3600).contains(refused))
    }
}
