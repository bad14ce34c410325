import HTTPTypes
import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// One request on its way through the desk: budget, models, what is shared, what is told afterwards.
    struct Visit: Sendable {
        let desk: Desk
        let setup: Setup
        let context: Context
        let requestID: String
        /// Whose budget and whose answers.
        let user: String
        /// Whether that is one person: what is kept or shared is only ever for one.
        let isPerson: Bool
        /// For the log and the metrics.
        let operation: String

        enum Sharing: String, Sendable { case hit, shared, miss }

        struct Served: Sendable {
            let outcome: Outcome
            let sharing: Sharing
            let fields: HTTPFields
        }

        init(_ user: User, _ operation: String, desk: Desk, setup: Setup, requestID: String, context: Context) {
            self.desk = desk
            self.setup = setup
            self.context = context
            self.requestID = requestID
            self.operation = operation
            isPerson = user.subject != nil
            self.user = user.subject.map { "user \($0)" } ?? "\(user.credential) \(user.role)"
        }

        /// The models to ask, or a refusal that names those on offer.
        func plan(_ asked: String?) throws(HTTPError) -> [Model] {
            if let asked, ModelTable.isGone(asked) {
                context.log.warning(
                    "a model that is gone was asked for; the standard model answers", metadata: ["asked": "\(asked)"])
            }
            guard let plan = setup.models.plan(asked) else {
                throw HTTPError(
                    404, "MODEL_NOT_ALLOWED", "This host offers the models \(setup.models.names.joined(separator: ", "))",
                    problems: [.init(field: "model", message: "is not offered")])
            }
            return plan
        }

        // MARK: Answers in one piece

        /// - Parameters:
        ///   - kept: how long the answer may be given again.
        ///   - shape: what beside the request makes the answer.
        ///   - judge: makes an operation's result of an answer, or throws ``Wish/Unusable``.
        func whole(
            _ ask: Ask, _ plan: [Model], kept: Duration = .zero, shape: String = "",
            judge: (@Sendable (Reply) throws -> JSON)? = nil
        ) async throws -> Served {
            guard isPerson, ask.verb == .generate, let first = plan.first else {
                return try await lead(ask, plan, judge)
            }
            let key = AnswerKey(user: user, operation: operation, model: first.name, shape: shape, ask: ask)
            if kept > .zero, let outcome = desk.answers.find(key) { return served(outcome, .hit) }
            if case .follows(let outcome) = try await desk.flights.board(key) { return served(outcome, .shared) }
            // Once more: who led until now may have kept the answer, and landed, between the two looks.
            if kept > .zero, let outcome = desk.answers.find(key) {
                desk.flights.land(key, .success(outcome))
                return served(outcome, .hit)
            }
            do {
                let served = try await lead(ask, plan, judge)
                if kept > .zero, served.outcome.landed.reply.finishReason == "STOP" {
                    desk.answers.keep(served.outcome, for: key, kept)
                }
                desk.flights.land(key, .success(served.outcome))
                return served
            } catch {
                // Who waited has not gone away: one of them asks in its own name.
                desk.flights.land(key, error is CancellationError || Task.isCancelled ? nil : .failure(error))
                throw error
            }
        }

        private func served(_ outcome: Outcome, _ sharing: Sharing) -> Served {
            context.count("gemini_answers", labels: [("source", sharing.rawValue)])
            return Served(outcome: outcome, sharing: sharing, fields: fields(Trace(), nil, sharing, model: outcome.model))
        }

        private func lead(_ ask: Ask, _ plan: [Model], _ judge: (@Sendable (Reply) throws -> JSON)?) async throws -> Served {
            let call = Call(setup: setup, context: context, ask: ask)
            var trace = Trace()
            var purse: Purse? =
                ask.verb == .generate ? try await Purse(user, ask.estimate.total, setup: setup, context: context) : nil
            var spent = 0
            var repairs = 0
            do {
                let (landed, judged) = try await desk.travel(plan, call, within: setup.total, &trace) { model, isLast, left in
                    // Nobody else could take over from the last one, so it has all the time there is.
                    let patience = isLast ? left : max(setup.firstByte, setup.total / 2)
                    let begin = ContinuousClock.now
                    let landed = try await call.whole(model, patience: patience, left: left)
                    spent += landed.reply.billed(guess: ask.estimate.prompt)
                    return try await finish(
                        landed, ask, model, judge, until: begin + left, purse: &purse, spent: &spent, repairs: &repairs)
                }
                trace.attempts += repairs
                await purse?.settle(spent)
                let name = trace.model?.name ?? ""
                note(trace, landed.reply, spent, status: 200)
                return Served(
                    outcome: Outcome(landed: landed, model: name, judged: judged), sharing: .miss,
                    fields: fields(trace, purse, .miss, model: name))
            } catch {
                trace.attempts += repairs
                // A call that was given up may be answered all the same: what was reserved stays spent.
                purse = await purse?.settledApart(error is CancellationError && trace.attempts > 0 ? nil : spent)
                let told = refusal(error, trace, purse)
                note(trace, nil, spent, status: told?.status ?? 499, code: told?.code.text)
                throw told ?? error
            }
        }

        /// Judges an answer; asks once more where it cannot be used, or has no room left for words, and there is a budget for that.
        private func finish(
            _ landed: Call.Landed, _ ask: Ask, _ model: Model, _ judge: (@Sendable (Reply) throws -> JSON)?,
            until deadline: ContinuousClock.Instant, purse: inout Purse?, spent: inout Int, repairs: inout Int
        ) async throws -> (Call.Landed, JSON?) {
            guard let judge else { return (landed, nil) }
            var again = ask
            let reason: Fault
            do {
                return (landed, try judge(landed.reply))
            } catch let fault as Fault where fault.kind == .empty && landed.reply.finishReason == "MAX_TOKENS" {
                again = ask.roomier()
                reason = fault
            } catch let unusable as Wish.Unusable {
                context.log.info(
                    "gemini: an answer that cannot be read; asked once more", metadata: ["reason": "\(unusable.reason)"])
                again = ask.roomier().instructed(adding: Wish.repair)
                reason = Fault.unusable(unusable.reason)
            }
            let time = ContinuousClock.now.duration(to: deadline)
            guard time > .zero, try await purse?.extend(again.maxOutput + ask.estimate.prompt) ?? true else { throw reason }
            repairs += 1
            let call = Call(setup: setup, context: context, ask: again)
            let second = try await call.whole(model, patience: time, left: time)
            spent += second.reply.billed(guess: ask.estimate.prompt)
            do { return (second, try judge(second.reply)) } catch let unusable as Wish.Unusable {
                throw Fault.unusable("twice: \(unusable.reason)")
            }
        }

        // MARK: Streams

        /// - Parameter isWhole: gathered first, so that a broken one can be repeated.
        func stream(_ ask: Ask, _ plan: [Model], isWhole: Bool, face: some StreamFace) async throws -> Response {
            guard ask.answers == 1 else {
                throw Ask.refusal("generationConfig.candidateCount", "is more than one, which a stream cannot show")
            }
            let call = Call(setup: setup, context: context, ask: ask)
            var trace = Trace()
            let purse = try await Purse(user, ask.estimate.total, setup: setup, context: context)
            let source: StreamSource
            do {
                source = try await desk.travel(plan, call, within: context.remaining, isWhole: isWhole, &trace) { model, _, _ in
                    if isWhole {
                        let (events, reply) = try await call.gathered(model)
                        try face.judge(reply)
                        return .gathered(events)
                    }
                    let opened = try await call.open(model)
                    var reply = Reply(now: call.now)
                    if let first = opened.first { _ = try reply.absorb(first.json) }
                    try face.judge(reply)
                    return .live(opened)
                }
            } catch {
                let told = refusal(
                    error, trace, await purse.settledApart(error is CancellationError && trace.attempts > 0 ? nil : 0))
                note(trace, nil, 0, status: told?.status ?? 499, code: told?.code.text)
                throw told ?? error
            }
            var fields = fields(trace, purse, .miss, model: trace.model?.name ?? "")
            fields[.contentType] = face.mediaType
            // nginx buffers answers unless it is told not to.
            fields[HTTPField.Name("x-accel-buffering")!] = "no"
            let settled = trace
            return Response(
                headers: fields,
                body: .stream { writer in
                    try await relay(source, to: writer, face: face, call: call, purse: purse, trace: settled)
                })
        }

        private func relay(
            _ source: StreamSource, to writer: ResponseWriter, face: some StreamFace, call: Call, purse: Purse, trace: Trace
        ) async throws {
            var (source, face, purse) = (source, face, purse)
            face.land(on: trace.model?.name ?? "")
            var reply = Reply(now: call.now)
            do {
                while let event = try await source.next() {
                    let added = try reply.absorb(event.json)
                    let bytes = face.part(event, added)
                    if !bytes.isEmpty { try await writer.write(bytes) }
                }
                try reply.complete()
                if let model = trace.model { desk.succeeded(call.health(of: model)) }
                let end = try face.end(reply)
                let charged = reply.billed(guess: call.ask.estimate.prompt)
                await purse.settle(charged)
                try await writer.write(end)
                note(trace, reply, charged, status: 200)
            } catch {
                let charged = reply.billed(guess: call.ask.estimate.prompt)
                let fault = error as? Fault
                if let fault, let model = trace.model { desk.note(fault, call.health(of: model), probing: false, setup) }
                _ = await purse.settledApart(charged)
                note(trace, reply, charged, status: fault?.error.status ?? 499, code: fault?.error.code.text)
                // The head is out, so the refusal travels as an event; throwing cuts the stream, so that half an answer never looks whole.
                if let fault { try await writer.write(face.broken(fault)) }
                throw fault?.error ?? error
            }
        }

        // MARK: What is told

        private func fields(_ trace: Trace, _ purse: Purse?, _ sharing: Sharing, model: String) -> HTTPFields {
            var fields = HTTPFields()
            fields[.cacheControl] = "private, no-store"
            fields[.swiftletModel] = model
            fields[.swiftletCache] = sharing.rawValue
            fields[.swiftletAttempts] = String(trace.attempts)
            if trace.usedFallback { fields[.swiftletFallback] = "true" }
            for field in purse?.fields ?? [] {
                if let name = HTTPField.Name(field.name) { fields.append(HTTPField(name: name, value: field.value)) }
            }
            return fields
        }

        /// A refusal with the fields of an answer; `nil` for what is none, such as a caller who has gone.
        private func refusal(_ error: any Error, _ trace: Trace, _ purse: Purse?) -> Refusal? {
            let fault = error as? Fault
            guard var told = fault?.error ?? error as? HTTPError else { return nil }
            told.fields.append(.init("x-swiftlet-attempts", String(trace.attempts)))
            // A refused budget has told its own.
            if told.code != "TOKEN_BUDGET_EXCEEDED" { told.fields += purse?.fields ?? [] }
            return Refusal(error: told, word: fault?.word)
        }

        /// One line, one set of counters. Nothing of what was said is in it.
        private func note(_ trace: Trace, _ reply: Reply?, _ spent: Int, status: Int, code: String? = nil) {
            let model = trace.model?.name ?? "none"
            let usage = reply?.usage ?? Usage()
            let cost = trace.model?.cost(usage)
            context.count("gemini_requests", labels: [("operation", operation), ("model", model), ("status", String(status))])
            if spent > 0 { context.count("gemini_tokens", by: spent, labels: [("model", model)]) }
            if let cost, cost > 0 { context.count("gemini_cost_microdollars", by: cost, labels: [("model", model)]) }
            if trace.usedFallback { context.count("gemini_fallbacks", labels: [("model", model)]) }
            for fault in trace.faults { context.count("gemini_faults", labels: [("kind", "\(fault.kind)")]) }
            let isAlarm = trace.faults.contains { $0.kind == .refusesHost || $0.kind == .retired }
            var metadata: [String: String] = [
                "operation": operation, "model": model, "status": String(status), "attempts": String(trace.attempts),
                "tokens": String(spent), "ms": String(trace.begin.duration(to: .now).milliseconds),
            ]
            if let cost { metadata["microdollars"] = String(cost) }
            if let first = trace.firstByte { metadata["first_ms"] = String(first.milliseconds) }
            if let reason = reply?.finishReason { metadata["finish"] = Word(reason).description }
            if let code { metadata["code"] = code }
            if !trace.faults.isEmpty {
                metadata["faults"] = trace.faults.map { $0.error.cause ?? "\($0.kind)" }.joined(separator: "; ")
            }
            if !trace.skipped.isEmpty { metadata["left_alone"] = trace.skipped.joined(separator: " ") }
            context.log.log(
                level: isAlarm ? .error : status >= 500 ? .warning : .info, "gemini", metadata: metadata.mapValues { "\($0)" })
        }
    }

    /// A refusal, and Google's word for it.
    struct Refusal: Error {
        let error: HTTPError
        let word: String?
        var status: Int { error.status }
        var code: ErrorCode { error.code }
    }

    /// Where the events of a stream come from.
    enum StreamSource: Sendable {
        case live(Call.Opened)
        case gathered([Call.Event], next: Int = 0)

        mutating func next() async throws -> Call.Event? {
            switch self {
            case .live(var opened):
                defer { self = .live(opened) }
                return try await opened.next()
            case .gathered(let events, let place):
                guard place < events.count else { return nil }
                self = .gathered(events, next: place + 1)
                return events[place]
            }
        }
    }

    /// How a stream looks to its caller.
    protocol StreamFace: Sendable {
        var mediaType: String { get }
        /// Refuses what is better told as a status of its own, before anything has been sent.
        func judge(_ reply: Reply) throws(Fault)
        /// The model that answers, which need not be the one that was asked.
        mutating func land(on model: String)
        mutating func part(_ event: Call.Event, _ added: String) -> [UInt8]
        mutating func end(_ reply: Reply) throws -> [UInt8]
        func broken(_ fault: Fault) -> [UInt8]
    }
}

extension HTTPField.Name {
    static let swiftletModel = HTTPField.Name("x-swiftlet-model")!
    static let swiftletCache = HTTPField.Name("x-swiftlet-cache")!
    static let swiftletAttempts = HTTPField.Name("x-swiftlet-attempts")!
    static let swiftletFallback = HTTPField.Name("x-swiftlet-fallback")!
}
