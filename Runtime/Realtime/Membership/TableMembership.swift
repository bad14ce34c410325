package import Swiftlet
import SwiftletJSON
import Synchronization

/// Membership as a JSON file says: `{"<conversation>": {"<user>": "read" | "write"}}`, or a list of users who may do both. A name with a
/// colon is that of a whole channel; `"*"` in place of a conversation means every one.
package final class TableMembership: MembershipHook {
    /// Bytes of a file.
    package static let largest = 4 << 20
    private static let limits = JSONLimits(depth: 4, members: 200_000, elements: 200_000)

    private let name: String
    private let read: @Sendable () -> [UInt8]?
    // By bytes: texts that only look the same are two.
    private typealias Table = [[UInt8]: [[UInt8]: ChannelPermissions]]
    private let table: Mutex<Table>

    /// - Parameters:
    ///   - name: of the file, for people.
    ///   - read: its content; nil when it cannot be read or is larger than ``largest``.
    package init(name: String, read: @escaping @Sendable () -> [UInt8]?) throws(MembershipProblem) {
        self.name = name
        self.read = read
        table = Mutex(try TableMembership.load(name, read()))
    }

    package func reload() throws(MembershipProblem) {
        let fresh = try TableMembership.load(name, read())
        table.withLock { $0 = fresh }
    }

    package func permissions(of member: Member, in channel: String) -> ChannelPermissions {
        guard let subject = member.subject else { return [] }
        let user = Array(subject.utf8)
        let own: [UInt8]
        let isConversation: Bool
        if case .conversation(let id) = ChannelName(channel) {
            own = Array(id.utf8)
            isConversation = true
        } else {
            own = Array(channel.utf8)
            isConversation = false
        }
        return table.withLock { table in
            let named = table[own]?[user] ?? []
            guard isConversation else { return named }
            return named.union(table[Array("*".utf8)]?[user] ?? [])
        }
    }

    private static func load(_ name: String, _ bytes: [UInt8]?) throws(MembershipProblem) -> Table {
        func problem(_ what: String) -> MembershipProblem { MembershipProblem(.unusable, "\(name) \(what)") }
        guard let bytes else { throw problem("cannot be read, or is larger than 4 MiB") }
        let json: JSON
        do throws(JSONError) { json = try JSON.parse(bytes, limits: limits) } catch {
            throw problem("is no JSON: \(error.message) at byte \(error.offset)")
        }
        guard let channels = json.object else { throw problem("holds no JSON object of conversations") }
        var table: Table = [:]
        for (channel, users) in channels {
            guard channel == "*" || ChannelName.isID(channel) || (channel.contains(":") && ChannelName.isName(channel)) else {
                throw problem("names '\(channel)', which is neither an id (letters, digits, '-', '_'), a channel, nor '*'")
            }
            if channel.contains(":"), case .conversation(let id) = ChannelName(channel) {
                throw problem("names the channel '\(channel)'; write '\(id)' for the conversation")
            }
            var members: [[UInt8]: ChannelPermissions] = [:]
            switch users {
            case .array(let list):
                for user in list {
                    guard let user = user.string, !user.isEmpty else {
                        throw problem("has a user of '\(channel)' that is no text")
                    }
                    members[Array(user.utf8)] = .all
                }
            case .object(let object):
                for (user, level) in object {
                    guard !user.isEmpty, let permissions = ChannelPermissions(level: level.string) else {
                        throw problem("says neither \"read\" nor \"write\" for the user '\(user)' of '\(channel)'")
                    }
                    members[Array(user.utf8)] = permissions
                }
            default: throw problem("holds neither a list of users nor an object of them for '\(channel)'")
            }
            table[Array(channel.utf8)] = members
        }
        return table
    }
}
