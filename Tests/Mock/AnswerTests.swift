import SwiftletJSON
import Testing

@testable import SwiftletMock

@Suite struct AnswerTests {
    @Test func `the healthy answer is the sixty words, in both shapes and whole or in a stream`() throws {
        var asking = Asking()
        let whole = asking.gemini("gemini-3.5-flash-lite")
        #expect(whole.text == Words.text && whole.isWhole && whole.turns.isEmpty)
        #expect(whole.json?["candidates"]?[0]?["finishReason"]?.string == "STOP")
        #expect(whole.json?["modelVersion"]?.string == "gemini-3.5-flash-lite")
        #expect(
            whole.json?["usageMetadata"] == ["promptTokenCount": 2, "candidatesTokenCount": 60, "totalTokenCount": 62])

        let stream = asking.gemini("ok", stream: true)
        #expect(stream.head.contains("Content-Type: text/event-stream\r\n") && stream.isWhole)
        #expect(stream.events.count == 61 && stream.streamedText == Words.text)
        // The head, then every event by itself, then the end.
        #expect(stream.steps.count == 63)
        let last = try #require(stream.eventValues.last ?? nil)
        #expect(last["candidates"]?[0]?["finishReason"]?.string == "STOP" && last["usageMetadata"]?["totalTokenCount"]?.int == 62)
        #expect(stream.eventValues.dropLast().allSatisfy { $0?["candidates"]?[0]?["finishReason"] == nil })

