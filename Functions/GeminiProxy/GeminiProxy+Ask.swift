import Swiftlet
import SwiftletJSON
import SwiftletSanitize

extension GeminiProxy {
    /// A `GenerateContentRequest` on its way to a model, whoever wrote it: our operations, Google's SDK, or a client of OpenAI's.
    struct Ask: Sendable, Hashable {
        /// `generateContent`, or `countTokens`.
        enum Verb: String, Sendable { case generate = "generateContent", count = "countTokens" }

        var verb = Verb.generate
        /// Of the upstream's path.
        var version = "v1beta"
        /// With the names of `generationConfig` and its like in camel case.
        var request: JSON
        /// The cap on each answer, in tokens.
        private(set) var maxOutput: Int
        /// How many answers are asked for at once.
        private(set) var answers = 1
        /// A guess of what is read and, at most, written.
        private(set) var estimate = (prompt: 0, total: 0)

        static func == (left: Ask, right: Ask) -> Bool {
            left.verb == right.verb && left.version == right.version && left.request == right.request
        }
        func hash(into hasher: inout Hasher) { hasher.combine(request) }

        /// A request from outside or of our own: judged, cleaned and capped.
        init(_ request: JSON, verb: Verb = .generate, version: String = "v1beta", setup: Setup) throws(HTTPError) {
            self.verb = verb
            self.version = version
            self.request = Ask.camelCased(request)
            maxOutput = setup.maxOutput
            guard self.request.object != nil else { throw Ask.refusal("*", "is no object") }
            // countTokens may wrap what it counts; both are judged alike.
            for wrapper in ["generateContentRequest", "generate_content_request"] {
                guard let inner = self.request[wrapper], !inner.isNull else { continue }
                guard verb == .count else { throw Ask.refusal(wrapper, "belongs to countTokens") }
                self.request[wrapper] = try Ask.judged(Ask.camelCased(inner), setup)
            }
            self.request = try Ask.judged(self.request, setup)
            guard verb == .generate else { return }
            guard let contents = self.request["contents"]?.array, !contents.isEmpty else {
                throw Ask.refusal("contents", "is missing or empty")
            }
            var config = self.request["generationConfig"] ?? [:]
            guard config.object != nil else { throw Ask.refusal("generationConfig", "is no object") }
            if let asked = config["maxOutputTokens"], !asked.isNull {
                guard let number = asked.int, number > 0 else {
                    throw Ask.refusal("generationConfig.maxOutputTokens", "is no number")
                }
                maxOutput = min(number, setup.maxOutput)
            }
            config["maxOutputTokens"] = .init(maxOutput)
            if let count = config["candidateCount"], !count.isNull {
                guard let number = count.int, (1...8).contains(number) else {
                    throw Ask.refusal("generationConfig.candidateCount", "is not 1…8")
                }
                answers = number
            }
            self.request["generationConfig"] = config
            var prompt = Tokens.estimate(.array(contents))
            for part in ["systemInstruction", "tools"] { prompt += self.request[part].map(Tokens.estimate) ?? 0 }
            for part in ["responseSchema", "responseJsonSchema"] { prompt += config[part].map(Tokens.estimate) ?? 0 }
            estimate = (prompt, prompt + maxOutput * answers)
        }

        static func refusal(_ field: String, _ message: String) -> HTTPError {
            HTTPError(422, .invalidInput, "\(field) \(message)", problems: [.init(field: field, message: message)])
        }

        // MARK: As a model takes it

        /// What this model takes: the thinking field of its family, no sampling where it is ignored, a last turn that it answers.
        func body(for model: Model) -> JSON {
            guard verb == .generate else { return request }
            var request = request
            var config = request["generationConfig"] ?? [:]
            config["thinkingConfig"] = Ask.thinking(config["thinkingConfig"], for: model)
            if !model.sampling { for name in ["temperature", "topP", "topK"] { config[name] = nil } }
            if maxOutput > model.output { config["maxOutputTokens"] = .init(model.output) }
            request["generationConfig"] = config
            if !model.trailingModel, case .array(var contents)? = request["contents"], contents.last?["role"]?.string == "model" {
                contents.append(["role": "user", "parts": [["text": "Continue."]]])
                request["contents"] = .array(contents)
            }
            return request
        }

