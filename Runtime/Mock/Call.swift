/// Where a request goes, by its method and target alone.
enum Route: Sendable, Hashable {
    case call(Call)
    /// The list of models, or one of them.
    case models(Shape, name: String?)
    case log, forget, release
    case unknown
}

/// Whose wire it is.
package enum Shape: String, Sendable, Hashable {
    case gemini, openai
}

struct Call: Sendable, Hashable {
    enum Verb: String, Sendable, Hashable {
        case generate = "generateContent"
        case stream = "streamGenerateContent"
        case count = "countTokens"
        case chat = "chat.completions"
    }

    var shape: Shape
    var verb: Verb
    /// `v1`, `v1beta`; of the OpenAI paths what stands before `chat`.
    var version: String
    /// Of the path; empty where the body names it.
    var model = ""
    /// `alt=sse`; a Gemini stream without it is a JSON array.
    var isEvents = false
    /// A key in the query is what ends up in logs, so the mock does not take it.
    var hasQueryKey = false
}

extension Route {
    init(method: String, path: String, query: String?) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        switch (method, Array(parts)) {
        case ("POST", let parts) where parts.count == 3 && parts[1] == "models" && Route.isVersion(parts[0]):
            guard let colon = parts[2].lastIndex(of: ":"), colon > parts[2].startIndex,
                let verb = Call.Verb(rawValue: String(parts[2][parts[2].index(after: colon)...])), verb != .chat
            else {
                self = .unknown
                return
            }
            var call = Call(shape: .gemini, verb: verb, version: String(parts[0]), model: String(parts[2][..<colon]))
            for pair in (query ?? "").split(separator: "&") {
                if pair == "alt=sse" || pair == "%24alt=sse" || pair == "$alt=sse" { call.isEvents = true }
                if pair == "key" || pair.hasPrefix("key=") { call.hasQueryKey = true }
            }
            self = .call(call)
        case ("POST", let parts) where parts.suffix(2) == ["chat", "completions"]:
            let before = parts.dropLast(2).joined(separator: "/")
            guard ["v1", "openai", "openai/v1", "v1beta/openai"].contains(before) else {
                self = .unknown
                return
            }
            self = .call(Call(shape: .openai, verb: .chat, version: before))
        case ("GET", ["v1beta", "openai", "models"]), ("GET", ["openai", "v1", "models"]): self = .models(.openai, name: nil)
        case ("GET", let parts) where parts.count == 2 && parts[1] == "models" && Route.isVersion(parts[0]):
            self = .models(.gemini, name: nil)
        case ("GET", let parts) where parts.count == 3 && parts[1] == "models" && Route.isVersion(parts[0]):
            self = .models(.gemini, name: String(parts[2]))
        case ("GET", ["mock", "log"]): self = .log
        case ("DELETE", ["mock", "log"]): self = .forget
        case ("POST", ["mock", "release"]): self = .release
        default: self = .unknown
        }
    }

    private static func isVersion(_ text: Substring) -> Bool { text == "v1" || text == "v1beta" }
}
