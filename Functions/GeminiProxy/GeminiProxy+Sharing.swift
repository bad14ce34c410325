import Swiftlet
import SwiftletJSON
import Synchronization

extension GeminiProxy {
    /// What makes two requests the same. The user is part of it, and everything else that the answer depends on, as it is: no digest that
    /// could collide, no way to another user's answer.
    struct AnswerKey: Hashable, Sendable {
        let user: String
        let operation: String
        let model: String
        /// What the request's answer is made of beside the prompt: limits of its checks.
        let shape: String
        let ask: Ask
        /// Made once: a request may be megabytes, and tables are behind locks.
        private let fingerprint: Int

        init(user: String, operation: String, model: String, shape: String, ask: Ask) {
            self.user = user
            self.operation = operation
            self.model = model
            self.shape = shape
            self.ask = ask
            fingerprint = ask.hashValue
        }

        func hash(into hasher: inout Hasher) {
            hasher.combine(user)
            hasher.combine(fingerprint)
        }

        var size: Int { 256 + user.utf8.count + ask.request.bytes.count }
    }

    /// Answers that are kept for a short time, for the user who asked. Bounded in number, in bytes, and for each user.
    final class Answers: Sendable {
        static let limit = (count: 1024, bytes: 8 * 1024 * 1024, perUser: 32)

        private struct Kept {
            let answer: Outcome
            let until: ContinuousClock.Instant
            let size: Int
            let number: UInt64
        }

        private struct Shelf {
            var kept: [AnswerKey: Kept] = [:]
            var bytes = 0
            var perUser: [String: Int] = [:]
            var number: UInt64 = 0

            mutating func remove(_ key: AnswerKey) {
                guard let old = kept.removeValue(forKey: key) else { return }
                bytes -= old.size
                let left = (perUser[key.user] ?? 1) - 1
                perUser[key.user] = left > 0 ? left : nil
            }

            /// Takes the oldest away: the user's own first, where that user has too many.
            mutating func makeRoom(for user: String, _ size: Int, now: ContinuousClock.Instant) {
                while let count = perUser[user], count >= Answers.limit.perUser, let oldest = oldest(where: { $0.user == user }) {
                    remove(oldest)
                }
                guard kept.count >= Answers.limit.count || bytes + size > Answers.limit.bytes else { return }
                for key in kept.filter({ $0.value.until <= now }).map(\.key) { remove(key) }
                while kept.count >= Answers.limit.count || bytes + size > Answers.limit.bytes,
                    let oldest = oldest(where: { _ in true })
                {
                    remove(oldest)
                }
            }

            private func oldest(where matches: (AnswerKey) -> Bool) -> AnswerKey? {
                var oldest: (key: AnswerKey, number: UInt64)?
                for (key, answer) in kept where matches(key) && answer.number < oldest?.number ?? .max {
                    oldest = (key, answer.number)
                }
                return oldest?.key
            }
        }

        private let shelf = Mutex(Shelf())

        func find(_ key: AnswerKey, now: ContinuousClock.Instant = .now) -> Outcome? {
            shelf.withLock { shelf in
                guard let kept = shelf.kept[key] else { return nil }
                guard kept.until > now else {
                    shelf.remove(key)
                    return nil
                }
                return kept.answer
            }
        }

        func keep(_ answer: Outcome, for key: AnswerKey, _ time: Duration, now: ContinuousClock.Instant = .now) {
            let size = key.size + answer.size
            guard size <= Answers.limit.bytes / 16 else { return }
            shelf.withLock { shelf in
                shelf.remove(key)
                shelf.makeRoom(for: key.user, size, now: now)
                shelf.number += 1
                shelf.kept[key] = Kept(answer: answer, until: now + time, size: size, number: shelf.number)
                shelf.bytes += size
                shelf.perUser[key.user, default: 0] += 1
            }
        }

        var count: Int { shelf.withLock { $0.kept.count } }
        var bytes: Int { shelf.withLock { $0.bytes } }
    }

    /// Calls under way: who asks for the same at the same time waits for the one who came first.
    final class Flights: Sendable {
        enum Seat {
            /// Yours is the call; say how it ended with ``land(_:_:)``.
            case leads
            case follows(Outcome)
        }

        private typealias Waiter = CheckedContinuation<Result<Outcome, any Error>?, Never>
        private struct Flight {
            var waiters: [UInt64: Waiter] = [:]
        }
        private struct State {
            var flights: [AnswerKey: Flight] = [:]
            var number: UInt64 = 0
        }
        private let state = Mutex(State())

        /// Waits for the one who leads, or makes you that one. Where the leader's caller goes away, the next in line leads.
        func board(_ key: AnswerKey) async throws -> Seat {
            while true {
                let number = state.withLock { state -> UInt64? in
                    guard state.flights[key] != nil else {
                        state.flights[key] = Flight()
                        return nil
                    }
                    state.number += 1
                    return state.number
                }
                guard let number else { return .leads }
                let told: Result<Outcome, any Error>? = await withTaskCancellationHandler {
                    await withCheckedContinuation { waiter in
                        let isWaiting = state.withLock { state in
                            // Cancelled or landed in between: look again.
                            guard !Task.isCancelled, state.flights[key] != nil else { return false }
                            state.flights[key]?.waiters[number] = waiter
                            return true
                        }
                        if !isWaiting { waiter.resume(returning: nil) }
                    }
                } onCancel: {
                    state.withLock { $0.flights[key]?.waiters.removeValue(forKey: number) }?.resume(returning: nil)
                }
                try Task.checkCancellation()
                if let told { return .follows(try told.get()) }
            }
        }

        /// - Parameter result: `nil` where the leader was cancelled: somebody else has to lead.
        func land(_ key: AnswerKey, _ result: Result<Outcome, any Error>?) {
            let flight = state.withLock { $0.flights.removeValue(forKey: key) }
            for waiter in (flight?.waiters ?? [:]).values { waiter.resume(returning: result) }
        }

        func waiting(_ key: AnswerKey) -> Int { state.withLock { $0.flights[key]?.waiters.count ?? 0 } }
    }

    /// An answer in one piece, in Gemini's shape, that may be kept and shared.
    struct Outcome: Sendable {
        let landed: Call.Landed
        let model: String
        /// The result of an operation, once it has been judged.
        let judged: JSON?

        var size: Int { landed.bytes.count * 3 + (judged == nil ? 0 : landed.bytes.count) + 512 }
    }
}