        /// With twice the room to answer, the one time that the operator's cap is passed: thinking had used it all up.
        func roomier() -> Ask {
            var ask = self
            ask.maxOutput = min(maxOutput * 2, 65_536)
            ask.request["generationConfig"]?["maxOutputTokens"] = .init(ask.maxOutput)
            return ask
        }

        /// With one more instruction for the model.
        func instructed(adding text: String) -> Ask {
            var ask = self
            let parts = request["systemInstruction"]?["parts"]?.array ?? []
            ask.request["systemInstruction"] = ["parts": .array(parts + [["text": .string(text)]])]
            return ask
        }

        private static let budgets: [(level: String, budget: Int)] = [
            ("minimal", 0), ("low", 1024), ("medium", 8192), ("high", 24_576),
        ]

        private static func thinking(_ wish: JSON?, for model: Model) -> JSON? {
            guard var wish, wish.object != nil else { return nil }
            let level = wish["thinkingLevel"]?.string
            let budget = wish["thinkingBudget"]?.int
            // Both is a mistake the upstream explains best.
            if level != nil && budget != nil { return wish }
            switch model.thinking {
            case .none: return nil
            case .budget:
                guard let level else { return wish }
                wish["thinkingLevel"] = nil
                wish["thinkingBudget"] = .init(budgets.first { $0.level == level.lowercased() }?.budget ?? -1)
            case .level:
                let wanted =
                    level?.lowercased()
                    ?? budget.map { budget in
                        budget < 0 ? "medium" : budgets.last { $0.budget <= budget }?.level ?? "low"
                    }
                guard let wanted else { return wish }
                wish["thinkingBudget"] = nil
                wish["thinkingLevel"] = .string(nearest(wanted, in: model.levels, as: level))
            }
            return wish
        }

        /// The level itself where the model has it, else the next one up, else its highest.
        private static func nearest(_ level: String, in levels: [String], as written: String?) -> String {
            if levels.contains(level) { return written ?? level }
            guard let place = budgets.firstIndex(where: { $0.level == level }) else { return written ?? level }
            return budgets[place...].first { levels.contains($0.level) }?.level ?? levels.last ?? level
        }

        // MARK: What comes in

        private static let names: [String: String] = [
            "generation_config": "generationConfig", "system_instruction": "systemInstruction",
            "safety_settings": "safetySettings",
            "tool_config": "toolConfig", "cached_content": "cachedContent", "max_output_tokens": "maxOutputTokens",
            "thinking_config": "thinkingConfig", "thinking_budget": "thinkingBudget", "thinking_level": "thinkingLevel",
            "include_thoughts": "includeThoughts", "candidate_count": "candidateCount", "top_p": "topP", "top_k": "topK",
            "stop_sequences": "stopSequences", "response_mime_type": "responseMimeType", "response_schema": "responseSchema",
            "response_json_schema": "responseJsonSchema",
        ]

        /// Both spellings are right; ours is the first one, so that what is looked for is found. Down to `thinkingConfig`.
        private static func camelCased(_ json: JSON, depth: Int = 0) -> JSON {
            guard let members = json.object else { return json }
            guard
                depth > 0
                    || members.contains(where: { $0.name.utf8.contains(UInt8(ascii: "_")) || $0.name == "generationConfig" })
            else { return json }
            return JSON(
                members: members.map { name, value in
                    let name = names[name] ?? name
                    let deeper = name == "generationConfig" || name == "thinkingConfig"
                    return (name, deeper ? camelCased(value, depth: depth + 1) : value)
                })
        }

