import SwiftletHTTP
import SwiftletJSON

@testable import SwiftletMock

/// Asks a desk as a connection would, without one.
struct Asking {
    var desk: MockDesk
    var wire = Wire(date: HTTPDate.line(unixSeconds: 0), keepsAlive: true, isModern: true)

    init(key: String? = nil, speed: Double = 1) { desk = MockDesk(key: key, speed: speed) }

    static let prompt: JSON = ["contents": [["role": "user", "parts": [["text": "Hello"]]]]]

    mutating func send(
        _ method: String, _ path: String, query: String? = nil, headers: [(String, String)] = [], body: [UInt8] = [],
        at now: Int64 = 0
    ) -> (script: Script, attempt: Int?)? {
        var fields = HeaderFields()
        for (name, value) in headers { fields.append(name, value) }
        let request = MockDesk.Request(method: method, path: path, query: query, fields: fields, body: body)
        guard case .script(let script, let attempt) = desk.receive(request, wire: wire, at: now) else { return nil }
        return (script, attempt)
    }

    /// A call in Gemini's shape.
    mutating func gemini(
        _ model: String, stream: Bool = false, alt: String? = "sse", key: String? = "key", body: JSON = prompt, at now: Int64 = 0
    ) -> Script {
        let verb = stream ? "streamGenerateContent" : "generateContent"
        return send(
            "POST", "/v1beta/models/\(model):\(verb)", query: alt.map { "alt=\($0)" },
            headers: key.map { [("x-goog-api-key", $0)] } ?? [], body: body.bytes, at: now)?.script
            ?? Script(status: nil, steps: [])
    }

    /// A call in OpenAI's shape.
    mutating func openAI(_ model: String, stream: Bool = false, more: JSON = [:], at now: Int64 = 0) -> Script {
        var body: JSON = [
            "model": .string(model), "messages": [["role": "user", "content": "Hello"]], "stream": .bool(stream),
            "stream_options": ["include_usage": .bool(stream)],
        ]
        for (name, value) in more.object ?? JSON.Object() { body[name] = value }
        return send("POST", "/v1/chat/completions", headers: [("authorization", "Bearer key")], body: body.bytes, at: now)?.script
            ?? Script(status: nil, steps: [])
    }

    /// All attempts of the log.
    mutating func log() throws -> [JSON] {
        try JSON.parse(desk.log.json, limits: JSONLimits(members: .max))["attempts"]?.array ?? []
    }
}

extension Script {
    /// All bytes of the answer.
    var bytes: [UInt8] {
        steps.flatMap { step -> [UInt8] in
            if case .send(let bytes) = step { bytes } else { [] }
        }
    }

    /// Where the head ends.
    private var bodyStart: Int {
        let all = bytes
        return (4...max(4, all.count)).first { $0 <= all.count && all[$0 - 4..<$0].elementsEqual("\r\n\r\n".utf8) } ?? all.count
    }

    var head: String { String(decoding: bytes.prefix(bodyStart), as: UTF8.self) }

    /// The body without its chunks; a chunk that ends too early gives what is there.
    var body: [UInt8] {
        let rest = Array(bytes.dropFirst(bodyStart))
        guard head.contains("Transfer-Encoding: chunked") else { return rest }
        var body: [UInt8] = []
        var decoder = ChunkedDecoder()
        var at = 0
        while at < rest.count, !decoder.isComplete {
            let slice = Array(rest[at...])
            let (consumed, outcome) = slice.withUnsafeBytes { decoder.read($0) }
            if case .data(let range) = outcome { body += slice[range] }
            if consumed == 0 { break }
            at += consumed
        }
        return body
    }

    /// Whether the framing says that the body is whole.
    var isWhole: Bool {
        if head.contains("chunked") { return bytes.suffix(5).elementsEqual("0\r\n\r\n".utf8) }
        return head.contains("Content-Length: \(body.count)\r\n")
    }

    var json: JSON? { try? JSON.parse(body) }

    /// What stands behind `data: `.
    var events: [String] {
        String(decoding: body, as: UTF8.self).replacing("\r\n", with: "\n").split(separator: "\n\n").map {
            $0.hasPrefix("data: ") ? String($0.dropFirst(6)) : "?" + $0
        }
    }

    var eventValues: [JSON?] { events.map { try? JSON.parse(Array($0.utf8)) } }

    /// The text of a stream, thoughts left out.
    var streamedText: String {
        eventValues.compactMap { event in
            event?["choices"]?[0]?["delta"]?["content"]?.string
                ?? event?["candidates"]?[0]?["content"]?["parts"]?.array?.filter { $0["thought"]?.bool != true }
                .compactMap { $0["text"]?.string }.joined()
        }.joined()
    }

    var text: String? {
        json?["choices"]?[0]?["message"]?["content"]?.string
            ?? json?["candidates"]?[0]?["content"]?["parts"]?.array?.last?["text"]?.string
    }

    /// Everything but bytes.
    var turns: [Step] {
        steps.filter { step in
            if case .send = step { false } else { true }
        }
    }
}
