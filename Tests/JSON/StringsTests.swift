import SwiftletJSON
import Testing

@Suite struct StringsTests {
    private func edit(_ text: String, _ visit: (borrowing JSONStrings) -> String?) -> String? {
        Array(text.utf8).withUnsafeBytes { JSONStrings.edit($0, visit) }.map { String(decoding: $0, as: UTF8.self) }
    }

    private func places(_ text: String) -> [String] {
        var seen: [String] = []
        _ = edit(text) { place in
            let path = (0..<place.depth).map { step in place.index(step).map(String.init) ?? place.name(step) ?? "?" }
            seen.append("\(path.joined(separator: "/")) \(place.kind) \(place.text)")
            return nil
        }
        return seen
    }

    @Test func `every value and name is visited with its place`() {
        #expect(
            places(#" {"a" : "x", "b":[1,"y",{"c":null}, [true]],"":"é\n\ud83d\ude00"} "#) == [
                " object ", "a name a", "a string x", "b name b", "b array ", "b/0 number ", "b/1 string y", "b/2 object ",
                "b/2/c name c",
                "b/2/c null ", "b/3 array ", "b/3/0 bool ", " name ", " string é\n😀",
            ])
        #expect(places(#""alone""#) == [" string alone"])
        #expect(places("-1.5e+3") == [" number "])
        #expect(places(#"["a:", ":", "{", "]", "\"", "\\"]"#).count == 7)
    }

    @Test func `a document nobody changes is left alone`() {
        #expect(edit(#"{"a":"b"}"#) { _ in nil } == nil)
    }

    @Test func `only the strings that are given change, the rest stays byte for byte`() {
        let text = "{ \"n\" : 1.0000000000000000000000001e2 ,\t\"s\":\"old\", \"t\" : \"\\u0041\",\"k\":[\"old\",\"keep\\/\"] }\n"
        let expected =
            "{ \"n\" : 1.0000000000000000000000001e2 ,\t\"s\":\"n\\\"e\\nw\", \"t\" : \"\\u0041\",\"k\":[\"n\\\"e\\nw\",\"keep\\/\"] }\n"
        #expect(edit(text) { $0.kind == .string && $0.text == "old" ? "n\"e\nw" : nil } == expected)
    }

    @Test func `a member is found however its name is escaped`() {
        let found = edit(#"{"\u0063ontent":"x","Content":"x","content ":"x"}"#) {
            $0.kind == .string && $0.isMember(0, named: "content") ? "y" : nil
        }
        #expect(found == #"{"\u0063ontent":"y","Content":"x","content ":"x"}"#)
    }

    @Test func `names can be replaced too`() {
        #expect(edit(#"{"a" :1}"#) { $0.kind == .name ? "b" : nil } == #"{"b" :1}"#)
    }

    @Test func `what is no JSON is passed over without a trap`() {
        for text in ["{", "\"", "\"\\", "}}]]", "[\"a", ",,,", "{\"a\"", "\\", "[}{]"] { _ = places(text) }
        #expect(places("]") == [])
    }
}
