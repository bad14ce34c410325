public import SwiftletJSON

/// The host's realtime channels, used for the caller of this request: ``Context/realtime``. Needs ``Capability/realtime``.
///
/// Who may do what on which channel is the host's to decide, by what it knows of the caller; nothing a function says about the caller
/// changes it. Times are milliseconds since 1970.
public struct RealtimeAccess: Sendable {
    private let scope: InvocationScope

    init(_ scope: InvocationScope) { self.scope = scope }

    /// Channels in one call.
    public static let batch = 32

    /// Looks up what the caller may do on the channels of `wish`, and makes a token that opens them and no others.
    ///
    /// Throws 403 when the caller may do nothing on any of them, and 503 when that cannot be found out.
    public func subscribe(_ wish: RealtimeWish) async throws -> RealtimeGrant {
        try RealtimeAccess.check(wish.channels.count, least: 1)
        guard case .grant(let grant) = try await ask(.subscribe(wish)) else { throw RealtimeAccess.odd }
        return grant
    }

    /// Ends the caller's own subscriptions on these channels, on all of the caller's connections; without channels, on every channel.
    /// Answers with the channels that were subscribed. A token made before opens them again until it ends.
    @discardableResult
    public func unsubscribe(channels: [String] = []) async throws -> [String] {
        try RealtimeAccess.check(channels.count, least: 0)
        guard case .ended(let ended) = try await ask(.unsubscribe(channels)) else { throw RealtimeAccess.odd }
        return ended
    }

    /// Sends a message to everybody on a channel. The function itself answers for who may ask it to: the caller's permissions on the
    /// channel are not looked at, the caller's id goes along as the sender.
    ///
    /// - Parameters:
    ///   - topic: without `realtime:` before it; 1 to 200 bytes.
    ///   - event: 1 to 200 bytes.
    ///   - payload: a JSON object.
    ///   - isPrivate: private and public channels of one name are two channels.
    ///   - id: names the message, so that it is delivered once however often it is sent; 1 to 64 visible ASCII characters. Nil lets the
    ///     host name it.
    @discardableResult
    public func publish(topic: String, event: String, payload: JSON, isPrivate: Bool = true, id: String? = nil) async throws
        -> RealtimeReceipt
    {
        let message = RealtimeMessage(topic: topic, event: event, payload: payload.bytes, isPrivate: isPrivate, id: id)
        guard case .receipt(let receipt) = try await ask(.publish(message)) else { throw RealtimeAccess.odd }
        return receipt
    }

    private func ask(_ ask: RealtimeAsk) async throws -> RealtimeTold {
        try await scope.capabilities.realtime(
            ask, for: InvocationReference(stream: scope.stream, head: scope.head, identity: scope.identity))
    }

    private static func check(_ count: Int, least: Int) throws(HTTPError) {
        guard (least...batch).contains(count) else {
            throw HTTPError(422, .invalidInput, "One call takes \(least) to \(batch) channels; this one names \(count)")
        }
    }

    private static let odd = HTTPError(
        500, .edgeFunctionError, "Internal Server Error", cause: "the host's realtime answered another question than was asked")
}

extension Context {
    /// The host's realtime channels, as the caller of this request may use them. Needs ``Capability/realtime``.
    public var realtime: RealtimeAccess { RealtimeAccess(scope) }
}

/// What somebody may do on a channel.
public struct ChannelPermissions: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Receive what is broadcast.
    public static let broadcastRead = ChannelPermissions(rawValue: 1)
    /// Broadcast.
    public static let broadcastWrite = ChannelPermissions(rawValue: 2)
    /// See who is there.
    public static let presenceRead = ChannelPermissions(rawValue: 4)
    /// Be seen.
    public static let presenceWrite = ChannelPermissions(rawValue: 8)

    public static let read: ChannelPermissions = [.broadcastRead, .presenceRead]
    public static let all: ChannelPermissions = [.broadcastRead, .broadcastWrite, .presenceRead, .presenceWrite]

    private static let words: [(ChannelPermissions, String)] = [
        (.broadcastRead, "broadcast:read"), (.broadcastWrite, "broadcast:write"), (.presenceRead, "presence:read"),
        (.presenceWrite, "presence:write"),
    ]

    /// As they stand in tokens and answers: `broadcast:read`, `broadcast:write`, `presence:read`, `presence:write`.
    public var names: [String] { ChannelPermissions.words.filter { contains($0.0) }.map(\.1) }

    /// One of ``names``; nil for any other word.
    public init?(name: String) {
        guard let word = ChannelPermissions.words.first(where: { $0.1 == name }) else { return nil }
        self = word.0
    }
}

