/// A user with at least one socket.
struct ConnectedUser: Sendable {
    struct Place: Sendable {
        let topic: TopicKey
        /// As spelled, for a `presence` broadcast; `nil` for tracked fields.
        let event: String?
        /// Whose tracked fields they are; 0 for a broadcast, which is the user's.
        let connection: UInt64
        var payload: [UInt8]
    }

    let serial: UInt64
    /// The sockets there are; the first few of them, if they are very many.
    var sockets: [UInt64]
    var kind = MessageReader.Kind.staff
    /// `nil` until one was declared.
    var status: PresenceStatus?
    /// Away because the desk said so: the next sign of life takes it back.
    var isIdle = false
    var lastActive: Int64
    var hasTimer = false
    var places: [Place] = []
}

extension MessagingDesk {
    private static let names = ["userId", "user_id", "customerId", "customer_id"]
    private static let mostSockets = 64
    private static let mostPlaces = 32

    // MARK: Sockets

    mutating func openSocket(_ party: MessagingParty, now: Int64) {
        guard party.connection != 0, let user = keptUser(party).map({ ExactText($0) }) else { return }
        let isKnown = users.change(user) { user in
            if user.sockets.count < Self.mostSockets, !user.sockets.contains(party.connection) {
                user.sockets.append(party.connection)
            }
            return true
        }
        // Who is connected already goes before who comes.
        guard isKnown == nil, !users.isFull else { return }
        _ = users.insert(ConnectedUser(serial: nextSerial(), sockets: [party.connection], lastActive: now), for: user)
    }

    mutating func closeSocket(_ party: MessagingParty, now: Int64) -> [Emission] {
        guard let user = keptUser(party).map({ ExactText($0) }) else { return [] }
        let before = placeCount
        let change = users.changeQuietly(user) { user -> (isLast: Bool, gone: Int) in
            guard let place = user.sockets.firstIndex(of: party.connection) else { return (false, 0) }
            user.sockets.remove(at: place)
            let places = user.places.count
            user.places.removeAll { $0.event == nil && $0.connection == party.connection }
            return (user.sockets.isEmpty, places - user.places.count)
        }
        guard let change else { return [] }
        placeCount = before - change.gone
        guard change.isLast, let state = users.remove(user) else { return [] }
        placeCount -= state.places.count
        guard let status = state.status, status != .offline else { return [] }
        return turn(user, state, to: .offline)
    }

    mutating func forgetTracked(_ topic: String, _ isPrivate: Bool, _ party: MessagingParty) {
        guard let user = keptUser(party).map({ ExactText($0) }) else { return }
        let place = TopicKey(topic, isPrivate)
        let gone = users.changeQuietly(user) { user -> Int in
            let before = user.places.count
            user.places.removeAll { $0.event == nil && $0.connection == party.connection && $0.topic == place }
            return before - user.places.count
        }
        placeCount -= gone ?? 0
    }

    // MARK: Statuses

