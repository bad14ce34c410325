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
    private let facts: TokenFacts
    var position = -1

    private enum Slot {
        case joining(Joining)
        case open(Channel)
    }

    /// A join that is not decided yet, and what came for it meanwhile.
    private final class Joining {
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

    private var slots: [[UInt8]: Slot] = [:]
    private var messageRate: TokenBucket
    private var frameRate: TokenBucket
    private var joinRate: TokenBucket
    private var highestRef: UInt64?
    private var lonelySince: Int64
    /// No channel's token ends before this, in seconds since 1970.
    private var earliestExpiry = Double.infinity
    /// Channels that wait for the socket, since when, and what waits.
    private var lagging: [Channel] = []
    private var behindSince: Int64 = 0
    private var behindCost = 0
    /// Of messages that wait for joins under way.
    private var waitingBytes = 0
    /// Users whose channels this socket has had: each is told of as connected once, and as gone with the socket.
    private var users: Set<String> = []
    private var isOpen = true
    private var isEnding = false

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

    private func party(of user: String) -> MessagingParty { MessagingParty(user: user, connection: id) }

    /// A user is here from the first channel that a token of the user opens: clients bring a project's key to the handshake.
    private func greet(_ user: String?) {
        if let user, users.insert(user).inserted { hub.connected(party(of: user)) }
    }

    func push(_ frame: ByteBuffer) { socket.push(frame) }
    func flush() { socket.flush() }
    private func send(_ frame: WireFrame) { socket.send(frame.onTheWire) }

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

    private func take(_ message: ClientMessage) {
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

    private func take(_ message: ClientMessage, in channel: Channel) {
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

    private func reply(_ message: ClientMessage, ok: Bool, _ response: RawJSON = .emptyObject) {
        send(
            PhoenixEncoder.reply(
                serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, ok: ok, response: response))
    }

    private func refuse(_ message: ClientMessage, _ reason: String) {
        send(
            PhoenixEncoder.errorReply(
                serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, reason: reason))
    }

    // MARK: Joining

    private func join(_ message: ClientMessage, _ request: JoinRequest) {
        let key = Array(message.topic.utf8)
        leaveBehind(key)
        do throws(JoinError) {
            let now = hub.now()
            guard joinRate.take(now: now), hub.mayJoin() else { throw .tooManyJoins }
            guard message.topic.utf8.starts(with: "realtime:".utf8) else { throw .unmatchedTopic }
            guard message.topic.utf8.count > 9 else { throw .topicNameRequired }
            guard slots.count < hub.limits.maxChannels else { throw .tooManyChannels }
            let facts = try facts(for: request)
            if hub.settings.privateOnly, !request.isPrivate { throw .privateOnly }
            if let replay = request.broadcast.replay {
                if replay.isInvalid { throw .replayInvalid }
                if !request.isPrivate, !hub.settings.replaysPublic, replay.offset == nil { throw .replayOnPublic }
            }
            let joining = Joining(message, request, facts)
            slots[key] = .joining(joining)
            guard request.postgresChanges.isEmpty else { throw .changesNotConfigured }
            authorize(joining)
        } catch {
            deny(message, error)
        }
    }

    /// A topic that is joined again begins anew; its former channel is told.
    private func leaveBehind(_ key: [UInt8]) {
        switch slots[key] {
        case .open(let channel):
            close(channel, isCut: true)
            send(PhoenixEncoder.close(serializer, joinRef: channel.joinRef, topic: channel.topic.wireName))
        case .joining(let joining):
            slots[key] = nil
            release(joining)
            send(PhoenixEncoder.close(serializer, joinRef: joining.joinRef, topic: joining.message.topic))
        case nil: break
        }
    }

    private func leave(_ message: ClientMessage, joining: Joining) {
        release(joining)
        slots[Array(message.topic.utf8)] = nil
        reply(message, ok: true)
        send(PhoenixEncoder.close(serializer, joinRef: joining.joinRef, topic: message.topic))
        noteLoneliness()
    }

    private func facts(for request: JoinRequest) throws(JoinError) -> TokenFacts {
        var facts = facts
        // A key of the project says less than the handshake did.
        if let token = request.accessToken, !token.hasPrefix("sb_"), token != facts.token {
            switch hub.tokens.read(token) {
            case .success(let read): facts = read
            case .failure(let fault): throw fault.joinError
            }
        }
        if let fault = expiry(of: facts) { throw fault.joinError }
        return facts
    }

    private func expiry(of facts: TokenFacts) -> TokenFault? {
        let seconds = Double(hub.now()) / 1000 - facts.expiry
        return seconds >= 0 ? .expired(Int(min(seconds, 1e9))) : nil
    }

    private func deny(_ message: ClientMessage, _ error: JoinError) {
        if case .joining(let joining) = slots[Array(message.topic.utf8)] { release(joining) }
        slots[Array(message.topic.utf8)] = nil
        hub.report(.refusedJoin(reason: error.reason))
        refuse(message, error.reason)
        noteLoneliness()
        if error == .tooManyJoins { end(.tooManyJoins) }
    }

    private func authorize(_ joining: Joining) {
        guard joining.request.isPrivate else { return enter(joining, .all) }
        if let granted = hub.authority.granted(joining.facts, in: joining.name) { return enter(joining, granted) }
        let (facts, name, authority) = (joining.facts, joining.name, hub.authority)
        let box = LaneBound(joining)
        Task { [self] in
            let granted = await authority.ask(facts, about: name)
            lane.lane.submit { [self] in if isCurrent(box.value) { enter(box.value, granted) } }
        }
    }

    private func isCurrent(_ joining: Joining) -> Bool {
        if isOpen, !isEnding, case .joining(let current) = slots[Array(joining.message.topic.utf8)] { return current === joining }
        return false
    }

    private func enter(_ joining: Joining, _ granted: ChannelPermissions) {
        guard isCurrent(joining) else { return }
        let wantsPresence = joining.request.presence.enabled && granted.contains(.presenceRead)
        guard granted.contains(.broadcastRead) || (granted.contains(.presenceRead)) else {
            return deny(joining.message, .unauthorized(topic: joining.name))
        }
        if let topic = hub.available(joining.name, isPrivate: joining.request.isPrivate) {
            return enter(joining, granted, topic, wantsPresence: wantsPresence)
        }
        let box = LaneBound(joining)
        hub.load(joining.name, isPrivate: joining.request.isPrivate) { [self] error in
            lane.lane.submit { [self] in
                guard isCurrent(box.value) else { return }
                if error == nil { enter(box.value, granted) } else { deny(box.value.message, .replayFailed) }
            }
        }
    }

    private func enter(_ joining: Joining, _ granted: ChannelPermissions, _ topic: Topic, wantsPresence: Bool) {
        let request = joining.request
        let (facts, message) = (joining.facts, joining.message)
        let key = request.presence.key
        let identity = Channel.identity(of: facts, presenceKey: key)
        let admission = topic.admit(
            to: lane, reads: granted.contains(.broadcastRead), replay: request.broadcast.replay,
            returning: identity.map {
                Topic.Returning(identity: $0, isPerson: facts.subject != nil, ref: joining.message.ref?.counter)
            },
            wantsPresence: wantsPresence,
            now: hub.now(), grown: { hub.counters.historyBytes.add($0, ordering: .relaxed) })
        // Closed in this very moment: the next look makes a new one.
        guard let admission else { return enter(joining, granted) }
        let channel = Channel(
            id: hub.nextID(), session: self, topic: topic, joinRef: joining.joinRef, request: request, facts: facts,
            identity: identity, permissions: granted, admission: admission)
        slots[Array(message.topic.utf8)] = .open(channel)
        lane.add(channel)
        hub.counters.channels.add(1, ordering: .relaxed)
        greet(channel.facts.subject)
        hub.joined(topic, channel.party)

        let recovery = admission.recovery.map { Session.tell($0, admission) }
        reply(message, ok: true, JoinResponse.ok(postgresChanges: [], recovery: recovery))
        earliestExpiry = min(earliestExpiry, facts.expiry)
        for entry in admission.replay { channel.hear(.replay(entry)) }
        if case .incomplete = admission.recovery {
            send(
                PhoenixEncoder.system(
                    serializer, joinRef: channel.joinRef, topic: topic.wireName, status: .ok, extension: "broadcast",
                    message: "HistoryIncomplete: messages were missed that are no longer kept; reload", channel: topic.name))
        }
        if wantsPresence {
            send(
                PhoenixEncoder.presenceState(
                    serializer, joinRef: channel.joinRef, topic: topic.wireName, entries: admission.presence))
        }
        release(joining)
        for waiting in joining.waiting where isOpen { take(waiting) }
    }

    /// What waited for a join waits no more.
    private func release(_ joining: Joining) {
        for waiting in joining.waiting { waitingBytes -= waiting.event.waitingBytes }
    }

    private static func tell(_ recovery: Topic.Recovery, _ admission: Topic.Admission) -> RawJSON {
        let complete: Bool
        switch recovery {
        case .complete: complete = true
        case .incomplete: complete = false
        }
        let text =
            "{\"complete\":\(complete),\"replayed\":\(admission.replay.count),\"offset\":\(admission.offset),\"epoch\":\"\(admission.epoch)\"}"
        return RawJSON(unchecked: Array(text.utf8))
    }

    // MARK: Broadcasts

    private func broadcast(_ message: ClientMessage, _ content: BroadcastContent, in channel: Channel) {
        func answer(_ ok: Bool, _ response: RawJSON) {
            if channel.wantsAck, message.ref != nil { reply(message, ok: ok, response) }
        }
        guard channel.permissions.contains(.broadcastWrite) else {
            let reason = "Unauthorized: You do not have permissions to write to this Channel topic: \(channel.topic.name)"
            return answer(false, JoinResponse.failure(reason: reason))
        }
        guard content.byteCount <= hub.limits.maxPayload else {
            return answer(
                false, RawJSON(unchecked: Array(#"{"error":"payload_size_exceeded","reason":"payload_size_exceeded"}"#.utf8)))
        }
        let party = channel.party
        let audience: Audience =
            channel.hearsItself
            ? .everyone : .allButChannel(channel.id, reads: channel.permissions.contains(.broadcastRead))
        let draft: Topic.Draft
        switch hub.judge(content, by: party, audience, in: channel.topic) {
        case .refused(let reason, let seconds):
            // Told in any case: a limit nobody hears of looks like a loss.
            return reply(message, ok: false, RawJSON.refusal(reason: reason, retryAfter: seconds))
        case .passed(let passed): draft = passed
        }
        let box = LaneBound(channel)
        let wantsAck = channel.wantsAck && message.ref != nil
        let (joinRef, ref, topic) = (message.joinRef, message.ref, message.topic)
        hub.publish(draft, to: channel.topic, by: party) { [self] published in
            guard wantsAck else {
                switch published {
                case .failed(let reason): hub.report(.historyFailed(reason: reason))
                case .overloaded(let reason): hub.report(.refusedMessage(reason: reason))
                case .done, .refused: break
                }
                return
            }
            box.onLane(lane) { [self] channel in
                guard isOpen, channel.isOpen else { return }
                switch published {
                case .done(let receipt):
                    send(
                        PhoenixEncoder.reply(
                            serializer, joinRef: joinRef, ref: ref, topic: topic, ok: true, response: receipt.json))
                case .failed(let reason), .overloaded(let reason), .refused(let reason):
                    send(PhoenixEncoder.errorReply(serializer, joinRef: joinRef, ref: ref, topic: topic, reason: reason))
                }
            }
        }
    }

    // MARK: Presence

    private func presence(_ message: ClientMessage, _ request: PresenceRequest, in channel: Channel) {
        let now = hub.now()
        switch request {
        case .unknown: return refuse(message, "Presence event must be track or untrack")
        case .notAnObject: return refuse(message, "Presence track payload must be a map")
        case .track, .untrack: break
        }
        guard channel.permissions.contains(.presenceWrite) else {
            return refuse(
                message, "Unauthorized: You do not have permissions to write to this Channel topic: \(channel.topic.name)")
        }
        guard channel.mayCallPresence(now: now, limits: hub.limits) else {
            return end(channel, saying: "Client presence rate limit exceeded")
        }
        guard case .track(let fields) = request else {
            if channel.tracks {
                _ = channel.topic.untrack(key: channel.presenceKey, channel: channel.id)
                channel.tracked(false)
                hub.untracked(by: channel.party, in: channel.topic)
            }
            return reply(message, ok: true)
        }
        guard fields.bytes.count <= hub.limits.maxPresence else { return end(channel, saying: "Track message size exceeded") }
        if let refusal = hub.judge(tracking: fields, by: channel.party, in: channel.topic) {
            return reply(message, ok: false, RawJSON.refusal(reason: refusal.reason, retryAfter: refusal.seconds))
        }
        // One that tracks wants to know who else is there, whatever it said when it joined.
        if !channel.hearsPresence, channel.permissions.contains(.presenceRead) {
            let (state, sequence) = channel.topic.presence
            channel.startHearingPresence(after: sequence)
            send(
                PhoenixEncoder.presenceState(
                    serializer, joinRef: channel.joinRef, topic: channel.topic.wireName, entries: state))
        }
        guard channel.isOpen else { return }
        switch channel.topic.track(fields, key: channel.presenceKey, channel: channel.id, now: now) {
        case .full: refuse(message, "PresenceLimitReached: Too many presences in this topic")
        case .same, .changed:
            channel.tracked(true)
            reply(message, ok: true)
        }
    }

    // MARK: Tokens

    private func renew(_ token: String?, in channel: Channel) {
        guard let token, !token.hasPrefix("sb_"), token != channel.facts.token else { return }
        let facts: TokenFacts
        switch hub.tokens.read(token) {
        case .failure(let fault): return end(channel, saying: fault.message)
        case .success(let read): facts = read
        }
        if let fault = expiry(of: facts) { return end(channel, saying: fault.message) }
        if channel.facts.subject != facts.subject {
            // Somebody else from here on, such as a visitor who has signed in.
            hub.left(channel.topic, channel.party)
            channel.take(facts)
            greet(facts.subject)
            hub.joined(channel.topic, channel.party)
        } else {
            channel.take(facts)
        }
        earliestExpiry = min(earliestExpiry, facts.expiry)
        guard channel.isPrivate else { return }
        if let granted = hub.authority.granted(facts, in: channel.topic.name) { return change(channel, to: granted) }
        let (name, authority) = (channel.topic.name, hub.authority)
        let box = LaneBound(channel)
        Task { [self] in
            let granted = await authority.ask(facts, about: name)
            lane.lane.submit { [self] in
                // A newer token decides for itself.
                if box.value.isOpen, box.value.facts.isSame(as: facts) { change(box.value, to: granted) }
            }
        }
    }

    private func change(_ channel: Channel, to granted: ChannelPermissions) {
        if channel.tracks, !granted.contains(.presenceWrite) {
            _ = channel.topic.untrack(key: channel.presenceKey, channel: channel.id)
            channel.tracked(false)
            hub.untracked(by: channel.party, in: channel.topic)
        }
        guard channel.grant(granted) else { return }
        end(channel, saying: "You no longer have permission to read from this Channel topic: \(channel.topic.name)")
    }

    /// Ends the channels of a user who may no longer be there. Names are without `realtime:`.
    func revoke(_ user: String, _ names: Set<String>?, reason: String) -> [String] {
        var ended: [String] = []
        for case .joining(let joining) in slots.values
        where joining.facts.subject == user && names?.contains(joining.name) ?? true {
            deny(joining.message, .unauthorized(topic: joining.name))
        }
        for channel in channels where channel.facts.subject == user && names?.contains(channel.topic.name) ?? true {
            ended.append(channel.topic.name)
            end(channel, saying: reason)
        }
        return ended
    }

    var channels: [Channel] { slots.values.compactMap { if case .open(let channel) = $0 { channel } else { nil } } }

    /// Where it is in durable topics, in case the host ends without a word.
    func places(now: Int64) -> [Place] {
        guard let highestRef else { return [] }
        return channels.compactMap { channel in
            guard channel.topic.isDurable, let identity = channel.identity, channel.permissions.contains(.broadcastRead) else {
                return nil
            }
            return Place(
                topic: channel.topic.name, isPrivate: channel.isPrivate, identity: identity,
                epoch: channel.topic.epoch, offset: channel.confirmed, lastRef: highestRef, time: now)
        }
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
    private func end(_ channel: Channel, saying message: String) {
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
    private func close(_ channel: Channel, isCut: Bool) {
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

    private func noteLoneliness() { if slots.isEmpty { lonelySince = hub.now() } }

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
    fileprivate var waitingBytes: Int {
        switch self {
        case .broadcast(let content): 256 + content.byteCount
        case .presence(.track(let fields)): 256 + fields.bytes.count
        default: 256
        }
    }
}
