import NIOCore
import Swiftlet
import SwiftletJSON
import SwiftletWebSocket
import Synchronization

/// One socket and what its client says: joins, broadcasts, presence. Used on its lane only.
///
/// Joins go on side by side: one that has to ask whether it may does not keep the others, nor a heartbeat, waiting.
package final class Session: @unchecked Sendable {
    package let serializer: Serializer
    /// Of this socket alone; never 0.
    let id: UInt64
    let hub: Hub
    let lane: LaneHub
    private let socket: any RealtimeSocket
    /// What the handshake brought; for joins that bring no token of their own.
    let facts: TokenFacts
    var position = -1

    enum Slot {
        case joining(Joining)
        case open(Channel)
    }

    /// A join that is not decided yet, and what came for it meanwhile.
    final class Joining {
        let message: ClientMessage
        let request: JoinRequest
        let facts: TokenFacts
        var waiting: [ClientMessage] = []

        init(_ message: ClientMessage, _ request: JoinRequest, _ facts: TokenFacts) {
            self.message = message
            self.request = request
            self.facts = facts
        }

        /// Version 1 has no reference of its own for the join.
        var joinRef: RawJSON? { message.joinRef ?? message.ref }
        /// Without `realtime:`.
        var name: String { String(decoding: message.topic.utf8.dropFirst(9), as: UTF8.self) }
    }

    var slots: [[UInt8]: Slot] = [:]
    private var messageRate: TokenBucket
    private var frameRate: TokenBucket
    var joinRate: TokenBucket
    var highestRef: UInt64?
    private var lonelySince: Int64
    /// No channel's token ends before this, in seconds since 1970.
    var earliestExpiry = Double.infinity
    /// Channels that wait for the socket, since when, and what waits.
    private var lagging: [Channel] = []
    private var behindSince: Int64 = 0
    private var behindCost = 0
    /// Of messages that wait for joins under way.
    var waitingBytes = 0
    /// Users whose channels this socket has had: each is told of as connected once, and as gone with the socket.
    private var users: Set<String> = []
    var isOpen = true
    var isEnding = false

    init(hub: Hub, lane: LaneHub, socket: any RealtimeSocket, serializer: Serializer, facts: TokenFacts) {
        id = hub.nextID()
        self.hub = hub
        self.lane = lane
        self.socket = socket
        self.serializer = serializer
        self.facts = facts
        let now = hub.now()
        let rate = Double(hub.limits.messagesPerSecond)
        messageRate = TokenBucket(perSecond: rate, burst: rate * 2, now: now)
        // Everything counts here, also what means nothing.
        frameRate = TokenBucket(perSecond: rate * 4, burst: rate * 8 + Double(hub.limits.maxChannels) * 4, now: now)
        // Everything a client has may come back at once after an outage.
        joinRate = TokenBucket(perSecond: rate, burst: Double(hub.limits.maxChannels) * 2, now: now)
        lonelySince = now
        lane.add(self)
        hub.counters.sockets.add(1, ordering: .relaxed)
    }

    func party(of user: String) -> MessagingParty { MessagingParty(user: user, connection: id) }

    /// A user is here from the first channel that a token of the user opens: clients bring a project's key to the handshake.
    func greet(_ user: String?) {
        if let user, users.insert(user).inserted { hub.connected(party(of: user)) }
    }

    func push(_ frame: ByteBuffer) { socket.push(frame) }
    func flush() { socket.flush() }
    func send(_ frame: WireFrame) { socket.send(frame.onTheWire) }

    // MARK: What comes in

    package func received(text bytes: UnsafeRawBufferPointer) {
        read { () throws(MessageFault) in try PhoenixDecoder.text(bytes, serializer) }
    }

    package func received(binary bytes: UnsafeRawBufferPointer) {
        read { () throws(MessageFault) in
            guard serializer == .v2 else { throw MessageFault(.binaryOnText, "a binary message on a socket of version 1") }
            return try PhoenixDecoder.binary(bytes)
        }
    }

    private func read(_ decode: () throws(MessageFault) -> ClientMessage) {
        guard isOpen, !isEnding else { return }
        guard frameRate.take(now: hub.now()) else { return end(.tooManyMessages) }
        do throws(MessageFault) {
            let message = try decode()
            take(message)
            // Afterwards: a channel that this message ends was left before it.
            noteRef(message.ref)
        } catch {
            hub.report(.malformed(reason: error.code.rawValue))
        }
    }

    private func noteRef(_ ref: RawJSON?) {
        guard let number = ref?.counter else { return }
        highestRef = max(highestRef ?? 0, number)
    }

    func take(_ message: ClientMessage) {
        switch message.event {
        case .heartbeat where message.topic == "phoenix":
            send(PhoenixEncoder.reply(serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, ok: true))
        case .join(let request): join(message, request)
        default:
            switch slots[Array(message.topic.utf8)] {
            case .open(let channel): take(message, in: channel)
            case .joining(let joining):
                if case .leave = message.event { return leave(message, joining: joining) }
                let bytes = message.event.waitingBytes
                guard joining.waiting.count < hub.limits.maxWaiting, waitingBytes + bytes <= hub.limits.maxWaitingBytes else {
                    return refuse(message, "TooManyMessages: the join is still under way; wait for its answer")
                }
                waitingBytes += bytes
                joining.waiting.append(message)
            case nil:
                if case .leave = message.event { return reply(message, ok: true) }
                refuse(message, JoinError.unmatchedTopic.reason)
            }
        }
    }

    func take(_ message: ClientMessage, in channel: Channel) {
        guard messageRate.take(now: hub.now()) else { return end(channel, saying: "Too many messages per second") }
        switch message.event {
        case .broadcast(let content): broadcast(message, content, in: channel)
        case .presence(let request): presence(message, request, in: channel)
        case .accessToken(let token): renew(token, in: channel)
        case .leave:
            reply(message, ok: true)
            close(channel, isCut: false)
            send(PhoenixEncoder.close(serializer, joinRef: channel.joinRef, topic: channel.topic.wireName))
        case .heartbeat, .other: refuse(message, "unknown event")
        case .join: break
        }
    }

    func reply(_ message: ClientMessage, ok: Bool, _ response: RawJSON = .emptyObject) {
        send(
            PhoenixEncoder.reply(
                serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, ok: ok, response: response))
    }

    func refuse(_ message: ClientMessage, _ reason: String) {
        send(
            PhoenixEncoder.errorReply(
                serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, reason: reason))
    }

    // MARK: Time

    /// Looks at what only time changes; called about every second.
    package func tick() {
        guard isOpen, !isEnding else { return }
        let now = hub.now()
        if Double(now) / 1000 >= earliestExpiry {
            for channel in channels {
                if let fault = expiry(of: channel.facts) { end(channel, saying: fault.message) }
            }
            earliestExpiry = channels.reduce(.infinity) { min($0, $1.facts.expiry) }
        }
        if !lagging.isEmpty, now &- behindSince > hub.limits.stall { return end(.slowConsumer) }
        if slots.isEmpty, now &- lonelySince > hub.limits.idleSocket { end(.noChannels) }
    }

    /// A mark is being sent; when it comes back, everything before it has arrived.
    package func mark() { for case .open(let channel) in slots.values { channel.mark() } }
    package func confirm() { for case .open(let channel) in slots.values { channel.confirm() } }

    // MARK: Clients that are slow

    var canTake: Bool { socket.canTake }

    /// A channel has more to say than the socket takes.
    func fellBehind(_ channel: Channel, by cost: Int) {
        behindCost += cost
        if !lagging.contains(where: { $0 === channel }) {
            if lagging.isEmpty { behindSince = hub.now() }
            lagging.append(channel)
        }
        if behindCost > hub.limits.maxBehind { end(.slowConsumer) }
    }

    /// The socket takes more again.
    package func writable() {
        guard isOpen, !lagging.isEmpty else { return }
        behindSince = hub.now()
        let channels = lagging
        lagging = []
        for channel in channels {
            let (isDone, cost) = channel.catchUp()
            behindCost -= cost
            if !isDone { lagging.append(channel) }
        }
        flush()
    }

    // MARK: The end

    /// Ends a channel because of something that is wrong with it; the socket and the other channels go on.
    func end(_ channel: Channel, saying message: String) {
        guard channel.isOpen else { return }
        hub.report(.closed(reason: message))
        send(
            PhoenixEncoder.system(
                serializer, joinRef: channel.joinRef, topic: channel.topic.wireName, status: .error, extension: "system",
                message: message, channel: channel.topic.name))
        close(channel, isCut: true)
        send(PhoenixEncoder.close(serializer, joinRef: channel.joinRef, topic: channel.topic.wireName))
    }

    /// - Parameter isCut: it may come back, and get what it missed.
    func close(_ channel: Channel, isCut: Bool) {
        guard channel.isOpen else { return }
        behindCost -= channel.waitingCost
        lagging.removeAll { $0 === channel }
        channel.closed()
        lane.remove(channel)
        hub.counters.channels.subtract(1, ordering: .relaxed)
        if channel.tracks { _ = channel.topic.untrack(key: channel.presenceKey, channel: channel.id) }
        channel.topic.leave(
            lane, channel.id, read: channel.permissions.contains(.broadcastRead),
            departing: isCut
                ? channel.identity.map {
                    Topic.Returning(identity: $0, isPerson: channel.facts.subject != nil, ref: highestRef)
                } : nil,
            confirmed: channel.confirmed, now: hub.now())
        hub.left(channel.topic, channel.party)
        slots[Array(channel.topic.wireName.utf8)] = nil
        noteLoneliness()
    }

    func noteLoneliness() { if slots.isEmpty { lonelySince = hub.now() } }

    /// Ends the socket. The client's answer, if one comes, says that it has everything before; ``closed()`` is called in any case.
    func end(_ end: SocketEnd) {
        guard isOpen, !isEnding else { return }
        isEnding = true
        socket.close(end)
    }

    /// The socket is gone, or about to.
    package func closed() {
        guard isOpen else { return }
        for channel in channels { close(channel, isCut: true) }
        slots = [:]
        isOpen = false
        lane.remove(self)
        hub.counters.sockets.subtract(1, ordering: .relaxed)
        for user in users { hub.disconnected(party(of: user)) }
    }

    package var channelCount: Int { slots.count }
}

