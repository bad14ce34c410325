import Swiftlet
import SwiftletCrypto
import SwiftletHTTP
import SwiftletNet
import SwiftletRateLimit

/// The policy's limit of one function, with the bytes of its header made once.
struct CallerLimit: Sendable {
    let limit: RateLimit
    let policyField: EncodedFields

    init?(_ rule: RateLimitRule, of name: FunctionName) throws(ConfigurationProblem) {
        guard case .perCaller(let requests, let window) = rule else { return nil }
        do throws(RateLimitProblem) {
            limit = try RateLimit(requests: requests, window: window)
        } catch {
            throw ConfigurationProblem("rate limit of \(name)", "\(error)")
        }
        policyField = EncodedFields([
            .init("ratelimit-policy", String(decoding: RateLimitHeaders.policy(name: "default", limit), as: UTF8.self))
        ])
    }
}

typealias LimitDecision = RateLimitDecision

/// Who a limit counts. The kinds never share a bucket, whatever the text.
enum CallerKey: Sendable {
    case user(high: UInt64, low: UInt64)
    case key(String)
    case address(IPAddress?)

    var kind: String {
        switch self {
        case .user: "user"
        case .key: "key"
        case .address: "address"
        }
    }
}

/// The buckets of a host: coarse ones per address, and one per function and caller.
final class Limiter: Sendable {
    private let store: any RateLimitStore
    /// What functions count themselves lies apart, each for itself: however many keys one of them makes up, nothing of the host's callers
    /// or of another function is forgotten for it.
    private let own: [any RateLimitStore]
    private let hasher: RateLimitHasher
    private let addressLimit: RateLimit?

    init(
        store: any RateLimitStore, own: [any RateLimitStore], hasher: RateLimitHasher, addressLimit: RateLimit?
    ) {
        self.store = store
        self.own = own
        self.hasher = hasher
        self.addressLimit = addressLimit
    }

    /// Scopes of the keys: functions have their index, everything else counts down from here.
    private static let doorScope = UInt64.max
    private static let broadcastScope = UInt64.max - 1
    private static let ownScope: UInt64 = 1 << 32

    /// `nil` when there is no such limit, or no address to count (a Unix socket without a proxy's word).
    func checkDoor(_ address: IPAddress?, now: UInt64) -> LimitDecision? {
        guard let addressLimit, let address else { return nil }
        return store.check(key(.address(address), scope: Limiter.doorScope), addressLimit, now: now, cost: 1)
    }

    func check(_ slot: FunctionSlot, _ key: CallerKey, _ limit: CallerLimit, now: UInt64) -> LimitDecision {
        store.check(self.key(key, scope: UInt64(slot.index)), limit.limit, now: now, cost: 1)
    }

    /// A function's own counters.
    func check(_ id: String, function: Int, limit: RateLimit, now: UInt64) -> LimitDecision {
        own[function].check(ownKey(id, function), limit, now: now, cost: 1)
    }

    func reserve(_ amount: Int, from quotas: [QuotaBucket], function: Int, at time: QuotaTime) -> QuotaDecision {
        own[function].reserve(amount, from: quotas, at: time)
    }

    func settle(_ quotas: [QuotaBucket], by change: Int, function: Int, at time: QuotaTime) -> QuotaDecision {
        own[function].settle(quotas, by: change, at: time)
    }

    /// The buckets of a function's quotas, which share nothing with its other counters.
    func buckets(of quotas: [Quota], function: Int) throws(RateLimitProblem) -> [QuotaBucket] {
        var buckets: [QuotaBucket] = []
        for quota in quotas {
            let rule: QuotaRule =
                switch quota.window {
                case .rolling(let window): .rolling(try RateLimit(requests: quota.limit, window: window))
                case .day: .day(try DayLimit(units: quota.limit))
                }
            buckets.append(QuotaBucket(ownKey(quota.key, function, kind: 5), rule))
        }
        return buckets
    }

    /// Broadcasts of callers without a socket.
    func checkBroadcast(_ who: String, _ messages: Int, _ limit: RateLimit, now: UInt64) -> Bool {
        var who = who
        let key = who.withUTF8 { hasher.key(scope: Limiter.broadcastScope, kind: 4, id: UnsafeRawBufferPointer($0)) }
        return store.check(key, limit, now: now, cost: max(1, messages)).allowed
    }

    func reset(_ id: String, function: Int) { own[function].reset(ownKey(id, function)) }

    private func ownKey(_ id: String, _ function: Int, kind: UInt8 = 3) -> RateLimitKey {
        var id = id
        return id.withUTF8 { hasher.key(scope: Limiter.ownScope + UInt64(function), kind: kind, id: UnsafeRawBufferPointer($0)) }
    }

    private func key(_ key: CallerKey, scope: UInt64) -> RateLimitKey {
        switch key {
        case .user(let high, let low):
            return withUnsafeBytes(of: (high, low)) { hasher.key(scope: scope, kind: 0, id: $0) }
        case .key(var name):
            return name.withUTF8 { hasher.key(scope: scope, kind: 1, id: UnsafeRawBufferPointer($0)) }
        case .address(let address):
            let key = address?.clientKey
            return withUnsafeBytes(of: (key?.high ?? 0, key?.low ?? 0)) { hasher.key(scope: scope, kind: 2, id: $0) }
        }
    }
}

extension RateLimitDecision {
    var retryAfterSeconds: Int { Int(clamping: RateLimitHeaders.retryAfterSeconds(retryAfter)) }
}
