import HTTPTypes
import Swiftlet

extension GeminiProxy {
    /// What a user may spend, in tokens: reserved before a call with what it could cost, settled after it with what it did. So calls side
    /// by side cannot spend more than there is. The host keeps the accounts; a worker that dies leaves its reservations spent.
    struct Purse: Sendable {
        private let quotas: [Quota]
        private let names: [String]
        private let reserved: Int
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

        /// Gives back what was not used, or charges what was used beyond.
        mutating func settle(_ used: Int) async {
            guard !quotas.isEmpty, used != reserved else { return }
            do {
                states = try await context.settle(quotas, reserved: reserved, used: used).states
            } catch {
                // The reservation stays spent: never to the host's cost.
                context.log.warning("tokens could not be settled", metadata: ["cause": "\(error)"])
            }
        }

        /// The same in a task of its own, for one that may have been cancelled.
        func settledApart(_ used: Int) async -> Purse {
            await Task {
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
