import SwiftletJSON

/// What the body of a call asks for, as far as it changes the answer.
struct Ask: Sendable {
    enum Format: Sendable {
        case text
        /// JSON, of this schema when there is one.
        case json(JSON?)
    }

    var model: String
    var isStream: Bool
    /// OpenAI: whether a stream tells the usage at its end.
    var includesUsage = true
    var endsWithModel = false
    var format = Format.text
    /// The first function the caller declared.
    var function: (name: String, parameters: JSON?)?
    /// A quarter of the text's bytes, rounded up, as good as any.
    var promptTokens = 1

    /// `nil` when the body lacks what every call has.
    init?(_ body: JSON, of call: Call) {
        switch call.shape {
        case .gemini:
            model = call.model
            isStream = call.verb == .stream
            let request = body["generateContentRequest"] ?? body["generate_content_request"] ?? body
            guard let contents = request["contents"]?.array, !contents.isEmpty else { return nil }
            endsWithModel = contents.last?["role"]?.string == "model"
            var bytes = 0
            let system = request["systemInstruction"] ?? request["system_instruction"]
            for content in contents + (system.map { [$0] } ?? []) {
                for part in content["parts"]?.array ?? [] { bytes += part["text"]?.string?.utf8.count ?? 0 }
            }
            promptTokens = max(1, (bytes + 3) / 4)
            let generation = request["generationConfig"] ?? request["generation_config"]
            let schema = ["responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"].lazy
                .compactMap { generation?[$0] }.first { !$0.isNull }
            let type = (generation?["responseMimeType"] ?? generation?["response_mime_type"])?.string
            if schema != nil || type == "application/json" { format = .json(schema) }
            for tool in request["tools"]?.array ?? [] {
                let declared = tool["functionDeclarations"] ?? tool["function_declarations"]
                guard let first = declared?[0], let name = first["name"]?.string else { continue }
                function = (
                    name, first["parameters"] ?? first["parametersJsonSchema"] ?? first["parameters_json_schema"]
                )
                break
            }
        case .openai:
            guard let name = body["model"]?.string, let messages = body["messages"]?.array, !messages.isEmpty else { return nil }
            model = name
            isStream = body["stream"]?.bool ?? false
            includesUsage = body["stream_options"]?["include_usage"]?.bool ?? false
            endsWithModel = messages.last?["role"]?.string == "assistant"
            var bytes = 0
            for message in messages {
                bytes += message["content"]?.string?.utf8.count ?? 0
                for part in message["content"]?.array ?? [] { bytes += part["text"]?.string?.utf8.count ?? 0 }
            }
            promptTokens = max(1, (bytes + 3) / 4)
            switch body["response_format"]?["type"]?.string {
            case "json_schema": format = .json(body["response_format"]?["json_schema"]?["schema"])
            case "json_object": format = .json(nil)
            default: break
            }
            if let first = body["tools"]?[0]?["function"], let name = first["name"]?.string {
                function = (name, first["parameters"])
            }
        }
    }
}
