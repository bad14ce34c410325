package import Swiftlet
package import SwiftletCrypto

/// Answers of a hook for a moment, in bounded memory. Time is a parameter, in nanoseconds of a clock that only goes forward.
package struct MembershipCache: Sendable {
    package struct Key: Sendable, Hashable {
        package let subject: [UInt8]
        package let role: String
        package let channel: [UInt8]
        /// Another token of the same user may say something else.
        package let claims: SipHash.Hash128

        package init(subject: String, role: String, channel: String, claims: SipHash.Hash128) {
            self.subject = Array(subject.utf8)
            self.role = role
            self.channel = Array(channel.utf8)
            self.claims = claims
        }
    }

    private struct Entry {
        let permissions: ChannelPermissions
        let until: UInt64
    }

    /// Who has just been let into a conversation does not want to wait for it.
    package static let membersLast: UInt64 = 10_000_000_000
    package static let strangersLast: UInt64 = 2_000_000_000

    private let half: Int
    // Two halves: the older one is dropped whole when the younger is full, so nothing is ever searched for the oldest.
    private var young: [Key: Entry] = [:]
    private var old: [Key: Entry] = [:]

    /// - Parameter capacity: entries at most.
    package init(capacity: Int = 20_000) { half = max(1, capacity / 2) }

    package var count: Int { young.count + old.count }

    package func permissions(_ key: Key, now: UInt64) -> ChannelPermissions? {
        guard let entry = young[key] ?? old[key], entry.until > now else { return nil }
        return entry.permissions
    }

    package mutating func insert(_ permissions: ChannelPermissions, for key: Key, now: UInt64) {
        if young.count >= half, young[key] == nil {
            old = young
            young = [:]
        }
        let lifetime = permissions.isEmpty ? MembershipCache.strangersLast : MembershipCache.membersLast
        young[key] = Entry(permissions: permissions, until: now &+ lifetime)
        old[key] = nil
    }

    package mutating func removeAll() {
        young = [:]
        old = [:]
    }
}
