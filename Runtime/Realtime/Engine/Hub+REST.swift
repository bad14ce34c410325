package import Swiftlet

/// Broadcasts of callers without a socket.
extension Hub: RealtimeEngine {
    /// One after the other, so that they arrive in the order of the batch.
    package func broadcast(_ messages: [RESTBroadcast.Message], by facts: TokenFacts, isSingle: Bool) async
        -> RESTBroadcast.Answer
    {
        let party = MessagingParty(user: facts.subject, connection: 0, speaksForOthers: facts.role == "service_role")
        for message in messages {
            if message.isPrivate {
                var granted = authority.granted(facts, in: message.topic)
                if granted == nil { granted = await authority.ask(facts, about: message.topic) }
                guard granted?.contains(.broadcastWrite) == true else {
                    // In a batch it is passed over, as the original does.
                    if isSingle { return .denied }
                    continue
                }
            } else if settings.privateOnly {
                if isSingle { return .denied }
                continue
            }
            switch await publish(message.content, to: message.topic, isPrivate: message.isPrivate, by: party) {
            case .done: break
            case .failed(let reason), .overloaded(let reason): return RESTBroadcast.Answer(status: 503, message: reason)
            case .refused(let reason): return RESTBroadcast.Answer(status: 429, message: reason)
            }
        }
        return .accepted
    }

    private func publish(_ content: BroadcastContent, to name: String, isPrivate: Bool, by party: MessagingParty) async
        -> Published
    {
        await withCheckedContinuation { continuation in
            publish(content, to: name, isPrivate: isPrivate, by: party) { continuation.resume(returning: $0) }
        }
    }

    package func publish(
        topic: String, isPrivate: Bool, event: String, payload: [UInt8], id: String?, sender: String?
    ) async throws -> RealtimeReceipt {
        // A function answers for what it lets its callers say: it speaks for whom it names.
        let party = MessagingParty(user: sender, connection: 0, speaksForOthers: true)
        let content = BroadcastContent(event: event, id: id, body: .json(RawJSON(unchecked: payload)))
        switch await publish(content, to: topic, isPrivate: isPrivate, by: party) {
        case .done(let receipt): return RealtimeReceipt(id: receipt.id, offset: receipt.offset, receivers: receipt.receivers)
        case .failed(let reason): throw HTTPError(503, "HISTORY_UNAVAILABLE", "The message could not be stored", cause: reason)
        case .overloaded(let reason): throw HTTPError(503, .overloaded, reason, fields: [.init("retry-after", "1")])
        case .refused(let reason): throw HTTPError(429, .rateLimitExceeded, reason)
        }
    }

    /// The tables know of all messages; without them, the newest of each conversation are remembered.
    package func unread(user: String, channel: String) async -> Int? {
        switch MessagingTopic(channel)?.kind {
        case .conversation, .customer: break
        case .typing, .presence, nil: return nil
        }
        guard let conversation = Conversation(topic: channel, isPrivate: true) else { return nil }
        guard let tables else { return messaging.withLock { $0.unread(user, in: conversation) } }
        do { return try await tables.unread(user, in: conversation) } catch {
            report(.historyFailed(reason: "unread: \(error)"))
            return nil
        }
    }

    package func disconnect(user: String, channels: [String], reason: String) async -> [String] {
        await disconnect(user: user, channels: channels.isEmpty ? nil : channels, reason: reason)
    }
}
