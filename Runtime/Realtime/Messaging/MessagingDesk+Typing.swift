struct TypistKey: Hashable, Sendable {
    let topic: TopicKey
    let who: MessagingDesk.Who
}

/// Somebody who types, as far as the others know.
struct Typist: Sendable {
    let serial: UInt64
    var deadline: Int64
    var connection: UInt64
    /// What to say when it is over.
    var event: String
    var payload: [UInt8]
}

extension MessagingDesk {
    private static let names = ["userId", "user_id", "customerId", "customer_id", "senderId", "sender_id"]

    mutating func judgeTyping(
        _ event: MessagingEvent, _ name: String, _ payload: PayloadMembers, _ topic: String, _ isPrivate: Bool,
        _ conversation: Conversation, _ party: MessagingParty, now: Int64
    ) -> MessagingVerdict {
        guard let who = who(party, user(party, payload, Self.names)) else { return .pass(ephemeral: true, emissions: []) }
        let key = TypistKey(topic: TopicKey(topic, isPrivate), who: who)
        guard event != .typingStop, !TypingFlag.all(in: payload).contains(where: { !$0.isOn }) else {
            removeTypist(key)
            return .pass(ephemeral: true, emissions: [])
        }
        var stopName = name
        if case .typingStart(let stop) = event { stopName = stop }
        let kept = payload.shortened(to: limits.payloadBytes)
        let deadline = now &+ limits.typingExpiry
        // Still typing for everybody else until the stop has gone out, even if that is overdue: so there is one stop for one start.
        let former = typists.change(key) { typist -> UInt64 in
            defer {
                typist.deadline = deadline
                typist.connection = party.connection
                typist.event = stopName
                typist.payload = kept
            }
            return typist.connection
        }
        if let former {
            note(key, from: former, to: party.connection)
            return .pass(ephemeral: true, emissions: [])
        }
        let rate = RateKey(who: who, conversation: conversation)
        if let wait = Self.admit(rate, 1, limits.typingPerMinute, in: &typing, now: now) {
            return Self.refusal(
                .typing, "You may start typing \(limits.typingPerMinute) times a minute in one conversation", wait)
        }
        let typist = Typist(
            serial: nextSerial(), deadline: deadline, connection: party.connection, event: stopName, payload: kept)
        var emissions: [Emission] = []
        if let gone = typists.insert(typist, for: key) {
            note(gone.key, from: gone.value.connection, to: 0)
            emissions.append(Self.stop(gone.key, gone.value))
        }
        note(key, from: 0, to: party.connection)
        setTimer(.typist(key, serial: typist.serial), at: deadline)
        return .pass(ephemeral: true, emissions: emissions)
    }

    /// Somebody vanished from a topic while typing.
    mutating func stopTyping(_ topic: String, _ isPrivate: Bool, connection: UInt64) -> [Emission] {
        guard connection != 0, let keys = typistsOf[connection] else { return [] }
        let place = TopicKey(topic, isPrivate)
        return keys.filter { $0.topic == place }.compactMap { key in removeTypist(key).map { Self.stop(key, $0) } }
    }

    mutating func expireTypist(_ key: TypistKey, _ serial: UInt64, now: Int64) -> [Emission] {
        guard let typist = typists[key], typist.serial == serial else { return [] }
        guard typist.deadline <= now else {
            // Refreshed meanwhile.
            setTimer(.typist(key, serial: serial), at: typist.deadline)
            return []
        }
        removeTypist(key)
        return [Self.stop(key, typist)]
    }

    @discardableResult
    private mutating func removeTypist(_ key: TypistKey) -> Typist? {
        guard let typist = typists.remove(key) else { return nil }
        note(key, from: typist.connection, to: 0)
        return typist
    }

    private mutating func note(_ key: TypistKey, from former: UInt64, to connection: UInt64) {
        guard former != connection else { return }
        if former != 0, typistsOf[former]?.remove(key) != nil, typistsOf[former]?.isEmpty == true { typistsOf[former] = nil }
        if connection != 0 { typistsOf[connection, default: []].insert(key) }
    }

    /// What was said last, with every flag turned off, and a word that the server says so.
    private static func stop(_ key: TypistKey, _ typist: Typist) -> Emission {
        var body = typist.payload
        if let payload = PayloadMembers(typist.payload) {
            let flags = TypingFlag.all(in: payload)
            var more = [(name: "expired", value: "true")]
            // Where nothing says that it was a start, the stop has to say that it is one.
            if flags.isEmpty, MessagingEvent(typist.event) == .typing { more.insert((name: "isTyping", value: "false"), at: 0) }
            body = payload.rewritten(flags.map { ($0.at, $0.off) }, adding: more)
        }
        return .broadcast(
            ServerBroadcast(
                topic: key.topic.name.text, isPrivate: key.topic.isPrivate, event: typist.event, body: RawJSON(unchecked: body),
                audience: typist.connection == 0 ? .everyone : .allBut(typist.connection)))
    }
}
