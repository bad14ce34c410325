public import SwiftletJSON

/// What a function may do and what may reach it, declared once beside the function and enforced by the host.
///
/// Who may call is not here: it is the type of the `from` parameter of ``EdgeFunction/handle(_:from:in:)``.
public struct Policy: Sendable {
    /// The methods the function answers; anything else is 405. `HEAD` is answered wherever `GET` is, `OPTIONS` by the host.
    public var methods: [Method]
    /// Requests per caller; over it the caller gets 429 with `Retry-After`.
    public var rateLimit: RateLimitRule
    /// What bodies are accepted, and how large.
    public var body: BodyRule
    /// Time from the request's head to the end of the answer. Over it: 504 `IDLE_TIMEOUT`, or a cut stream.
    public var deadline: Duration
    /// Names of the secrets the function reads. It gets these and no others.
    public var secrets: [SecretName]
    /// Names of secrets the function reads where an operator has set them, see ``Context/optionalSecret(_:)``: one that is missing keeps it
    /// from nothing.
    public var optionalSecrets: [SecretName]
    /// Hosts the function may call (`api.example.com`, `*.example.com`, `api.example.com:8443`), https unless an operator says otherwise.
    public var egress: [String]
    /// Settings (not secret) the function reads; see ``Setting``.
    public var settings: [Setting]
    /// Who answers preflights and writes the CORS headers.
    public var cors: CORSRule
    /// Which `sb_…` API keys open a function that asks for a ``User``.
    public var keys: KeyRule
    /// Invocations running at once; more wait up to 100 ms and are then refused with 503.
    public var concurrency: Int
    /// What of the host the function uses through its ``Context``, beyond its secrets, settings and egress.
    public var capabilities: Set<Capability>
    /// A body to try it with, for the lines that `serve` prints; a JSON text.
    public var example: String
    /// Processes the function runs in; each request goes to the one with the least to do.
    public var workers: Int
    /// What one of those processes may take.
    public var limits: WorkerLimits

    public init(
        methods: [Method] = [.post],
        rateLimit: RateLimitRule = .perCaller(100, every: .minutes(1)),
        body: BodyRule = .json(upTo: .mib(1)),
        deadline: Duration = .seconds(150),
        secrets: [SecretName] = [],
        optionalSecrets: [SecretName] = [],
        egress: [String] = [],
        settings: [Setting] = [],
        cors: CORSRule = .host,
        keys: KeyRule = .apiKeyHeader,
        concurrency: Int = 256,
        capabilities: Set<Capability> = [],
        workers: Int = 1,
        limits: WorkerLimits = WorkerLimits(),
        example: String = "{}"
    ) {
        self.methods = methods
        self.rateLimit = rateLimit
        self.body = body
        self.deadline = deadline
        self.secrets = secrets
        self.optionalSecrets = optionalSecrets
        self.egress = egress
        self.settings = settings
        self.cors = cors
        self.keys = keys
        self.concurrency = concurrency
        self.capabilities = capabilities
        self.workers = workers
        self.limits = limits
        self.example = example
    }
}

extension Policy {
    /// Every secret the function may be handed, the needed ones first.
    package var allSecrets: [SecretName] { secrets + optionalSecrets }
}

/// Something of the host that a function may use when its policy says so.
public enum Capability: String, Sendable, Hashable, CaseIterable {
    /// ``Context/checkRateLimit(_:limit:every:)``, ``Context/resetRateLimit(_:limit:every:)``, and the quotas of
    /// ``Context/reserve(_:from:)``.
    case rateLimit = "rate-limit"
    /// ``Context/hostReport(ready:)``: how the host and its functions are.
    case hostReport = "host-report"
    /// ``Context/storage``: signed uploads and downloads, lists and removal, as the caller of the request may have them.
    case storage
    /// ``Context/realtime``: leave to join channels, as the caller of the request may have it, and messages to channels.
    case realtime
}

/// What a worker process may take. They hold where a function runs in a process of its own; with `--inline` only ``output`` and
/// ``responseIdle`` do.
public struct WorkerLimits: Sendable, Hashable {
    /// Processor time of one request: past it the worker finishes what it has begun and is replaced.
    public var cpuSoft: Duration
    /// Processor time of one request: past it the worker is ended, and the request is answered 546 `WORKER_LIMIT`.
    public var cpuHard: Duration
    /// Resident memory past which the worker is replaced once it has finished what it has begun.
    public var memorySoft: ByteCount
    /// Resident memory past which the worker is ended, and its requests are answered 546 `WORKER_LIMIT`.
    public var memoryHard: ByteCount
    /// Bytes of one answer: a larger one is 546 `WORKER_LIMIT`, or cut when it has begun.
    public var output: ByteCount
    /// The longest pause between two parts of a streamed answer before it is cut.
    public var responseIdle: Duration
    /// How long work left with ``Context/waitUntil(_:)`` may go on after its answer.
    public var background: Duration

