import Swiftlet

extension GeminiProxy {
    /// What comes after a failed call: pure decisions, chance and time are parameters.
    enum Journey {
        enum Step: Hashable {
            /// The same model once more, after a wait.
            case again(after: Duration)
            /// The next model; this one is left alone for a time, where the upstream has said how long.
            case next(leavingAlone: Duration? = nil)
            /// The next model that reads more.
            case larger
            case end
        }

        /// Calls of one model, in all.
        static let attempts = 3
        /// A longer hint is not waited for.
        static let patience = Duration.seconds(5)
        static let cap = Duration.seconds(4)

        /// - Parameters:
        ///   - attempt: how many calls this model has had, this one included.
        ///   - probing: the model was only being looked at again: one call, whatever comes.
        ///   - left: the time there is.
        static func step(
            after fault: Fault, attempt: Int, probing: Bool, base: Duration, left: Duration, random: (ClosedRange<Int64>) -> Int64
        ) -> Step {
            let step = wish(after: fault, attempt: attempt, probing: probing, base: base, random: random)
            // A wait that leaves no time for the call is not begun.
            if case .again(let wait) = step, wait >= left { return .next(leavingAlone: fault.hint) }
            return step
        }

        private static func wish(
            after fault: Fault, attempt: Int, probing: Bool, base: Duration, random: (ClosedRange<Int64>) -> Int64
        ) -> Step {
            switch fault.kind {
            case .overloaded:
                guard attempt < attempts, !probing else { return .next() }
                guard let hint = fault.hint else { return .again(after: jitter(attempt, base, random)) }
                return hint <= patience ? .again(after: hint + spread(base, random)) : .next(leavingAlone: hint)
            case .rateLimited:
                guard let hint = fault.hint else {
                    return attempt < attempts && !probing ? .again(after: jitter(attempt, base, random)) : .next()
                }
                guard hint <= patience, attempt < attempts, !probing else { return .next(leavingAlone: hint) }
                // Never sooner than asked; a little later, so that all who were told the same do not come back together.
                return .again(after: hint + spread(base, random))
            case .usedUp, .retired: return .next(leavingAlone: fault.hint)
            // A silent route would only be silent again.
            case .silent, .leftAlone, .unequipped: return .next()
            case .unreachable, .broken:
                return attempt < 2 && !probing ? .again(after: jitter(attempt, base, random)) : .next()
            case .tooLong: return .larger
            case .refusesHost, .invalidArgument, .promptBlocked, .answerBlocked, .empty, .ours: return .end
            }
        }

        /// Full jitter: anything between nothing and a bound that doubles.
        private static func jitter(_ attempt: Int, _ base: Duration, _ random: (ClosedRange<Int64>) -> Int64) -> Duration {
            let bound = min(cap, base * (1 << min(attempt - 1, 10)))
            return .nanoseconds(random(0...bound.wholeNanoseconds))
        }

        private static func spread(_ base: Duration, _ random: (ClosedRange<Int64>) -> Int64) -> Duration {
            .nanoseconds(random(0...base.wholeNanoseconds))
        }
    }

    /// Whether a model is asked at all: closed while it answers, open once it failed three times in a row, and then one call at a time looks
    /// whether it is back. Pure: time is a parameter.
    struct Breaker: Sendable, Hashable {
        typealias Instant = ContinuousClock.Instant

        enum Admission: Hashable {
            case open
            /// The one call that looks whether it is back.
            case probe
            case refused(for: Duration)
        }

        static let failuresToOpen = 3
        private var failures = 0
        private var openUntil: Instant?
        private var probing = false
        /// How often it has been opened since it last worked.
        private var openings = 0

        var isClosed: Bool { openUntil == nil }

        mutating func admit(now: Instant) -> Admission {
            guard let openUntil else { return .open }
            guard now >= openUntil else { return .refused(for: now.duration(to: openUntil)) }
            guard !probing else { return .refused(for: .seconds(1)) }
            probing = true
            return .probe
        }

        /// One that was begun before it was opened, and ends well after that, proves nothing.
        mutating func succeeded() { if isClosed || probing { self = Breaker() } }

        mutating func failed(now: Instant, cooldown: Duration) {
            guard isClosed || probing else { return }
            failures += 1
            guard probing || failures >= Breaker.failuresToOpen else { return }
            open(until: now + cooldown * (1 << min(openings, 2)))
        }

        /// Somebody has said how long.
        mutating func leaveAlone(until: Instant) {
            if let openUntil, openUntil > until, !probing { return }
            open(until: until)
        }

        /// The call that looked was given up before it came to an end.
        mutating func gaveUpProbe() { probing = false }

        private mutating func open(until: Instant) {
            openUntil = until
            openings += 1
            probing = false
            failures = 0
        }
    }
}

extension Duration {
    /// At most 292 years.
    var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : max(0, product + attoseconds / 1_000_000_000)
    }
}
