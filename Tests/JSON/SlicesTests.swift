import SwiftletJSON
import Testing

@Suite struct SlicesTests {
    /// Every value with its path and its exact bytes, in order.
    private func walk(_ text: String, _ limits: JSONLimits = .standard) throws -> [String] {
        try Array(text.utf8).withUnsafeBytes { bytes in
            let slices = try JSONSlices(bytes, limits: limits)
            var seen: [String] = []
            visit(slices.root, "", slices, &seen)
            return seen
        }
    }

    private func visit(_ value: JSONSlices.Value, _ path: String, _ slices: borrowing JSONSlices, _ seen: inout [String]) {
        seen.append("\(path) \(value.kind) \(String(decoding: slices.bytes(of: value), as: UTF8.self))")
        var children = slices.children(of: value)
        if value.kind == .object {
            while let member = slices.nextMember(&children) {
                visit(member.value, path + "/" + slices.name(of: member), slices, &seen)
            }
        } else {
            var index = 0
            while let element = slices.nextElement(&children) {
                visit(element, "\(path)/\(index)", slices, &seen)
                index += 1
            }
        }
        #expect(children.remaining == 0)
    }

    @Test func `every value is found with exactly its bytes`() throws {
        let text =
            " {\"a\" : [ 1 , {\"b\":[]} ,[ ] , {} ,\"]\\\"\", -0.10e+5,true ] ,\n\t\"\\u00e9\":{ \"x\" :null },\"\":\"\" , \"z\" : { } } "
        #expect(
            try walk(text) == [
                " object {\"a\" : [ 1 , {\"b\":[]} ,[ ] , {} ,\"]\\\"\", -0.10e+5,true ] ,\n\t\"\\u00e9\":{ \"x\" :null },\"\":\"\" , \"z\" : { } }",
                "/a array [ 1 , {\"b\":[]} ,[ ] , {} ,\"]\\\"\", -0.10e+5,true ]", "/a/0 number 1", "/a/1 object {\"b\":[]}",
                "/a/1/b array []", "/a/2 array [ ]", "/a/3 object {}", "/a/4 string \"]\\\"\"", "/a/5 number -0.10e+5",
                "/a/6 bool true", "/é object { \"x\" :null }", "/é/x null null", "/ string \"\"", "/z object { }",
            ])
    }

    @Test(arguments: ["1", " true ", "\n\"a\"\t", "[]", " { } ", "[[[[]]],[[]]]", "[{},{},[{}]]", #"[["]"],["}"],"["]"#])
    func `a value alone is its own range`(text: String) throws {
        let first = try #require(try walk(text).first)
        #expect(first.hasSuffix(" " + text.trimmingBlanks))
    }

    @Test func `the parts of a document are documents that mean the same`() throws {
        let text = #"{"a":[{"b":[1,[2,{"c":"\ud83d\ude00"}],"x"]},[[],[{}]],[]],"d":{"e":{"f":{}},"g":-1.5e3}}"#
        let whole = try JSON.parse(Array(text.utf8))
        for line in try walk(text) {
            let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            var expected: JSON? = whole
            for step in parts[0].split(separator: "/") {
                expected = Int(step).map { expected?[$0] } ?? expected?[String(step)]
            }
            #expect(try JSON.parse(Array(parts[2].utf8)) == expected, "\(line)")
        }
    }

    @Test func `numbers of any size pass, and are still no integers`() throws {
        let huge =
            "[1e400, -1E+999999, \(String(repeating: "9", count: 500)), 9223372036854775807, 18446744073709551615, 1.0, 1e3, 0.5, -0]"
        var limits = JSONLimits()
        limits.digits = 1000
        #expect(throws: JSONError.self) { try JSON.parse(Array(huge.utf8), limits: limits) }
        try Array(huge.utf8).withUnsafeBytes { bytes in
            let slices = try JSONSlices(bytes, limits: limits)
            var cursor = slices.children(of: slices.root)
            var integers: [Int64?] = []
            while let element = slices.nextElement(&cursor) { integers.append(slices.integer(of: element)) }
            #expect(integers == [nil, nil, nil, .max, nil, 1, 1000, nil, 0])
        }
    }

    @Test func `whatever parsing refuses is refused, numbers too large aside`() {
        for text in [
            "", " ", "{", "[1,]", "{\"a\":1,}", "01", "1e", "\"\\x\"", "nul", "[1 2]", "{\"a\" 1}", "\"\u{1}\"",
            "{\"a\":1,\"\\u0061\":2}", "[] []",
            "1e400x", "-",
        ] {
            #expect(throws: JSONError.self, "\(text)") { try walk(text) }
        }
        #expect(throws: JSONError.self) { try walk("[[1]]", JSONLimits(depth: 1)) }
        var loose = JSONLimits()
        loose.duplicateNames = .lastWins
        #expect(throws: JSONError.self) { try walk(#"{"a":1,"a":2}"#, loose) }
    }

    @Test func `members are found by name however it is escaped`() throws {
        try Array(#"{"\u0061":1,"b":"\u0078","c":true}"#.utf8).withUnsafeBytes { bytes in
            let slices = try JSONSlices(bytes)
            guard let first = slices.member("a", of: slices.root), let second = slices.member("b", of: slices.root),
                let third = slices.member("c", of: slices.root)
            else {
                Issue.record("a member is not found")
                return
            }
            let (integer, text, bool) = (slices.integer(of: first, as: Int.self), slices.text(of: first), slices.bool(of: first))
            #expect(integer == 1 && text == nil && bool == nil)
            let (said, isX, isXY) = (slices.text(of: second), slices.isText(second, "x"), slices.isText(second, "xy"))
            #expect(said == "x" && isX && !isXY)
            let (flag, absent, inside) = (
                slices.bool(of: third), slices.member("d", of: slices.root), slices.member("a", of: first)
            )
            #expect(flag == true && absent == nil && inside == nil)
            var cursor = slices.children(of: slices.root)
            let written = slices.nextMember(&cursor).map { String(decoding: slices.written($0), as: UTF8.self) }
            #expect(written == #""\u0061":1"#)
        }
    }

    @Test func `one document may be read while another is`() throws {
        try Array("[1,2]".utf8).withUnsafeBytes { outer in
            let slices = try JSONSlices(outer)
            var cursor = slices.children(of: slices.root)
            while let element = slices.nextElement(&cursor) {
                try Array(#"{"a":[3]}"#.utf8).withUnsafeBytes { inner in
                    let other = try JSONSlices(inner)
                    let count = other.member("a", of: other.root).map { other.count(of: $0) }
                    #expect(count == 1)
                }
                let number = slices.integer(of: element, as: Int.self)
                #expect(number != nil)
            }
        }
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