    /// `event` is `nil` for tracked fields.
    mutating func judgePresence(
        _ event: String?, _ payload: PayloadMembers, _ topic: String, _ isPrivate: Bool, _ party: MessagingParty, now: Int64
    ) -> MessagingVerdict {
        guard let word = payload.member("status").flatMap({ payload.word($0) }), let status = PresenceStatus(rawValue: word)
        else {
            // Not in the words of messaging: the app's own business.
            return .pass(ephemeral: event == nil, emissions: [])
        }
        let name = user(party, payload, Self.names)
        guard let who = who(party, name) else { return .pass(ephemeral: true, emissions: []) }
        let former = name.flatMap { users[ExactText($0)]?.status }
        let isLeaving = status == .offline && former != .offline && former != nil
        if !isLeaving, let wait = Self.admit(who, 1, limits.presencePerMinute, in: &declared, now: now) {
            return Self.refusal(.presence, "You may set your status \(limits.presencePerMinute) times a minute", wait)
        }
        guard let name else { return .pass(ephemeral: true, emissions: []) }
        let user = ExactText(name)
        let isCustomer =
            payload.id(["userId", "user_id"], most: limits.idBytes) == nil
            && payload.id(["customerId", "customer_id"], most: limits.idBytes) != nil
        let kind: MessageReader.Kind = isCustomer ? .customer : .staff
        let place = ConnectedUser.Place(
            topic: TopicKey(topic, isPrivate), event: event, connection: event == nil ? party.connection : 0,
            payload: payload.shortened(to: limits.payloadBytes))
        // Everybody was told that the user is away, not only those who hear this.
        let others = users[user].flatMap { $0.isIdle && status == .online ? turn(user, $0, to: .online) : nil } ?? []
        let hasRoom = placeCount < limits.places
        let change = users.change(user) { user -> (more: Int, serial: UInt64, needsTimer: Bool) in
            user.status = status
            user.kind = kind
            user.isIdle = false
            user.lastActive = max(user.lastActive, now)
            var more = 0
            if let index = user.places.firstIndex(where: {
                $0.topic == place.topic && $0.connection == place.connection && ($0.event == nil) == (place.event == nil)
            }) {
                user.places[index] = place
            } else if hasRoom, user.places.count < Self.mostPlaces {
                user.places.append(place)
                more = 1
            }
            let needsTimer = status == .online && !user.hasTimer
            if needsTimer { user.hasTimer = true }
            return (more, user.serial, needsTimer)
        }
        if let change {
            placeCount += change.more
            if change.needsTimer { setTimer(.user(user, serial: change.serial), at: now &+ limits.awayAfter) }
        }
        return .pass(
            ephemeral: true, emissions: others + [.write(.presence(MessageReader(name, kind), status, lastSeenAt: now))])
    }

    /// The user does something: no longer idle.
    mutating func noteActivity(_ party: MessagingParty, now: Int64) -> [Emission] {
        guard users.count > 0, let user = keptUser(party).map({ ExactText($0) }) else { return [] }
        let change = users.changeQuietly(user) { user -> (wasIdle: Bool, needsTimer: Bool, serial: UInt64) in
            user.lastActive = max(user.lastActive, now)
            guard user.isIdle else { return (false, false, user.serial) }
            user.isIdle = false
            user.status = .online
            defer { user.hasTimer = true }
            return (true, !user.hasTimer, user.serial)
        }
        guard let change, change.wasIdle, let state = users[user] else { return [] }
        if change.needsTimer { setTimer(.user(user, serial: change.serial), at: now &+ limits.awayAfter) }
        return turn(user, state, to: .online)
    }

    mutating func expireUser(_ user: ExactText, _ serial: UInt64, now: Int64) -> [Emission] {
        guard let state = users[user], state.serial == serial else { return [] }
        guard state.status == .online else {
            _ = users.changeQuietly(user) { $0.hasTimer = false }
            return []
        }
        let due = state.lastActive &+ limits.awayAfter
        guard due <= now else {
            setTimer(.user(user, serial: serial), at: due)
            return []
        }
        _ = users.changeQuietly(user) { user in
            user.hasTimer = false
            user.isIdle = true
            user.status = .away
        }
        return turn(user, state, to: .away)
    }

    /// Tells everybody who was told the former status.
    private func turn(_ user: ExactText, _ state: ConnectedUser, to status: PresenceStatus) -> [Emission] {
        func body(_ place: ConnectedUser.Place) -> RawJSON {
            guard let payload = PayloadMembers(place.payload), let member = payload.member("status") else {
                return RawJSON(unchecked: place.payload)
            }
            return RawJSON(unchecked: payload.rewritten([(member.value, "\"\(status.rawValue)\"")], adding: []))
        }
        var emissions: [Emission] = [
            .presence(
                PresenceTurn(
                    user: user.text, status: status, lastSeenAt: state.lastActive,
                    places: status == .offline
                        ? []
                        : state.places.filter { $0.event == nil }.map {
                            .init(
                                topic: $0.topic.name.text, isPrivate: $0.topic.isPrivate, connection: $0.connection,
                                fields: body($0))
                        }))
        ]
        for place in state.places {
            guard let event = place.event else { continue }
            emissions.append(
                .broadcast(
                    ServerBroadcast(
                        topic: place.topic.name.text, isPrivate: place.topic.isPrivate, event: event, body: body(place),
                        audience: .everyone)))
        }
        emissions.append(.write(.presence(MessageReader(user.text, state.kind), status, lastSeenAt: state.lastActive)))
        return emissions
    }
}
