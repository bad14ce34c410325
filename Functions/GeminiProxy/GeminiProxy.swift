import HTTPTypes
import Swiftlet
import SwiftletSanitize

/// Sends a signed-in caller's prompt to Gemini and returns the answer, so that the API key stays with the host.
///
/// `POST {"prompt": "Hello"}` → `{"result", "operation", "model", "usage", "finishReason", "cached", "requestId"}`; with `"stream": true`
/// server-sent events: `{"text"}` as it is written, then one event `done` with the same object. A stream that the upstream breaks ends with an
/// event `error` and is cut, so that half an answer never looks whole.
struct GeminiProxy: EdgeFunction {
    static let name: FunctionName = "gemini-proxy"
    static let policy = Policy(
        methods: [.post],
        rateLimit: .perCaller(20, every: .minutes(1)),
        // People ask about attacks, so those are only told; a card number or a key in a prompt goes no further.
        body: .json(
            upTo: .kib(256), sanitize: .text(["prompt"]), reject: .nul(["prompt"]), redact: .sensitive(["prompt"]),
            report: .malicious(["prompt"], in: .prompt)),
        deadline: .seconds(60),
        secrets: [.geminiAPIKey],
        egress: ["generativelanguage.googleapis.com"],
        settings: [.geminiBaseURL, .geminiModel, .geminiMaxOutputTokens],
        example: #"{"prompt":"Hello"}"#
    )

    func handle(_ request: Request<Prompt>, from user: User, in context: Context) async throws -> Response {
        guard request.subpath.isEmpty || request.subpath == "/" else {
            throw HTTPError(
                404, .notFound, "gemini-proxy has no path '\(sanitizeText(request.subpath))'; POST to /gemini-proxy itself")
        }
        let prompt = try request.body.checked()
        let call = try Call(prompt, context: context)
        guard request.body.stream == true else {
            let answer = try await call.generate(in: context)
            return try .json(Answer(answer, call: call, requestID: request.id))
        }
        let events = try await call.openStream(in: context)
        let requestID = request.id
        let log = context.log
        return .events(
            EventStream { writer in
                do {
                    try await call.relay(events, to: writer, requestID: requestID)
                } catch let error as HTTPError {
                    // The head is out, so the refusal travels as an event; rethrowing it cuts the stream.
                    log.warning("gemini stream failed", metadata: ["code": "\(error.code)", "cause": "\(error.cause ?? "")"])
                    try await writer.send(json: ["code": error.code.text, "message": error.message], event: "error")
                    throw error
                }
            })
    }
}

extension SecretName {
    static let geminiAPIKey: SecretName = "GEMINI_API_KEY"
}

extension Setting {
    static let geminiBaseURL = Setting(
        "GEMINI_BASE_URL", default: "https://generativelanguage.googleapis.com",
        help: "where Gemini is; a mock or a gateway for development", isOrigin: true)
    static let geminiModel = Setting("GEMINI_MODEL", default: "gemini-3.5-flash-lite", help: "the model gemini-proxy asks")
    static let geminiMaxOutputTokens = Setting(
        "GEMINI_MAX_OUTPUT_TOKENS", default: "2048", help: "cap on an answer, thought tokens included (1…65536)")
}
