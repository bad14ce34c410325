import SwiftletJSON

/// Turns what a fault means into steps.
struct ScriptWriter {
    let fault: Fault
    let ask: Ask
    let call: Call
    let wire: Wire
    /// Divides every wait.
    let speed: Double

    func refusal(_ problem: Problem) -> Script {
        var body = problem.body(call.shape, model: ask.model)
        // A stream of an array refuses with an array.
        if call.verb == .stream, !call.isEvents { body = [body] }
        let status = problem.status(call.shape)
        let extras: [Wire.Extra] = problem.retryAfter.map { [.retryAfter($0)] } ?? []
        return ended(Script(status: status, steps: [.send(wire.whole(status, body.bytes, extras: extras))]))
    }

    func answer() -> Script {
        switch fault {
        case .reset, .resetOnce: return Script(status: nil, steps: [.reset])
        case .silent: return Script(status: nil, steps: [wait(120), .hangUp])
        default: break
        }
        if call.verb == .count { return unary(ScriptWriter.count(ask)) }
        let answer = Answer(fault, ask: ask)
        switch call.shape {
        case .gemini: return write(GeminiWire(answer))
        case .openai: return write(OpenAIWire(answer, includesUsage: ask.includesUsage && ask.isStream))
        }
    }

    private func write(_ shape: some AnswerWire) -> Script {
        guard ask.isStream else { return unary(fault == .empty ? Array("{}".utf8) : shape.whole()) }
        let (lead, events) = fault == .empty ? (0, [Array("{}".utf8)]) : shape.events()
        return stream(events, lead: lead)
    }

    private static func count(_ ask: Ask) -> [UInt8] {
        let details: JSON = [["modality": "TEXT", "tokenCount": JSON(ask.promptTokens)]]
        return (["totalTokens": JSON(ask.promptTokens), "promptTokensDetails": details] as JSON).bytes
    }

    // MARK: Whole bodies

    private func unary(_ json: [UInt8]) -> Script {
        var body = json
        var extras: [Wire.Extra] = []
        switch fault {
        case .badBody: body = Array(body.prefix(body.count / 2))
        case .bom: body = ScriptWriter.mark + body
        case .gzip:
            var gzip = Gzip()
            body = Gzip.head + gzip.part(body) + gzip.end()
            extras = [.gzip]
        default: break
        }
        let head = wire.head(200, .json, length: body.count, extras: extras)
        let third = Array(body.prefix(body.count / 3))
        let rest = Array(body.dropFirst(third.count))
        let steps: [Script.Step] =
            switch fault {
            case .slowFirst: [.send(head), wait(20), .send(body)]
            case .hold: [.hold, .send(head + body)]
            case .stall: [.send(head + third), wait(30), .send(rest)]
            case .halfError: [.send(head + third), .reset]
            case .cutBody: [.send(head + body.prefix(body.count * 2 / 3)), .hangUp]
            case .cutChunk: [.send(wire.head(200, .json, length: nil)), .send(half(of: wire.chunk(body))), .hangUp]
            case .splitUTF8:
                split(body).map { parts in [.send(head + parts.0), wait(0.02), .send(parts.1)] } ?? [.send(head + body)]
            default: [.send(head + body)]
            }
        return ended(Script(status: 200, steps: steps))
    }

    // MARK: Streams