/// What a caller wants to listen to.
public struct RealtimeWish: Sendable, Hashable {
    /// 1 to ``RealtimeAccess/batch`` names such as `conversation:5`, each 1 to 200 bytes, without `realtime:` before them.
    public var channels: [String]
    /// How long the token is good; nil for the host's usual time, which is also the most there is.
    public var lifetime: Duration?

    public init(channels: [String], lifetime: Duration? = nil) {
        self.channels = channels
        self.lifetime = lifetime
    }
}

/// Leave to listen on channels, and perhaps to speak.
public struct RealtimeGrant: Sendable, Hashable {
    public struct Channel: Sendable, Hashable {
        public let name: String
        public let permissions: ChannelPermissions
        /// Messages of others that the caller has not read; nil where nobody counts them, and where the caller may not read.
        ///
        /// Counted since the caller first took part, from `new_message` and `message_read` on this channel.
        public let unread: Int?
        public init(name: String, permissions: ChannelPermissions, unread: Int? = nil) {
            self.name = name
            self.permissions = permissions
            self.unread = unread
        }
    }

    /// The channels of the wish on which the caller may do something, in its order, each once.
    public let channels: [Channel]
    /// Those on which the caller may do nothing.
    public let refused: [String]
    /// What Supabase clients take as the project's URL, and its public key.
    public let projectURL: String
    public let projectKey: String
    /// Where the WebSocket is: `wss://…/realtime/v1/websocket`.
    public let socketURL: String
    /// A credential: what a client sends as `access_token` when it joins.
    public let token: String
    public let issuedAt: Int64
    public let expiresAt: Int64
    /// When to ask again at the latest, so that no subscription ends meanwhile.
    public let refreshAt: Int64

    public init(
        channels: [Channel], refused: [String], projectURL: String, projectKey: String, socketURL: String, token: String,
        issuedAt: Int64, expiresAt: Int64, refreshAt: Int64
    ) {
        self.channels = channels
        self.refused = refused
        self.projectURL = projectURL
        self.projectKey = projectKey
        self.socketURL = socketURL
        self.token = token
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.refreshAt = refreshAt
    }

    /// What the caller may do on a channel of the wish.
    public func permissions(on channel: String) -> ChannelPermissions {
        channels.first { $0.name == channel }?.permissions ?? []
    }
}

/// What became of a published message.
public struct RealtimeReceipt: Sendable, Hashable {
    /// Its name: the one given, or the host's.
    public let id: String
    /// Its place in the channel's history; 0 where none is kept.
    public let offset: UInt64
    /// Connections it was handed to. Not promised: that their clients have read it.
    public let receivers: Int

    public init(id: String, offset: UInt64, receivers: Int) {
        self.id = id
        self.offset = offset
        self.receivers = receivers
    }
}

/// A message on its way to a channel.
package struct RealtimeMessage: Sendable, Hashable {
    package let topic: String
    package let event: String
    /// A JSON object.
    package let payload: [UInt8]
    package let isPrivate: Bool
    package let id: String?

    package init(topic: String, event: String, payload: [UInt8], isPrivate: Bool, id: String?) {
        self.topic = topic
        self.event = event
        self.payload = payload
        self.isPrivate = isPrivate
        self.id = id
    }
}

/// What a function asks of the host's realtime.
package enum RealtimeAsk: Sendable, Hashable {
    case subscribe(RealtimeWish)
    /// None means all.
    case unsubscribe([String])
    case publish(RealtimeMessage)
}

/// What the host answers.
package enum RealtimeTold: Sendable, Hashable {
    case grant(RealtimeGrant)
    case ended([String])
    case receipt(RealtimeReceipt)
}
