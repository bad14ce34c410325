extension MessagingDesk {
    private static let senders = ["senderId", "sender_id", "userId", "user_id", "customerId", "customer_id"]
    private static let customers = ["readByCustomerId", "read_by_customer_id", "customerId", "customer_id"]
    private static let staff = ["readByUserId", "read_by_user_id", "userId", "user_id"]
    private static let readers = staff + customers + ["readerId", "reader_id", "recipientId", "recipient_id"]

    // MARK: Members

    mutating func enterMember(_ user: ExactText, _ conversation: Conversation, now: Int64) -> [Emission] {
        touch(conversation)
        let isNew = conversations.change(conversation) { $0.join(user, most: limits.members) } ?? false
        guard isNew else { return [] }
        memberCount += 1
        conversationsOf[user, default: []].insert(conversation)
        makeRoom()
        return [.write(.member(conversation, user: user.text, time: now))]
    }

    /// Opens the conversation if it is not open.
    private mutating func touch(_ conversation: Conversation) {
        if conversations.change(conversation, { _ in }) != nil { return }
        if let gone = conversations.insert(ConversationWindow(), for: conversation) { forget(gone.key, gone.value) }
    }

    /// The one just used is the last to go.
    private mutating func makeRoom() {
        while messageCount > limits.messages || memberCount > limits.memberships, conversations.count > 1,
            let gone = conversations.removeOldest()
        { forget(gone.key, gone.value) }
    }

    private mutating func forget(_ conversation: Conversation, _ window: ConversationWindow) {
        messageCount -= window.count
        memberCount -= window.memberCount
        for user in window.memberNames {
            conversationsOf[user]?.remove(conversation)
            if conversationsOf[user]?.isEmpty == true { conversationsOf[user] = nil }
        }
    }

    // MARK: New messages

    private func messageID(_ payload: PayloadMembers, _ fallback: String) -> String? {
        if let id = payload.id(["id", "messageId", "message_id"], most: limits.idBytes) { return id }
        if let inner = payload.object("message"), let id = inner.id(["id", "messageId", "message_id"], most: limits.idBytes) {
            return id
        }
        return fallback.isEmpty || fallback.utf8.count > limits.idBytes || fallback.utf8.contains(0) ? nil : fallback
    }

    mutating func enterMessage(
        _ payload: PayloadMembers, _ topic: String, _ conversation: Conversation, _ party: MessagingParty, id: String,
        offset: UInt64, receivers: Int, now: Int64
    ) -> [Emission] {
        guard let id = messageID(payload, id) else { return [] }
        let sender = user(party, payload, Self.senders).map { ExactText($0) }
        var emissions: [Emission] = []
        if let sender { emissions = enterMember(sender, conversation, now: now) } else { touch(conversation) }
        let entry = ConversationWindow.Entry(id: ExactText(id), sender: sender, connection: party.connection, status: .sent)
        let change = conversations.change(conversation) { window -> (isNew: Bool, more: Int) in
            let before = window.count
            return (window.append(entry, most: limits.messagesPerConversation), window.count - before)
        }
        guard let change, change.isNew else { return emissions }
        messageCount += change.more
        makeRoom()
        emissions.append(.write(.message(conversation, id: id, sender: sender?.text, offset: offset, time: now)))
        emissions.append(.write(.status(conversation, message: id, recipient: nil, .sent, reason: nil, time: now)))
        if receivers > 0 { emissions += setDelivered(entry.id, topic, conversation, now: now) }
        return emissions
    }

    /// Somebody else has got it; its sender is told.
    private mutating func setDelivered(
        _ id: ExactText, _ topic: String, _ conversation: Conversation, now: Int64
    ) -> [Emission] {
        let connection = conversations.change(conversation) { window -> UInt64? in
            window.advance(id, to: .delivered) ? window[id]?.connection : nil
        }
        guard let connection = connection ?? nil else { return [] }
        var emissions: [Emission] = [
            .write(.status(conversation, message: id.text, recipient: nil, .delivered, reason: nil, time: now))
        ]
        if limits.announcesDelivery, connection != 0 {
            let quoted = JSONWalk.quoted(id.text)
            let body =
                "{\"messageId\":\(quoted),\"message_id\":\(quoted),\"status\":\"delivered\",\"deliveredAt\":\(now),\"delivered_at\":\(now)}"
            emissions.append(
                .broadcast(
                    ServerBroadcast(
                        topic: topic, isPrivate: conversation.isPrivate, event: "delivery_status",
                        body: RawJSON(unchecked: Array(body.utf8)), audience: .only(connection))))
        }
        return emissions
    }

    mutating func deliver(
        _ payload: PayloadMembers, _ topic: String, _ conversation: Conversation, to party: MessagingParty, id: String, now: Int64
    ) -> [Emission] {
        guard let id = messageID(payload, id).map({ ExactText($0) }), let entry = conversations[conversation]?[id],
            entry.connection != party.connection || party.connection == 0,
            entry.sender == nil || entry.sender != keptUser(party).map({ ExactText($0) })
        else { return [] }
        return setDelivered(id, topic, conversation, now: now)
    }

    // MARK: Reading

    /// The messages that are marked as read; empty when it is not about any.
    private func marked(_ payload: PayloadMembers) -> [String] {
        if let ids = payload.ids(
            ["messageIds", "message_ids", "messageId", "message_id"], most: limits.idBytes, count: limits.idsPerRead)
        {
            return ids
        }
        // A bare `id` is the message, where no other member names one; beside one it is the receipt's own.
        return payload.id(["messageId", "message_id", "id"], most: limits.idBytes).map { [$0] } ?? []
    }

    private func status(_ payload: PayloadMembers) -> DeliveryStatus? {
        payload.member("status").flatMap { payload.word($0) }.flatMap { DeliveryStatus(rawValue: $0) }
    }

    /// Each message counts; but a mark of more than a minute may have is let through when nothing was marked in the last one.
    mutating func judgeRead(
        _ event: MessagingEvent, _ payload: PayloadMembers, _ party: MessagingParty, now: Int64
    ) -> MessagingVerdict {
        if event == .deliveryStatus, status(payload) != .read { return .pass(ephemeral: false, emissions: []) }
        let ids = marked(payload)
        guard !ids.isEmpty, let who = who(party, user(party, payload, Self.readers)) else {
            return .pass(ephemeral: false, emissions: [])
        }
        if let wait = Self.admit(who, ids.count, limits.readsPerMinute, in: &reads, now: now) {
            return Self.refusal(.read, "You may mark \(limits.readsPerMinute) messages a minute as read", wait)
        }
        return .pass(ephemeral: false, emissions: [])
    }

    private func reader(_ payload: PayloadMembers, _ party: MessagingParty) -> MessageReader? {
        guard let user = user(party, payload, Self.readers) else { return nil }
        let isCustomer =
            payload.id(Self.staff, most: limits.idBytes) == nil && payload.id(Self.customers, most: limits.idBytes) != nil
        return MessageReader(user, isCustomer ? .customer : .staff)
    }

    mutating func enterReads(
        _ payload: PayloadMembers, _ conversation: Conversation, _ party: MessagingParty, now: Int64
    ) -> [Emission] {
        guard let reader = reader(payload, party) else { return [] }
        let ids = marked(payload)
        guard !ids.isEmpty else { return [] }
        let user = ExactText(reader.id)
        var emissions = enterMember(user, conversation, now: now)
        for id in ids { emissions += enterRead(ExactText(id), user, reader, conversation, now: now) }
        return emissions
    }

    private mutating func enterRead(
        _ id: ExactText, _ user: ExactText, _ reader: MessageReader, _ conversation: Conversation, now: Int64
    ) -> [Emission] {
        let receipt: [Emission] = [
            .write(.receipt(conversation, message: id.text, reader: reader, time: now)),
            .write(.status(conversation, message: id.text, recipient: reader, .read, reason: nil, time: now)),
        ]
        let whole = Emission.write(.status(conversation, message: id.text, recipient: nil, .read, reason: nil, time: now))
        // What is not remembered here may be in the tables, which apply the same rules.
        guard let entry = conversations[conversation]?[id] else { return receipt + [whole] }
        // Nobody is counted as a reader of what they wrote.
        guard entry.sender != user else { return [] }
        let (isMember, isNew, isRead) =
            conversations.change(conversation) { window in
                (window.isMember(user), window.read(id, by: user), window.advance(id, to: .read))
            } ?? (false, false, false)
        guard isNew || !isMember else { return [] }
        // The same message by the same known sender may have gone to other conversations of this reader.
        if let sender = entry.sender {
            for other in conversationsOf[user] ?? [] where other != conversation {
                guard conversations[other]?[id]?.sender == sender else { continue }
                _ = conversations.change(other) { $0.read(id, by: user) }
            }
        }
        return isRead ? receipt + [whole] : receipt
    }

    // MARK: Delivery, as somebody says

    mutating func enterStatus(
        _ payload: PayloadMembers, _ conversation: Conversation, _ party: MessagingParty, now: Int64
    ) -> [Emission] {
        guard let status = status(payload) else { return [] }
        if status == .read { return enterReads(payload, conversation, party, now: now) }
        guard status != .sent, let id = marked(payload).first.map({ ExactText($0) }) else { return [] }
        let reader = reader(payload, party)
        let entry = conversations[conversation]?[id]
        // From somebody nobody knows it is only passed on.
        guard let reader = reader ?? (party.speaksForOthers ? MessageReader("", .staff) : nil) else { return [] }
        var recipient: MessageReader? = reader.id.isEmpty ? nil : reader
        var reason: String?
        if status == .delivered {
            // The sender's own word does not deliver it.
            if let sender = entry?.sender, recipient.map({ ExactText($0.id) }) == sender { return [] }
        } else {
            recipient = nil
            reason =
                payload.member("failedReason").flatMap { payload.word($0) }
                ?? payload.member("failed_reason").flatMap { payload.word($0) }
                ?? payload.member("reason").flatMap { payload.word($0) }
        }
        if entry != nil {
            let isNew = conversations.change(conversation) { $0.advance(id, to: status) } ?? false
            guard isNew || recipient != nil else { return [] }
        }
        var emissions: [Emission] = []
        if let recipient {
            emissions.append(
                .write(.status(conversation, message: id.text, recipient: recipient, status, reason: nil, time: now)))
        }
        emissions.append(.write(.status(conversation, message: id.text, recipient: nil, status, reason: reason, time: now)))
        return emissions
    }
}
