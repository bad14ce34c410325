package import Swiftlet
package import SwiftletJSON

/// The channels that a token opens: the claim `"realtime": {"channels": {"conversation:5": ["broadcast:read", …]}}`.
package enum ChannelClaims {
    package static let name = "realtime"

    /// What a token that names channels allows on one of them; nil for a token that names none at all, so that somebody else has to
    /// decide. A claim that is not as it should be allows nothing.
    ///
    /// - Parameter topic: without `realtime:` before it.
    package static func permissions(for topic: String, in claims: JSON) -> ChannelPermissions? {
        guard let claim = claims[name] else { return nil }
        guard let members = claim.object else { return [] }
        guard let channels = members["channels"] else { return nil }
        guard let words = channels[topic]?.array else { return [] }
        var permissions: ChannelPermissions = []
        for word in words {
            if let word = word.string, let permission = ChannelPermissions(name: word) { permissions.insert(permission) }
        }
        return permissions
    }

    /// The claim's value.
    package static func claim(_ channels: [RealtimeGrant.Channel]) -> JSON {
        let named = channels.map { ($0.name, JSON.array($0.permissions.names.map { .string($0) })) }
        return ["channels": JSON(members: named)]
    }
}
