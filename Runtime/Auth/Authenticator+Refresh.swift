internal import Synchronization

/// How a fetch of the key set ended.
package enum KeyRefreshOutcome: Sendable, Equatable {
    /// A good set is in use; `changed` when it brought or withdrew keys (then the cache was dropped).
    case refreshed(keys: Int, changed: Bool)
    /// The last good set stays.
    case failed(Failure)
    /// The last fetch is too recent; nothing was fetched.
    case tooSoon
    /// Enough requests wait for the running fetch; nothing was fetched for this one.
    case busy
    /// There is no address to fetch from.
    case notConfigured

    package enum Failure: Sendable, Equatable {
        /// The fetch closure threw.
        case fetch
        /// It took longer than `Limits.fetchDeadline`.
        case deadline
        case document(JWKS.Problem)
        /// The configuration was replaced meanwhile.
        case replaced
    }
}

/// How old the fetched keys are; for health, logs and the periodic refresh.
package struct KeyAge: Sendable, Equatable {
    /// Nil before the first good fetch, and without an address.
    package let milliseconds: Int64?
    /// Held but too old: tokens of fetched keys are refused.
    package let isStale: Bool
    /// A refresh now would fetch.
    package let isDue: Bool
}

extension Authenticator {
    /// Fetches the key set, or joins the fetch that is running. At most one at a time, at most one per floor.
    ///
    /// The fetch runs on after the caller is cancelled: otherwise one client that asks and hangs up could keep new keys
    /// away from everybody.
    /// - Parameter fetch: gets the configured address and returns the document. It must follow no redirect to another
    ///   origin, and stop reading after 64 KiB; a longer document is refused here too.
    package func refreshKeys(
        now: AuthInstant, fetch: @escaping @Sendable (_ address: String) async throws -> [UInt8]
    ) async -> KeyRefreshOutcome {
        await withCheckedContinuation { continuation in
            let step = state.withLock { state -> Step in
                guard let address = state.ring.configuration.jwksURL else { return .answer(.notConfigured) }
                switch state.refresh.request(now: now.monotonicMilliseconds, nextTicket: state.nextTicket &+ 1) {
                case .start(let ticket):
                    state.nextTicket = ticket
                    state.waiters.append(continuation)
                    return .fetch(ticket, address)
                case .join:
                    state.waiters.append(continuation)
                    return .wait
                case .busy:
                    return .answer(.busy)
                case .tooSoon:
                    return .answer(.tooSoon)
                }
            }
            switch step {
            case .fetch(let ticket, let address): start(ticket, address, fetch)
            case .wait: break
            case .answer(let outcome): continuation.resume(returning: outcome)
            }
        }
    }

    private enum Step: Sendable {
        case fetch(UInt64, String)
        case wait
        case answer(KeyRefreshOutcome)
    }

    /// Ask now and then (a minute is fine) and refresh when due: a withdrawn key is noticed only by fetching.
    package func keyAge(now: AuthInstant) -> KeyAge {
        state.withLock { state in
            let time = now.monotonicMilliseconds
            guard state.ring.configuration.jwksURL != nil else {
                return KeyAge(milliseconds: nil, isStale: false, isDue: false)
            }
            let age = state.refresh.lastGood.map { time &- $0 }
            return KeyAge(
                milliseconds: age, isStale: age != nil && time >= state.ring.fetchedUntil,
                isDue: state.refresh.isDue(now: time))
        }
    }

    private func start(_ ticket: UInt64, _ address: String, _ fetch: @escaping @Sendable (String) async throws -> [UInt8]) {
        let deadline = limits.fetchDeadline
        let work = Task { try await fetch(address) }
        let watch = Task {
            try await Task.sleep(for: deadline)
            finish(ticket, .failure(.deadline))
            work.cancel()
        }
        Task {
            let result = await work.result
            watch.cancel()
            switch result {
            case .failure:
                finish(ticket, .failure(.fetch))
            case .success(let bytes):
                do throws(JWKS.Problem) {
                    finish(ticket, .success(try JWKS(parsing: bytes)))
                } catch {
                    finish(ticket, .failure(.document(error)))
                }
            }
        }
    }

    private func finish(_ ticket: UInt64, _ result: Result<JWKS, FetchFailure>) {
        let end = state.withLock { state -> End? in
            switch result {
            case .failure(let failure):
                guard state.refresh.finish(ticket: ticket, succeeded: false) else { return nil }
                state.failedRefreshes &+= 1
                return End(outcome: .failed(failure.outcome), generation: nil, waiters: state.takeWaiters())
            case .success(let set):
                guard state.refresh.finish(ticket: ticket, succeeded: true) else { return nil }
                state.refreshes &+= 1
                // A secret that was served over the network is no secret.
                let keys = set.keys.filter { $0.algorithm != .hs256 }
                let old = state.ring
                let changed =
                    keys.count != old.fetched.count || !zip(keys, old.fetched).allSatisfy { $0.0.isSame(as: $0.1) }
                state.ring = KeyRing(
                    configuration: old.configuration, fetched: keys, fetchedUntil: state.refresh.usableUntil,
                    generation: changed ? old.generation &+ 1 : old.generation)
                return End(
                    outcome: .refreshed(keys: keys.count, changed: changed),
                    generation: changed ? state.ring.generation : nil, waiters: state.takeWaiters())
            }
        }
        guard let end else { return }
        if let generation = end.generation { cache.removeAll(generation: generation) }
        for waiter in end.waiters { waiter.resume(returning: end.outcome) }
    }

    private struct End: Sendable {
        let outcome: KeyRefreshOutcome
        let generation: UInt64?
        let waiters: [CheckedContinuation<KeyRefreshOutcome, Never>]
    }

    private enum FetchFailure: Error {
        case fetch
        case deadline
        case document(JWKS.Problem)

        var outcome: KeyRefreshOutcome.Failure {
            switch self {
            case .fetch: .fetch
            case .deadline: .deadline
            case .document(let problem): .document(problem)
            }
        }
    }
}

extension Authenticator.State {
    mutating func takeWaiters() -> [CheckedContinuation<KeyRefreshOutcome, Never>] {
        defer { waiters = [] }
        return waiters
    }
}
