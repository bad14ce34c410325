package import Swiftlet
import SwiftletCrypto
import SwiftletJSON
import Synchronization

/// Who may do what on which channel: what follows from the token alone, and for the rest a hook.
///
/// A project's own key or token (`service_role`) may everything. A user may everything on `user:<own id>:messages`, and on
/// `customer:<id>:messages` when the token says that the user is that customer. All else is the hook's to say. Nobody is let in by an error.
package final class Membership: Sendable {
    private let hook: any MembershipHook
    private let clock: HostClock
    private let cache: Mutex<MembershipCache>
    private let hasher: SipHash

    /// - Throws: when the kernel has no random bytes.
    package init(_ hook: any MembershipHook, clock: HostClock, cache: MembershipCache = MembershipCache())
        throws(MembershipProblem)
    {
        self.hook = hook
        self.clock = clock
        self.cache = Mutex(cache)
        do throws(CryptoError) { hasher = try SipHash.randomKey() } catch {
            throw MembershipProblem(.failed, "there are no random bytes")
        }
    }

    /// What a member may do on a channel when a token of the member joins it: the channels a token names, if it names any, else what
    /// ``permissions(of:in:)`` says.
    ///
    /// - Parameter topic: without `realtime:` before it.
    package func permissions(of member: Member, joining topic: String) async throws(MembershipProblem) -> ChannelPermissions {
        if let named = ChannelClaims.permissions(for: topic, in: member.claims) { return named }
        return try await permissions(of: member, in: topic)
    }

    /// What a member may do on a channel; answers of hooks that ask elsewhere may be ten seconds old.
    package func permissions(of member: Member, in channel: String) async throws(MembershipProblem) -> ChannelPermissions {
        guard ChannelName.isName(channel) else { return [] }
        if member.role == "service_role" { return .all }
        guard let subject = member.subject, !subject.isEmpty else { return [] }
        switch ChannelName(channel) {
        // One answer for all channels of a conversation.
        case .conversation(let id): return try await ask(member, subject, "conversation:\(id)")
        case .user(let id) where id.utf8.elementsEqual(subject.utf8): return .all
        case .customer(let id) where member.customer.map({ $0.utf8.elementsEqual(id.utf8) }) == true: return .all
        case .user, .customer, .other: return try await ask(member, subject, channel)
        }
    }

    private func ask(_ member: Member, _ subject: String, _ channel: String) async throws(MembershipProblem) -> ChannelPermissions
    {
        guard hook.isCostly else { return try await judge(member, channel) }
        let key = MembershipCache.Key(
            subject: subject, role: member.role, channel: channel, claims: hasher.hash128(member.claims.bytes))
        let now = clock.monotonic()
        if let known = cache.withLock({ $0.permissions(key, now: now) }) { return known }
        let permissions = try await judge(member, channel)
        cache.withLock { $0.insert(permissions, for: key, now: now) }
        return permissions
    }

    private func judge(_ member: Member, _ channel: String) async throws(MembershipProblem) -> ChannelPermissions {
        do {
            return try await hook.permissions(of: member, in: channel)
        } catch let problem as MembershipProblem {
            throw problem
        } catch {
            throw MembershipProblem(.failed, "\(type(of: error))")
        }
    }

    /// Reads files again and forgets what was asked before.
    package func reload() throws(MembershipProblem) {
        try hook.reload()
        cache.withLock { $0.removeAll() }
    }

    package func close() { hook.close() }
}
