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

        /// The prompt, once operation and text have been judged.
        func checked() throws(HTTPError) -> String {
            let operation = operation ?? "generate"
            guard Prompt.operations.contains(operation) else {
                throw Prompt.refusal("operation", "is not one of: \(Prompt.operations.joined(separator: ", "))")
            }
            guard let prompt else { throw Prompt.refusal("prompt", "is missing") }
            guard !prompt.utf8.contains(0) else { throw Prompt.refusal("prompt", "holds a NUL character") }
            guard prompt.utf8.count <= Prompt.limit else {
                throw Prompt.refusal("prompt", "is longer than \(Prompt.limit) bytes")
            }
            let text = Prompt.printable(prompt)
            guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
                throw Prompt.refusal("prompt", "is empty")
            }
            return text
        }

        private static func refusal(_ field: String, _ message: String) -> HTTPError {
            HTTPError(422, .invalidInput, "\(field) \(message)", problems: [.init(field: field, message: message)])
        }

        /// Without controls (but line ends and tabs), direction overrides and other characters that nobody sees.
        static func printable(_ text: String) -> String {
            var kept = String.UnicodeScalarView()
            for scalar in text.unicodeScalars where isKept(scalar) { kept.append(scalar) }
            return String(kept)
        }

        private static func isKept(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.value {
            case 0x09, 0x0A, 0x0D: true
            case 0x00...0x1F, 0x7F...0x9F: false
            case 0x202A...0x202E, 0x2066...0x2069, 0x200B, 0x2060, 0xFEFF: false
            default: true
            }
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
