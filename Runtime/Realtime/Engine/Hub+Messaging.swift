import Swiftlet

/// What messaging has to say of what goes through the hub: typing that ends by itself, receipts, limits, presence. Topics that are none of
/// its own pass without a look.
extension Hub {
    enum Judgement {
        case passed(Topic.Draft)
        case refused(reason: String, retryAfterSeconds: Int)
    }

    /// May it go out, and how? A message with an id of its own is delivered once, however often it is sent.
    func judge(_ content: BroadcastContent, by party: MessagingParty, _ audience: Audience, in topic: Topic) -> Judgement {
        let named = content.id ?? (topic.isMessaging && content.event == "new_message" ? content.innerID : nil)
        let id = named.flatMap { BroadcastContent.isID($0) ? $0 : nil }
        var draft = Topic.Draft(
            content: content, id: id ?? Hub.freshID(), dedup: Hub.dedup(id, of: party, content.event),
            isKept: true, audience: audience, user: party.user)
        guard topic.isMessaging else { return .passed(draft) }
        // Said twice is allowed once: the second attempt costs nothing of a limit.
        if topic.duplicate(draft.dedup, now: now()) != nil { return .passed(draft) }
        let verdict = messaging.withLock {
            $0.judge(content, topic: topic.name, isPrivate: topic.key.isPrivate, from: party, now: now())
        }
        switch verdict {
        case .refuse(let reason, let seconds): return .refused(reason: reason, retryAfterSeconds: seconds)
        case .pass(let ephemeral, let emissions):
            perform(emissions)
            if ephemeral {
                draft.isKept = false
                draft.dedup = nil
            }
            return .passed(draft)
        }
    }

    /// Whose id it is: a user's, a trusted server's, or that of one socket. Nobody's id is no one's else; a caller without any of these has none.
    private static func dedup(_ id: String?, of party: MessagingParty, _ event: String) -> String? {
        guard let id else { return nil }
        let owner: String
        if let user = party.user {
            owner = "u\(user)"
        } else if party.speaksForOthers {
            owner = "s"
        } else if party.connection != 0 {
            owner = "c\(party.connection)"
        } else {
            return nil
        }
        return "\(owner)\u{1F}\(event)\u{1F}\(id)"
    }

    /// A refusal, or nil.
    func judge(tracking fields: RawJSON, by party: MessagingParty, in topic: Topic) -> (reason: String, seconds: Int)? {
        guard topic.isMessaging else { return nil }
        let verdict = messaging.withLock {
            $0.judgeTrack(fields, topic: topic.name, isPrivate: topic.key.isPrivate, from: party, now: now())
        }
        switch verdict {
        case .refuse(let reason, let seconds): return (reason, seconds)
        case .pass(_, let emissions):
            perform(emissions)
            return nil
        }
    }

    func untracked(by party: MessagingParty, in topic: Topic) {
        guard topic.isMessaging else { return }
        messaging.withLock { $0.untracked(topic.name, isPrivate: topic.key.isPrivate, party) }
    }

    func published(_ content: BroadcastContent, in topic: Topic, by party: MessagingParty, _ receipt: Topic.Receipt) {
        guard topic.isMessaging else { return }
        perform(
            messaging.withLock {
                $0.published(
                    content, topic: topic.name, isPrivate: topic.key.isPrivate, from: party, id: receipt.id,
                    offset: receipt.offset, receivers: receipt.receivers, now: now())
            })
    }

    func joined(_ topic: Topic, _ party: MessagingParty) {
        guard topic.isMessaging else { return }
        perform(messaging.withLock { $0.joined(topic.name, isPrivate: topic.key.isPrivate, party, now: now()) })
    }

    func left(_ topic: Topic, _ party: MessagingParty) {
        guard topic.isMessaging else { return }
        perform(messaging.withLock { $0.left(topic.name, isPrivate: topic.key.isPrivate, party, now: now()) })
    }

    func connected(_ party: MessagingParty) { messaging.withLock { $0.connected(party, now: now()) } }
    func disconnected(_ party: MessagingParty) { perform(messaging.withLock { $0.disconnected(party, now: now()) }) }

    /// Does what has become due; called a few times a second.
    package func tickMessaging() {
        let now = now()
        let emissions = messaging.withLock { desk -> [Emission] in
            guard let deadline = desk.nextDeadline, deadline <= now else { return [] }
            return desk.expire(now: now)
        }
        perform(emissions)
    }

    private func perform(_ emissions: [Emission]) {
        var changes: [MessageChange] = []
        for emission in emissions {
            switch emission {
            case .write(let change): changes.append(change)
            case .broadcast(let broadcast):
                let audience: Audience =
                    switch broadcast.audience {
                    case .everyone: .everyone
                    case .allBut(let socket): .allButSocket(socket)
                    case .only(let socket): .onlySocket(socket)
                    }
                say(broadcast.event, broadcast.body, in: broadcast.topic, isPrivate: broadcast.isPrivate, to: audience)
            case .presence(let turn): show(turn)
            }
        }
        writer?.write(changes)
    }

    /// What the host itself says in a topic; kept by nobody.
    private func say(_ event: String, _ body: RawJSON, in name: String, isPrivate: Bool, to audience: Audience) {
        guard let topic = known(name, isPrivate: isPrivate) else { return }
        let draft = Topic.Draft(
            content: BroadcastContent(event: event, body: .json(body)), id: Hub.freshID(), dedup: nil, isKept: false,
            audience: audience)
        publish(draft, to: topic, by: nil) { _ in }
    }

    /// A user who did nothing for a while is away, wherever it had said that it is there.
    private func show(_ turn: PresenceTurn) {
        for place in turn.places {
            guard let topic = known(place.topic, isPrivate: place.isPrivate) else { continue }
            let (socket, fields) = (place.connection, place.fields)
            everyLane { lane in
                for channel in lane.room(of: topic)?.members ?? [] where channel.tracks && channel.session.id == socket {
                    _ = topic.track(fields, key: channel.presenceKey, channel: channel.id, now: self.now())
                }
            }
        }
    }
}
