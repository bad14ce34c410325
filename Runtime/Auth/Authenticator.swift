package import SwiftletCrypto
internal import Synchronization

/// Turns the credentials of a request into a caller, or refuses them.
///
/// `authenticate` is synchronous and does no input or output, whatever a token holds. Keys that must be fetched are
/// asked for by its answer, and fetched by `refreshKeys` from the one configured address.
///
/// What counts when both headers are there:
/// - `Authorization: Bearer <token>` decides alone; `apikey` is not looked at. Supabase's clients always send an
///   `apikey` beside the user's token, and its gateways pass such a request on the token.
/// - `Authorization: Bearer sb_…` is no token. Beside an `apikey` of the same value it is ignored, as Supabase's
///   gateways do; with another value, or alone (unless `acceptKeyAsBearer`), it is refused.
/// - `apikey` alone: a known key, or (unless switched off) a token.
package final class Authenticator: Sendable {
    package struct Limits: Sendable {
        package var cacheEntries = 10_000
        package var cacheBytes = 32 << 20
        /// Milliseconds.
        package var cacheLifetime: Int64 = 60_000
        /// Milliseconds between two fetches of keys.
        package var fetchFloor: Int64 = 30_000
        /// Milliseconds after which keys are fetched again although none is missing.
        package var fetchDueAfter: Int64 = 600_000
        /// Milliseconds for which fetched keys are used while fetching fails.
        package var fetchStaleAfter: Int64 = 86_400_000
        package var fetchWaiters = 256
        /// A fetch that takes longer counts as failed.
        package var fetchDeadline: Duration = .seconds(10)

        package init() {}
    }

    struct State {
        var ring: KeyRing
        var header: KnownHeader?
        var refresh: KeyRefresh
        var nextTicket: UInt64 = 0
        var waiters: [CheckedContinuation<KeyRefreshOutcome, Never>] = []
        var refreshes: UInt64 = 0
        var failedRefreshes: UInt64 = 0
    }

    let limits: Limits
    let state: Mutex<State>
    let cache: TokenCache
    private let cacheKey: SipHash
    private let fingerprintKey: SipHash

    /// - Parameter fingerprintKey: give one to get the same `VerifiedToken.fingerprint` in several processes; left out, it
    ///   is random.
    /// - Throws: when the kernel has no random bytes.
    package init(
        configuration: AuthConfiguration, limits: Limits = Limits(), fingerprintKey: SipHash? = nil
    ) throws(CryptoError) {
        self.limits = limits
        cacheKey = try SipHash.randomKey()
        if let fingerprintKey { self.fingerprintKey = fingerprintKey } else { self.fingerprintKey = try SipHash.randomKey() }
        let refresh = KeyRefresh(limits: Self.refreshLimits(limits))
        state = Mutex(State(ring: KeyRing(configuration: configuration, generation: 0), refresh: refresh))
        cache = TokenCache(
            entries: limits.cacheEntries, bytes: limits.cacheBytes, lifetime: limits.cacheLifetime, generation: 0)
    }

    static func refreshLimits(_ limits: Limits) -> KeyRefresh.Limits {
        KeyRefresh.Limits(
            floor: limits.fetchFloor, dueAfter: limits.fetchDueAfter, staleAfter: limits.fetchStaleAfter,
            waiters: limits.fetchWaiters)
    }

    /// - Parameters:
    ///   - authorization: the value of `Authorization`, without outer white space; nil when the header is not there.
    ///   - authorizationCount: how many such headers there are.
    ///   - apiKey: the value of `apikey`; nil when the header is not there.
    ///   - apiKeyCount: how many such headers there are.
    ///   - acceptKeyAsBearer: false where a function takes keys in `apikey` only; the configuration must allow it too.
    package func authenticate(
        authorization: UnsafeRawBufferPointer?, authorizationCount: Int,
        apiKey: UnsafeRawBufferPointer?, apiKeyCount: Int,
        acceptKeyAsBearer: Bool = true,
        now: AuthInstant
    ) -> AuthOutcome {
        guard authorizationCount <= 1, apiKeyCount <= 1 else { return .refused(.format(.severalHeaders)) }
        if authorizationCount > 0 || authorization != nil {
            guard let authorization, let bearer = Self.bearer(authorization) else { return .refused(.format(.scheme)) }
            if APIKeyTable.looksLikeKey(bearer) { return keyAsBearer(bearer, apiKey: apiKey, isAccepted: acceptKeyAsBearer) }
            return token(bearer, now: now)
        }
        guard apiKeyCount > 0 || apiKey != nil else { return .none }
        guard let apiKey else { return .refused(.unknownAPIKey) }
        let configuration = state.withLock { $0.ring.configuration }
        if APIKeyTable.looksLikeKey(apiKey) {
            return configuration.apiKeys.identity(of: apiKey).map { .key($0) } ?? .refused(.unknownAPIKey)
        }
        guard configuration.acceptTokenAsAPIKey, apiKey.contains(UInt8(ascii: ".")) else { return .refused(.unknownAPIKey) }
        return token(apiKey, now: now)
    }

    /// Verifies one token, wherever it came from (a WebSocket's first message, for example).
    package func token(_ bytes: UnsafeRawBufferPointer, now: AuthInstant) -> AuthOutcome {
        guard bytes.count <= CompactToken.maximumBytes else { return .refused(.format(.tooLong)) }
        let hash = cacheKey.hash64(Self.tail(of: bytes))
        if let known = cache.token(hash: hash, bytes: bytes, now: now) { return .token(known) }
        let (ring, known) = state.withLock { ($0.ring, $0.header) }
        do throws(KeyRing.Problem) {
            let signed = try ring.open(bytes, known: known, now: now)
            if let header = signed.newHeader { state.withLock { $0.header = header } }
            return verify(signed, bytes, hash: hash, ring: ring, now: now)
        } catch {
            switch error {
            case .refused(let refusal):
                return .refused(refusal)
            case .unknownKey(let algorithm, let keyID, let reason):
                return unknownKey(algorithm, keyID, .token(algorithm, reason), now: now)
            }
        }
    }

    /// What the cache hashes: the end of the token, which holds (most of) the signature. Tokens that are kept were signed
    /// by a key we trust, so nobody outside can make many that end alike; and a hit compares every byte.
    private static func tail(of bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        bytes.count <= 96 ? bytes : UnsafeRawBufferPointer(rebasing: bytes[(bytes.count &- 96)...])
    }

    private func verify(
        _ signed: KeyRing.Signed, _ bytes: UnsafeRawBufferPointer, hash: UInt64, ring: KeyRing, now: AuthInstant
    ) -> AuthOutcome {
        do throws(AuthRefusal) {
            let claims = try Claims(signed.payload, algorithm: signed.algorithm)
            try claims.check(ring.configuration, algorithm: signed.algorithm, wall: now.wallSeconds)
            let token = VerifiedToken(
                bytes: Array(bytes), algorithm: signed.algorithm, claims: claims, payloadCount: signed.payload.count,
                key: fingerprintKey)
            cache.insert(
                token, hash: hash, leeway: Double(ring.configuration.leewaySeconds),
                latest: signed.byFetchedKey ? ring.fetchedUntil : .max, generation: ring.generation, now: now)
            return .token(token)
        } catch {
            return .refused(error)
        }
    }

    private func unknownKey(
        _ algorithm: TokenAlgorithm, _ keyID: String?, _ refusal: AuthRefusal, now: AuthInstant
    ) -> AuthOutcome {
        guard state.withLock({ $0.refresh.mayAsk(now: now.monotonicMilliseconds) }) else { return .refused(refusal) }
        let hash = cacheKey.hash64(Array((keyID ?? "").utf8))
        return .needsKeys(NeededKey(algorithm: algorithm, hash: hash, refusal: refusal))
    }

    private func keyAsBearer(
        _ bearer: UnsafeRawBufferPointer, apiKey: UnsafeRawBufferPointer?, isAccepted: Bool
    ) -> AuthOutcome {
        let configuration = state.withLock { $0.ring.configuration }
        if let apiKey {
            guard ConstantTime.equal(bearer, apiKey) else { return .refused(.keyAsBearer) }
        } else if !(isAccepted && configuration.acceptKeyAsBearer) {
            return .refused(.keyAsBearer)
        }
        return configuration.apiKeys.identity(of: bearer).map { .key($0) } ?? .refused(.unknownAPIKey)
    }

    /// `Bearer`, in any case, one space, and the rest; white space in the rest is caught where the rest is read.
    private static func bearer(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard value.count > 7, value[6] == 0x20, value[7] != 0x20 else { return nil }
        let scheme: StaticString = "bearer"
        for index in 0..<6 where value[index] | 0x20 != scheme.utf8Start[index] { return nil }
        return UnsafeRawBufferPointer(rebasing: value[7...])
    }

    /// Takes new secrets, keys and rules at once; every cached token is dropped. Keys fetched so far stay when the address
    /// did not change.
    package func replace(configuration: AuthConfiguration) {
        let (generation, waiters) = state.withLock { state in
            let old = state.ring
            let generation = old.generation &+ 1
            let sameAddress = old.configuration.jwksURL == configuration.jwksURL
            state.ring = KeyRing(
                configuration: configuration, fetched: sameAddress ? old.fetched : [],
                fetchedUntil: sameAddress ? old.fetchedUntil : .min, generation: generation)
            guard !sameAddress else { return (generation, [CheckedContinuation<KeyRefreshOutcome, Never>]()) }
            // A fetch from the old address may still be running: its ticket is void, and nobody waits for it.
            state.refresh = KeyRefresh(limits: state.refresh.limits)
            defer { state.waiters = [] }
            return (generation, state.waiters)
        }
        cache.removeAll(generation: generation)
        for waiter in waiters { waiter.resume(returning: .failed(.replaced)) }
    }

    package struct Statistics: Sendable {
        package let cacheHits: UInt64
        package let cacheMisses: UInt64
        package let cacheEntries: Int
        package let cacheBytes: Int
        package let refreshes: UInt64
        package let failedRefreshes: UInt64
        package let fetchedKeys: Int
    }

    package var statistics: Statistics {
        let count = cache.count
        return state.withLock { state in
            Statistics(
                cacheHits: count.hits, cacheMisses: count.misses, cacheEntries: count.entries, cacheBytes: count.bytes,
                refreshes: state.refreshes, failedRefreshes: state.failedRefreshes, fetchedKeys: state.ring.fetched.count)
        }
    }
}
