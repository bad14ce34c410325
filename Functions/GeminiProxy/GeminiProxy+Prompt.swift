import Swiftlet

extension GeminiProxy {
    /// What a caller sends.
    struct Prompt: Decodable, Sendable {
        var operation: String?
        var prompt: String?
        var stream: Bool?

        static let operations = ["generate"]
        /// In UTF-8 bytes.
        static let limit = 32 * 1024

        /// The prompt, once operation and text have been judged. The policy has cleaned it before.
        func checked() throws(HTTPError) -> String {
            let operation = operation ?? "generate"
            guard Prompt.operations.contains(operation) else {
                throw Prompt.refusal("operation", "is not one of: \(Prompt.operations.joined(separator: ", "))")
            }
            guard let prompt else { throw Prompt.refusal("prompt", "is missing") }
            guard prompt.utf8.count <= Prompt.limit else {
                throw Prompt.refusal("prompt", "is longer than \(Prompt.limit) bytes")
            }
            guard prompt.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
                throw Prompt.refusal("prompt", "is empty")
            }
            return prompt
        }

        private static func refusal(_ field: String, _ message: String) -> HTTPError {
            HTTPError(422, .invalidInput, "\(field) \(message)", problems: [.init(field: field, message: message)])
        }
    }

    /// What a caller gets.
    struct Answer: Encodable, Sendable {
        let result: String
        let operation: String
        let model: String
        let usage: Usage
        /// `STOP`, or `MAX_TOKENS` when the answer was cut at the token limit.
        let finishReason: String
        let cached: Bool
        let requestId: String

        struct Usage: Encodable, Sendable {
            var prompt = 0
            var output = 0
            var thoughts = 0
            var total = 0
        }

        init(_ reply: Reply, call: Call, requestID: String) {
            result = reply.text
            operation = "generate"
            model = reply.modelVersion ?? call.model
            usage = reply.usage
            finishReason = reply.finishReason ?? "STOP"
            cached = false
            requestId = requestID
        }
    }
}
