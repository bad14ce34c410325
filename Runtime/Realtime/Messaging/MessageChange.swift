/// One change to the tables of messaging. Each may be made again without harm.
package enum MessageChange: Sendable, Hashable {
    /// The user takes part: messages from now on count as unread until read.
    case member(Conversation, user: String, time: Int64)
    case message(Conversation, id: String, sender: String?, offset: UInt64, time: Int64)
    /// Nothing comes of it when the message is not of this conversation, or the reader's own.
    case receipt(Conversation, message: String, reader: MessageReader, time: Int64)
    /// `recipient`: who got it, or `nil` for the message as a whole.
    case status(Conversation, message: String, recipient: MessageReader?, DeliveryStatus, reason: String?, time: Int64)
    case presence(MessageReader, PresenceStatus, lastSeenAt: Int64)
}

/// Somebody who reads messages: one of the staff, or a customer.
package struct MessageReader: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case staff, customer
    }

    package var id: String
    package var kind: Kind

    package init(_ id: String, _ kind: Kind = .staff) {
        self.id = id
        self.kind = kind
    }
}

/// What became of a message. It goes from `sent` to `delivered` to `read`, may leave out a step, and never goes back; `failed` follows only
/// `sent`, and is the end.
package enum DeliveryStatus: String, Sendable, Hashable, CaseIterable {
    case sent, delivered, read, failed

    /// Whether a message of this status may get the other one.
    package func mayBecome(_ next: DeliveryStatus) -> Bool {
        switch (self, next) {
        case (.sent, .delivered), (.sent, .read), (.sent, .failed), (.delivered, .read): true
        default: false
        }
    }
}

package enum PresenceStatus: String, Sendable, Hashable, CaseIterable {
    case online, away, offline
}
