import Swiftlet
import SwiftletJSON

extension RealtimeSubscribe {
    struct Answer: Encodable {
        let success = true
        let version = "v1"
        let timestamp: String
        let data: Data

        struct Data: Encodable {
            let supabaseUrl: String
            let supabaseKey: String
            let channels: [String]
            let features: Features
            let filters: Filters
            /// Of the WebSocket.
            let url: String
            let token: String
            let expiresAt: String
            let refreshAt: String
            /// By channel, all that the token opens.
            let permissions: JSON
            /// By channel, where messages are counted: those of others that the caller has not read.
            let unread: JSON
        }

        struct Features: Encodable {
            let messages = true
            let readReceipts: Bool
            let typing: Bool
            let presence: Bool
        }

        struct Filters: Encodable {
            let userId: String?
            let customerId: String?
            let conversationId: String?

            enum CodingKeys: CodingKey { case userId, customerId, conversationId }

            /// What is not there is said to be null.
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(userId, forKey: .userId)
                try container.encode(customerId, forKey: .customerId)
                try container.encode(conversationId, forKey: .conversationId)
            }
        }

        init(_ wish: Wish, _ grant: RealtimeGrant, listened: [String], user: String?, customer: String?) {
            timestamp = ISOTime.text(grant.issuedAt)
            data = Data(
                supabaseUrl: grant.projectURL, supabaseKey: grant.projectKey,
                channels: listened.filter { !grant.permissions(on: $0).isEmpty },
                features: Features(readReceipts: wish.readReceipts, typing: wish.typing, presence: wish.presence),
                filters: Filters(userId: user, customerId: customer, conversationId: wish.conversation), url: grant.socketURL,
                token: grant.token, expiresAt: ISOTime.text(grant.expiresAt), refreshAt: ISOTime.text(grant.refreshAt),
                permissions: JSON(
                    members: grant.channels.map { ($0.name, .array($0.permissions.names.map { .string($0) })) }),
                unread: JSON(members: grant.channels.compactMap { channel in channel.unread.map { (channel.name, JSON($0)) } }))
        }
    }

    struct Ended: Encodable {
        let success = true
        let data: Data

        struct Data: Encodable {
            let message: String
            /// On these the caller has no subscription any more.
            let channels: [String]
            /// On these the caller had one.
            let ended: [String]
        }
    }
}
