import HTTPTypes
import Swiftlet

extension GeminiProxy {
    /// What a user may spend, in tokens: reserved before a call with what it could cost, settled after it with what it did. So calls side
    /// by side cannot spend more than there is. The host keeps the accounts; a worker that dies leaves its reservations spent.
    struct Purse: Sendable {
        private let quotas: [Quota]
        private let names: [String]
        private var reserved: Int
        private var isSettled = false
        private(set) var states: [QuotaAnswer.State]
        private let context: Context

        /// Reserves, or refuses with 429 and the time to come back.
        init(_ user: String, _ amount: Int, setup: Setup, context: Context) async throws {
            self.context = context
            var quotas: [Quota] = []
            var names: [String] = []
            if setup.tokensPerMinute > 0 {
                quotas.append(Quota(key: "tokens \(user)", limit: setup.tokensPerMinute, window: .rolling(.seconds(60))))
                names.append("tokens")
            }
            if setup.tokensPerDay > 0 {
                quotas.append(Quota(key: "day \(user)", limit: setup.tokensPerDay, window: .day))
                names.append("tokens-day")
            }
            self.quotas = quotas
            self.names = names
            reserved = amount
            guard !quotas.isEmpty else {
                states = []
                return
            }
            let answer = try await context.reserve(amount, from: quotas)
            states = answer.states
            guard !answer.allowed else { return }
            context.count("gemini_budget_refused")
            throw refusal(amount)
        }

        private func refusal(_ amount: Int) -> HTTPError {
            let place = states.firstIndex { $0.refused } ?? 0
            let wait = states.isEmpty ? .seconds(60) : states[place].resetAfter
            let tooDear = zip(quotas, states).contains { $1.refused && $0.limit < amount }
            return HTTPError(
                429, "TOKEN_BUDGET_EXCEEDED",
                tooDear
                    ? "This request could take \(amount) tokens, more than your whole budget; ask for a shorter answer"
                    : "Your budget of tokens is used up; try again in \(wait.retrySeconds) s",
                cause: "budget \(names.isEmpty ? "" : names[place])",
                fields: [.init("retry-after", String(wait.retrySeconds))] + fields)
        }

        /// Reserves more, for a call that was not planned; false where there is not so much left.
        mutating func extend(_ amount: Int) async throws -> Bool {
            guard !quotas.isEmpty else { return true }
            let answer = try await context.reserve(amount, from: quotas)
            states = answer.states
            if answer.allowed { reserved += amount }
            return answer.allowed
        }

        /// Gives back what was not used, or charges what was used beyond. Once: a second time does nothing.
        mutating func settle(_ used: Int) async {
            guard !isSettled else { return }
            isSettled = true
            guard !quotas.isEmpty, used != reserved else { return }
            for attempt in 0..<Purse.attempts {
                do {
                    states = try await context.settle(quotas, reserved: reserved, used: used).states
                    return
                } catch {
                    guard attempt < Purse.attempts - 1 else {
                        // The reservation stays spent: never to the host's cost.
                        context.log.warning("tokens could not be settled", metadata: ["cause": "\(error)"])
                        return
                    }
                    // The host has much to do just now: a crowd of streams ends at once.
                    try? await Task.sleep(for: .milliseconds(20 << attempt))
                }
            }
        }

        private static let attempts = 6

        /// The same in a task of its own, for one that may have been cancelled; `nil` leaves everything spent.
        func settledApart(_ used: Int?) async -> Purse {
            let used = used ?? reserved
            return await Task {
                var purse = self
                await purse.settle(used)
                return purse
            }.value
        }

        /// Beside the host's own line about requests.
        var fields: [HTTPError.Field] {
            guard !states.isEmpty else { return [] }
            var policy = ""
            var left = ""
            for (place, state) in states.enumerated() {
                if place > 0 {
                    policy += ", "
                    left += ", "
                }
                let window = if case .rolling(let time) = quotas[place].window { time.retrySeconds } else { 86_400 }
                policy += "\"\(names[place])\";q=\(state.limit);w=\(window)"
                left += "\"\(names[place])\";r=\(max(0, state.remaining));t=\(state.resetAfter.retrySeconds)"
            }
            return [.init("ratelimit-policy", policy), .init("ratelimit", left)]
        }
    }
}