        /// One request, with lists where a single value may stand for a list, so that what is looked for is found.
        private static func judged(_ request: JSON, _ setup: Setup) throws(HTTPError) -> JSON {
            var request = request
            for (name, isTurns) in [("contents", true), ("tools", false)] {
                guard let value = request[name], !value.isNull else { continue }
                guard let list = value.object == nil ? value.array : [value] else { throw Ask.refusal(name, "is no list") }
                guard list.allSatisfy({ $0.object != nil }) else { throw Ask.refusal(name, "has an element that is no object") }
                request[name] = .array(isTurns ? list.map(Ask.withParts) : list)
            }
            if let system = request["systemInstruction"] { request["systemInstruction"] = Ask.withParts(system) }
            try refuseForeign(request, setup)
            return try screened(request, setup.sensitive)
        }

        private static func withParts(_ turn: JSON) -> JSON {
            guard let part = turn["parts"], part.object != nil else { return turn }
            var turn = turn
            turn["parts"] = [part]
            return turn
        }

        /// What belongs to the host's key is not its callers': files and caches of others, and tools that are billed.
        private static func refuseForeign(_ request: JSON, _ setup: Setup) throws(HTTPError) {
            if let cached = request["cachedContent"], !cached.isNull {
                throw Ask.refusal("cachedContent", "is not offered: caches belong to the host's key")
            }
            for part in ["contents", "systemInstruction"] where Ask.holds(request[part], ["fileData", "file_data"]) {
                throw Ask.refusal(part, "holds fileData, which is not offered: send the bytes as inlineData")
            }
            guard setup.tools != .all, let tools = request["tools"]?.array, !tools.isEmpty else { return }
            guard setup.tools == .functions else { throw Ask.refusal("tools", "are not offered") }
            for tool in tools {
                for name in tool.object?.names ?? [] where name != "functionDeclarations" && name != "function_declarations" {
                    throw Ask.refusal("tools", "other than functionDeclarations are not offered")
                }
            }
        }

        private static func holds(_ json: JSON?, _ names: Set<String>) -> Bool {
            switch json {
            case .array(let values)?: values.contains { holds($0, names) }
            case .object(let members)?: members.contains { names.contains($0.name) || holds($0.value, names) }
            default: false
            }
        }

        /// Card numbers, keys and the like go no further.
        private static func screened(_ request: JSON, _ rule: Setup.Sensitive) throws(HTTPError) -> JSON {
            guard rule != .off else { return request }
            var request = request
            var found: Set<SensitiveType> = []
            for part in ["contents", "systemInstruction", "tools"] {
                guard let value = request[part] else { continue }
                let (clean, types) = Ask.redacted(value)
                found.formUnion(types)
                if !types.isEmpty { request[part] = clean }
            }
            guard rule == .refuse, !found.isEmpty else { return request }
            let types = SensitiveType.allCases.filter(found.contains).map(\.rawValue).joined(separator: ", ")
            throw HTTPError(
                422, "SENSITIVE_DATA", "The text holds what should not leave this host: \(types); take it out",
                problems: [.init(field: "*", message: "holds \(types)", rule: "sensitive", code: "found")])
        }

        /// Not looked at: bytes in base64, and what only Gemini can read.
        private static let opaque: Set<String> = ["inlineData", "inline_data", "thoughtSignature", "thought_signature"]

        private static func redacted(_ json: JSON) -> (JSON, Set<SensitiveType>) {
            switch json {
            case .string(let text):
                let (clean, data) = redactSensitiveData(text)
                return data.found ? (.string(clean), Set(data.types)) : (json, [])
            case .array(let values):
                var types: Set<SensitiveType> = []
                let clean = values.map { value in
                    let (clean, found) = redacted(value)
                    types.formUnion(found)
                    return clean
                }
                return types.isEmpty ? (json, []) : (.array(clean), types)
            case .object(var members):
                var types: Set<SensitiveType> = []
                for (name, value) in members where !opaque.contains(name) {
                    let (clean, found) = redacted(value)
                    guard !found.isEmpty else { continue }
                    types.formUnion(found)
                    members[name] = clean
                }
                return types.isEmpty ? (json, []) : (.object(members), types)
            default: return (json, [])
            }
        }
    }
}
