/// What a client asks for with `phx_join`. What was invalid has its default, and is named in `problems`: the join goes on.
package struct JoinRequest: Sendable, Hashable {
    package struct Broadcast: Sendable, Hashable {
        /// `self`: the sender's own broadcasts come back to it.
        package var toSelf = false
        /// Each broadcast is answered once it is accepted.
        package var ack = false
        package var replay: Replay?

        package init(toSelf: Bool = false, ack: Bool = false, replay: Replay? = nil) {
            self.toSelf = toSelf
            self.ack = ack
            self.replay = replay
        }
    }

    package struct Presence: Sendable, Hashable {
        /// Empty when the server is to choose one.
        package var key = ""
        package var enabled = false

        package init(key: String = "", enabled: Bool = false) {
            self.key = key
            self.enabled = enabled
        }
    }

    package var broadcast = Broadcast()
    package var presence = Presence()
    /// Objects as the client wrote them, in order; nulls are dropped.
    package var postgresChanges: [RawJSON] = []
    package var isPrivate = false
    /// `access_token`, or the older `user_token`.
    package var accessToken: String?
    /// Wants a `system` message once broadcasts from the database are live.
    package var wantsReplicationReady = false
    /// No `config` at all: the oldest API, whose topic is `schema[:table[:filter]]`.
    package var isLegacy = false
    /// Names of the members that were invalid and have their default, such as `config.private`.
    package var problems: [String] = []

    package init() {}
}

/// What was missed and is to come again.
package struct Replay: Sendable, Hashable {
    /// Milliseconds since 1970: everything from then on.
    package var since: Int64?
    /// As asked for; the server has its own cap.
    package var limit: Int?
    /// With `epoch`: everything after this offset of the topic's log.
    package var offset: UInt64?
    package var epoch: String?
    /// Asked for in a way that says nothing; a join with it is refused.
    package var isInvalid = false

    package init(since: Int64? = nil, limit: Int? = nil, offset: UInt64? = nil, epoch: String? = nil, isInvalid: Bool = false) {
        self.since = since
        self.limit = limit
        self.offset = offset
        self.epoch = epoch
        self.isInvalid = isInvalid
    }
}
