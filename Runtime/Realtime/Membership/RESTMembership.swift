package import Swiftlet
import SwiftletJSON

/// The way to a project elsewhere. The host puts its guarded egress here, to that project and nowhere else.
package protocol MembershipTransport: Sendable {
    /// Asks with `GET`, follows no redirect, within a bounded time.
    ///
    /// - Parameter limit: of the answer, in bytes; a longer one is an error.
    func get(_ url: String, headers: [(name: String, value: String)], limit: Int) async throws -> (status: Int, body: [UInt8])
}

/// Membership as a Supabase project says, asked over its REST interface with the user's own token, so that the project's row-level security
/// decides. A row in the answer is membership, with read and write; columns `can_read` and `can_write` that are false or null take away.
package struct RESTMembership: MembershipHook {
    static let mostBytes = 64 << 10
    private let origin: String
    private let parts: [Part]
    private let key: @Sendable () -> String?
    private let transport: any MembershipTransport

    private enum Part: Sendable {
        case text(String)
        case user, conversation
    }

    /// - Parameters:
    ///   - origin: `https://abc.supabase.co`
    ///   - query: what follows `/rest/v1/`, with `{user}` and `{conversation}` where the ids go:
    ///     `conversation_members?select=can_read,can_write&conversation_id=eq.{conversation}`.
    ///   - key: the project's public key, right now.
    package init(
        origin: String, query: String, key: @escaping @Sendable () -> String?, transport: any MembershipTransport
    ) throws(MembershipProblem) {
        self.origin = origin
        self.key = key
        self.transport = transport
        parts = try RESTMembership.read(query)
    }

    package var isCostly: Bool { true }

    package func permissions(of member: Member, in channel: String) async throws -> ChannelPermissions {
        guard let user = member.subject, let token = member.token, case .conversation(let conversation) = ChannelName(channel)
        else { return [] }
        guard let key = key() else { throw MembershipProblem(.unusable, "the project's public key is not set") }
        let headers = [
            (name: "authorization", value: "Bearer \(token.reveal())"), (name: "apikey", value: key),
            (name: "accept", value: "application/json"),
        ]
        let answer: (status: Int, body: [UInt8])
        do {
            answer = try await transport.get(url(user, conversation), headers: headers, limit: RESTMembership.mostBytes)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // What a transport says may hold the address, so only its kind is kept.
            throw MembershipProblem(.unreachable, "\(origin) could not be asked (\(type(of: error)))")
        }
        switch answer.status {
        case 200, 206: return try RESTMembership.permissions(answer.body, origin)
        // The project does not know the token, or shows its user nothing here.
        case 401, 403, 404: return []
        default: throw MembershipProblem(.unexpectedAnswer, "\(origin) answered \(answer.status)")
        }
    }

    private static func permissions(_ body: [UInt8], _ origin: String) throws(MembershipProblem) -> ChannelPermissions {
        guard let rows = (try? JSON.parse(body))?.array else {
            throw MembershipProblem(.unexpectedAnswer, "\(origin) answered with no JSON list")
        }
        var permissions: ChannelPermissions = []
        for row in rows {
            guard let members = row.object else {
                throw MembershipProblem(.unexpectedAnswer, "\(origin) answered with a row that is no object")
            }
            if members["can_read"].map({ $0.bool ?? false }) ?? true { permissions.formUnion(.read) }
            if members["can_write"].map({ $0.bool ?? false }) ?? true {
                permissions.formUnion([.broadcastWrite, .presenceWrite])
            }
        }
        return permissions
    }

    private func url(_ user: String, _ conversation: String) -> String {
        var url = origin + "/rest/v1/"
        for part in parts {
            switch part {
            case .text(let text): url += text
            case .user: url += RESTMembership.encoded(user)
            case .conversation: url += RESTMembership.encoded(conversation)
            }
        }
        return url
    }

    /// Everything but letters, digits, `-` and `_` as percent signs: nothing in an id can end its place in the query.
    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            if ChannelName.isID(String(decoding: [byte], as: UTF8.self)) {
                out.append(byte)
            } else {
                out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func read(_ query: String) throws(MembershipProblem) -> [Part] {
        func problem(_ what: String) -> MembershipProblem { MembershipProblem(.unusable, "the REST query \(what)") }
        let table = query.prefix { $0 != "?" }
        guard ChannelName.isID(table.split(separator: "/").last ?? "") else {
            throw problem("begins with no table: conversation_members?conversation_id=eq.{conversation}")
        }
        guard query.utf8.count <= 2000, query.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"#\"<>\\^`".utf8.contains($0) }) else {
            throw problem("may hold printable ASCII only; percent-encode the rest")
        }
        var parts: [Part] = []
        var rest = query[...]
        while let open = rest.firstIndex(of: "{") {
            guard let close = rest[open...].firstIndex(of: "}") else { throw problem("has a '{' without '}'") }
            parts.append(.text(String(rest[..<open])))
            switch rest[rest.index(after: open)..<close] {
            case "user": parts.append(.user)
            case "conversation": parts.append(.conversation)
            case let other: throw problem("names {\(other)}; there are {user} and {conversation}")
            }
            rest = rest[rest.index(after: close)...]
        }
        guard !rest.contains("}") else { throw problem("has a '}' without '{'") }
        parts.append(.text(String(rest)))
        guard parts.contains(where: { if case .conversation = $0 { true } else { false } }) else {
            throw problem("does not use {conversation}, so it would say the same for each")
        }
        return parts
    }
}
