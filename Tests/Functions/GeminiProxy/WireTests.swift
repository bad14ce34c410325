import Swiftlet
import SwiftletJSON
import Testing

@testable import Functions

/// What other people's clients write, and what goes to a model: values in, values out.
@Suite struct GeminiWireTests {
    typealias Ask = GeminiProxy.Ask
    typealias Model = GeminiProxy.Model
    typealias Table = GeminiProxy.ModelTable

    static let hello: JSON = [["role": "user", "parts": [["text": "Hi"]]]]

    static func table(_ overlay: String = "{}", model: String = "gemini-3.5-flash-lite", fallbacks: String = "gemini-3.8-flash")
        throws -> Table
    {
        try Table(model: model, fallbacks: fallbacks, overlay: overlay)
    }

    private func body(_ request: JSON, for model: String, _ setup: GeminiProxy.Setup = .test()) throws -> JSON {
        try Ask(request, setup: setup).body(for: try #require(try Self.table()[model]))
    }

    // MARK: Models

    @Test func `the table takes an operator's entries over its own, and its names are the ones on offer`() throws {
        let table = try Self.table(
            #"{"mine":{"thinking":"budget","levels":["low"],"provider":"openai","context":5,"output":6,"sampling":true,"trailingModel":false,"inputPrice":1,"outputPrice":2,"fallbacks":["other"]},"gemini-3.8-flash":{"outputPrice":9}}"#
        )
        let mine = try #require(table["mine"])
        #expect(
            mine.provider == .openai && mine.context == 5 && mine.output == 6 && !mine.trailingModel && mine.levels == ["low"])
        #expect(table["gemini-3.8-flash"]?.outputPrice == 9 && table["gemini-3.8-flash"]?.inputPrice == 0.75)
        #expect(table.plan("mine")?.map(\.name) == ["mine", "other"])
        #expect(table.plan(nil)?.map(\.name) == ["gemini-3.5-flash-lite", "gemini-3.8-flash"])
        #expect(table.plan("gemini-3.8-flash")?.map(\.name) == ["gemini-3.8-flash"])
        #expect(table.plan("gemini-1.5-flash")?.first?.name == "gemini-3.5-flash-lite")
        #expect(table.plan("unknown") == nil && table.plan("") == nil && table.plan("../x") == nil)
    }

    @Test(arguments: [
        "", "[]", "{", #"{"a b":{}}"#, #"{"..":{}}"#, #"{"m":1}"#, #"{"m":{"thinking":"much"}}"#, #"{"m":{"levels":[1]}}"#,
        #"{"m":{"sampling":"yes"}}"#, #"{"m":{"context":0}}"#, #"{"m":{"inputPrice":-1}}"#, #"{"m":{"price":1}}"#,
        #"{"m":{"provider":"azure"}}"#,
    ])
    func `a table that cannot be read names the setting`(_ overlay: String) {
        #expect { try Self.table(overlay) } throws: { ($0 as? HTTPError)?.cause?.hasPrefix("GEMINI_MODELS") == true }
    }

    @Test func `a price is for what was read, written and thought`() throws {
        var usage = GeminiProxy.Usage()
        (usage.prompt, usage.output, usage.thoughts) = (1_000_000, 500_000, 500_000)
        #expect(try #require(try Self.table()["gemini-3.5-flash-lite"]).cost(usage) == 2_800_000)
        #expect(Model("x").cost(usage) == nil)
    }

    // MARK: As a model takes it

