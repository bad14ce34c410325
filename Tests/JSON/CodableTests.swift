import Foundation
import SwiftletJSON
import Testing

private struct Row<Value: Codable & Equatable>: Codable, Equatable { let v: Value }
private struct Maybe<Value: Codable & Equatable>: Codable, Equatable { let v: Value? }
private struct Tree: Codable, Equatable {
    var name: String
    var leaves: [Tree]?
}
private enum Shape: Codable, Equatable {
    case circle(radius: Double)
    case box(Int, Int)
    case none
}
private enum Word: String, Codable { case up, down }
private enum Level: Int, Codable { case low = 1, high }
private class Base: Codable { var a = 1 }
private final class Derived: Base {
    var b = 2
    private enum CodingKeys: CodingKey { case b }
    override init() { super.init() }
    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        b = try container.decode(Int.self, forKey: .b)
        try super.init(from: container.superDecoder())
    }
    override func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(b, forKey: .b)
        try super.encode(to: container.superEncoder())
    }
}

@Suite struct CodableTests {
    /// Both readers refuse, or both accept with the same value; and what ours writes, Foundation reads back.
    private func agree<Value: Codable & Equatable>(
        _ type: Value.Type, _ texts: [String], _ place: SourceLocation = #_sourceLocation
    ) {
        for text in texts {
            let ours = try? JSONReader().decode(type, from: Array(text.utf8))
            let theirs = try? JSONDecoder().decode(type, from: Data(text.utf8))
            #expect(ours == theirs, "\(text)", sourceLocation: place)
            guard let ours else { continue }
            let written = try? JSONWriter().encode(ours)
            #expect(written.flatMap { try? JSONDecoder().decode(type, from: Data($0)) } == ours, "\(text)", sourceLocation: place)
        }
    }

    private static let numbers = [
        "0", "-0", "1", "-1", "1.0", "1.5", "1e2", "127", "128", "-128", "-129", "255", "256", "32767", "32768", "65535", "65536",
        "2147483647",
        "2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551615", "18446744073709551616", "true", "null", "\"1\"", "[]", "{}",
    ].map { "{\"v\":\($0)}" }

    @Test func `integers of every width agree with Foundation`() {
        agree(Row<Int>.self, Self.numbers)
        agree(Row<Int8>.self, Self.numbers)
        agree(Row<Int16>.self, Self.numbers)
        agree(Row<Int32>.self, Self.numbers)
        agree(Row<Int64>.self, Self.numbers)
        agree(Row<UInt>.self, Self.numbers)
        agree(Row<UInt8>.self, Self.numbers)
        agree(Row<UInt16>.self, Self.numbers)
        agree(Row<UInt32>.self, Self.numbers)
        agree(Row<UInt64>.self, Self.numbers)
        agree([Int16].self, ["[1,2]", "[1,40000]", "[1,null]", "[]", "{}"])
    }