    public init(
        cpuSoft: Duration = .seconds(1), cpuHard: Duration = .seconds(2), memorySoft: ByteCount = .mib(256),
        memoryHard: ByteCount = .mib(320), output: ByteCount = .mib(256), responseIdle: Duration = .seconds(150),
        background: Duration = .seconds(150)
    ) {
        self.cpuSoft = cpuSoft
        self.cpuHard = cpuHard
        self.memorySoft = memorySoft
        self.memoryHard = memoryHard
        self.output = output
        self.responseIdle = responseIdle
        self.background = background
    }
}

/// The request methods a function can answer.
public enum Method: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
}

/// How many requests one caller may make. GCRA: `requests` may come at once, and they come back evenly over the window.
public enum RateLimitRule: Sendable, Hashable {
    /// At most `requests` in any `every`, counted per user, key or (for anonymous callers) client address.
    case perCaller(_ requests: Int, every: Duration)
    /// No limit per caller. The host's coarse limit per address still stands.
    case none
}

/// What a function's request body may be. Refusals: 411 never, 413 over the limit, 415 wrong media type, 400 malformed.
public enum BodyRule: Sendable, Hashable {
    /// `application/json` (or `+json`), complete and well-formed before the function is entered. `limits` are checked while it arrives, so
    /// that a body which breaks one is refused at the byte that does. Then its strings are judged and cleaned as the rules say: `reject`
    /// refuses with 422, `sanitize` cleans or refuses, `redact` takes out, `report` writes to the log only.
    case json(
        upTo: ByteCount, limits: JSONLimits = .standard, sanitize: FieldRules = [], reject: ContentRules = [],
        redact: RedactionRules = [], report: ContentRules = [])
    /// Any bytes and any media type, complete before the function is entered. An empty body is fine.
    case bytes(upTo: ByteCount)
    /// Any bytes, handed over as they arrive, with backpressure; counted and cut at the limit.
    case stream(upTo: ByteCount)
    /// No body: one with bytes in it is 413.
    case none

    /// The limit in bytes.
    public var limit: Int {
        switch self {
        case .json(let limit, _, _, _, _, _), .bytes(let limit), .stream(let limit): limit.bytes
        case .none: 0
        }
    }

    /// What JSON in it may hold, when that is not the standard.
    package var jsonLimits: JSONLimitsReference? {
        if case .json(_, let limits, _, _, _, _) = self { JSONLimitsReference(limits) } else { nil }
    }

    /// What is to be done with its strings.
    package var screening: BodyScreening? {
        guard case .json(_, _, let sanitize, let reject, let redact, let report) = self else { return nil }
        return BodyScreening(sanitize: sanitize, reject: reject, redact: redact, report: report)
    }
}

/// A number of bytes.
public struct ByteCount: Sendable, Hashable, Comparable {
    public let bytes: Int
    public static func bytes(_ count: Int) -> ByteCount { ByteCount(bytes: max(0, count)) }
    public static func kib(_ count: Int) -> ByteCount { ByteCount(bytes: max(0, count).multipliedClamped(by: 1024)) }
    public static func mib(_ count: Int) -> ByteCount { ByteCount(bytes: max(0, count).multipliedClamped(by: 1024 * 1024)) }
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }
}

extension Int {
    fileprivate func multipliedClamped(by factor: Int) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}

/// Who speaks CORS for a function.
public enum CORSRule: Sendable, Hashable {
    /// The host answers preflights and dresses every answer, by the operator's list of origins.
    case host
    /// The function answers `OPTIONS` itself and writes its own headers; the host still dresses its own refusals.
    case function
}

/// Which API keys (`sb_publishable_…`, `sb_secret_…`) stand in for a token.
public enum KeyRule: Sendable, Hashable {
    /// Tokens only.
    case refused
    /// In the `apikey` header, as the Supabase clients send them.
    case apiKeyHeader
    /// In `apikey` and also as `Authorization: Bearer sb_…`, for clients older than supabase-js 2.110.
    case apiKeyHeaderOrBearer
}

extension Duration {
    public static func minutes(_ count: Int) -> Duration { .seconds(count * 60) }
    public static func hours(_ count: Int) -> Duration { .seconds(count * 3600) }
    public static func days(_ count: Int) -> Duration { .seconds(count * 86400) }

    /// Whole nanoseconds, clamped to what an `Int64` holds.
    package var clampedNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carried) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }
}