    /// `lead` events come before the first piece of the answer.
    private func stream(_ events: [[UInt8]], lead: Int) -> Script {
        let pieces = max(0, events.count - lead - 1)
        // Of the usual sixty words these are the twentieth and the fortieth.
        let (third, twoThirds) = (lead + pieces / 3, lead + pieces * 2 / 3)
        var body = BodyWriter(call: call, wire: wire, isGzip: fault == .gzip)
        if fault == .bom { body.begin(with: ScriptWriter.mark) }
        let head = wire.head(
            200, call.isEvents || call.shape == .openai ? .events : .json, length: nil, extras: fault == .gzip ? [.gzip] : [])
        var steps: [Script.Step] = [.send(head)]
        steps.reserveCapacity(events.count + 4)
        if fault == .slowFirst { steps.append(wait(20)) }
        for (index, event) in events.enumerated() {
            switch fault {
            case .cut where index == twoThirds: return Script(status: 200, steps: steps + [.hangUp])
            case .cutClean where index == twoThirds: return ended(Script(status: 200, steps: steps + body.end()), chunked: true)
            case .cutChunk where index == twoThirds:
                return Script(status: 200, steps: steps + [.send(half(of: body.frame(event))), .hangUp])
            case .cutBody where index == twoThirds:
                // Half of an event, whole as a chunk: only the reader of events can know.
                return Script(status: 200, steps: steps + [.send(body.frame(raw: half(of: body.event(event)))), .hangUp])
            case .halfError where index == third: return Script(status: 200, steps: steps + [.reset])
            case .inbandError where index == third:
                steps.append(.send(body.frame(ScriptWriter.inbandError(call.shape, ask))))
                return ended(Script(status: 200, steps: steps + body.end()), chunked: true)
            case .stall where index == third: steps.append(wait(30))
            case .hold where index == 1: steps.append(.hold)
            case .drip where index > lead: steps.append(wait(0.5))
            default: break
            }
            if fault == .badEvent && index == 9 || fault == .badBody && index == 0 {
                steps.append(.send(body.frame(half(of: event))))
            } else if fault == .splitUTF8, let (first, second) = split(body.event(event)) {
                steps += [.send(body.frame(raw: first)), wait(0.02), .send(body.frame(raw: second))]
            } else {
                steps.append(.send(body.frame(event)))
            }
        }
        if fault == .hold, events.count == 1 { steps.append(.hold) }
        if call.shape == .openai, fault != .noDone { steps.append(.send(body.frame(raw: Array("data: [DONE]\n\n".utf8)))) }
        return ended(Script(status: 200, steps: steps + body.end()), chunked: true)
    }

    private static func inbandError(_ shape: Shape, _ ask: Ask) -> [UInt8] {
        Problem(.unavailableForever, ask: ask, shape: shape, key: "", speed: 1)?.body(shape, model: ask.model).bytes ?? []
    }

    // MARK: Small things

    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private func wait(_ seconds: Double) -> Script.Step { .wait(.nanoseconds(Int64(seconds / speed * 1e9))) }

    private func half(of bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix(bytes.count / 2)) }

    /// Inside of the first character that has several bytes.
    private func split(_ bytes: [UInt8]) -> ([UInt8], [UInt8])? {
        guard let at = bytes.firstIndex(where: { $0 >= 0xC2 }) else { return nil }
        return (Array(bytes[...at]), Array(bytes[(at + 1)...]))
    }

    /// Says whether another request may follow.
    private func ended(_ script: Script, chunked: Bool = false) -> Script {
        var script = script
        script.closes = !wire.survives(chunked: chunked)
        return script
    }
}

/// Events as bytes of a body: server-sent ones, or elements of an array; in chunks; packed when asked for.
struct BodyWriter {
    private let isArray: Bool
    private let lineEnd: [UInt8]
    private let wire: Wire
    private var gzip: Gzip?
    private var isFirst = true
    private var opening: [UInt8] = []

    init(call: Call, wire: Wire, isGzip: Bool) {
        isArray = call.shape == .gemini && !call.isEvents
        lineEnd = Array((call.shape == .gemini ? "\r\n\r\n" : "\n\n").utf8)
        self.wire = wire
        if isGzip {
            gzip = Gzip()
            opening = Gzip.head
        }
    }

    /// Bytes before the first event.
    mutating func begin(with bytes: [UInt8]) { opening = bytes }

    /// One event's bytes, not yet framed.
    mutating func event(_ json: [UInt8]) -> [UInt8] {
        defer { isFirst = false }
        if isArray { return Array((isFirst ? "[" : ",\r\n").utf8) + json }
        var out: [UInt8] = []
        out.reserveCapacity(json.count + 10)
        out.append(contentsOf: "data: ".utf8)
        out += json
        out += lineEnd
        return out
    }

    mutating func frame(_ json: [UInt8]) -> [UInt8] { frame(raw: event(json)) }

    mutating func frame(raw bytes: [UInt8]) -> [UInt8] {
        let packed = gzip?.part(bytes) ?? bytes
        defer { opening = [] }
        return wire.chunk(opening.isEmpty ? packed : opening + packed)
    }

    mutating func end() -> [Script.Step] {
        var out: [UInt8] = []
        if isArray { out += frame(raw: Array((isFirst ? "[]" : "]").utf8)) }
        if let gzip { out += wire.chunk(gzip.end()) }
        out += wire.lastChunk
        return out.isEmpty ? [] : [.send(out)]
    }
}
