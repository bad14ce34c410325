/// Typing, receipts, delivery, presence status and unread counts, for the topics of ``MessagingTopic``; everything else passes untouched.
///
/// One desk serves the whole engine: rates and statuses belong to users, not to topics. It is a value without I/O: whoever owns it makes
/// sure that one call runs at a time, passes the time (milliseconds since 1970, from a clock that is not set back by seconds), and does what
/// comes back, in order.
///
///     connected → joined → judge → published → left → disconnected          and expire(now:) whenever nextDeadline has come
///
/// Everything it remembers has a fixed most (``MessagingLimits``): with the standard ones some 200 MB in the very worst case, a few
/// while people behave. What does not fit is relayed all the same; it is only not counted, or known to ``MessageTables`` alone.
///
/// Not promised: that a status which somebody sends is true. What clients send is relayed as it is; only what the desk keeps is judged.
package struct MessagingDesk: Sendable {
    /// Whom something is counted for.
    enum Who: Hashable, Sendable {
        case user(ExactText)
        /// Nobody knows who it is.
        case connection(UInt64)
    }

    enum Timer: Sendable {
        case typist(TypistKey, serial: UInt64)
        case user(ExactText, serial: UInt64)
    }

    struct RateKey: Hashable, Sendable {
        let who: Who
        let conversation: Conversation
    }

    let limits: MessagingLimits
    var timers = DeadlineHeap<Timer>()
    /// Tells an entry from an earlier one of the same key.
    var serial: UInt64 = 0

    // Typing.
    var typists: BoundedTable<TypistKey, Typist>
    var typing: BoundedTable<RateKey, RateWindow>
    /// Which entries a socket refreshed last.
    var typistsOf: [UInt64: Set<TypistKey>] = [:]

    // Messages.
    var reads: BoundedTable<Who, RateWindow>
    var conversations: BoundedTable<Conversation, ConversationWindow>
    var conversationsOf: [ExactText: Set<Conversation>] = [:]
    var messageCount = 0
    var memberCount = 0

    // Presence.
    var declared: BoundedTable<Who, RateWindow>
    var users: BoundedTable<ExactText, ConnectedUser>
    var placeCount = 0

    package init(limits: MessagingLimits = .standard) {
        self.limits = limits
        typists = BoundedTable(capacity: limits.typists)
        typing = BoundedTable(capacity: limits.ratedUsers)
        reads = BoundedTable(capacity: limits.ratedUsers)
        conversations = BoundedTable(capacity: limits.conversations)
        declared = BoundedTable(capacity: limits.ratedUsers)
        users = BoundedTable(capacity: limits.users)
    }

    /// When ``expire(now:)`` has something to do next; it may come to nothing. `nil`: nothing is waiting.
    package var nextDeadline: Int64? { timers.first }

    // MARK: Coming and going

    /// A socket of this party was opened. A caller without a user or a socket is nobody to remember.
    package mutating func connected(_ party: MessagingParty, now: Int64) { openSocket(party, now: now) }

    /// A socket of this party has ended, after its topics were ``left(_:isPrivate:_:now:)``. With the last one of a user who had declared a status, the user is
    /// offline.
    package mutating func disconnected(_ party: MessagingParty, now: Int64) -> [Emission] { closeSocket(party, now: now) }

    /// The party subscribed to a topic: from now on it takes part in the conversation, whether it stays subscribed or not.
    package mutating func joined(_ topic: String, isPrivate: Bool, _ party: MessagingParty, now: Int64) -> [Emission] {
        guard let known = MessagingTopic(topic), known.kind == .conversation || known.kind == .customer,
            let user = keptUser(party)
        else {
            return []
        }
        return enterMember(ExactText(user), Conversation(known, isPrivate: isPrivate), now: now)
    }

    /// A subscription of this party ended, for whatever reason. Who was typing by this socket has stopped.
    package mutating func left(_ topic: String, isPrivate: Bool, _ party: MessagingParty, now: Int64) -> [Emission] {
        guard MessagingTopic(topic) != nil else { return [] }
        forgetTracked(topic, isPrivate, party)
        return stopTyping(topic, isPrivate, connection: party.connection)
    }

    // MARK: Messages

    /// May this broadcast go out? Ask for every one, before it is given an offset.
    ///
    /// A start of typing, a mark as read and a declared status are counted; beyond the limit they are refused. A refresh of typing is not
    /// counted, and what ends something (typing, being online) is always let through, so that nobody is left typing.
    package mutating func judge(
        _ content: BroadcastContent, topic: String, isPrivate: Bool, from party: MessagingParty, now: Int64
    ) -> MessagingVerdict {
        let passes = MessagingVerdict.pass(ephemeral: false, emissions: [])
        guard let known = MessagingTopic(topic), let event = MessagingEvent(content.event), event != .newMessage,
            let payload = PayloadMembers(content.body)
        else { return withActivity(passes, party, now: now) }
        switch event {
        case .typing, .typingStart, .typingStop:
            guard known.kind != .presence else { return withActivity(passes, party, now: now) }
            let conversation = Conversation(known, isPrivate: isPrivate)
            let verdict = judgeTyping(event, content.event, payload, topic, isPrivate, conversation, party, now: now)
            return withActivity(verdict, party, now: now)
        case .presence:
            return withActivity(judgePresence(content.event, payload, topic, isPrivate, party, now: now), party, now: now)
        case .messageRead, .deliveryStatus: return withActivity(judgeRead(event, payload, party, now: now), party, now: now)
        case .newMessage: return withActivity(passes, party, now: now)
        }
    }

    /// What passes is a sign of life.
    private mutating func withActivity(_ verdict: MessagingVerdict, _ party: MessagingParty, now: Int64) -> MessagingVerdict {
        guard case .pass(let isEphemeral, let emissions) = verdict else { return verdict }
        return .pass(ephemeral: isEphemeral, emissions: noteActivity(party, now: now) + emissions)
    }

    /// May these fields be tracked? Only fields with a `status` of `online`, `away` or `offline` are counted.
    package mutating func judgeTrack(
        _ fields: RawJSON, topic: String, isPrivate: Bool, from party: MessagingParty, now: Int64
    ) -> MessagingVerdict {
        guard MessagingTopic(topic) != nil, let payload = PayloadMembers(fields.bytes) else {
            return withActivity(.pass(ephemeral: true, emissions: []), party, now: now)
        }
        return withActivity(judgePresence(nil, payload, topic, isPrivate, party, now: now), party, now: now)
    }

    /// The fields are not tracked any more.
    package mutating func untracked(_ topic: String, isPrivate: Bool, _ party: MessagingParty) {
        forgetTracked(topic, isPrivate, party)
    }

    /// A broadcast that was not ephemeral has gone out: once for each, not again for what the history knew already.
    /// - Parameters:
    ///   - id: The `meta.id` it got; it stands for a message whose body names no id.
    ///   - receivers: Subscribers, other than the sender's connection, that it was handed to.
    package mutating func published(
        _ content: BroadcastContent, topic: String, isPrivate: Bool, from party: MessagingParty, id: String, offset: UInt64,
        receivers: Int, now: Int64
    ) -> [Emission] {
        guard let known = MessagingTopic(topic), known.kind == .conversation || known.kind == .customer,
            let event = MessagingEvent(content.event), let payload = PayloadMembers(content.body)
        else { return [] }
        let conversation = Conversation(known, isPrivate: isPrivate)
        switch event {
        case .newMessage:
            return enterMessage(payload, topic, conversation, party, id: id, offset: offset, receivers: receivers, now: now)
        case .messageRead: return enterReads(payload, conversation, party, now: now)
        case .deliveryStatus: return enterStatus(payload, conversation, party, now: now)
        default: return []
        }
    }

    /// A stored broadcast was handed to one who had missed it: a `new_message` is delivered with that.
    package mutating func replayed(
        _ content: BroadcastContent, topic: String, isPrivate: Bool, to party: MessagingParty, id: String, now: Int64
    ) -> [Emission] {
        guard let known = MessagingTopic(topic), MessagingEvent(content.event) == .newMessage,
            let payload = PayloadMembers(content.body)
        else { return [] }
        return deliver(payload, topic, Conversation(known, isPrivate: isPrivate), to: party, id: id, now: now)
    }

    /// Does what has become due.
    package mutating func expire(now: Int64) -> [Emission] {
        var emissions: [Emission] = []
        while let timer = timers.pop(by: now) {
            switch timer {
            case .typist(let key, let serial): emissions += expireTypist(key, serial, now: now)
            case .user(let user, let serial): emissions += expireUser(user, serial, now: now)
            }
        }
        return emissions
    }

    // MARK: Questions

    /// Messages of others that the user has not read, as far as the desk remembers: the newest of each conversation, since the user took
    /// part in it, each once. ``MessageTables`` know the rest.
    package func unread(_ user: String, in conversation: Conversation? = nil) -> Int {
        let user = ExactText(user)
        if let conversation { return conversations[conversation]?.unread(by: user).count ?? 0 }
        var ids: Set<ExactText> = []
        for conversation in conversationsOf[user] ?? [] { ids.formUnion(conversations[conversation]?.unread(by: user) ?? []) }
        return ids.count
    }

    /// `nil` when the desk does not remember the message.
    package func status(of message: String, in conversation: Conversation) -> DeliveryStatus? {
        conversations[conversation]?[ExactText(message)]?.status
    }

    /// `nil` for users that are not connected, or never declared a status.
    package func presence(of user: String) -> (status: PresenceStatus, lastSeenAt: Int64)? {
        users[ExactText(user)].flatMap { user in user.status.map { ($0, user.lastActive) } }
    }

    // MARK: Who

    /// Who this is, if that is known: the verified user; for a trusted server, and for anybody where the host says so, whom the payload names.
    func user(_ party: MessagingParty, _ payload: PayloadMembers, _ names: [String]) -> String? {
        if party.user == nil || party.speaksForOthers, party.speaksForOthers || limits.trustsClaims,
            let claimed = payload.id(names, most: limits.idBytes)
        {
            return claimed
        }
        return keptUser(party)
    }

    /// A user's id that is fit to be kept.
    func keptUser(_ party: MessagingParty) -> String? {
        guard let user = party.user, !user.isEmpty, user.utf8.count <= limits.idBytes, !user.utf8.contains(0) else { return nil }
        return user
    }

    /// `nil` for somebody nobody knows, without a socket: there is nothing to tell one from the other by.
    func who(_ party: MessagingParty, _ user: String?) -> Who? {
        if let user { return .user(ExactText(user)) }
        return party.connection == 0 ? nil : .connection(party.connection)
    }

    mutating func nextSerial() -> UInt64 {
        serial &+= 1
        return serial
    }

    mutating func setTimer(_ timer: Timer, at time: Int64) {
        timers.push(timer, at: time)
        guard timers.count > 2 * (typists.count + users.count) + 64 else { return }
        let (typists, users) = (typists, users)
        timers.keep { timer in
            switch timer {
            case .typist(let key, let serial): typists[key]?.serial == serial
            case .user(let user, let serial): users[user]?.serial == serial
            }
        }
    }

    /// Counts for `who`; the seconds to wait when it is too much.
    static func admit<Key>(
        _ key: Key, _ cost: Int, _ limit: Int, in table: inout BoundedTable<Key, RateWindow>, now: Int64
    ) -> Int? {
        if let known = table.change(key, { $0.admit(cost, limit: limit, now: now) }) { return known }
        var window = RateWindow()
        let wait = window.admit(cost, limit: limit, now: now)
        _ = table.insert(window, for: key)
        return wait
    }

    static func refusal(_ code: MessagingRefusal, _ text: String, _ wait: Int) -> MessagingVerdict {
        .refuse(reason: "\(code.rawValue): \(text)", retryAfterSeconds: wait)
    }
}
