import HTTPTypes
import Swiftlet
import SwiftletJSON

/// Asks Gemini for a signed-in caller, so that the API key stays with the host.
///
/// Three faces, one desk behind them (limits, budgets, repeats, other models, what is shared):
/// - `POST {"prompt": "Hello"}` and the other operations → `{"result", "operation", "model", "usage", "finishReason", "cached",
///   "requestId"}`; with `"stream": true` server-sent events: `{"text"}` as it is written, then one event `done` with the same object.
/// - `POST …/v1beta/models/MODEL:generateContent` and its like: what Google's own SDK speaks.
/// - `POST …/openai/chat/completions`: what OpenAI's clients speak.
///
/// A stream that the upstream breaks ends with an error event and is cut, so that half an answer never looks whole.
struct GeminiProxy: EdgeFunction {
    static let name: FunctionName = "gemini-proxy"

    /// Where operations carry what people wrote.
    private static let texts: [FieldPath] = ["prompt", "text", "history[].text", "messages[].text", "options.tone"]

    static let policy = Policy(
        methods: [.post],
        rateLimit: .perCaller(20, every: .minutes(1)),
        // People ask about attacks, so those are only told. What is sensitive the function takes out, by GEMINI_SENSITIVE.
        body: .json(
            upTo: .mib(4), sanitize: .text(texts), reject: .nul(texts), report: .malicious(texts, in: .prompt)),
        deadline: .seconds(150),
        secrets: [.geminiAPIKey],
        optionalSecrets: [.openAIAPIKey],
        egress: ["generativelanguage.googleapis.com"],
        settings: Setting.gemini,
        concurrency: 4096,
        capabilities: [.rateLimit],
        example: #"{"prompt":"Hello"}"#
    )

    /// Of an operation's body, in bytes; the SDKs may send pictures.
    static let operationLimit = 256 * 1024

    private let desk = Desk()

    func handle(_ request: Request<Bytes>, from user: User, in context: Context) async throws -> Response {
        guard let route = Route(subpath: request.subpath) else {
            throw HTTPError(
                404, .notFound,
                "gemini-proxy has no such path; POST to it, to /v1beta/models/MODEL:generateContent or to /openai/chat/completions"
            )
        }
        let setup = try desk.setup(context)
        func visit(_ operation: String) -> Visit {
            Visit(user, operation, desk: desk, setup: setup, requestID: request.id, context: context)
        }
        let isWhole = (request.header("x-swiftlet-stream") ?? setup.streams.rawValue) == Setup.Streams.whole.rawValue
        switch route {
        case .operations:
            do { return try await operate(request, visit, isWhole: isWhole) } catch let refusal as Refusal { throw refusal.error }
        case .google(let model, let verb, let version):
            do {
                return try await pass(request, model, verb, version, visit("sdk"), isWhole: isWhole)
            } catch {
                guard let refusal = Refusal(error) else { throw error }
                return GeminiProxy.response(refusal.error, GoogleError.json(refusal.error, word: refusal.word))
            }
        case .chat:
            do {
                return try await chat(request, visit("chat"), isWhole: isWhole)
            } catch {
                guard let refusal = Refusal(error) else { throw error }
                return GeminiProxy.response(refusal.error, ChatAnswer.error(refusal.error))
            }
        }
    }

    // MARK: The faces

    private func operate(_ request: Request<Bytes>, _ visit: (String) -> Visit, isWhole: Bool) async throws -> Response {
        guard request.body.count <= GeminiProxy.operationLimit else {
            throw HTTPError(413, .payloadTooLarge, "An operation takes bodies of up to \(GeminiProxy.operationLimit) bytes")
        }
        let envelope = try request.body.decode(Envelope.self)
        let wish = try Wish(envelope)
        let visit = visit(wish.operation.rawValue)
        let plan = try visit.plan(nil)
        let ask = try Ask(wish.request, setup: visit.setup)
        if envelope.stream == true, wish.operation == .generate {
            let face = TextEvents(wish: wish, requestID: request.id)
            return try await visit.stream(ask, plan, isWhole: isWhole, face: face)
        }
        let mayKeep = envelope.options?.cache != false
        let served = try await visit.whole(
            ask, plan, kept: mayKeep ? visit.setup.cache : .zero,
            shape: "\(Operation.edition) \(wish.maxOptions) \(wish.maxWords) \(wish.engagement?.json.description ?? "")",
            judge: { JSON(members: try wish.judge(try $0.answer())) })
        let members = (served.outcome.judged?.object ?? .init()).map { ($0.name, $0.value) }
        let answer = Answer(
            members, served.outcome.landed.reply, wish: wish, model: served.outcome.model, cached: served.sharing == .hit,
            requestID: request.id)
        var response = Response(headers: served.fields, body: .bytes(Bytes(answer.json.bytes)))
        response.headers[.contentType] = "application/json"
        guard envelope.stream == true else { return response }
        response.headers[.contentType] = "text/event-stream"
        response.body = .bytes(Bytes(TextEvents.whole(answer, text: Wish.shown(members))))
        return response
    }

    private func pass(
        _ request: Request<Bytes>, _ model: String, _ verb: Route.Verb, _ version: String, _ visit: Visit, isWhole: Bool
    ) async throws -> Response {
        let plan = try visit.plan(model)
        let ask = try Ask(
            try request.body.json(), verb: verb == .countTokens ? .count : .generate, version: version, setup: visit.setup)
        guard verb == .streamGenerateContent else {
            let served = try await visit.whole(ask, verb == .countTokens ? plan.filter { $0.provider == .gemini } : plan)
            var response = Response(headers: served.fields, body: .bytes(Bytes(served.outcome.landed.bytes)))
            response.headers[.contentType] = "application/json; charset=UTF-8"
            return response
        }
        return try await visit.stream(
            ask, plan, isWhole: isWhole, face: GoogleEvents(isArray: request.query["alt"] != "sse"))
    }

    private func chat(_ request: Request<Bytes>, _ visit: Visit, isWhole: Bool) async throws -> Response {
        let wish = try ChatRequest(try request.body.json())
        let plan = try visit.plan(wish.model)
        let ask = try Ask(wish.request, setup: visit.setup)
        let id = request.id
        guard wish.stream else {
            let served = try await visit.whole(
                ask, plan,
                judge: { reply in
                    try ChatAnswer.judge(reply)
                    return .null
                })
            let answer = ChatAnswer.whole(served.outcome.landed.json, model: served.outcome.model, id: id)
            var response = Response(headers: served.fields, body: .bytes(Bytes(answer.bytes)))
            response.headers[.contentType] = "application/json"
            return response
        }
        return try await visit.stream(
            ask, plan, isWhole: isWhole, face: ChatEvents(id: id, includesUsage: wish.includesUsage))
    }

    /// A refusal in the shape of a face.
    private static func response(_ error: HTTPError, _ body: JSON) -> Response {
        var headers: HTTPFields = [.contentType: "application/json; charset=UTF-8", .cacheControl: "private, no-store"]
        for field in error.fields {
            if let name = HTTPField.Name(field.name) { headers.append(HTTPField(name: name, value: field.value)) }
        }
        return Response(status: error.status, headers: headers, body: .bytes(Bytes(body.bytes)))
    }
}

extension GeminiProxy.Refusal {
    /// What may be told in another shape; `nil` for a caller who has gone and for mistakes of ours.
    init?(_ error: any Error) {
        switch error {
        case let refusal as GeminiProxy.Refusal: self = refusal
        case let error as HTTPError: self.init(error: error, word: nil)
        default: return nil
        }
    }
}
