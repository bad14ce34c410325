import Glibc
import Swiftlet
import Synchronization

extension GeminiProxy {
    /// What requests have in common: the health of the models, the budget of repeats, answers that are kept or under way.
    ///
    /// It lives as long as the process of the function. What users may spend is kept by the host.
    final class Desk: Sendable {
        private struct Health {
            var breaker = Breaker()
            /// Why it was last asked in vain.
            var last: Fault
        }

        /// Of the models that did not do well; there are no more of them than the table has.
        private let health = Mutex<[String: Health]>([:])
        private let repeats = RetryBudget(ratio: 0.1, reserve: 20)
        private let read = Mutex<Setup?>(nil)
        let answers = Answers()
        let flights = Flights()

        func setup(_ context: Context) throws(HTTPError) -> Setup {
            if let setup = read.withLock({ $0 }) { return setup }
            let setup = try Setup(context)
            read.withLock { $0 = setup }
            return setup
        }

        /// Makes a call of the first model that is well, repeats what may work the next time, and goes on to the next model.
        ///
        /// - Parameters:
        ///   - time: for all of it.
        ///   - isWhole: whether a call that comes back has brought all there is; a stream that has only begun says so at its end.
        ///   - attempt: one call; it is told whether no other model could take its place, and how much time is left.
        func travel<Value>(
            _ plan: [Model], _ call: Call, within time: Duration, isWhole: Bool = true,
            _ trace: inout Trace,
            attempt: (Model, _ isLast: Bool, _ left: Duration) async throws -> Value
        ) async throws -> Value {
            let deadline = ContinuousClock.now + min(time, call.context.remaining)
            var told: Fault?
            var reads = 0
            for (place, model) in plan.enumerated() where model.context > reads {
                // A model with no time to answer would only be blamed for it.
                guard told == nil || ContinuousClock.now.duration(to: deadline) > Desk.leastTime else { break }
                var probing = false
                let name = call.health(of: model)
                switch admit(name) {
                case .asked(let isProbe): probing = isProbe
                case .leftAlone(let fault):
                    if told == nil { told = fault }
                    trace.skipped.append(model.name)
                    continue
                }
                var tries = 0
                repeats.called()
                calls: while true {
                    tries += 1
                    trace.attempts += 1
                    let fault: Fault
                    let begin = ContinuousClock.now
                    do {
                        let left = begin.duration(to: deadline)
                        let value = try await attempt(model, place == plan.count - 1, left)
                        if isWhole || probing { succeeded(name) }
                        trace.landed(on: model, fallback: place > 0)
                        return value
                    } catch let caught as Fault {
                        fault = caught
                    } catch {
                        if probing { gaveUpProbe(name) }
                        throw error
                    }
                    trace.faults.append(fault)
                    // The caller hears of the model it asked for, unless that one was only left alone.
                    if place == 0 || told == nil || told?.kind == .leftAlone { told = fault }
                    let wasHurried = fault.kind == .silent && begin.duration(to: .now) < call.setup.firstByte
                    note(fault, name, probing: probing, wasHurried: wasHurried, call.setup)
                    let left = ContinuousClock.now.duration(to: deadline)
                    let step = Journey.step(
                        after: fault, attempt: tries, probing: probing, base: call.setup.retryBase, left: left,
                        random: { Int64.random(in: $0) })
                    switch step {
                    case .again(let wait):
                        // Others may have seen it fail too: a model that is left alone is not asked again.
                        guard isWell(name) || probing, repeats.takeRepeat() else { break calls }
                        call.context.count("gemini_retries", labels: [("model", model.name)])
                        try await Task.sleep(for: wait)
                    case .next(let time):
                        if let time, !probing { leaveAlone(name, for: time, after: fault) }
                        break calls
                    case .larger:
                        reads = model.context
                        break calls
                    case .end:
                        throw fault
                    }
                }
            }
            throw told ?? .broken("no model to ask")
        }

        private enum Admission {
            case asked(isProbe: Bool)
            case leftAlone(Fault)
        }

        private func admit(_ name: String?) -> Admission {
            health.withLock { health in
                guard let name, let last = health[name]?.last else { return .asked(isProbe: false) }
                switch health[name]?.breaker.admit(now: .now) {
                case nil, .open: return .asked(isProbe: false)
                case .probe: return .asked(isProbe: true)
                case .refused(let time): return .leftAlone(last.leftAlone(for: time))
                }
            }
        }

        private func isWell(_ name: String?) -> Bool {
            health.withLock { health in name.flatMap { health[$0]?.breaker.isClosed } ?? true }
        }

        private func leaveAlone(_ name: String?, for time: Duration, after fault: Fault) {
            guard let name else { return }
            health.withLock { $0[name, default: Health(last: fault)].breaker.leaveAlone(until: .now + time) }
        }

        private func gaveUpProbe(_ name: String?) {
            guard let name else { return }
            health.withLock { $0[name]?.breaker.gaveUpProbe() }
        }

        func succeeded(_ name: String?) {
            guard let name else { return }
            health.withLock { health in
                health[name]?.breaker.succeeded()
                if health[name]?.breaker.isClosed == true { health[name] = nil }
            }
        }

        /// Remembers how a call ended.
        ///
        /// - Parameter wasHurried: it had less time than a call ought to have, which is no fault of the model's.
        func note(_ fault: Fault, _ name: String?, probing: Bool, wasHurried: Bool = false, _ setup: Setup) {
            guard let name else { return }
            health.withLock { health in
                if fault.countsAgainstModel, !wasHurried {
                    health[name, default: Health(last: fault)].breaker.failed(now: .now, cooldown: setup.cooldown)
                } else if probing {
                    switch fault.kind {
                    case .rateLimited, .usedUp, .retired, .refusesHost:
                        health[name]?.breaker.leaveAlone(until: .now + (fault.hint ?? setup.cooldown))
                    // Nothing was learned.
                    case .silent, .leftAlone, .unequipped, .ours: health[name]?.breaker.gaveUpProbe()
                    // It answered, if only to refuse this request.
                    default: health[name] = nil
                    }
                }
                // What one caller asked for is told to nobody else.
                if fault.isAboutModel { health[name]?.last = fault }
            }
        }

        /// Less is not worth a call.
        private static let leastTime = Duration.milliseconds(50)
    }

    /// What a request has come through, for its headers and its line in the log.
    struct Trace: Sendable {
        let begin = ContinuousClock.now
        var attempts = 0
        var faults: [Fault] = []
        var skipped: [String] = []
        private(set) var model: Model?
        private(set) var usedFallback = false
        /// Until there was something to show.
        var firstByte: Duration?

        mutating func landed(on model: Model, fallback: Bool) {
            self.model = model
            usedFallback = fallback
            firstByte = begin.duration(to: .now)
        }
    }

    /// Seconds since 1970.
    enum Seconds {
        static var now: Int64 { Int64(time(nil)) }
    }
}
