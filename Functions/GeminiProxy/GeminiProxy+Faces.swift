import HTTPTypes
import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    private static func event(_ bytes: [UInt8], end: String) -> [UInt8] {
        // Mostly it is one line, and goes in one piece.
        let hasReturns = bytes.firstIndex(of: UInt8(ascii: "\r"), from: 0) != nil
        let bytes = hasReturns ? bytes.filter { $0 != UInt8(ascii: "\r") } : bytes
        var event = Array("data: ".utf8)
        event.reserveCapacity(bytes.count + 16)
        var start = 0
        while let lineEnd = bytes.firstIndex(of: UInt8(ascii: "\n"), from: start) {
            event += bytes[start...lineEnd]
            event += "data: ".utf8
            start = lineEnd + 1
        }
        event += bytes[start...]
        event += end.utf8
        return event
    }

    /// An operation's stream: `{"text"}` as it is written, then one event `done` with the whole answer.
    struct TextEvents: StreamFace {
        let mediaType = "text/event-stream"
        let wish: Wish
        private(set) var model = ""
        let requestID: String

        init(wish: Wish, requestID: String) {
            self.wish = wish
            self.requestID = requestID
        }

        mutating func land(on model: String) { self.model = model }

        /// The first event of a prompt that is refused says nothing else.
        func judge(_ reply: Reply) throws(Fault) { if reply.blockReason != nil { _ = try reply.answer() } }

        func part(_ event: Call.Event, _ added: String) -> [UInt8] {
            added.isEmpty ? [] : GeminiProxy.event(JSON(members: [("text", .string(added))]).bytes, end: "\n\n")
        }

        func end(_ reply: Reply) throws -> [UInt8] {
            let members = try wish.judge(try reply.answer())
            return TextEvents.done(Answer(members, reply, wish: wish, model: model, cached: false, requestID: requestID))
        }

        static func done(_ answer: Answer) -> [UInt8] {
            Array("event: done\n".utf8) + GeminiProxy.event(answer.json.bytes, end: "\n\n")
        }

        /// An answer that was there at once, as a stream.
        static func whole(_ answer: Answer, text: String) -> [UInt8] {
            GeminiProxy.event(JSON(members: [("text", .string(text))]).bytes, end: "\n\n") + done(answer)
        }

        func broken(_ fault: Fault) -> [UInt8] {
            let error: JSON = ["code": .string(fault.error.code.text), "message": .string(fault.error.message)]
            return Array("event: error\n".utf8) + GeminiProxy.event(error.bytes, end: "\n\n")
        }
    }

    /// What a caller of an operation gets.
    struct Answer: Sendable {
        let json: JSON

        init(_ members: [(String, JSON)], _ reply: Reply, wish: Wish, model: String, cached: Bool, requestID: String) {
            let usage = reply.usage
            var all = members
            all += [
                ("operation", .string(wish.name)), ("model", .string(reply.modelVersion ?? model)),
                (
                    "usage",
                    [
                        "prompt": .init(usage.prompt), "output": .init(usage.output), "thoughts": .init(usage.thoughts),
                        "total": .init(usage.total),
                    ]
                ),
                ("finishReason", .string(reply.finishReason ?? "STOP")), ("cached", .bool(cached)),
                ("requestId", .string(requestID)),
            ]
            json = JSON(members: all)
        }
    }

    /// Google's stream, event by event as it came: server-sent events, or the elements of an array where the caller did not ask for those.
    struct GoogleEvents: StreamFace {
        let isArray: Bool
        private var isFirst = true

        init(isArray: Bool) { self.isArray = isArray }

        var mediaType: String { isArray ? "application/json" : "text/event-stream" }

        func land(on model: String) {}

        /// A refused prompt is an answer of its own here.
        func judge(_ reply: Reply) throws(Fault) {}

        mutating func part(_ event: Call.Event, _ added: String) -> [UInt8] {
            guard isArray else { return GeminiProxy.event(event.bytes, end: "\r\n\r\n") }
            defer { isFirst = false }
            return Array((isFirst ? "[" : ",\r\n").utf8) + event.bytes
        }

        func end(_ reply: Reply) -> [UInt8] { isArray ? Array("]".utf8) : [] }

        func broken(_ fault: Fault) -> [UInt8] {
            let error = GoogleError.json(fault.error, word: fault.word).bytes
            guard isArray else { return GeminiProxy.event(error, end: "\r\n\r\n") }
            return Array((isFirst ? "[" : ",\r\n").utf8) + error
        }
    }

    enum GoogleError {
        /// An error as Google's clients read it.
        static func json(_ error: HTTPError, word: String?) -> JSON {
            var details: [JSON] = [
                [
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": .string(error.code.text), "domain": "swiftlet",
                ]
            ]
            if let wait = error.fields.first(where: { $0.name == "retry-after" })?.value {
                details.append(["@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": .string(wait + "s")])
            }
            if !error.problems.isEmpty {
                let violations = error.problems.map { problem -> JSON in
                    ["field": .string(problem.field), "description": .string(problem.message)]
                }
                details.append([
                    "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": .array(violations),
                ])
            }
            return [
                "error": [
                    "code": .init(error.status), "message": .string(error.message),
                    "status": .string(word ?? status(error.status)),
                    "details": .array(details),
                ]
            ]
        }

        private static func status(_ status: Int) -> String {
            switch status {
            case 400, 413, 415, 422: "INVALID_ARGUMENT"
            case 401: "UNAUTHENTICATED"
            case 403: "PERMISSION_DENIED"
            case 404: "NOT_FOUND"
            case 429: "RESOURCE_EXHAUSTED"
            case 503: "UNAVAILABLE"
            case 504: "DEADLINE_EXCEEDED"
            default: "INTERNAL"
            }
        }
    }

    /// Chunks of chat/completions, `[DONE]` after the last one of a whole answer.
    struct ChatEvents: StreamFace {
        let mediaType = "text/event-stream"
        let id: String
        private(set) var model = ""
        let includesUsage: Bool
        private let created = Seconds.now
        private var isFirst = true
        private var calls = 0
        private var usage: JSON?

        init(id: String, includesUsage: Bool) {
            self.id = id
            self.includesUsage = includesUsage
        }

        mutating func land(on model: String) { self.model = model }

        func judge(_ reply: Reply) throws(Fault) { if reply.blockReason != nil { _ = try reply.answer() } }

        mutating func part(_ event: Call.Event, _ added: String) -> [UInt8] {
            if let usage = event.json["usageMetadata"] { self.usage = usage }
            var bytes: [UInt8] = []
            if let candidate = event.json["candidates"]?[0] {
                let said = ChatAnswer.said(candidate, id: id, from: calls)
                var delta: JSON = [:]
                if isFirst {
                    delta["role"] = "assistant"
                    delta["content"] = ""
                    isFirst = false
                }
                if !said.text.isEmpty { delta["content"] = .string(said.text) }
                if !said.calls.isEmpty {
                    delta["tool_calls"] = .array(
                        said.calls.enumerated().map { number, call in
                            var call = call
                            call["index"] = .init(calls + number)
                            return call
                        })
                    calls += said.calls.count
                }
                if delta.object?.isEmpty == false {
                    bytes += chunk([["index": 0, "delta": delta, "logprobs": nil, "finish_reason": nil]])
                }
            }
            return bytes
        }

        mutating func end(_ reply: Reply) throws -> [UInt8] {
            try ChatAnswer.judge(reply)
            let reason = ChatAnswer.reason(["finishReason": .string(reply.finishReason ?? "STOP")], calls: calls > 0)
            var bytes = chunk([["index": 0, "delta": [:], "logprobs": nil, "finish_reason": reason]])
            if includesUsage { bytes += chunk([], usage: ChatAnswer.usage(usage)) }
            return bytes + GeminiProxy.event(Array("[DONE]".utf8), end: "\n\n")
        }

        func broken(_ fault: Fault) -> [UInt8] { GeminiProxy.event(ChatAnswer.error(fault.error).bytes, end: "\n\n") }

        private func chunk(_ choices: [JSON], usage: JSON? = nil) -> [UInt8] {
            var chunk: JSON = [
                "id": .string("chatcmpl-" + id), "object": "chat.completion.chunk", "created": .init(created),
                "model": .string(model),
                "choices": .array(choices),
            ]
            if includesUsage { chunk["usage"] = usage ?? .null }
            return GeminiProxy.event(chunk.bytes, end: "\n\n")
        }
    }
}