    @Test func `newer models get no sampling fields, no level they do not know and no last turn of their own`() throws {
        let request: JSON = [
            "contents": [["role": "user", "parts": [["text": "Hi"]]], ["role": "model", "parts": [["text": "We"]]]],
            "generationConfig": [
                "temperature": 0.5, "topP": 0.9, "topK": 5, "stopSequences": ["x"],
                "thinkingConfig": ["thinkingLevel": "minimal"],
            ],
        ]
        let newer = try body(request, for: "gemini-3.8-flash")
        #expect(
            newer["generationConfig"] == [
                "stopSequences": ["x"], "thinkingConfig": ["thinkingLevel": "low"], "maxOutputTokens": 2048,
            ])
        #expect(newer["contents"]?.array?.count == 3 && newer["contents"]?[2]?["role"] == "user")
        let older = try body(request, for: "gemini-2.5-flash")
        #expect(older["generationConfig"]?["temperature"] == 0.5)
        #expect(older["generationConfig"]?["thinkingConfig"] == ["thinkingBudget": 0])
        #expect(older["contents"]?.array?.count == 2)
        #expect(
            try body(request, for: "gemini-3.5-flash-lite")["generationConfig"]?["thinkingConfig"] == ["thinkingLevel": "minimal"]
        )
    }

    @Test func `budgets and levels are said in each family's own words, whichever spelling came in`() throws {
        for (budget, level) in [(0, "low"), (1024, "low"), (8192, "medium"), (30_000, "high"), (-1, "medium")] {
            let request: JSON = [
                "contents": Self.hello, "generation_config": ["thinking_config": ["thinking_budget": .init(budget)]],
            ]
            #expect(
                try body(request, for: "gemini-3.8-flash")["generationConfig"]?["thinkingConfig"] == [
                    "thinkingLevel": .string(level)
                ])
        }
        let both: JSON = ["thinkingLevel": "low", "thinkingBudget": 5]
        let request: JSON = ["contents": Self.hello, "generationConfig": ["thinkingConfig": both]]
        #expect(try body(request, for: "gemini-3.8-flash")["generationConfig"]?["thinkingConfig"] == both)
    }

    @Test func `the cap is the host's, and what the SDK writes otherwise stays as it is`() throws {
        for (asked, sent) in [(nil, 2048), (.some(100), 100), (.some(5000), 2048)] as [(Int?, Int)] {
            var request: JSON = ["contents": Self.hello, "safetySettings": [["category": "X"]], "new_field": ["a_b": 1]]
            if let asked {
                request["generationConfig"] = ["max_output_tokens": .init(asked), "responseSchema": ["a_b": ["type": "STRING"]]]
            }
            let body = try body(request, for: "gemini-3.8-flash")
            #expect(body["generationConfig"]?["maxOutputTokens"]?.int == sent)
            #expect(body["generationConfig"]?["max_output_tokens"] == nil)
            #expect(body["safetySettings"] == [["category": "X"]] && body["new_field"] == ["a_b": 1])
            if asked != nil { #expect(body["generationConfig"]?["responseSchema"] == ["a_b": ["type": "STRING"]]) }
        }
    }

    @Test(arguments: [
        (#"{"contents":[]}"#, "contents"), ("{}", "contents"),
        (#"{"contents":[{}],"cachedContent":"cachedContents/x"}"#, "cachedContent"),
        (#"{"contents":[{}],"cached_content":"cachedContents/x"}"#, "cachedContent"),
        (#"{"contents":[{"parts":[{"fileData":{"fileUri":"files/x"}}]}]}"#, "contents"),
        (#"{"contents":[{"parts":[{"file_data":{"file_uri":"files/x"}}]}]}"#, "contents"),
        (#"{"contents":[{}],"tools":[{"googleSearch":{}}]}"#, "tools"),
        (#"{"contents":[{}],"tools":[{"codeExecution":{}}]}"#, "tools"),
        (#"{"contents":[{}],"tools":{"googleSearch":{}}}"#, "tools"), (#"{"contents":[{}],"tools":["googleSearch"]}"#, "tools"),
        (#"{"contents":[{}],"tools":"googleSearch"}"#, "tools"), (#"{"contents":[1]}"#, "contents"),
        (#"{"contents":{"parts":{"fileData":{}}}}"#, "contents"),
        (#"{"contents":[{}],"system_instruction":{"parts":[{"file_data":{}}]}}"#, "systemInstruction"),
        (#"{"contents":[{}],"generateContentRequest":{}}"#, "generateContentRequest"),
        (#"{"contents":[{}],"generationConfig":1}"#, "generationConfig"),
        (#"{"contents":[{}],"generationConfig":{"maxOutputTokens":"many"}}"#, "generationConfig.maxOutputTokens"),
        (#"{"contents":[{}],"generationConfig":{"candidateCount":9}}"#, "generationConfig.candidateCount"),
    ])
    func `what is not a caller's to use is refused by name`(_ request: String, _ field: String) {
        #expect { try Ask(try JSON.parse(Array(request.utf8)), setup: .test()) } throws: {
            ($0 as? HTTPError)?.problems.first?.field == field && ($0 as? HTTPError)?.status == 422
        }
    }

    @Test func `counting tokens is judged like asking`() throws {
        let card = ["4111", "1111", "1111", "1111"].joined(separator: " ")
        for wrap in ["generateContentRequest", "generate_content_request"] {
            let request: JSON = [wrap: ["contents": ["parts": ["text": .string(card)]]]]
            let counted = try Ask(request, verb: .count, setup: .test()).request
            #expect(counted[wrap]?["contents"] == [["parts": [["text": "[credit_card]"]]]])
            for foreign in [
                ["cachedContent": "x"], ["contents": [["parts": [["fileData": [:]]]]]], ["tools": [["googleSearch": [:]]]],
            ] as [JSON] {
                #expect(throws: HTTPError.self) { try Ask([wrap: foreign], verb: .count, setup: .test()) }
                #expect(throws: HTTPError.self) { try Ask(foreign, verb: .count, setup: .test()) }
            }
        }
    }

    @Test func `functions may be asked for, and all tools where the operator says so`() throws {
        let functions: JSON = ["contents": Self.hello, "tools": [["functionDeclarations": [["name": "f"]]]]]
        _ = try Ask(functions, setup: .test())
        #expect(throws: HTTPError.self) { try Ask(functions, setup: .test(["GEMINI_TOOLS": "none"])) }
        _ = try Ask(["contents": Self.hello, "tools": [["googleSearch": [:]]]], setup: .test(["GEMINI_TOOLS": "all"]))
    }

    @Test func `sensitive data is taken out wherever a caller wrote it, or refused, or left`() throws {
        let card = ["4111", "1111", "1111", "1111"].joined(separator: " ")
        let request: JSON = [
            "systemInstruction": ["parts": [["text": .string("sys \(card)")]]],
            "contents": [
                [
                    "role": "user",
                    "parts": [
                        ["text": .string("pay \(card)")], ["inlineData": ["mimeType": "image/png", "data": "4111111111111111"]],
                        ["functionResponse": ["name": "f", "response": ["data": .string(card), "role": .string(card)]]],
                    ],
                ]
            ],
        ]
        let body = try Ask(request, setup: .test()).request
        #expect(body["contents"]?[0]?["parts"]?[0]?["text"] == "pay [credit_card]")
        #expect(body["systemInstruction"]?["parts"]?[0]?["text"] == "sys [credit_card]")
        #expect(
            body["contents"]?[0]?["parts"]?[2]?["functionResponse"]?["response"] == [
                "data": "[credit_card]", "role": "[credit_card]",
            ])
        #expect(body["contents"]?[0]?["parts"]?[1]?["inlineData"]?["data"] == "4111111111111111")
        #expect { try Ask(request, setup: .test(["GEMINI_SENSITIVE": "refuse"])) } throws: {
            ($0 as? HTTPError)?.code == "SENSITIVE_DATA" && ($0 as? HTTPError)?.message.contains("credit_card") == true
                && ($0 as? HTTPError)?.message.contains("4111") == false
        }
        #expect(try Ask(request, setup: .test(["GEMINI_SENSITIVE": "off"])).request["contents"] == request["contents"])
    }

    @Test func `a guess counts a token for four letters or one of another script, and the whole cap`() throws {
        #expect(
            GeminiProxy.Tokens.estimate("abcdefgh") == 2 && GeminiProxy.Tokens.estimate("日本語") == 3
                && GeminiProxy.Tokens.estimate("") == 0)
        let long = String(repeating: "abcd", count: 100)
        #expect(GeminiProxy.Tokens.estimate(JSON(members: [(long, 1)])) == 101)
        func media(_ kind: String) -> Int {
            GeminiProxy.Tokens.estimate([
                "inlineData": ["mimeType": .string(kind), "data": .string(String(repeating: "A", count: 400_000))]
            ])
        }
        #expect(["image/png", "audio/mp3", "application/pdf", "text/plain"].map(media) == [600, 750, 18_750, 75_000])
        let schema: JSON = ["contents": Self.hello, "generationConfig": ["responseSchema": ["description": .string(long)]]]
        #expect(try Ask(schema, setup: .test()).estimate.prompt > 100)
        let ask = try Ask(["contents": Self.hello, "generationConfig": ["candidateCount": 2]], setup: .test())
        #expect(ask.estimate.total == ask.estimate.prompt + 2 * 2048)
    }

    // MARK: Where a path leads

    @Test(
        arguments: [
            ("", GeminiProxy.Route.operations), ("/", .operations),
            ("/v1/models/m:generateContent", .google(model: "m", verb: .generateContent, version: "v1")),
            (
                "/v1beta/models/m-1.5:streamGenerateContent",
                .google(model: "m-1.5", verb: .streamGenerateContent, version: "v1beta")
            ),
            ("/models/m:countTokens", .google(model: "m", verb: .countTokens, version: "v1beta")),
            ("/v1beta/models/m%3AgenerateContent", .google(model: "m", verb: .generateContent, version: "v1beta")),
            ("/openai/chat/completions", .chat), ("/openai/v1/chat/completions", .chat),
            ("/v1beta/openai/chat/completions", .chat),
            ("/v2/models/m:generateContent", nil), ("/models", nil), ("/models/m", nil), ("/models/m:delete", nil),
            ("/models/a/b:countTokens", nil),
            ("x", nil), ("//models/m:countTokens", nil), ("/openai/embeddings", nil), ("/models/a:b:countTokens", nil),
        ] as [(String, GeminiProxy.Route?)])
    func `a path leads to one face or to none`(_ path: String, _ route: GeminiProxy.Route?) {
        #expect(GeminiProxy.Route(subpath: path) == route)
    }

    // MARK: OpenAI's clients

    @Test func `a chat becomes a request of Gemini's`() throws {
        let chat: JSON = [
            "model": "models/gemini-3.8-flash", "stream": true, "stream_options": ["include_usage": true],
            "max_completion_tokens": 50,
            "temperature": 0.1, "stop": "END", "reasoning_effort": "low", "user": "u",
            "response_format": ["type": "json_schema", "json_schema": ["name": "n", "schema": ["type": "object"]]],
            "messages": [
                ["role": "system", "content": "Be brief"],
                [
                    "role": "user",
                    "content": [
                        ["type": "text", "text": "Look"],
                        ["type": "image_url", "image_url": ["url": "data:image/png;base64,QUJD"]],
                    ],
                ],
                [
                    "role": "assistant", "content": nil,
                    "tool_calls": [["id": "c1", "type": "function", "function": ["name": "f", "arguments": #"{"a":1}"#]]],
                ],
                ["role": "tool", "tool_call_id": "c1", "content": "42"],
            ],
            "tools": [["type": "function", "function": ["name": "f", "description": "d", "parameters": ["type": "object"]]]],
            "tool_choice": "required",
        ]
        let request = try GeminiProxy.ChatRequest(chat)
        #expect(request.model == "gemini-3.8-flash" && request.stream && request.includesUsage)
        #expect(request.request["systemInstruction"] == ["parts": [["text": "Be brief"]]])
        #expect(
            request.request["contents"] == [
                ["role": "user", "parts": [["text": "Look"], ["inlineData": ["mimeType": "image/png", "data": "QUJD"]]]],
                [
                    "role": "model",
                    "parts": [
                        [
                            "functionCall": ["name": "f", "args": ["a": 1]],
                            "thoughtSignature": "skip_thought_signature_validator",
                        ]
                    ],
                ],
                ["role": "user", "parts": [["functionResponse": ["name": "f", "response": ["result": "42"]]]]],
            ])
        #expect(
            request.request["generationConfig"] == [
                "temperature": 0.1, "maxOutputTokens": 50, "stopSequences": ["END"], "thinkingConfig": ["thinkingLevel": "low"],
                "responseMimeType": "application/json", "responseJsonSchema": ["type": "object"],
            ])
        #expect(
            request.request["tools"] == [
                ["functionDeclarations": [["name": "f", "description": "d", "parametersJsonSchema": ["type": "object"]]]]
            ])
        #expect(request.request["toolConfig"] == ["functionCallingConfig": ["mode": "ANY"]])
    }

    @Test(arguments: [
        ("{}", "model"), (#"{"model":"m"}"#, "messages"), (#"{"model":"m","messages":[]}"#, "messages"),
        (#"{"model":"m","messages":[{"role":"system","content":"x"}]}"#, "messages"),
        (#"{"model":"m","messages":[{"role":"king","content":"x"}]}"#, "messages[0].role"),
        (#"{"model":"m","messages":[{"role":"user"}]}"#, "messages[0].content"),
        (#"{"model":"m","messages":[{"role":"tool","tool_call_id":"c","content":"x"}]}"#, "messages[0].tool_call_id"),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true}"#, "logprobs"),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":"yes"}"#, "stream"),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"hot"}"#, "temperature"),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"xml"}}"#, "response_format.type"),
        (#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"web_search"}]}"#, "tools"),
        (
            #"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.b/c.png"}}]}]}"#,
            "messages[0].content"
        ),
    ])
    func `a chat that cannot be kept is refused by name, never half of it dropped`(_ chat: String, _ field: String) {
        #expect { try GeminiProxy.ChatRequest(try JSON.parse(Array(chat.utf8))) } throws: {
            ($0 as? HTTPError)?.problems.first?.field == field
        }
    }

    // MARK: An upstream that speaks OpenAI's language

    @Test func `a request of Gemini's becomes a chat, and schemas change their case`() throws {
        let request: JSON = [
            "systemInstruction": ["parts": [["text": "Be brief"]]],
            "contents": [
                ["role": "user", "parts": [["text": "Hi"]]],
                [
                    "role": "model",
                    "parts": [["text": "t", "thought": true], ["functionCall": ["id": "c", "name": "f", "args": ["a": 1]]]],
                ],
                ["role": "user", "parts": [["functionResponse": ["id": "c", "name": "f", "response": ["r": 2]]]]],
            ],
            "generationConfig": [
                "maxOutputTokens": 9, "candidateCount": 1, "responseMimeType": "application/json",
                "responseSchema": [
                    "type": "OBJECT", "properties": ["type": ["type": "STRING", "nullable": true]], "required": ["type"],
                ],
            ],
            "tools": [["functionDeclarations": [["name": "f", "parameters": ["type": "OBJECT"]]]]],
        ]
        let chat = try GeminiProxy.ChatTranslator.request(request, model: "gpt", stream: true)
        #expect(
            chat["messages"] == [
                ["role": "system", "content": "Be brief"], ["role": "user", "content": "Hi"],
                [
                    "role": "assistant", "content": nil,
                    "tool_calls": [["id": "c", "type": "function", "function": ["name": "f", "arguments": #"{"a":1}"#]]],
                ],
                ["role": "tool", "tool_call_id": "c", "content": #"{"r":2}"#],
            ])
        #expect(chat["max_completion_tokens"] == 9 && chat["n"] == nil && chat["stream_options"] == ["include_usage": true])
        #expect(
            chat["response_format"]?["json_schema"]?["schema"] == [
                "type": "object", "properties": ["type": ["type": ["string", "null"]]], "required": ["type"],
            ])
        #expect(chat["tools"] == [["type": "function", "function": ["name": "f", "parameters": ["type": "object"]]]])
    }

    @Test func `its stream becomes Gemini's, with calls put together and usage at the end, with or without DONE`() throws {
        let events: [JSON] = [
            ["model": "gpt-x", "choices": [["delta": ["role": "assistant", "content": "Hel"]]]],
            ["choices": [["delta": ["content": "lo"]]]],
            [
                "choices": [
                    ["delta": ["tool_calls": [["index": 0, "id": "c", "function": ["name": "f", "arguments": "{\"a\""]]]]]
                ]
            ],
            ["choices": [["delta": ["tool_calls": [["index": 0, "function": ["arguments": ":1}"]]]]]]],
            ["choices": [["delta": [:], "finish_reason": "tool_calls"]]],
            ["choices": [], "usage": ["prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8]],
        ]
        for done in [true, false] {
            var translator = GeminiProxy.ChatTranslator()
            var reply = GeminiProxy.Reply(now: 0)
            for event in events { if let event = try translator.event(event) { _ = try reply.absorb(event) } }
            #expect(reply.finishReason == nil)
            if done { if let event = try translator.done() { _ = try reply.absorb(event) } }
            if let event = try translator.finish() { _ = try reply.absorb(event) }
            #expect(reply.text == "Hello" && reply.finishReason == "STOP" && reply.hasOtherParts)
            #expect(reply.usage.total == 8 && reply.modelVersion == "gpt-x")
        }
    }

    @Test func `its stream that ends without a reason does not look whole`() throws {
        var translator = GeminiProxy.ChatTranslator()
        var reply = GeminiProxy.Reply(now: 0)
        if let event = try translator.event(["choices": [["delta": ["content": "Hel"]]]]) { _ = try reply.absorb(event) }
        #expect(try translator.finish() == nil)
        #expect(throws: GeminiProxy.Fault.self) { try reply.complete() }
    }

    @Test(
        arguments: [
            (401, "", "UPSTREAM_ERROR", 502), (400, "context_length_exceeded", "CONTEXT_TOO_LONG", 400),
            (400, "content_policy_violation", "PROMPT_BLOCKED", 422), (400, "x", "UPSTREAM_INVALID_ARGUMENT", 400),
            (404, "", "UPSTREAM_ERROR", 502), (429, "", "UPSTREAM_RATE_LIMITED", 429),
            (429, "insufficient_quota", "UPSTREAM_QUOTA_EXHAUSTED", 503), (500, "", "UPSTREAM_UNAVAILABLE", 503),
            (504, "", "UPSTREAM_TIMEOUT", 504),
        ] as [(Int, String, String, Int)])
    func `its errors mean what Gemini's mean`(_ status: Int, _ code: String, _ ours: String, _ told: Int) {
        let fault = GeminiProxy.Fault(openAI: ["code": .string(code), "message": "sk-secret"], status: status, now: 0)
        #expect(fault.error.code.text == ours && fault.error.status == told)
        #expect(!"\(fault.error)".contains("secret"))
    }

    @Test(
        arguments: [
            ("STOP", "Hi", true), ("STOP", "", false), ("MAX_TOKENS", "", true), ("SAFETY", "", true), ("OTHER", "Hi", false),
            ("MALFORMED_FUNCTION_CALL", "", false), ("SOMETHING_NEW", "Hi", true), ("SOMETHING_NEW", "", false),
        ] as [(String, String, Bool)])
    func `a chat is told what it has a word for, and the rest is an error`(_ reason: String, _ text: String, _ passes: Bool)
        throws
    {
        var reply = GeminiProxy.Reply(now: 0)
        _ = try reply.absorb(["candidates": [["content": ["parts": [["text": .string(text)]]], "finishReason": .string(reason)]]])
        if passes {
            try GeminiProxy.ChatAnswer.judge(reply)
        } else {
            #expect(throws: GeminiProxy.Fault.self) { try GeminiProxy.ChatAnswer.judge(reply) }
        }
    }

    @Test func `an answer of Gemini's as a chat`() {
        let answer: JSON = [
            "candidates": [
                [
                    "content": [
                        "parts": [
                            ["text": "think", "thought": true], ["text": "Hi"],
                            ["functionCall": ["name": "f", "args": ["a": 1]], "thoughtSignature": "s"],
                        ]
                    ],
                    "finishReason": "STOP",
                ]
            ],
            "usageMetadata": ["promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 10],
        ]
        let chat = GeminiProxy.ChatAnswer.whole(answer, model: "m", id: "1")
        #expect(chat["choices"]?[0]?["message"]?["content"] == "Hi" && chat["choices"]?[0]?["finish_reason"] == "tool_calls")
        #expect(
            chat["choices"]?[0]?["message"]?["tool_calls"] == [
                [
                    "id": "call_1_0", "type": "function", "function": ["name": "f", "arguments": #"{"a":1}"#],
                    "extra_content": ["google": ["thought_signature": "s"]],
                ]
            ])
        #expect(chat["usage"]?["completion_tokens"] == 7 && chat["usage"]?["total_tokens"] == 10)
        for (reason, told) in [("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("SOMETHING_NEW", "stop")] {
            #expect(GeminiProxy.ChatAnswer.reason(["finishReason": .string(reason)], calls: false) == .string(told))
        }
    }
}

extension GeminiProxy.Setup {
    /// With the defaults, but for what is given.
    static func test(_ settings: [String: String] = [:]) -> GeminiProxy.Setup {
        do {
            return try GeminiProxy.Setup { settings[$0.name] ?? $0.defaultValue }
        } catch { fatalError("\(error)") }
    }
}