/// Something that belongs to a lane, on its way back to it.
struct LaneBound<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }

    func onLane(_ lane: LaneHub, _ work: @escaping @Sendable (Value) -> Void) {
        lane.lane.submit { [self] in work(value) }
    }
}

extension RawJSON {
    /// A reference that counts, as all clients' do: `"12"` or `12`.
    var counter: UInt64? {
        var digits = bytes[...]
        if digits.first == UInt8(ascii: "\""), digits.last == UInt8(ascii: "\""), digits.count >= 2 {
            digits = digits.dropFirst().dropLast()
        }
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            number = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        }
        return number
    }

    static func refusal(reason: String, retryAfter seconds: Int) -> RawJSON {
        var bytes = Array("{\"reason\":".utf8)
        JSONText.append(string: reason, to: &bytes)
        bytes += Array(",\"retry_after\":\(seconds)}".utf8)
        return RawJSON(unchecked: bytes)
    }
}

extension Topic.Receipt {
    var json: RawJSON {
        RawJSON(
            unchecked: Array(
                "{\"id\":\"\(id)\",\"offset\":\(offset),\"receivers\":\(receivers)\(isDuplicate ? ",\"duplicate\":true" : "")}"
                    .utf8))
    }
}

extension ClientEvent {
    /// What it costs to let it wait.
    var waitingBytes: Int {
        switch self {
        case .broadcast(let content): 256 + content.byteCount
        case .presence(.track(let fields)): 256 + fields.bytes.count
        default: 256
        }
    }
}
