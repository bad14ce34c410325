import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// The way to an upstream that speaks OpenAI's chat/completions: a `GenerateContentRequest` becomes its request, its answers and events
    /// become Gemini's.
    struct ChatTranslator: Sendable {
        private var calls: [(id: String, name: String, arguments: String)] = []
        private var finishReason: String?
        private var usage: JSON?
        private var model: String?
        private(set) var isDone = false

        // MARK: What is asked

        static func request(_ request: JSON, model: String, stream: Bool) throws(Fault) -> JSON {
            var messages: [JSON] = []
            let system = texts(request["systemInstruction"])
            if !system.isEmpty { messages.append(["role": "system", "content": .string(system)]) }
            for turn in request["contents"]?.array ?? [] { messages += self.messages(turn) }
            var body: JSON = ["model": .string(model), "messages": .array(messages)]
            if stream {
                body["stream"] = true
                body["stream_options"] = ["include_usage": true]
            }
            let config = request["generationConfig"] ?? [:]
            let names = [
                ("maxOutputTokens", "max_completion_tokens"), ("temperature", "temperature"), ("topP", "top_p"),
                ("stopSequences", "stop"),
                ("seed", "seed"), ("candidateCount", "n"), ("presencePenalty", "presence_penalty"),
                ("frequencyPenalty", "frequency_penalty"),
            ]
            for (ours, theirs) in names { if let value = config[ours], !value.isNull { body[theirs] = value } }
            if body["n"] == 1 { body["n"] = nil }
            if config["responseMimeType"]?.string == "application/json" {
                let schema = config["responseJsonSchema"] ?? config["responseSchema"].map(Schema.standard)
                body["response_format"] =
                    schema.map { ["type": "json_schema", "json_schema": ["name": "answer", "schema": $0]] } ?? [
                        "type": "json_object"
                    ]
            }
            if let level = config["thinkingConfig"]?["thinkingLevel"]?.string {
                body["reasoning_effort"] = .string(level.lowercased())
            }
            let functions = (request["tools"]?.array ?? []).flatMap {
                ($0["functionDeclarations"] ?? $0["function_declarations"])?.array ?? []
            }
            if !functions.isEmpty {
                body["tools"] = .array(
                    functions.map { function in
                        var function = function
                        if let parameters = function["parameters"] { function["parameters"] = Schema.standard(parameters) }
                        if let parameters = function["parametersJsonSchema"] {
                            function["parametersJsonSchema"] = nil
                            function["parameters"] = parameters
                        }
                        return ["type": "function", "function": function]
                    })
                switch request["toolConfig"]?["functionCallingConfig"]?["mode"]?.string {
                case "ANY": body["tool_choice"] = "required"
                case "NONE": body["tool_choice"] = "none"
                default: break
                }
            }
            return body
        }

        private static func texts(_ content: JSON?) -> String {
            if let text = content?.string { return text }
            return (content?["parts"]?.array ?? []).compactMap { $0["text"]?.string }.joined(separator: "\n")
        }

        private static func messages(_ turn: JSON) -> [JSON] {
            let isModel = turn["role"]?.string == "model"
            var content: [JSON] = []
            var calls: [JSON] = []
            var answers: [JSON] = []
            for part in turn["parts"]?.array ?? [] where part["thought"]?.bool != true {
                if let text = part["text"] {
                    content.append(["type": "text", "text": text])
                } else if let data = part["inlineData"] ?? part["inline_data"] {
                    let kind = (data["mimeType"] ?? data["mime_type"])?.string ?? "application/octet-stream"
                    content.append([
                        "type": "image_url", "image_url": ["url": .string("data:\(kind);base64,\(data["data"]?.string ?? "")")],
                    ])
                } else if let call = part["functionCall"] ?? part["function_call"] {
                    let name = call["name"]?.string ?? ""
                    calls.append([
                        "id": call["id"] ?? .string("call_\(name)"), "type": "function",
                        "function": ["name": .string(name), "arguments": .string((call["args"] ?? [:]).description)],
                    ])
                } else if let answer = part["functionResponse"] ?? part["function_response"] {
                    answers.append([
                        "role": "tool", "tool_call_id": answer["id"] ?? .string("call_\(answer["name"]?.string ?? "")"),
                        "content": .string((answer["response"] ?? [:]).description),
                    ])
                }
            }
            guard !content.isEmpty || !calls.isEmpty else { return answers }
            var message: JSON = ["role": isModel ? "assistant" : "user"]
            // One text is said plainly: every server knows that.
            message["content"] =
                content.count == 1 && content[0]["type"] == "text"
                ? content[0]["text"] : content.isEmpty ? .null : .array(content)
            if !calls.isEmpty { message["tool_calls"] = .array(calls) }
            return answers + [message]
        }

        // MARK: What is answered

        static func answer(_ json: JSON) throws(Fault) -> JSON {
            if let error = json["error"], !error.isNull {
                throw Fault(openAI: error, status: error["code"]?.int ?? 500, now: Seconds.now)
            }
            guard let choices = json["choices"]?.array, !choices.isEmpty else { throw .broken("no choices") }
            var candidates: [JSON] = []
            for (place, choice) in choices.enumerated() {
                let message = choice["message"] ?? [:]
                var parts: [JSON] = []
                if let text = message["content"]?.string, !text.isEmpty { parts.append(["text": .string(text)]) }
                for call in message["tool_calls"]?.array ?? [] {
                    let function = call["function"] ?? [:]
                    parts.append(
                        try part(
                            id: call["id"]?.string ?? "", name: function["name"]?.string ?? "",
                            arguments: function["arguments"]?.string ?? ""))
                }
                var candidate: JSON = ["content": ["role": "model", "parts": .array(parts)], "index": .init(place)]
                if let reason = choice["finish_reason"]?.string { candidate["finishReason"] = .string(self.reason(reason)) }
                candidates.append(candidate)
            }
            var answer: JSON = ["candidates": .array(candidates)]
            answer["usageMetadata"] = usage(json["usage"])
            answer["modelVersion"] = json["model"]
            return answer
        }

        /// One event; `nil` for those that add nothing.
        mutating func event(_ json: JSON) throws(Fault) -> JSON? {
            if let error = json["error"], !error.isNull {
                throw Fault(openAI: error, status: error["code"]?.int ?? 500, now: Seconds.now)
            }
            if let model = json["model"]?.string { self.model = model }
            if let usage = json["usage"], !usage.isNull { self.usage = usage }
            guard let choice = json["choices"]?[0] else { return nil }
            let delta = choice["delta"] ?? [:]
            for call in delta["tool_calls"]?.array ?? [] { try add(call) }
            if let reason = choice["finish_reason"]?.string { finishReason = reason }
            guard let text = delta["content"]?.string, !text.isEmpty else { return nil }
            return chunk([["text": .string(text)]])
        }

        /// `[DONE]`: what is left to say.
        mutating func done() throws(Fault) -> JSON? {
            isDone = true
            return try last()
        }

        /// The end of the stream, with or without `[DONE]`.
        mutating func finish() throws(Fault) -> JSON? { isDone ? nil : try done() }

        private func last() throws(Fault) -> JSON? {
            guard let finishReason else { return nil }
            var parts: [JSON] = []
            for call in calls { parts.append(try ChatTranslator.part(id: call.id, name: call.name, arguments: call.arguments)) }
            var chunk = chunk(parts)
            chunk["candidates"] = [
                [
                    "content": ["role": "model", "parts": .array(parts)],
                    "finishReason": .string(ChatTranslator.reason(finishReason)),
                    "index": 0,
                ]
            ]
            chunk["usageMetadata"] = ChatTranslator.usage(usage)
            return chunk
        }

        private func chunk(_ parts: [JSON]) -> JSON {
            var chunk: JSON = ["candidates": [["content": ["role": "model", "parts": .array(parts)], "index": 0]]]
            if let model { chunk["modelVersion"] = .string(model) }
            return chunk
        }

        private mutating func add(_ call: JSON) throws(Fault) {
            let place = call["index"]?.int ?? calls.count
            guard (0..<128).contains(place) else { throw .broken("a tool call of number \(place)") }
            while calls.count <= place { calls.append(("", "", "")) }
            if let id = call["id"]?.string { calls[place].id = id }
            if let name = call["function"]?["name"]?.string { calls[place].name += name }
            if let arguments = call["function"]?["arguments"]?.string { calls[place].arguments += arguments }
        }

        private static func part(id: String, name: String, arguments: String) throws(Fault) -> JSON {
            let args: JSON
            do { args = arguments.isEmpty ? [:] : try JSON.parse(Array(arguments.utf8)) } catch {
                throw .broken("arguments of a tool call that are not JSON")
            }
            return ["functionCall": ["id": .string(id), "name": .string(name), "args": args]]
        }

        private static func reason(_ reason: String) -> String {
            switch reason {
            case "stop", "tool_calls", "function_call": "STOP"
            case "length": "MAX_TOKENS"
            case "content_filter": "SAFETY"
            default: "OTHER"
            }
        }

        private static func usage(_ usage: JSON?) -> JSON? {
            guard let usage, usage.object != nil else { return nil }
            let thoughts = usage["completion_tokens_details"]?["reasoning_tokens"]?.int ?? 0
            let output = usage["completion_tokens"]?.int ?? 0
            return [
                "promptTokenCount": usage["prompt_tokens"] ?? 0, "candidatesTokenCount": .init(max(0, output &- thoughts)),
                "thoughtsTokenCount": .init(thoughts), "totalTokenCount": usage["total_tokens"] ?? 0,
            ]
        }
    }

    /// Google's schema subset and JSON Schema: the same words, but for the case of the types and `nullable`.
    enum Schema {
        static func standard(_ schema: JSON) -> JSON {
            switch schema {
            case .array(let values): return .array(values.map(standard))
            case .object(let members):
                var result: [(String, JSON)] = []
                for (name, value) in members {
                    switch name {
                    case "type":
                        let word: JSON = value.string.map { .string($0.lowercased()) } ?? value
                        result.append((name, schema["nullable"]?.bool == true ? [word, "null"] : word))
                    case "nullable", "propertyOrdering": break
                    case "enum", "required", "default", "example": result.append((name, value))
                    case "properties":
                        result.append((name, JSON(members: (value.object ?? .init()).map { ($0.name, standard($0.value)) })))
                    default: result.append((name, standard(value)))
                    }
                }
                return JSON(members: result)
            default: return schema
            }
        }
    }
}
