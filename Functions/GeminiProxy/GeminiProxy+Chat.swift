import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// A request as clients of OpenAI's chat/completions write it, as a `GenerateContentRequest`.
    struct ChatRequest: Sendable {
        let model: String
        let stream: Bool
        let includesUsage: Bool
        let request: JSON

        /// What is understood; anything else that is set is refused by name rather than left out in silence.
        private static let known: Set<String> = [
            "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n",
            "stop",
            "seed", "presence_penalty", "frequency_penalty", "response_format", "reasoning_effort", "tools", "tool_choice",
            // These change nothing about the answer.
            "user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier", "prompt_cache_key",
        ]

        init(_ json: JSON) throws(HTTPError) {
            guard let members = json.object else { throw Ask.refusal("*", "is no object") }
            for (name, value) in members where !ChatRequest.known.contains(name) && !value.isNull {
                throw Ask.refusal(name, "is not offered here")
            }
            guard let model = json["model"]?.string, !model.isEmpty else { throw Ask.refusal("model", "is missing") }
            // Some clients put the provider in front, and Google's face takes `models/`.
            self.model = String(model.split(separator: "/").last ?? "")
            stream = try ChatRequest.flag(json["stream"], "stream") ?? false
            includesUsage =
                try ChatRequest.flag(json["stream_options"]?["include_usage"], "stream_options.include_usage") ?? false
            guard let messages = json["messages"]?.array, !messages.isEmpty else {
                throw Ask.refusal("messages", "is missing or empty")
            }
            var request: JSON = [:]
            var system: [JSON] = []
            var contents: [JSON] = []
            var names: [String: String] = [:]
            for (place, message) in messages.enumerated() {
                let field = "messages[\(place)]"
                switch message["role"]?.string {
                case "system", "developer": system += try ChatRequest.parts(message["content"], field)
                case "user": contents.append(["role": "user", "parts": .array(try ChatRequest.parts(message["content"], field))])
                case "assistant":
                    // Beside calls many clients keep an empty text, which is none.
                    let isSilent = message["content"].map { $0.isNull || $0 == "" } ?? true
                    var parts = isSilent ? [] : try ChatRequest.parts(message["content"], field)
                    for call in message["tool_calls"]?.array ?? [] {
                        guard let name = call["function"]?["name"]?.string else {
                            throw Ask.refusal("\(field).tool_calls", "has no name")
                        }
                        let text = call["function"]?["arguments"]?.string ?? ""
                        let arguments: JSON
                        do { arguments = text.isEmpty ? [:] : try JSON.parse(Array(text.utf8)) } catch {
                            throw Ask.refusal("\(field).tool_calls", "has arguments that are not JSON")
                        }
                        if let id = call["id"]?.string { names[id] = name }
                        var part: JSON = ["functionCall": ["name": .string(name), "args": arguments]]
                        // What Gemini wants back with a call of its own, where the client kept it.
                        part["thoughtSignature"] =
                            call["extra_content"]?["google"]?["thought_signature"] ?? .string("skip_thought_signature_validator")
                        parts.append(part)
                    }
                    guard !parts.isEmpty else { throw Ask.refusal(field, "says nothing") }
                    contents.append(["role": "model", "parts": .array(parts)])
                case "tool":
                    guard let id = message["tool_call_id"]?.string, let name = names[id] else {
                        throw Ask.refusal("\(field).tool_call_id", "belongs to no call before it")
                    }
                    let text = try ChatRequest.text(message["content"], field)
                    let part: JSON = ["functionResponse": ["name": .string(name), "response": ["result": .string(text)]]]
                    // Answers to calls made side by side stand in one turn.
                    if var last = contents.last, last["parts"]?[0]?["functionResponse"] != nil {
                        last["parts"] = .array((last["parts"]?.array ?? []) + [part])
                        contents[contents.count - 1] = last
                    } else {
                        contents.append(["role": "user", "parts": [part]])
                    }
                default: throw Ask.refusal("\(field).role", "is none of: system, developer, user, assistant, tool")
                }
            }
            guard !contents.isEmpty else { throw Ask.refusal("messages", "has nothing but instructions") }
            request["contents"] = .array(contents)
            if !system.isEmpty { request["systemInstruction"] = ["parts": .array(system)] }
            request["generationConfig"] = try ChatRequest.config(json)
            try ChatRequest.addTools(json, to: &request)
            self.request = request
        }

        private static func flag(_ json: JSON?, _ field: String) throws(HTTPError) -> Bool? {
            guard let json, !json.isNull else { return nil }
            guard let flag = json.bool else { throw Ask.refusal(field, "is not true or false") }
            return flag
        }

        private static func text(_ content: JSON?, _ field: String) throws(HTTPError) -> String {
            if let text = content?.string { return text }
            guard let parts = content?.array else { throw Ask.refusal("\(field).content", "is missing") }
            return parts.compactMap { $0["text"]?.string }.joined()
        }

        private static func parts(_ content: JSON?, _ field: String) throws(HTTPError) -> [JSON] {
            if let text = content?.string { return [["text": .string(text)]] }
            guard let parts = content?.array, !parts.isEmpty else { throw Ask.refusal("\(field).content", "is missing") }
            var result: [JSON] = []
            for part in parts {
                switch part["type"]?.string {
                case "text": result.append(["text": part["text"] ?? ""])
                case "refusal": result.append(["text": part["refusal"] ?? ""])
                case "image_url":
                    guard let url = part["image_url"]?["url"]?.string, url.hasPrefix("data:"), let comma = url.firstIndex(of: ",")
                    else {
                        throw Ask.refusal("\(field).content", "has an image that is no data: URL; other URLs are not fetched")
                    }
                    let head = url[url.index(url.startIndex, offsetBy: 5)..<comma].split(separator: ";")
                    guard let kind = head.first, head.last == "base64" else {
                        throw Ask.refusal("\(field).content", "has an image that is not base64")
                    }
                    result.append([
                        "inlineData": [
                            "mimeType": .string(String(kind)), "data": .string(String(url[url.index(after: comma)...])),
                        ]
                    ])
                default: throw Ask.refusal("\(field).content", "has a part that is neither text nor image_url")
                }
            }
            return result
        }

        private static func config(_ json: JSON) throws(HTTPError) -> JSON {
            var config: JSON = [:]
            let names = [
                ("temperature", "temperature"), ("top_p", "topP"), ("n", "candidateCount"), ("seed", "seed"),
                ("presence_penalty", "presencePenalty"), ("frequency_penalty", "frequencyPenalty"),
                ("max_tokens", "maxOutputTokens"),
                ("max_completion_tokens", "maxOutputTokens"),
            ]
            for (theirs, ours) in names {
                guard let value = json[theirs], !value.isNull else { continue }
                guard value.double != nil else { throw Ask.refusal(theirs, "is no number") }
                if ours == "maxOutputTokens", value.int.map({ $0 < 1 }) ?? true {
                    throw Ask.refusal(theirs, "is no number of tokens")
                }
                if theirs == "n", value.int.map({ !(1...8).contains($0) }) ?? true { throw Ask.refusal(theirs, "is not 1…8") }
                config[ours] = value
            }
            if let stop = json["stop"], !stop.isNull { config["stopSequences"] = stop.string.map { [.string($0)] } ?? stop }
            if let effort = json["reasoning_effort"], !effort.isNull {
                guard let word = effort.string, ["none", "minimal", "low", "medium", "high", "xhigh"].contains(word) else {
                    throw Ask.refusal("reasoning_effort", "is none of: none, minimal, low, medium, high, xhigh")
                }
                let level = word == "none" ? "minimal" : word == "xhigh" ? "high" : word
                config["thinkingConfig"] = ["thinkingLevel": .string(level)]
            }
            switch json["response_format"]?["type"]?.string {
            case nil where json["response_format"].map { $0.isNull } ?? true, "text": break
            case "json_object": config["responseMimeType"] = "application/json"
            case "json_schema":
                guard let schema = json["response_format"]?["json_schema"]?["schema"] else {
                    throw Ask.refusal("response_format.json_schema.schema", "is missing")
                }
                config["responseMimeType"] = "application/json"
                config["responseJsonSchema"] = schema
            default: throw Ask.refusal("response_format.type", "is none of: text, json_object, json_schema")
            }
            return config
        }

        private static func addTools(_ json: JSON, to request: inout JSON) throws(HTTPError) {
            guard let tools = json["tools"]?.array, !tools.isEmpty else { return }
            var declarations: [JSON] = []
            for tool in tools {
                guard tool["type"]?.string == "function", let function = tool["function"], let name = function["name"] else {
                    throw Ask.refusal("tools", "has one that is no function")
                }
                var declaration: JSON = ["name": name]
                declaration["description"] = function["description"]
                declaration["parametersJsonSchema"] = function["parameters"]
                declarations.append(declaration)
            }
            request["tools"] = [["functionDeclarations": .array(declarations)]]
            let mode: JSON
            switch json["tool_choice"] {
            case nil, .null?, "auto"?: return
            case "none"?: mode = ["mode": "NONE"]
            case "required"?: mode = ["mode": "ANY"]
            case let choice?:
                guard let name = choice["function"]?["name"] else {
                    throw Ask.refusal("tool_choice", "is none of: auto, none, required, a function")
                }
                mode = ["mode": "ANY", "allowedFunctionNames": [name]]
            }
            request["toolConfig"] = ["functionCallingConfig": mode]
        }
    }

    /// Gemini's answers as chat/completions.
    enum ChatAnswer {
        static func whole(_ json: JSON, model: String, id: String) -> JSON {
            var choices: [JSON] = []
            for (place, candidate) in (json["candidates"]?.array ?? []).enumerated() {
                let said = said(candidate, id: id)
                var message: JSON = [
                    "role": "assistant", "content": said.text.isEmpty && !said.calls.isEmpty ? .null : .string(said.text),
                ]
                if !said.calls.isEmpty { message["tool_calls"] = .array(said.calls) }
                choices.append([
                    "index": candidate["index"] ?? .init(place), "message": message, "logprobs": nil,
                    "finish_reason": reason(candidate, calls: !said.calls.isEmpty),
                ])
            }
            return [
                "id": .string("chatcmpl-" + id), "object": "chat.completion", "created": .init(Seconds.now),
                "model": .string(model),
                "choices": .array(choices), "usage": usage(json["usageMetadata"]),
            ]
        }

        /// Refuses what chat/completions has no word for: nothing at all, and answers that ended badly. Cut at the cap and held back have one.
        static func judge(_ reply: Reply) throws(Fault) {
            let reason = reply.finishReason ?? ""
            if reply.blockReason == nil, reason == "MAX_TOKENS" || Reply.isBlocked(reason) { return }
            if Reply.isSpoilt(reason) { throw .broken("finishReason \(Word(reason))", "Gemini's answer ended badly") }
            if !reply.hasOtherParts { _ = try reply.answer() }
        }

        static func said(_ candidate: JSON?, id: String, from first: Int = 0) -> (text: String, calls: [JSON]) {
            var text = ""
            var calls: [JSON] = []
            for part in candidate?["content"]?["parts"]?.array ?? [] where part["thought"]?.bool != true {
                if let piece = part["text"]?.string { text += piece }
                guard let call = part["functionCall"] else { continue }
                let place = first + calls.count
                var told: JSON = [
                    "id": call["id"] ?? .string("call_\(id)_\(place)"), "type": "function",
                    "function": ["name": call["name"] ?? "", "arguments": .string((call["args"] ?? [:]).description)],
                ]
                if let signature = part["thoughtSignature"] {
                    told["extra_content"] = ["google": ["thought_signature": signature]]
                }
                calls.append(told)
            }
            return (text, calls)
        }

        static func reason(_ candidate: JSON?, calls: Bool) -> JSON {
            switch candidate?["finishReason"]?.string {
            case nil: .null
            case "STOP"?: calls ? "tool_calls" : "stop"
            case "MAX_TOKENS"?: "length"
            case let reason?: Reply.isBlocked(reason) ? "content_filter" : "stop"
            }
        }

        static func usage(_ metadata: JSON?) -> JSON {
            let prompt = metadata?["promptTokenCount"]?.int ?? 0
            let thoughts = metadata?["thoughtsTokenCount"]?.int ?? 0
            let output = (metadata?["candidatesTokenCount"]?.int ?? 0) &+ thoughts
            return [
                "prompt_tokens": .init(prompt), "completion_tokens": .init(output),
                "total_tokens": .init(metadata?["totalTokenCount"]?.int ?? prompt &+ output),
                "prompt_tokens_details": ["cached_tokens": metadata?["cachedContentTokenCount"] ?? 0],
                "completion_tokens_details": ["reasoning_tokens": .init(thoughts)],
            ]
        }

        /// The shape of an error, as OpenAI's clients read it.
        static func error(_ error: HTTPError) -> JSON {
            let type =
                switch error.status {
                case 401: "authentication_error"
                case 403: "permission_error"
                case 404: "not_found_error"
                case 429: "rate_limit_error"
                case 400..<500: "invalid_request_error"
                default: "server_error"
                }
            let code: String =
                switch error.code.text {
                case "CONTEXT_TOO_LONG": "context_length_exceeded"
                case "PROMPT_BLOCKED", "ANSWER_BLOCKED": "content_filter"
                case "MODEL_NOT_ALLOWED": "model_not_found"
                case "TOKEN_BUDGET_EXCEEDED", "UPSTREAM_RATE_LIMITED": "rate_limit_exceeded"
                default: error.code.text.lowercased()
                }
            return [
                "error": [
                    "message": .string(error.message), "type": .string(type), "code": .string(code),
                    "param": error.problems.first.map { .string($0.field) } ?? .null,
                ]
            ]
        }
    }
}
