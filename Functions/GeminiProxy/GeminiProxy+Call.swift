import HTTPTypes
import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// One call of Gemini's generateContent: where, which model, and the request's bytes.
    struct Call: Sendable {
        let model: String
        let body: [UInt8]

        init(_ prompt: String, context: Context) throws(HTTPError) {
            let model = Call.resolve(context.setting(.geminiModel))
            guard !model.isEmpty, model.utf8.allSatisfy({ $0.isModelByte }) else {
                throw HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "GEMINI_MODEL is not a model name")
            }
            guard let limit = Int(context.setting(.geminiMaxOutputTokens)), (1...65536).contains(limit) else {
                throw HTTPError(
                    500, .edgeFunctionError, "Internal Server Error", cause: "GEMINI_MAX_OUTPUT_TOKENS is not 1…65536")
            }
            self.model = model
            var generation: JSON = ["maxOutputTokens": .init(limit), "candidateCount": 1]
            // Thought tokens count against the cap; little thinking leaves room for the answer.
            if let thinking = Call.thinking(model) { generation["thinkingConfig"] = thinking }
            let request: JSON = [
                "contents": [["role": "user", "parts": [["text": .string(prompt)]]]],
                "generationConfig": generation,
            ]
            body = request.bytes
        }

        /// Names that are gone stand for today's default.
        private static func resolve(_ name: String) -> String {
            name == "gemini-1.5-flash" ? Setting.geminiModel.defaultValue : name
        }

        private static func thinking(_ model: String) -> JSON? {
            if model.hasPrefix("gemini-2.5-flash") { return ["thinkingBudget": 0] }
            if model.hasPrefix("gemini-3") { return ["thinkingLevel": "low"] }
            return nil
        }

        func generate(in context: Context) async throws -> Reply {
            let response = try await send("generateContent", in: context)
            let json = try Call.parse(try await response.collect())
            var reply = Reply()
            _ = try reply.absorb(json)
            return try reply.checked()
        }

        /// Opens the stream and waits for its first event, so that an upstream that refuses still becomes a status of its own.
        func openStream(in context: Context) async throws -> Events {
            let response = try await send("streamGenerateContent?alt=sse", in: context)
            var events = Events(response.body)
            var reply = Reply()
            guard let first = try await events.next() else {
                throw HTTPError(502, .upstreamError, "Gemini's answer ended early", cause: "stream without events")
            }
            let json = try Call.parse(first)
            _ = try reply.absorb(json)
            if json["promptFeedback"]?["blockReason"] != nil { _ = try reply.checked() }
            events.pushBack(first)
            return events
        }

        /// Passes the text on as it comes, then the whole answer as `done`.
        func relay(_ events: Events, to writer: EventWriter, requestID: String) async throws {
            var events = events
            var reply = Reply()
            do {
                while let event = try await events.next() {
                    let added = try reply.absorb(try Call.parse(event))
                    if !added.isEmpty { try await writer.send(json: ["text": added]) }
                }
            } catch let error as OutboundError {
                throw error.httpError
            }
            try await writer.send(json: Answer(try reply.checked(), call: self, requestID: requestID), event: "done")
        }

        private func send(_ verb: String, in context: Context) async throws -> OutboundResponse {
            var base = context.setting(.geminiBaseURL)
            while base.hasSuffix("/") { base.removeLast() }
            var request = OutboundRequest(.post, "\(base)/v1beta/models/\(model):\(verb)", body: .bytes(body))
            request.headers[.contentType] = "application/json"
            request.headers[.googleAPIKey] = try context.secret(.geminiAPIKey).reveal()
            request.timeouts = .init(
                firstByte: min(.seconds(30), context.remaining), betweenBytes: .seconds(15), total: context.remaining)
            let response = try await context.fetch(request)
            guard response.status == 200 else {
                let error = try? JSON.parse(try await response.collect().array)
                // Without `alt=sse` errors of a stream come as an array of one.
                throw HTTPError(gemini: error?["error"] ?? error?[0]?["error"], status: response.status)
            }
            return response
        }

        private static func parse(_ bytes: Bytes) throws(HTTPError) -> JSON {
            do { return try bytes.json() } catch {
                throw HTTPError(
                    502, .upstreamError, "Gemini gave an answer that cannot be used", cause: "not JSON: \(error.message)")
            }
        }
    }

    /// The data of server-sent events in a body. Handles parts that split lines and characters; an event is bounded.
    struct Events: Sendable {
        private var parts: BodyStream.Iterator
        private var pending: [UInt8] = []
        private var searched = 0
        private var data: [UInt8] = []
        private var returned: Bytes?
        private static let limit = 8 * 1024 * 1024

        init(_ body: BodyStream) { parts = body.makeAsyncIterator() }

        mutating func pushBack(_ event: Bytes) { returned = event }

        mutating func next() async throws -> Bytes? {
            if let event = returned {
                returned = nil
                return event
            }
            while true {
                while let line = takeLine() {
                    if line.isEmpty {
                        guard !data.isEmpty else { continue }
                        defer { data.removeAll(keepingCapacity: true) }
                        return Bytes(data)
                    }
                    if line.starts(with: Array("data:".utf8)) {
                        var value = line.dropFirst(5)
                        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
                        if !data.isEmpty { data.append(UInt8(ascii: "\n")) }
                        data.append(contentsOf: value)
                    }
                }
                guard pending.count + data.count <= Events.limit else {
                    throw HTTPError(
                        502, .upstreamError, "Gemini gave an answer that cannot be used",
                        cause: "event over \(Events.limit) bytes")
                }
                guard let part = try await parts.next() else { return nil }
                part.withUnsafeBytes { pending.append(contentsOf: $0) }
            }
        }

        private mutating func takeLine() -> ArraySlice<UInt8>? {
            guard let end = pending[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
                searched = pending.count
                return nil
            }
            var line = pending[..<end]
            if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
            pending.removeSubrange(...end)
            searched = 0
            return line
        }
    }
}

extension HTTPField.Name {
    static let googleAPIKey = HTTPField.Name("x-goog-api-key")!
}

extension UInt8 {
    fileprivate var isModelByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }
}
