import SwiftletJSON
import Testing

@Suite struct LimitTests {
    private func code(_ text: String, _ limits: JSONLimits = .standard) -> JSONError.Code? {
        do throws(JSONError) {
            _ = try JSON.parse(Array(text.utf8), limits: limits)
            return nil
        } catch { return error.code }
    }
    private func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }

    @Test(arguments: [1, 2, 64, 512]) func `depth counts open containers`(limit: Int) {
        let limits = JSONLimits(depth: limit)
        #expect(code(nested(max(limit - 1, 1)), limits) == nil)
        #expect(code(nested(limit), limits) == nil)
        #expect(code(nested(limit + 1), limits) == .tooDeep)
        #expect(code(String(repeating: #"{"a":"#, count: limit + 1), limits) == .tooDeep)
    }

    @Test func `depth is capped whatever was asked for`() {
        #expect(JSONLimits(depth: 1_000_000).depth == 512)
        #expect(code(nested(513), JSONLimits(depth: .max)) == .tooDeep)
    }

    @Test func `members count in the whole document, elements do not`() {
        let limits = JSONLimits(members: 3)
        #expect(code(#"{"a":{"b":2}}"#, limits) == nil)
        #expect(code(#"{"a":{"b":2},"c":[1,2,3,4,5]}"#, limits) == nil)
        #expect(code(#"{"a":{"b":2},"c":[1],"d":3}"#, limits) == .tooManyMembers)
        #expect(code(#"[{"a":1},{"a":1},{"a":1},{"a":1}]"#, limits) == .tooManyMembers)
    }

    @Test(arguments: [9_999, 10_000, 10_001]) func `ten thousand members are let in by default`(count: Int) {
        let text = "{" + (0..<count).map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        #expect(code(text) == (count > 10_000 ? .tooManyMembers : nil))
    }

    @Test func `elements count in the whole document`() {
        let limits = JSONLimits(elements: 4)
        #expect(code("[1,2,3]", limits) == nil)
        #expect(code("[1,[2,3]]", limits) == nil)
        #expect(code("[1,[2,3],[]]", limits) == .tooManyElements)
        #expect(code("[1,2,3,4,5]", limits) == .tooManyElements)
        #expect(code("[" + Array(repeating: "0", count: 100_000).joined(separator: ",") + "]") == nil)
    }

    @Test func `only digits count for a number`() {
        let limits = JSONLimits(digits: 5)
        #expect(code("[1234]", limits) == nil)
        #expect(code("[12345]", limits) == nil)
        #expect(code("[123456]", limits) == .numberTooLong)
        #expect(code("[-1.23e-45]", limits) == nil)
        #expect(code("[-1.23e-456]", limits) == .numberTooLong)
        #expect(code("[0.12345]", limits) == .numberTooLong)
        for count in 63...65 {
            #expect(code("[\(String(repeating: "7", count: count))]") == (count > 64 ? .numberTooLong : nil))
        }
    }

    @Test func `string bytes count as written, for names too`() {
        let limits = JSONLimits(stringBytes: 6)
        #expect(code(#"["12345"]"#, limits) == nil)
        #expect(code(#"["\u0041"]"#, limits) == nil)
        #expect(code(#"["1234567"]"#, limits) == .stringTooLong)
        #expect(code(#"{"1234567":1}"#, limits) == .stringTooLong)
        #expect(code("[\"\u{E9}\u{E9}\u{E9}x\"]", limits) == .stringTooLong)
    }

    @Test(arguments: [2, 15, 16, 17, 18, 33, 400]) func `a name that stands twice is refused`(count: Int) {
        let names = (0..<count - 1).map { "\"n\($0)\":\($0)" }
        #expect(code("{" + names.joined(separator: ",") + "}") == nil)
        for again in ["n0", "n\(count - 2)", #"\u006e0"#] {
            #expect(code("{" + (names + ["\"\(again)\":1"]).joined(separator: ",") + "}") == .duplicateName)
        }
        #expect(code("{" + (names + [#""o":{"n0":1}"#]).joined(separator: ",") + "}") == nil)
    }

    @Test func `names inside many members do not disturb those outside`() {
        let inner = "{" + (0..<20).map { "\"n\($0)\":0" }.joined(separator: ",") + "}"
        let outer = (0..<20).map { "\"n\($0)\":\(inner)" }
        #expect(code("{" + outer.joined(separator: ",") + "}") == nil)
        #expect(code("{" + (outer + [#""n19":1"#]).joined(separator: ",") + "}") == .duplicateName)
    }

    @Test(arguments: [0, 20]) func `composed and decomposed letters are two names`(others: Int) throws {
        let more = (0..<others).map { ",\"n\($0)\":0" }.joined()
        let json = try JSON.parse(Array("{\"e\u{301}\":1,\"\u{E9}\":2\(more)}".utf8))
        #expect(json["e\u{301}"] == 1)
        #expect(json["\u{E9}"] == 2)
        #expect(try JSON.parse(json.bytes) == json)
    }

    @Test(arguments: [2, 40]) func `the last of a name counts where repeats are let in`(count: Int) throws {
        struct Two: Decodable { let n: Int }
        let limits = JSONLimits(duplicateNames: .lastWins)
        let text = Array(("{\"n\":1" + (0..<count).map { ",\"m\($0)\":0" }.joined() + ",\"\\u006e\":2}").utf8)
        #expect(try JSON.parse(text, limits: limits)["n"] == 2)
        #expect(try JSONReader(limits: limits).decode(Two.self, from: text).n == 2)
    }

    @Test func `a flood of names is read and looked up`() throws {
        // Quadratic work on this many would take minutes, not milliseconds.
        let count = 100_000
        let text = Array(("{" + (0..<count).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}").utf8)
        let limits = JSONLimits(members: count)
        let read = try JSONReader(limits: limits).decode([String: Int].self, from: text)
        #expect(read.count == count)
        struct Backwards: Decodable {
            let sum: Int
            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: AnyKey.self)
                sum = try (0..<10_000).reversed().reduce(0) { try $0 + container.decode(Int.self, forKey: AnyKey("k\($1)")) }
            }
        }
        #expect(try JSONReader(limits: limits).decode(Backwards.self, from: text).sum == 49_995_000)
        #expect(try JSON.parse(text, limits: limits)["k99999"] == 99_999)
    }
}

struct AnyKey: CodingKey {
    let stringValue: String
    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { return nil }
    var intValue: Int? { nil }
}
