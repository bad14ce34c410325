import SwiftletHTTP
import SwiftletJSON

/// Decides what each request gets, and remembers what was asked. It knows no socket and no clock.
struct MockDesk: Sendable {
    /// A whole request.
    struct Request: Sendable {
        var method: String
        var path: String
        var query: String?
        var fields = HeaderFields()
        var body: [UInt8] = []
    }

    enum Reply: Sendable {
        /// `attempt` is there for what the log tells.
        case script(Script, attempt: Int?)
        /// All that wait go on; the number of them is the answer.
        case release
    }

    private let key: String?
    private let speed: Double
    private(set) var log = AttemptLog()
    /// Names of models that have failed once, and since when names flap.
    private var spent: Set<String> = []
    private var flapping: [String: Int64] = [:]
    private var healthy: [Kind: Script] = [:]
    private var preparedDate: [UInt8] = []

    /// - Parameter key: the key callers must send; any when `nil`.
    init(key: String? = nil, speed: Double = 1) {
        self.key = key
        self.speed = speed
    }

    /// - Parameter now: nanoseconds since the mock started.
    mutating func receive(_ request: Request, wire: Wire, at now: Int64) -> Reply {
        switch Route(method: request.method, path: request.path, query: request.query) {
        case .log: return plain(log.json, wire)
        case .forget:
            log.clear()
            spent = []
            flapping = [:]
            return plain(Array("{}".utf8), wire)
        case .release: return .release
        case .call(let call): return answer(call, request, wire, at: now)
        case .models(let shape, let name): return list(shape, name, request, wire, at: now)
        case .unknown:
            let script = script(wire, 404, Problem.unknownPath.body(.gemini, model: "").bytes)
            return note(attempt(request, .gemini, verb: "unknown", at: now), script)
        }
    }

    mutating func ended(_ attempt: Int, _ how: Attempt.End, at now: Int64) { log.end(attempt, how, at: now) }

    // MARK: Calls

    private mutating func answer(_ call: Call, _ request: Request, _ wire: Wire, at now: Int64) -> Reply {
        var attempt = attempt(request, call.shape, verb: call.verb.rawValue, at: now)
        attempt.version = call.version
        // Whatever a caller sends may be asked about: only what cannot be JSON is no body.
        let body = try? JSON.parse(
            request.body, limits: JSONLimits(depth: JSONLimits.deepest, members: .max, elements: .max, digits: .max))
        attempt.isBodyJSON = body != nil && request.body.count <= Attempt.bodyLimit
        let ask = body.flatMap { Ask($0, of: call) }
        attempt.model = ask?.model ?? call.model
        attempt.isStream = ask?.isStream ?? (call.verb == .stream)
        attempt.fault = Fault(model: attempt.model)

        var unusable = Ask(model: attempt.model, isStream: attempt.isStream)
        unusable.endsWithModel = false
        var writer = ScriptWriter(fault: attempt.fault, ask: ask ?? unusable, call: call, wire: wire, speed: speed)
        if let problem = refusal(attempt, call) {
            return note(attempt, writer.refusal(problem))
        }
        guard let ask else { return note(attempt, writer.refusal(.malformed)) }
        let fault = current(attempt.fault, ask, call, at: now)
        writer = ScriptWriter(fault: fault, ask: ask, call: call, wire: wire, speed: speed)
        let problem = Problem(fault, ask: ask, shape: call.shape, key: credential(request.fields, call.shape) ?? "", speed: speed)
        return note(attempt, problem.map { writer.refusal($0) } ?? prepared(writer))
    }

    /// What a healthy answer depends on.
    private struct Kind: Hashable {
        var call: Call
        var model: String
        var isStream: Bool
        var includesUsage: Bool
        var promptTokens: Int
        var keepsAlive: Bool
        var isModern: Bool
    }

    /// Healthy answers are written once a second, for their date: measurements ask for the same one again and again.
    private mutating func prepared(_ writer: ScriptWriter) -> Script {
        guard writer.fault == .ok, case .text = writer.ask.format else { return writer.answer() }
        let (ask, wire) = (writer.ask, writer.wire)
        let kind = Kind(
            call: writer.call, model: ask.model, isStream: ask.isStream, includesUsage: ask.includesUsage,
            promptTokens: ask.promptTokens, keepsAlive: wire.keepsAlive, isModern: wire.isModern)
        if wire.date != preparedDate || healthy.count >= 64 {
            preparedDate = wire.date
            healthy = [:]
        }
        if let script = healthy[kind] { return script }
        let script = writer.answer()
        healthy[kind] = script
        return script
    }