        let openAI = asking.openAI("ok")
        #expect(openAI.text == Words.text && openAI.json?["usage"]?["completion_tokens"]?.int == 60)
        let chunks = asking.openAI("ok", stream: true)
        #expect(chunks.events.last == "[DONE]" && chunks.streamedText == Words.text && chunks.isWhole)
        #expect(chunks.eventValues.dropLast().last??["usage"]?["total_tokens"]?.int == 62)
        let quiet = asking.openAI("ok", stream: true, more: ["stream_options": [:]])
        #expect(quiet.eventValues.allSatisfy { $0?["usage"] == nil })
    }

    @Test func `a stream that is not asked for events is an array, and its refusal too`() {
        var asking = Asking()
        let stream = asking.gemini("ok", stream: true, alt: nil)
        #expect(stream.head.contains("Content-Type: application/json"))
        #expect(stream.json?.array?.count == 61)
        #expect(asking.gemini("503-forever", stream: true, alt: nil).json?[0]?["error"]?["code"]?.int == 503)
        let broken = asking.gemini("inband-error", stream: true, alt: nil)
        #expect(broken.json?.array?.count == 21 && broken.json?[20]?["error"] != nil)
    }

    @Test func `countTokens counts`() {
        var asking = Asking()
        let script = asking.send(
            "POST", "/v1/models/ok:countTokens", headers: [("x-goog-api-key", "k")],
            body: Array(#"{"generateContentRequest":{"contents":[{"parts":[{"text":"12345678"}]}]}}"#.utf8))
        #expect(script?.script.json?["totalTokens"]?.int == 2)
    }

    // MARK: Streams that go wrong

    /// How many of the words came.
    private func words(_ script: Script) -> Int {
        script.streamedText.split(separator: " ").count
    }

    @Test func `cut says forty words and hangs up without an end of the body`() {
        var asking = Asking()
        for script in [asking.gemini("cut", stream: true), asking.openAI("cut", stream: true)] {
            #expect(words(script) == 40 && !script.isWhole && script.turns == [.hangUp])
            #expect(script.steps.last == .hangUp && Words.text.hasPrefix(script.streamedText))
        }
        let clean = asking.gemini("cut-clean", stream: true)
        #expect(words(clean) == 40 && clean.isWhole && clean.turns.isEmpty && !clean.closes)
        #expect(asking.openAI("cut-clean", stream: true).events.last != "[DONE]")
        #expect(asking.gemini("cut").text == Words.text)
    }

    @Test func `cut-chunk ends inside a chunk, cut-body inside what was declared`() {
        var asking = Asking()
        for script in [asking.gemini("cut-chunk", stream: true), asking.gemini("cut-chunk")] {
            #expect(!script.isWhole && script.turns == [.hangUp])
            guard case .send(let bytes)? = script.steps.dropLast().last else { return #expect(Bool(false)) }
            let line = String(decoding: bytes.prefix { $0 != 0x0D }, as: UTF8.self)
            let size = Int(line, radix: 16) ?? 0
            #expect(size > bytes.count)
        }
        let body = asking.gemini("cut-body")
        #expect(!body.isWhole && body.body.count > 100 && body.turns == [.hangUp])
        // Half of an event, in a chunk that is whole.
        let event = asking.gemini("cut-body", stream: true)
        #expect(
            !event.isWhole && event.turns == [.hangUp] && event.eventValues.last == .some(JSON?.none)
                && event.eventValues.count == 41)
    }

    @Test func `half-error, stall and inband-error come after twenty words`() {
        var asking = Asking(speed: 10)
        let half = asking.gemini("half-error", stream: true)
        #expect(words(half) == 20 && half.steps.last == .reset && half.turns == [.reset])
        let stall = asking.gemini("stall", stream: true)
        #expect(stall.turns == [.wait(.seconds(3))] && stall.streamedText == Words.text && stall.isWhole)
        let before = stall.steps.prefix { $0 != .wait(.seconds(3)) }
        #expect(before.count == 21)
        let inband = asking.gemini("inband-error", stream: true)
        #expect(words(inband) == 20 && inband.isWhole && inband.eventValues.last??["error"]?["status"]?.string == "UNAVAILABLE")
        let chunks = asking.openAI("inband-error", stream: true)
        #expect(chunks.eventValues.last??["error"]?["type"]?.string == "server_error")
        #expect(asking.gemini("half-error").turns == [.reset] && !asking.gemini("half-error").isWhole)
        #expect(asking.gemini("stall").text == Words.text)
    }

    @Test func `waits stand where they should, divided by the speed`() {
        var asking = Asking(speed: 4)
        #expect(asking.gemini("silent").steps == [.wait(.seconds(30)), .hangUp] && asking.gemini("silent").status == nil)
        let slow = asking.gemini("slow-first", stream: true)
        #expect(slow.turns == [.wait(.seconds(5))] && slow.steps[1] == .wait(.seconds(5)))
        #expect(slow.streamedText == Words.text && asking.gemini("slow-first").text == Words.text)
        let drip = asking.gemini("drip", stream: true)
        #expect(drip.turns == Array(repeating: .wait(.milliseconds(125)), count: 60) && drip.streamedText == Words.text)
        let held = asking.gemini("hold", stream: true)
        #expect(held.turns == [.hold] && held.steps[2] == .hold && held.streamedText == Words.text)
        #expect(asking.gemini("hold").steps.first == .hold)
        #expect(asking.gemini("reset").steps == [.reset] && asking.openAI("reset", stream: true).steps == [.reset])
        #expect(asking.gemini("reset-once").steps == [.reset] && asking.gemini("reset-once").text == Words.text)
    }

    @Test func `the tenth event is not JSON, and all others are`() {
        var asking = Asking()
        for script in [asking.gemini("bad-event", stream: true), asking.openAI("bad-event", stream: true)] {
            let bad = script.eventValues.indices.filter { script.eventValues[$0] == JSON?.none && script.events[$0] != "[DONE]" }
            #expect(bad == [9] && script.isWhole)
        }
    }

    @Test func `first and last events that are unusual`() {
        var asking = Asking()
        let partless = asking.gemini("partless-final", stream: true)
        let last = partless.eventValues.last??["candidates"]?[0]
        #expect(
            last?["finishReason"]?.string == "STOP" && last?["content"]?["parts"] == nil && partless.streamedText == Words.text)
        let lead = asking.gemini("lead-empty-stop", stream: true)
        #expect(lead.eventValues.first??["candidates"]?[0]?["finishReason"]?.string == "STOP" && lead.streamedText == Words.text)
        let done = asking.openAI("no-done", stream: true)
        #expect(!done.events.contains("[DONE]") && done.streamedText == Words.text && done.isWhole)
        #expect(asking.openAI("lead-empty-stop", stream: true).streamedText == Words.text)
    }

    // MARK: Answers that are not what they should be

    @Test func `blocks and empty answers`() {
        var asking = Asking()
        for (model, reason) in [("blocked-prompt", "SAFETY"), ("content-filter", "PROHIBITED_CONTENT")] {
            for script in [asking.gemini(model), asking.gemini(model, stream: true)] {
                let body = script.json ?? script.eventValues.first ?? nil
                #expect(body?["promptFeedback"]?["blockReason"]?.string == reason && body?["candidates"] == nil)
            }
        }
        let answer = asking.gemini("blocked-answer").json?["candidates"]?[0]
        #expect(answer?["finishReason"]?.string == "SAFETY" && answer?["content"] == nil)
        #expect(asking.openAI("blocked-answer").json?["choices"]?[0]?["finish_reason"]?.string == "content_filter")
        let tokens = asking.gemini("max-tokens-empty").json
        #expect(tokens?["candidates"]?[0]?["finishReason"]?.string == "MAX_TOKENS")
        #expect(tokens?["usageMetadata"]?["thoughtsTokenCount"]?.int == 64)
        #expect(asking.gemini("empty").json == [:] && asking.gemini("empty", stream: true).events == ["{}"])
        #expect(asking.gemini("bad-body").json == nil && asking.gemini("bad-body").isWhole)
    }

    @Test func `answers that are whole, and unusual`() {
        var asking = Asking()
        let thoughts = asking.gemini("thought-parts")
        #expect(
            thoughts.json?["candidates"]?[0]?["content"]?["parts"]?[0]?["thought"]?.bool == true && thoughts.text == Words.text)
        #expect(thoughts.json?["usageMetadata"]?["thoughtsTokenCount"]?.int == 12)
        #expect(asking.gemini("thought-parts", stream: true).streamedText == Words.text)
        #expect(asking.gemini("unknown-enum").json?["candidates"]?[0]?["finishReason"]?.string == "NOVEL_REASON")
        #expect(
            asking.gemini("extra-fields").text == Words.text
                && asking.gemini("extra-fields", stream: true).streamedText == Words.text)
        let tools: JSON = [
            "contents": [["parts": [["text": "x"]]]],
            "tools": [
                [
                    "functionDeclarations": [
                        ["name": "book", "parameters": ["type": "OBJECT", "properties": ["n": ["type": "INTEGER"]]]]
                    ]
                ]
            ],
        ]
        let call = asking.gemini("functions", body: tools).json?["candidates"]?[0]?["content"]?["parts"]?[0]?["functionCall"]
        #expect(call == ["name": "book", "args": ["n": 1]])
        let openAI = asking.openAI("functions", stream: true)
        #expect(openAI.events.contains { $0.contains(#""finish_reason":"tool_calls""#) })
        let huge = asking.gemini("huge")
        #expect(huge.body.count > 8 << 20 && huge.isWhole && huge.json != nil)
    }

    @Test func `split-utf8 takes a character's bytes apart, and they come together again`() {
        var asking = Asking()
        for script in [asking.gemini("split-utf8", stream: true), asking.openAI("split-utf8", stream: true)] {
            #expect(script.streamedText == Words.text && script.isWhole && !script.turns.isEmpty)
            guard case .send(let part)? = script.steps.prefix(while: { $0 != .wait(.milliseconds(20)) }).last else {
                return #expect(Bool(false))
            }
            // Its last byte before the end of the chunk begins a character.
            #expect(part.dropLast(2).last.map { $0 >= 0xC2 } == true)
        }
        #expect(asking.gemini("split-utf8").text == Words.text)
    }

    @Test func `bom and gzip are around a whole answer`() {
        var asking = Asking()
        let bom = asking.gemini("bom")
        #expect(
            bom.body.starts(with: [0xEF, 0xBB, 0xBF]) && (try? JSON.parse(Array(bom.body.dropFirst(3)))) != nil && bom.isWhole)
        #expect(asking.gemini("bom", stream: true).body.starts(with: [0xEF, 0xBB, 0xBF, UInt8(ascii: "d")]))
        let gzip = asking.gemini("gzip")
        #expect(gzip.head.contains("Content-Encoding: gzip\r\n") && gzip.body.starts(with: [0x1F, 0x8B]) && gzip.isWhole)
        // The known sum of these nine digits, then their count.
        var packed = Gzip()
        let part = packed.part(Array("123456789".utf8))
        #expect(part == [0, 9, 0, 0xF6, 0xFF] + Array("123456789".utf8))
        #expect(packed.end().suffix(8) == [0x26, 0x39, 0xF4, 0xCB, 9, 0, 0, 0])
    }

    @Test func `an old client gets a stream that ends with the connection`() {
        var asking = Asking()
        asking.wire.isModern = false
        let stream = asking.gemini("ok", stream: true)
        #expect(stream.closes && stream.streamedText == Words.text && stream.head.contains("Connection: close"))
        #expect(!asking.gemini("ok").closes)
        asking.wire.keepsAlive = false
        #expect(asking.gemini("ok").closes)
    }
}
