import HTTPTypes
import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// One request's calls of upstreams: what each provider is sent, and what comes back in Gemini's shape.
    struct Call: Sendable {
        let setup: Setup
        let context: Context
        let ask: Ask

        /// An answer in one piece.
        struct Landed: Sendable {
            let bytes: [UInt8]
            let json: JSON
            let reply: Reply
        }

        /// One event of a stream.
        struct Event: Sendable {
            let bytes: [UInt8]
            let json: JSON
        }

        /// A stream whose first event has come.
        struct Opened: Sendable {
            var events: Events
            var translator: ChatTranslator?
            /// Read when it was opened, and still to be passed on.
            private(set) var first: Event?
            fileprivate let betweenEvents: Duration

            init(_ events: Events, _ translator: ChatTranslator?, first: Event, betweenEvents: Duration) {
                self.events = events
                self.translator = translator
                self.first = first
                self.betweenEvents = betweenEvents
            }

            /// The next event that says something, in Gemini's shape; `nil` at the end.
            mutating func next() async throws -> Event? {
                if let event = first {
                    first = nil
                    return event
                }
                // From now on: a caller who reads slowly is not the upstream's fault.
                var limit = ContinuousClock.now + betweenEvents
                // After `[DONE]` nothing comes, whatever becomes of the connection.
                while translator?.isDone != true,
                    let bytes = try await fault({ try await events.next { ContinuousClock.now >= limit } })
                {
                    if let event = try Call.event(bytes, &translator) { return event }
                    limit = .now + betweenEvents
                }
                return try translator?.finish().map { Event(bytes: $0.bytes, json: $0) }
            }
        }

        // MARK: Whole answers

        /// - Parameters:
        ///   - patience: how long the first byte may take.
        ///   - left: how long all of it may take.
        func whole(_ model: Model, patience: Duration, left: Duration) async throws -> Landed {
            let response = try await send(model, stream: false, patience: patience, total: left)
            var bytes = try await Call.fault { try await response.collect().array }
            // A byte-order mark is not JSON's, and Google's own client stumbles over it.
            if bytes.starts(with: Call.mark) { bytes.removeFirst(Call.mark.count) }
            var json = try Call.parse(bytes)
            if model.provider == .openai {
                json = try ChatTranslator.answer(json)
                var reply = Reply(now: now)
                _ = try reply.absorb(json)
                try reply.complete()
                return Landed(bytes: json.bytes, json: json, reply: reply)
            }
            var reply = Reply(now: now)
            _ = try reply.absorb(json)
            if ask.verb == .generate { try reply.complete() }
            return Landed(bytes: bytes, json: json, reply: reply)
        }

        // MARK: Streams

        /// Opens a stream and waits for its first event, so that an upstream that refuses, or says nothing, can still be replaced.
        func open(_ model: Model) async throws -> Opened {
            try await Call.within(setup.firstByte) {
                let response = try await send(model, stream: true, patience: setup.firstByte, total: context.remaining)
                var events = Events(response.body)
                var translator = model.provider == .openai ? ChatTranslator() : nil
                var reply = Reply(now: now)
                while let bytes = try await Call.fault({ try await events.next() }) {
                    guard let event = try Call.event(bytes, &translator) else { continue }
                    _ = try reply.absorb(event.json)
                    // One that says nothing, not even why, is no beginning.
                    guard reply.hasCandidate || reply.blockReason != nil else { continue }
                    return Opened(events, translator, first: event, betweenEvents: setup.betweenEvents)
                }
                throw Fault.broken("a stream without events", "Gemini's answer ended early")
            }
        }

        /// A whole stream, gathered: nothing of it has been seen yet, so it can be asked for again.
        func gathered(_ model: Model) async throws -> (events: [Event], reply: Reply) {
            var opened = try await open(model)
            var reply = Reply(now: now)
            var events: [Event] = []
            var size = 0
            while let event = try await opened.next() {
                _ = try reply.absorb(event.json)
                size += event.bytes.count
                guard size <= Call.answerLimit.bytes else { throw Fault.broken("a stream over \(Call.answerLimit.bytes) bytes") }
                events.append(event)
            }
            try reply.complete()
            return (events, reply)
        }

        // MARK: The wire

        static let answerLimit = ByteCount.mib(32)

        var now: Int64 { Seconds.now }

        /// Under which name the health of a model is kept: what it does under one version says nothing about another, which the caller
        /// chooses. `nil` where it says nothing at all: tokens are counted by something else.
        func health(of model: Model) -> String? { ask.verb == .count ? nil : "\(model.name) \(ask.version)" }

        private func send(_ model: Model, stream: Bool, patience: Duration, total: Duration) async throws -> OutboundResponse {
            var request: OutboundRequest
            switch model.provider {
            case .gemini:
                let verb = stream ? "streamGenerateContent?alt=sse" : ask.verb.rawValue
                request = OutboundRequest(
                    .post, "\(setup.geminiBase)/\(ask.version)/models/\(model.name):\(verb)",
                    body: .bytes(ask.body(for: model).bytes))
                request.headers[.googleAPIKey] = try context.secret(.geminiAPIKey).reveal()
            case .openai:
                guard let key = context.optionalSecret(.openAIAPIKey) else { throw Fault.unequipped(model.name) }
                request = OutboundRequest(
                    .post, "\(setup.openAIBase)/chat/completions",
                    body: .bytes(try ChatTranslator.request(ask.body(for: model), model: model.name, stream: stream).bytes))
                request.headers[.authorization] = "Bearer " + key.reveal()
            }
            request.headers[.contentType] = "application/json"
            request.responseLimit = Call.answerLimit
            let left = min(total, context.remaining)
            request.timeouts = .init(firstByte: min(patience, left), betweenBytes: setup.betweenEvents, total: left)
            let sent = request
            let response = try await Call.fault { try await context.fetch(sent) }
            guard response.status != 200 else { return response }
            let body = try await Call.fault { try await response.collect().array }
            let error = try? Call.parse(body)
            let retryAfter = response.headers[.retryAfter]
            // Without `alt=sse` errors of a stream come as an array of one.
            let told = error?["error"] ?? error?[0]?["error"]
            throw model.provider == .gemini
                ? Fault(gemini: told, status: response.status, retryAfter: retryAfter, now: now)
                : Fault(openAI: told, status: response.status, retryAfter: retryAfter, now: now)
        }

        /// Upstreams may say more than we let callers say.
        private static let limits = JSONLimits(
            depth: 256, members: 2_000_000, elements: 4_000_000, digits: 512, duplicateNames: .lastWins)

        private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

        private static func parse(_ bytes: [UInt8]) throws(Fault) -> JSON {
            do { return try JSON.parse(bytes, limits: limits) } catch { throw .broken("not JSON: \(error.message)") }
        }

        private static func event(_ bytes: [UInt8], _ translator: inout ChatTranslator?) throws -> Event? {
            guard translator != nil else { return Event(bytes: bytes, json: try parse(bytes)) }
            if bytes == Array("[DONE]".utf8) { return try translator?.done().map { Event(bytes: $0.bytes, json: $0) } }
            return try translator?.event(try parse(bytes)).map { Event(bytes: $0.bytes, json: $0) }
        }

        fileprivate static func fault<Value>(_ work: () async throws -> Value) async throws -> Value {
            do { return try await work() } catch let error as OutboundError {
                // A cancelled transfer is no fault of the upstream's.
                try Task.checkCancellation()
                throw Fault(error)
            }
        }

        /// Ends `work` when it takes too long.
        private static func within<Value: Sendable>(
            _ time: Duration, _ work: @escaping @Sendable () async throws -> Value
        ) async throws -> Value {
            try await withThrowingTaskGroup(of: Value?.self) { group in
                group.addTask { try await work() }
                group.addTask {
                    try await Task.sleep(for: time)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let value = first else { throw Fault.silent("no event in time") }
                return value
            }
        }
    }
}

private func fault<Value>(_ work: () async throws -> Value) async throws -> Value { try await GeminiProxy.Call.fault(work) }

extension HTTPField.Name {
    static let googleAPIKey = HTTPField.Name("x-goog-api-key")!
}