    private func refusal(_ attempt: Attempt, _ call: Call) -> Problem? {
        if call.shape == .gemini, attempt.hasUserToken { return .userToken }
        if call.hasQueryKey { return .queryKey }
        return attempt.isKeyRight ? nil : .badKey
    }

    /// What the fault means at this moment.
    private mutating func current(_ fault: Fault, _ ask: Ask, _ call: Call, at now: Int64) -> Fault {
        if fault == .badJSONOnce {
            // A call that asks for no JSON cannot spend it.
            guard case .json = ask.format, call.verb != .count else { return .ok }
        }
        // Names are the caller's choice: they may not fill the memory.
        if spent.count >= 10_000 { spent = [] }
        if flapping.count >= 10_000 { flapping = [:] }
        if fault.isOnce { return spent.insert(ask.model).inserted ? fault : .ok }
        if fault == .flap {
            let since = flapping[ask.model] ?? now
            flapping[ask.model] = since
            return Double(now - since) < 60e9 / speed ? .flap : .ok
        }
        return fault
    }

    // MARK: Models

    private mutating func list(_ shape: Shape, _ name: String?, _ request: Request, _ wire: Wire, at now: Int64) -> Reply {
        let call = Call(shape: shape, verb: .generate, version: "")
        let attempt = attempt(request, shape, verb: "models", at: now)
        if let problem = refusal(attempt, call) {
            return note(attempt, script(wire, problem.status(shape), problem.body(shape, model: "").bytes))
        }
        func entry(_ name: String) -> JSON {
            switch shape {
            case .openai: return ["id": .string(name), "object": "model", "created": 1_767_225_600, "owned_by": "swiftlet-mock"]
            case .gemini:
                return [
                    "name": .string("models/" + name), "version": "001", "displayName": .string("Mock " + name),
                    "description": .string(Fault(model: name).meaning), "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                ]
            }
        }
        let names = Fault.allCases.map { JSON.string($0.rawValue) }.compactMap(\.string)
        let body: JSON =
            switch (shape, name) {
            case (_, let name?): entry(name)
            case (.gemini, nil): ["models": .array(names.map(entry))]
            case (.openai, nil): ["object": "list", "data": .array(names.map(entry))]
            }
        return note(attempt, script(wire, 200, body.bytes))
    }

    // MARK: Small things

    private func attempt(_ request: Request, _ shape: Shape, verb: String, at now: Int64) -> Attempt {
        let kept = request.body.count <= Attempt.bodyLimit ? request.body : Array(request.body.prefix(Attempt.bodyLimit))
        var attempt = Attempt(
            start: now, shape: shape, verb: verb, fields: request.fields, body: kept, bodyBytes: request.body.count)
        let credential = credential(request.fields, shape)
        attempt.isKeyRight = credential.map { !$0.isEmpty && (key == nil || $0 == key) } ?? false
        switch shape {
        case .gemini: attempt.hasUserToken = request.fields.contains("authorization")
        // Here the key itself is a bearer token, so only one that looks like a user's counts: three parts, the first a JSON object.
        case .openai:
            attempt.hasUserToken =
                credential.map { $0 != key && $0.hasPrefix("eyJ") && $0.utf8.filter { $0 == UInt8(ascii: ".") }.count == 2 }
                ?? false
        }
        return attempt
    }

    private func credential(_ fields: HeaderFields, _ shape: Shape) -> String? {
        switch shape {
        case .gemini: return fields.string("x-goog-api-key")
        case .openai:
            guard let text = fields.string("authorization"), text.lowercased().hasPrefix("bearer ") else { return nil }
            return String(text.dropFirst(7))
        }
    }

    private func script(_ wire: Wire, _ status: Int, _ body: [UInt8]) -> Script {
        Script(status: status, steps: [.send(wire.whole(status, body))], closes: !wire.keepsAlive)
    }

    private func plain(_ body: [UInt8], _ wire: Wire) -> Reply { .script(script(wire, 200, body), attempt: nil) }

    func released(_ count: Int, _ wire: Wire) -> Script { script(wire, 200, Array("{\"released\":\(count)}".utf8)) }

    private mutating func note(_ attempt: Attempt, _ script: Script) -> Reply {
        var attempt = attempt
        attempt.status = script.status
        return .script(script, attempt: log.add(attempt))
    }
}

extension Ask {
    /// Of a body that says nothing.
    init(model: String, isStream: Bool) {
        self.model = model
        self.isStream = isStream
    }
}
