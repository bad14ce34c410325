import Swiftlet

/// Whose channels these are, as long as their tokens hold.
extension Session {
    func renew(_ token: String?, in channel: Channel) {
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

    func change(_ channel: Channel, to granted: ChannelPermissions) {
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
}
