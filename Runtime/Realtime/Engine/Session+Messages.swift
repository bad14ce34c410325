import SwiftletJSON

/// What a client that has joined says: broadcasts and presence.
extension Session {
    // MARK: Broadcasts

    func broadcast(_ message: ClientMessage, _ content: BroadcastContent, in channel: Channel) {
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

    func presence(_ message: ClientMessage, _ request: PresenceRequest, in channel: Channel) {
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
}