    @Test func `other leaves agree with Foundation`() {
        agree(Row<Double>.self, Self.numbers + [#"{"v":5e-324}"#, #"{"v":1e308}"#, #"{"v":1e309}"#])
        agree(Row<Float>.self, Self.numbers + [#"{"v":0.1}"#, #"{"v":1e39}"#, #"{"v":3.4e38}"#])
        agree(Row<Bool>.self, Self.numbers)
        agree(Row<String>.self, Self.numbers + [#"{"v":"\u00e9\n"}"#, #"{"\u0076":"x"}"#])
    }

    @Test func `optionals agree with Foundation`() {
        let texts = ["{}", #"{"v":null}"#, #"{"v":1}"#, #"{"v":"x"}"#, #"{"v":true}"#, #"{"v":1.5}"#, #"{"w":1}"#, #"{"v":[]}"#]
        agree(Maybe<Int>.self, texts)
        agree(Maybe<UInt8>.self, texts)
        agree(Maybe<String>.self, texts)
        agree(Maybe<Bool>.self, texts)
        agree(Maybe<Double>.self, texts)
        agree(Maybe<Float>.self, texts)
        agree(Maybe<[Int]>.self, texts)
        agree([Int?].self, ["[1,null,2]", "[null]", "null"])
        agree(Int?.self, ["1", "null", "\"x\""])
    }

    @Test func `nested types, enums and dictionaries agree with Foundation`() {
        agree(
            Tree.self,
            [#"{"name":"a","leaves":[{"name":"b","leaves":[]},{"name":"c"}]}"#, #"{"leaves":[],"name":"x"}"#, #"{"leaves":[]}"#])
        agree(
            Shape.self,
            [
                #"{"circle":{"radius":1.5}}"#, #"{"box":{"_0":1,"_1":2}}"#, #"{"none":{}}"#, "{}", #"{"circle":{},"none":{}}"#,
                #"{"x":{}}"#,
                #"{"circle":{}}"#,
            ])
        agree([Shape].self, [#"[{"none":{}},{"box":{"_0":1,"_1":2}}]"#])
        agree(Row<Word>.self, [#"{"v":"up"}"#, #"{"v":"left"}"#, #"{"v":1}"#])
        agree(Row<Level>.self, [#"{"v":1}"#, #"{"v":3}"#, #"{"v":"low"}"#])
        agree([String: Int].self, [#"{"a":1,"b":2}"#, "{}", "[]", #"{"a":null}"#])
        agree([Int: String].self, [#"{"1":"a","-2":"b"}"#, #"{"x":"a"}"#])
        agree([[String: [Int]]].self, [#"[{"a":[1]},{"b":[]}]"#])
        agree(Set<Int>.self, ["[1,2,2]"])
    }

    @Test func `inherited types go through super`() throws {
        let derived = Derived()
        (derived.a, derived.b) = (5, 6)
        let written = try JSONWriter().encode(derived)
        #expect(try JSON.parse(written) == ["b": 6, "super": ["a": 5]])
        let read = try JSONReader().decode(Derived.self, from: written)
        #expect(read.a == 5 && read.b == 6)
    }

    private func failure<Value: Decodable>(_ type: Value.Type, _ text: String) -> JSONError? {
        do throws(JSONError) {
            _ = try JSONReader().decode(type, from: Array(text.utf8))
            return nil
        } catch { return error }
    }

    private struct Message: Codable { let role: String }
    private struct Chat: Codable {
        let history: [Message]
        let counts: [String: Int]?
    }

    @Test func `an error of shape names its place`() {
        let missing = failure(Chat.self, #"{"history":[{"role":"a"},{"role":"b"},{}]}"#)
        #expect(missing?.path == "history[2].role" && missing?.code == .missing)
        #expect(missing?.message == "history[2].role is missing")
        let wrong = failure(Chat.self, #"{"history":[{"role":"a"},{"role":7}]}"#)
        #expect(wrong?.path == "history[1].role" && wrong?.code == .wrongType)
        #expect(wrong?.message == "history[1].role is not a string")
        #expect(failure(Chat.self, #"{"history":null}"#)?.message == "history is null; an array was expected")
        #expect(failure(Row<UInt8>.self, #"{"v":256}"#)?.code == .outOfRange)
        #expect(failure(Row<UInt8>.self, #"{"v":256}"#)?.path == "v")
        #expect(failure(Chat.self, #"{"history":[],"counts":{"plain":"x"}}"#)?.path == "counts.*")
        #expect(failure(Chat.self, "{\"history\":[],\"counts\":{\"<b>\\n\":\"x\"}}")?.path == "counts.*")
        #expect(failure(Int.self, "\"x\"")?.path == "")
        #expect(failure(Int.self, "{")?.path == nil)
    }

    @Test func `a decoder that outlives its document throws`() throws {
        struct Keeper: Decodable {
            let decoder: any Decoder
            let container: KeyedDecodingContainer<AnyKey>
            init(from decoder: any Decoder) throws {
                self.decoder = decoder
                container = try decoder.container(keyedBy: AnyKey.self)
            }
        }
        let keeper = try JSONReader().decode(Keeper.self, from: Array(#"{"a":"b"}"#.utf8))
        #expect(throws: (any Error).self) { try keeper.container.decode(String.self, forKey: AnyKey("a")) }
        #expect(keeper.container.allKeys.isEmpty)
        #expect(throws: (any Error).self) {
            try [String: String](from: keeper.decoder)["a"].map { _ in throw CancellationError() } ?? String(from: keeper.decoder)
        }
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity]) func `what is not finite is refused`(value: Double) {
        var bytes: [UInt8] = [1, 2]
        #expect(throws: EncodingError.self) { try JSONWriter().encode(["x": [value]], into: &bytes) }
        #expect(bytes == [1, 2])
        #expect(throws: EncodingError.self) { try JSONWriter().encode(Float(value)) }
        #expect(JSON(value) == nil)
        #expect {
            try JSONWriter().encode(["x": [1, value]])
        } throws: { error in
            guard case EncodingError.invalidValue(_, let context) = error else { return false }
            return context.codingPath.map(\.stringValue) == ["x", "Index 1"]
        }
    }

    private struct Custom: Encodable {
        let write: @Sendable (any Encoder) throws -> Void
        func encode(to encoder: any Encoder) throws { try write(encoder) }
    }

    @Test func `containers may be filled in turns`() throws {
        let custom = Custom { encoder in
            var container = encoder.container(keyedBy: AnyKey.self)
            var first = container.nestedUnkeyedContainer(forKey: AnyKey("a"))
            try first.encode(1)
            var second = container.nestedContainer(keyedBy: AnyKey.self, forKey: AnyKey("b"))
            let above = container.superEncoder()
            try second.encode(1, forKey: AnyKey("x"))
            try container.encode("z", forKey: AnyKey("c"))
            try first.encode(2)
            var deeper = first.nestedContainer(keyedBy: AnyKey.self)
            try first.encode([3])
            try deeper.encode(["k": 4], forKey: AnyKey("d"))
            try second.encode(2, forKey: AnyKey("y"))
            try [5, 6].encode(to: above)
        }
        let value: JSON = ["a": [1, 2, ["d": ["k": 4]], [3]], "b": ["x": 1, "y": 2], "super": [5, 6], "c": "z"]
        #expect(try JSON.parse(try JSONWriter().encode(custom)) == value)
        #expect(try JSON.parse(try JSONWriter().encode([custom, custom])) == [value, value])
        #expect(try JSONDecoder().decode(JSON.self, from: JSONEncoder().encode(custom)) == value)
    }

    @Test func `an error in a nested container names its place`() {
        let custom = Custom { encoder in
            var container = encoder.container(keyedBy: AnyKey.self)
            try container.encode(1, forKey: AnyKey("a"))
            var list = container.nestedUnkeyedContainer(forKey: AnyKey("b"))
            try list.encode(1)
            var object = list.nestedContainer(keyedBy: AnyKey.self)
            try container.encode(1, forKey: AnyKey("c"))
            try object.encode(Double.nan, forKey: AnyKey("d"))
        }
        #expect {
            try JSONWriter().encode([custom])
        } throws: { error in
            guard case EncodingError.invalidValue(_, let context) = error else { return false }
            return context.codingPath.map(\.stringValue) == ["Index 0", "b", "Index 1", "d"]
        }
    }

    @Test func `an encoder that outlives its value throws`() throws {
        final class Keeper: Encodable {
            nonisolated(unsafe) static var container: KeyedEncodingContainer<AnyKey>?
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: AnyKey.self)
                try container.encode(1, forKey: AnyKey("a"))
                Keeper.container = container
            }
        }
        #expect(try JSONWriter().encode(Keeper()) == Array(#"{"a":1}"#.utf8))
        #expect(throws: EncodingError.self) { try Keeper.container?.encode(2, forKey: AnyKey("b")) }
        #expect(throws: EncodingError.self) {
            try JSONWriter().encode([
                Custom { try Keeper().encode(to: $0) }, Custom { _ in try Keeper.container?.encode(2, forKey: AnyKey("b")) },
            ])
        }
    }

    @Test func `a value that writes itself twice throws`() {
        let twice = Custom { encoder in
            var container = encoder.singleValueContainer()
            try container.encode(1)
            try container.encode(2)
        }
        let both = Custom { encoder in
            _ = encoder.container(keyedBy: AnyKey.self)
            var other = encoder.unkeyedContainer()
            try other.encode(1)
        }
        #expect(throws: EncodingError.self) { try JSONWriter().encode(twice) }
        #expect(throws: EncodingError.self) { try JSONWriter().encode(both) }
    }

    @Test func `unused places become empty`() throws {
        let custom = Custom { encoder in
            var container = encoder.container(keyedBy: AnyKey.self)
            _ = container.superEncoder()
            _ = container.nestedUnkeyedContainer(forKey: AnyKey("a"))
            try container.encode(Custom { _ in }, forKey: AnyKey("b"))
        }
        #expect(try JSON.parse(try JSONWriter().encode(custom)) == ["super": [:], "a": [], "b": [:]])
        #expect(try JSONWriter().encode(Custom { _ in }) == Array("{}".utf8))
    }

    @Test func `nesting without end is refused, not followed`() {
        struct Endless: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                try container.encode(Endless())
            }
        }
        #expect(throws: EncodingError.self) { try JSONWriter().encode(Endless()) }
    }

    @Test func `JSON values pass through foreign coders and ours`() throws {
        let value: JSON = ["a": [1, 2.5, nil, true, "x"], "b": ["c": -3]]
        #expect(try JSONDecoder().decode(JSON.self, from: JSONEncoder().encode(value)) == value)
        #expect(try JSON(encoding: ["k": value]) == ["k": value])
        #expect(try JSONReader().decode([String: JSON].self, from: Array(#"{"k":[1]}"#.utf8)) == ["k": [1]])
    }
}
