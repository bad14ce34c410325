package import Swiftlet
import SwiftletJSON

/// Membership as the token itself says: `app_metadata.conversations`, which only the project can write. A list of ids means read and write
/// in each; an object maps ids to `"read"` or `"write"` (which includes reading). `"*"` in place of an id means every conversation.
package struct ClaimsMembership: MembershipHook {
    package init() {}

    package func permissions(of member: Member, in channel: String) -> ChannelPermissions {
        guard case .conversation(let id) = ChannelName(channel),
            let conversations = member.claims["app_metadata"]?["conversations"]
        else { return [] }
        switch conversations {
        case .array(let ids):
            return ids.contains { ClaimsMembership.id($0) == id || $0 == "*" } ? .all : []
        case .object(let object):
            return ChannelPermissions(level: (object[id] ?? object["*"])?.string) ?? []
        default: return []
        }
    }

    /// An id of a claim: text, or a whole number as text. Nil for what is no id.
    static func id(_ json: JSON?) -> String? {
        guard let json, let text = json.string ?? json.int.map(String.init), ChannelName.isID(text) else { return nil }
        return text
    }
}

extension ChannelPermissions {
    /// `read` or `write`, as claims and tables say it.
    init?(level: String?) {
        switch level {
        case "read": self = .read
        case "write": self = .all
        default: return nil
        }
    }
}
