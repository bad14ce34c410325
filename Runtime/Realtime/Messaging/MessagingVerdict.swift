/// What is to become of a message, and what else is to happen.
package enum MessagingVerdict: Sendable, Hashable {
    /// Relay it. `ephemeral`: not a word for the history; it says nothing to one who comes later.
    case pass(ephemeral: Bool, emissions: [Emission])
    /// Do not relay it. `reason` begins with a stable code of ``MessagingRefusal`` and a colon; fit for the client.
    case refuse(reason: String, retryAfterSeconds: Int)
}

/// The codes a refusal begins with. None of them is one that a client takes for a limit on joins.
package enum MessagingRefusal: String, Sendable, Hashable, CaseIterable {
    case typing = "TypingRateLimitReached"
    case presence = "PresenceRateLimitReached"
    case read = "ReadRateLimitReached"
}

/// Something the desk wants done.
package enum Emission: Sendable, Hashable {
    /// Send it, without storing it.
    case broadcast(ServerBroadcast)
    /// The status of a user is another now: track the fields anew.
    case presence(PresenceTurn)
    /// Write it to the tables, if there are any.
    case write(MessageChange)
}

/// A broadcast of the server's own.
package struct ServerBroadcast: Sendable, Hashable {
    package enum Audience: Sendable, Hashable {
        case everyone
        /// Not this connection, which is the sender's.
        case allBut(UInt64)
        case only(UInt64)
    }

    /// As the client spelled it, without `realtime:`.
    package var topic: String
    package var isPrivate: Bool
    package var event: String
    package var body: RawJSON
    package var audience: Audience

    package init(topic: String, isPrivate: Bool, event: String, body: RawJSON, audience: Audience) {
        self.topic = topic
        self.isPrivate = isPrivate
        self.event = event
        self.body = body
        self.audience = audience
    }
}

/// A user went away, came back or left, without having said so. Listeners of `presence` broadcasts are told by broadcasts beside this; here
/// are the fields to track anew.
package struct PresenceTurn: Sendable, Hashable {
    package var user: String
    package var status: PresenceStatus
    /// Milliseconds since 1970.
    package var lastSeenAt: Int64
    /// Where fields with a status are tracked; none for `offline`, when there is nobody left to track.
    package var places: [Place]

    package struct Place: Sendable, Hashable {
        package var topic: String
        package var isPrivate: Bool
        package var connection: UInt64
        /// What was tracked last, with the new status in it.
        package var fields: RawJSON

        package init(topic: String, isPrivate: Bool, connection: UInt64, fields: RawJSON) {
            self.topic = topic
            self.isPrivate = isPrivate
            self.connection = connection
            self.fields = fields
        }
    }

    package init(user: String, status: PresenceStatus, lastSeenAt: Int64, places: [Place]) {
        self.user = user
        self.status = status
        self.lastSeenAt = lastSeenAt
        self.places = places
    }
}
