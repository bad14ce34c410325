import Logging
import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletEgress
import SwiftletHTTP
import SwiftletJSON
package import SwiftletRealtime
import SwiftletSecrets
import Synchronization

/// The host's side of `context.realtime`: who may join what, tokens for it, and the engine behind it.
package final class HostRealtime: Sendable {
    package let membership: Membership
    let settings: RealtimeSettings
    private let projectOrigin: String?
    private let clock: HostClock
    private let secrets: SecretStore
    private let log: Logger
    private let failed: @Sendable () -> Void

    private struct State: Sendable {
        var minter: TokenMinter?
        var issuer: String?
        var audience: String?
        var engine: (any RealtimeEngine)?
    }
    private let state: Mutex<State>

    /// Seconds that an anonymous key lives which the host makes because none is set.
    static let anonymousSeconds: Int64 = 86_400

    /// - Parameters:
    ///   - isWanted: some function uses it; else nothing is opened but what the operator named.
    ///   - failed: hears of every question about membership that nobody could answer.
    init(
        _ configuration: HostConfiguration, secrets: SecretStore, client: EgressClient, log: Logger,
        failed: @escaping @Sendable () -> Void
    ) throws(ConfigurationProblem) {
        settings = configuration.realtime
        clock = configuration.clock
        self.secrets = secrets
        self.log = log
        self.failed = failed
        guard RealtimeSettings.tokenSeconds.contains(Int(clamping: settings.tokenLifetime.components.seconds)) else {
            throw ConfigurationProblem("realtime-token", "must be 30 to 86400 seconds")
        }
        if case .supabase(let url) = settings.place {
            projectOrigin = try RealtimeTransport.origin(url, setting: "realtime-endpoint")
        } else {
            projectOrigin = nil
        }
        var transport: (origin: String, way: RealtimeTransport)?
        if case .supabase(let url, _) = settings.members {
            let origin = try RealtimeTransport.origin(url, setting: "realtime-members-url")
            transport = (origin, try RealtimeTransport(origin: origin, client: client))
        }
        state = Mutex(
            State(
                issuer: configuration.auth.issuer, audience: configuration.auth.audience, engine: configuration.realtime.engine))
        membership = try HostRealtime.named { () throws(MembershipProblem) in
            try Membership(try HostRealtime.hook(configuration.realtime.members, secrets, transport), clock: configuration.clock)
        }
    }

    private static func hook(
        _ members: RealtimeSettings.Members, _ secrets: SecretStore, _ transport: (origin: String, way: RealtimeTransport)?
    ) throws(MembershipProblem) -> any MembershipHook {
        switch members {
        case .claims: return ClaimsMembership()
        case .table(let file):
            return try TableMembership(name: file) { SmallFile.read(file, limit: TableMembership.largest) }
        case .sqlite(let file, let query): return try SQLMembership(path: file, query: query)
        case .supabase(_, let query):
            guard let transport else { throw MembershipProblem(.unusable, "there is no way to the project") }
            return try RESTMembership(
                origin: transport.origin, query: query, key: { HostRealtime.publicKey(secrets.current) }, transport: transport.way
            )
        }
    }

    /// A problem of membership as one of the setting behind it.
    private static func named<Value>(_ body: () throws(MembershipProblem) -> Value) throws(ConfigurationProblem) -> Value {
        do throws(MembershipProblem) { return try body() } catch { throw ConfigurationProblem("realtime-members", error.detail) }
    }

    // MARK: What it needs

    /// Takes the secret that tokens are signed with; nil when there is none.
    func use(_ auth: AuthSetup) {
        let minter = auth.signingSecret.flatMap { try? TokenMinter(.hs256($0)) }
        state.withLock { $0.minter = minter }
    }

    /// Puts an engine behind it.
    package func attach(_ engine: any RealtimeEngine) { state.withLock { $0.engine = engine } }

    /// What a function lacks that declares it.
    func missing(_ secrets: SecretSet) -> [SecretName] {
        if projectOrigin != nil { return HostRealtime.publicKey(secrets) == nil ? ["SUPABASE_ANON_KEY"] : [] }
        return state.withLock { $0.minter == nil } ? ["JWT_SECRET"] : []
    }

    /// The key that clients may know: as it is set for them, else the default publishable one.
    static func publicKey(_ secrets: SecretSet) -> String? {
        if let key = secrets.value("SUPABASE_ANON_KEY", forFunction: nil) { return key.reveal() }
        let keys = AuthSetup.keys(
            secrets.value("SUPABASE_PUBLISHABLE_KEYS", forFunction: nil),
            secrets.value("SUPABASE_PUBLISHABLE_KEY", forFunction: nil))
        let name = keys["default"] == nil ? keys.keys.sorted().first : "default"
        return name.flatMap { keys[$0] }.map { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    }

    func reload() throws(ConfigurationProblem) {
        try HostRealtime.named { () throws(MembershipProblem) in try membership.reload() }
    }

    func close() { membership.close() }

    // MARK: Answers

    /// - Parameter origin: how the client reached this host.
    func answer(_ ask: RealtimeAsk, for invocation: InvocationReference, origin: String) async throws -> RealtimeTold {
        switch ask {
        case .subscribe(let wish): return .grant(try await subscribe(wish, invocation, origin))
        case .unsubscribe(let channels): return .ended(try await unsubscribe(channels, invocation.identity))
        case .publish(let message): return .receipt(try await publish(message, invocation.identity))
        }
    }

    private func subscribe(_ wish: RealtimeWish, _ invocation: InvocationReference, _ origin: String) async throws
        -> RealtimeGrant
    {
        guard case .user(let user) = invocation.identity else {
            throw HTTPError(401, "UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header")
        }
        let names = try HostRealtime.checked(wish.channels, least: 1)
        let usual = settings.tokenLifetime.components.seconds
        let lifetime = min(wish.lifetime?.components.seconds ?? usual, usual)
        guard lifetime > 0 else { throw HTTPError(422, .invalidInput, "A token for channels lives a second at least") }
        let token = HostRealtime.token(of: user, invocation.head)
        let member = Member(subject: user.subject, role: user.role, claims: user.claims, token: token)
        var channels: [RealtimeGrant.Channel] = []
        var refused: [String] = []
        for name in names {
            let permissions = try await permissions(of: member, on: name)
            if permissions.isEmpty {
                refused.append(name)
            } else {
                channels.append(
                    .init(name: name, permissions: permissions, unread: await unread(by: member, on: name, permissions)))
            }
        }
        guard !channels.isEmpty else {
            throw HTTPError(403, .forbidden, "You may neither listen nor speak on \(HostRealtime.list(names))")
        }
        if let projectOrigin { return try elsewhere(projectOrigin, channels, refused, member) }
        return try here(origin, channels, refused, member, lifetime: lifetime)
    }

    private func unread(by member: Member, on channel: String, _ permissions: ChannelPermissions) async -> Int? {
        guard let user = member.subject, permissions.contains(.broadcastRead), let engine = state.withLock({ $0.engine }) else {
            return nil
        }
        return await engine.unread(user: user, channel: channel)
    }

    private func permissions(of member: Member, on channel: String) async throws(HTTPError) -> ChannelPermissions {
        do throws(MembershipProblem) { return try await membership.permissions(of: member, joining: channel) } catch {
            failed()
            log.error(
                "realtime.membership_failed",
                metadata: ["reason": "\(error.reason.rawValue)", "detail": "\(error.detail)", "channel": "\(channel)"])
            throw HTTPError(
                503, "MEMBERSHIP_UNAVAILABLE", "Who belongs to this channel cannot be found out right now; try again in a moment",
                cause: "membership \(error)", fields: [.init("Retry-After", "2")])
        }
    }

    /// A token for these channels and this host.
    private func here(
        _ origin: String, _ channels: [RealtimeGrant.Channel], _ refused: [String], _ member: Member, lifetime: Int64
    ) throws(HTTPError) -> RealtimeGrant {
        let state = state.withLock { $0 }
        guard let minter = state.minter else { throw .missingSecrets(["JWT_SECRET"]) }
        let now = clock.wall() / 1_000_000
        let seconds = now / 1000
        // Never later than the token it was asked with: what that one may no longer do, this one may not either.
        let end = min(seconds + lifetime, HostRealtime.end(of: member.claims) ?? .max)
        guard end > seconds else {
            throw HTTPError(401, "UNAUTHORIZED_LEGACY_JWT", "Invalid JWT", cause: "the token has just ended")
        }
        // A token that is handed to a client opens channels. The rights of a project's key are not in it.
        let isPerson = member.subject != nil && member.role != "service_role"
        var content = TokenMinter.Content(
            subject: member.subject, role: isPerson ? member.role : "anon", issuer: state.issuer ?? member.claims["iss"]?.string,
            audience: ["authenticated"], issuedAt: seconds, expiresAt: end)
        if let audience = state.audience, audience != "authenticated" { content.audience.append(audience) }
        content.sessionID = member.claims["session_id"]?.string
        content.extra = [(ChannelClaims.name, ChannelClaims.claim(channels))]
        return RealtimeGrant(
            channels: channels, refused: refused, projectURL: origin, projectKey: try key(minter, state, seconds),
            socketURL: HostRealtime.socket(origin), token: try HostRealtime.mint(content, minter), issuedAt: now,
            expiresAt: end * 1000, refreshAt: (seconds + (end - seconds) * 4 / 5) * 1000)
    }

    /// The caller's own token, for the project that knows it.
    private func elsewhere(
        _ origin: String, _ channels: [RealtimeGrant.Channel], _ refused: [String], _ member: Member
    ) throws(HTTPError) -> RealtimeGrant {
        guard let key = HostRealtime.publicKey(secrets.current) else { throw .missingSecrets(["SUPABASE_ANON_KEY"]) }
        guard let token = member.token, member.role != "service_role", let end = HostRealtime.end(of: member.claims) else {
            throw HTTPError(403, .forbidden, "Realtime of this host takes the tokens of users; a project's key opens no channel")
        }
        let now = clock.wall() / 1_000_000
        return RealtimeGrant(
            channels: channels, refused: refused, projectURL: origin, projectKey: key, socketURL: HostRealtime.socket(origin),
            token: token.reveal(), issuedAt: now, expiresAt: end * 1000,
            refreshAt: (now / 1000 + max(0, end - now / 1000) * 4 / 5) * 1000)
    }

    /// What a client's `apikey` is. Without any set one is made that stands for nobody.
    private func key(_ minter: TokenMinter, _ state: State, _ seconds: Int64) throws(HTTPError) -> String {
        if let key = HostRealtime.publicKey(secrets.current) { return key }
        var content = TokenMinter.Content(
            role: "anon", issuer: state.issuer, issuedAt: seconds, expiresAt: seconds + HostRealtime.anonymousSeconds)
        if let audience = state.audience { content.audience = [audience] }
        return try HostRealtime.mint(content, minter)
    }

    private static func mint(_ content: TokenMinter.Content, _ minter: TokenMinter) throws(HTTPError) -> String {
        do throws(TokenMinter.Problem) { return try minter.mint(content) } catch {
            guard case .tooLong = error else {
                throw HTTPError(500, .edgeFunctionError, "Internal Server Error", cause: "a token could not be made: \(error)")
            }
            throw HTTPError(413, .payloadTooLarge, "A token cannot hold so many long names; ask for fewer channels at a time")
        }
    }

    private func unsubscribe(_ channels: [String], _ identity: Identity) async throws -> [String] {
        let names = try HostRealtime.checked(channels, least: 0)
        guard case .user(let user) = identity, let subject = user.subject, !subject.isEmpty else {
            throw HTTPError(403, .forbidden, "Only a signed-in user has subscriptions; the token or key sent names none")
        }
        guard projectOrigin == nil else {
            throw HTTPError(
                501, "NOT_IMPLEMENTED", "Subscriptions of this host are held by a Supabase project: the client ends them itself")
        }
        return try await engine.disconnect(user: subject, channels: names, reason: "unsubscribed")
    }

    private func publish(_ message: RealtimeMessage, _ identity: Identity) async throws -> RealtimeReceipt {
        guard ChannelName.isName(message.topic) else { throw HostRealtime.badName("topic") }
        guard ChannelName.isName(message.event) else { throw HostRealtime.badName("event") }
        if let id = message.id {
            guard BroadcastContent.isID(id) else {
                throw HTTPError(
                    422, .invalidInput, "The id of a message is 1 to 64 visible ASCII characters",
                    problems: [.init(field: "id", message: "1 to 64 visible ASCII characters")])
            }
        }
        guard message.payload.count <= HostRealtime.largestPayload else {
            throw HTTPError(413, .payloadTooLarge, "The payload of a message is at most \(HostRealtime.largestPayload) bytes")
        }
        guard message.payload.first == UInt8(ascii: "{"),
            message.payload.withUnsafeBytes({ bytes in (try? JSON.check(bytes)) != nil })
        else {
            throw HTTPError(
                422, .invalidInput, "The payload of a message is a JSON object",
                problems: [.init(field: "payload", message: "a JSON object")])
        }
        var sender: String?
        if case .user(let user) = identity { sender = user.subject }
        return try await engine.publish(
            topic: message.topic, isPrivate: message.isPrivate, event: message.event, payload: message.payload, id: message.id,
            sender: sender)
    }

    /// Bytes of a payload: what a frame of the hop holds, with room for the rest of the call.
    static let largestPayload = 240 * 1024

    private var engine: any RealtimeEngine {
        get throws(HTTPError) {
            if let engine = state.withLock({ $0.engine }) { return engine }
            throw HTTPError(
                503, "REALTIME_UNAVAILABLE", "Realtime does not run on this host",
                cause: projectOrigin == nil
                    ? "no engine is attached" : "realtime is a Supabase project's; it is published to there")
        }
    }

    // MARK: Parts

    /// Names as they may be, each once.
    private static func checked(_ channels: [String], least: Int) throws(HTTPError) -> [String] {
        guard (least...RealtimeAccess.batch).contains(channels.count) else {
            throw HTTPError(422, .invalidInput, "One call takes \(least) to \(RealtimeAccess.batch) channels")
        }
        var seen: Set<[UInt8]> = []
        var names: [String] = []
        for name in channels {
            guard ChannelName.isName(name) else { throw badName("channels") }
            if seen.insert(Array(name.utf8)).inserted { names.append(name) }
        }
        return names
    }

    private static func badName(_ field: String) -> HTTPError {
        let rule = "1 to \(ChannelName.longest) bytes without controls, and without 'realtime:' before it"
        return HTTPError(
            422, .invalidInput, "The name of a channel or event is \(rule)", problems: [.init(field: field, message: rule)])
    }

    private static func list(_ names: [String]) -> String {
        names.count == 1 ? "this channel" : "any of these \(names.count) channels"
    }

    private static func socket(_ origin: String) -> String {
        // http → ws, https → wss.
        (origin.hasPrefix("http") ? "ws" + origin.dropFirst(4) : origin) + "/realtime/v1/websocket"
    }

    /// In whole seconds since 1970; nil for keys.
    private static func end(of claims: JSON) -> Int64? {
        guard let end = claims["exp"]?.double, end.isFinite, end >= 0 else { return nil }
        return end < 1e15 ? Int64(end) : .max / 1000
    }

    /// The token the caller was known by, as it came.
    private static func token(of user: User, _ head: FunctionRequestHead) -> Secret? {
        guard user.credential == .token else { return nil }
        if let value = head.fields.string("authorization") {
            let token = value.utf8.dropFirst("bearer ".utf8.count)
            if !token.starts(with: "sb_".utf8) { return Secret(String(decoding: Array(token), as: UTF8.self)) }
        }
        return head.fields.string("apikey").map { Secret($0) }
    }
}

extension HTTPError {
    fileprivate static func missingSecrets(_ names: [SecretName]) -> HTTPError {
        HTTPError(
            503, .bootError, "Function failed to start: it lacks the secret \(names.map(\.text).joined(separator: ", "))",
            cause: "realtime has nothing to sign tokens with")
    }
}

extension Host {
    /// Reads again who belongs where; what is wrong leaves everything as it was.
    package func reloadMembers() {
        do throws(ConfigurationProblem) { try realtime.reload() } catch {
            metrics.securityEvent("config.reload_failed")
            log.error("config.reload_failed", metadata: ["reason": "\(error)"])
        }
    }
}
