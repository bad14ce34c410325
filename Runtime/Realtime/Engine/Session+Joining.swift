import Swiftlet
import SwiftletJSON
import Synchronization

/// How a client comes into a topic: what it asks, whether it may, and what it missed.
extension Session {
    func join(_ message: ClientMessage, _ request: JoinRequest) {
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
    func leaveBehind(_ key: [UInt8]) {
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

    func leave(_ message: ClientMessage, joining: Joining) {
        release(joining)
        slots[Array(message.topic.utf8)] = nil
        reply(message, ok: true)
        send(PhoenixEncoder.close(serializer, joinRef: joining.joinRef, topic: message.topic))
        noteLoneliness()
    }

    func facts(for request: JoinRequest) throws(JoinError) -> TokenFacts {
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

    func expiry(of facts: TokenFacts) -> TokenFault? {
        let seconds = Double(hub.now()) / 1000 - facts.expiry
        return seconds >= 0 ? .expired(Int(min(seconds, 1e9))) : nil
    }

    func deny(_ message: ClientMessage, _ error: JoinError) {
        if case .joining(let joining) = slots[Array(message.topic.utf8)] { release(joining) }
        slots[Array(message.topic.utf8)] = nil
        hub.report(.refusedJoin(reason: error.reason))
        refuse(message, error.reason)
        noteLoneliness()
        if error == .tooManyJoins { end(.tooManyJoins) }
    }

    func authorize(_ joining: Joining) {
        guard joining.request.isPrivate else { return enter(joining, .all) }
        if let granted = hub.authority.granted(joining.facts, in: joining.name) { return enter(joining, granted) }
        let (facts, name, authority) = (joining.facts, joining.name, hub.authority)
        let box = LaneBound(joining)
        Task { [self] in
            let granted = await authority.ask(facts, about: name)
            lane.lane.submit { [self] in if isCurrent(box.value) { enter(box.value, granted) } }
        }
    }

    func isCurrent(_ joining: Joining) -> Bool {
        if isOpen, !isEnding, case .joining(let current) = slots[Array(joining.message.topic.utf8)] { return current === joining }
        return false
    }

    func enter(_ joining: Joining, _ granted: ChannelPermissions) {
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

    func enter(_ joining: Joining, _ granted: ChannelPermissions, _ topic: Topic, wantsPresence: Bool) {
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
    func release(_ joining: Joining) {
        for waiting in joining.waiting { waitingBytes -= waiting.event.waitingBytes }
    }

    static func tell(_ recovery: Topic.Recovery, _ admission: Topic.Admission) -> RawJSON {
        let complete: Bool
        switch recovery {
        case .complete: complete = true
        case .incomplete: complete = false
        }
        let text =
            "{\"complete\":\(complete),\"replayed\":\(admission.replay.count),\"offset\":\(admission.offset),\"epoch\":\"\(admission.epoch)\"}"
        return RawJSON(unchecked: Array(text.utf8))
    }
}
