import SwiftletJSON
import Testing

@testable import SwiftletMock

@Suite struct SchemaTests {
    private func structured(_ schema: JSON) -> JSON {
        [
            "contents": [["role": "user", "parts": [["text": "x"]]]],
            "generationConfig": ["responseMimeType": "application/json", "responseSchema": schema],
        ]
    }

    private let sentiment: JSON = [
        "type": "OBJECT", "required": ["label", "score", "reasons"],
        "properties": [
            "reasons": ["type": "ARRAY", "items": ["type": "STRING"], "maxItems": "7"],
            "label": ["type": "STRING", "enum": ["POSITIVE", "NEGATIVE"]],
            "score": ["type": "NUMBER", "minimum": -1, "maximum": 1],
        ],
    ]

    @Test func `an answer to a schema fits it, in both shapes and in a stream`() throws {
        var asking = Asking()
        let whole = try JSON.parse(Array(try #require(asking.gemini("ok", body: structured(sentiment)).text).utf8))
        #expect(whole.object?.names == ["label", "score", "reasons"])
        #expect(whole["label"]?.string == "POSITIVE" && whole["score"]?.double == 0 && whole["reasons"]?.array?.count == 2)
        #expect(whole["reasons"]?[0]?.string == "This is the" && whole["reasons"]?[1]?.string == "Swiftlet mock of")
        let stream = asking.gemini("ok", stream: true, body: structured(sentiment))
        #expect(try JSON.parse(Array(stream.streamedText.utf8)) == whole)
        let openAI = asking.openAI(
            "ok", more: ["response_format": ["type": "json_schema", "json_schema": ["schema": sentiment]]])
        #expect(try JSON.parse(Array(openAI.text?.utf8 ?? "".utf8)) == whole)
        let free = asking.openAI("ok", more: ["response_format": ["type": "json_object"]])
        #expect(try JSON.parse(Array(free.text?.utf8 ?? "".utf8))["answer"]?.string == Words.text)
    }

    @Test func `bad-json and json-in-fence break just that`() throws {
        var asking = Asking()
        let bad = try #require(asking.gemini("bad-json", body: structured(sentiment)).text)
        #expect((try? JSON.parse(Array(bad.utf8))) == nil && bad.hasPrefix("{"))
        #expect(asking.gemini("bad-json").text == Words.text)
        let fence = try #require(asking.gemini("json-in-fence", body: structured(sentiment)).text)
        #expect(fence.hasPrefix("```json\n{") && fence.hasSuffix("}\n```"))
        // A call without a schema does not spend the one failure.
        #expect(asking.gemini("bad-json-once").text == Words.text)
        let first = try #require(asking.gemini("bad-json-once", body: structured(sentiment)).text)
        #expect((try? JSON.parse(Array(first.utf8))) == nil)
        let second = try #require(asking.gemini("bad-json-once", body: structured(sentiment)).text)
        #expect((try? JSON.parse(Array(second.utf8))) != nil)
    }

    @Test(arguments: [
        (#"{"type":"INTEGER","minimum":3,"maximum":4}"#, "3"), (#"{"type":"integer"}"#, "1"),
        (#"{"type":"integer","minimum":7.5}"#, "8"), (#"{"type":"number","maximum":-3}"#, "-3"),
        (#"{"type":"number","minimum":0,"maximum":100}"#, "50"), (#"{"type":"integer","exclusiveMinimum":0}"#, "1"),
        (#"{"type":"boolean"}"#, "true"), (#"{"type":["null","boolean"]}"#, "true"), (#"{"type":"null"}"#, "null"),
        (#"{"const":{"a":1}}"#, #"{"a":1}"#), (#"{"enum":[7,8]}"#, "7"),
        (#"{"anyOf":[{"type":"null"},{"type":"integer"}]}"#, "1"),
        (#"{"type":"STRING","maxLength":4}"#, #""This""#), (#"{"type":"STRING","format":"date"}"#, #""2026-01-01""#),
        (#"{"type":"ARRAY","items":{"type":"BOOLEAN"},"minItems":3}"#, "[true,true,true]"),
        (#"{"type":"ARRAY","items":{"type":"BOOLEAN"},"maxItems":1}"#, "[true]"), (#"{"type":"ARRAY"}"#, "[]"),
        (#"{"type":"OBJECT"}"#, "{}"),
        (##"{"$defs":{"n":{"type":"integer","minimum":5}},"properties":{"a":{"$ref":"#/$defs/n"}}}"##, #"{"a":5}"#),
        (#"{"type":"OBJECT","properties":{"detectedLanguage":{"type":"STRING"}}}"#, #"{"detectedLanguage":"en"}"#),
        (#"{"properties":{"a":{"type":"BOOLEAN"},"b":{"type":"NULL"}},"propertyOrdering":["b","a"]}"#, #"{"b":null,"a":true}"#),
        (#"{"type":"integer","minimum":1e300,"maximum":1e308}"#, "0"), ("[]", #""This is the""#), ("null", #""This is the""#),
        ("7", #""This is the""#),
    ])
    func `a value fits its schema`(schema: String, value: String) throws {
        let made = SchemaFiller.fill(try JSON.parse(Array(schema.utf8)))
        #expect(made == (try JSON.parse(Array(value.utf8))), "\(made)")
        if let object = made.object { #expect(made.description == value, "\(object.names)") }
    }

    @Test func `a schema without end makes an answer with one`() {
        let loop: JSON = ["$defs": ["x": ["type": "ARRAY", "items": ["$ref": "#/$defs/x"]]], "$ref": "#/$defs/x"]
        #expect(SchemaFiller.fill(loop).bytes.count < 100_000)
        var deep: JSON = ["type": "STRING", "minLength": 1_000_000_000]
        for _ in 0..<40 { deep = ["type": "ARRAY", "items": deep, "minItems": 1_000_000] }
        #expect(SchemaFiller.fill(deep).bytes.count < 100_000)
        #expect(SchemaFiller.fill(["type": "STRING", "minLength": 20]).string?.count ?? 0 >= 20)
        #expect(SchemaFiller.fill(["$ref": "#"]) == .null)
    }
}
