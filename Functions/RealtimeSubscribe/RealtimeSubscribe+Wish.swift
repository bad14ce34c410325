import Swiftlet
import SwiftletJSON

extension RealtimeSubscribe {
    /// What a client wants to follow.
    struct Wish {
        let conversation: String?
        let presence: Bool
        let typing: Bool
        let readReceipts: Bool

        init(_ body: JSON) throws(HTTPError) {
            var problems: [HTTPError.Problem] = []
            switch body["conversationId"] {
            case nil, .some(.null): conversation = nil
            case .some(let value):
                conversation = value.string.flatMap { RealtimeSubscribe.isID($0) ? $0 : nil }
                if conversation == nil {
                    problems.append(
                        .init(
                            field: "conversationId",
                            message: "the id of a conversation: 1 to 64 letters, digits, '-' and '_', such as a UUID", rule: "id",
                            code: "malformed"))
                }
            }
            func flag(_ name: String) -> Bool {
                guard let value = body[name], !value.isNull else { return true }
                if value.bool == nil {
                    problems.append(.init(field: name, message: "true or false", rule: "type", code: "wrong_type"))
                }
                return value.bool ?? true
            }
            presence = flag("includePresence")
            typing = flag("includeTyping")
            readReceipts = flag("includeReadReceipts")
            guard problems.isEmpty else { throw RealtimeSubscribe.invalid(problems) }
        }

        /// The channels to listen on, and those that the token opens beside them: some clients send typing on a channel of its own.
        func channels(user: String?, customer: String?) throws(HTTPError) -> (listened: [String], opened: [String]) {
            if let conversation {
                return (
                    ["conversation:\(conversation)"] + (presence ? ["presence:\(conversation)"] : []),
                    typing ? ["typing:\(conversation)"] : []
                )
            }
            if let customer, RealtimeSubscribe.isID(customer) { return (["customer:\(customer):messages"], []) }
            guard let user else {
                throw HTTPError(
                    403, .forbidden, "Only a signed-in user has messages; the token or key sent names none. Name a conversationId"
                )
            }
            guard RealtimeSubscribe.isID(user) else { throw Wish.refused(nil) }
            return (["user:\(user):messages"], [])
        }

        static func refused(_ conversation: String?) -> HTTPError {
            HTTPError(
                403, .forbidden,
                conversation == nil ? "You have no channel of your own here" : "You are no member of this conversation")
        }
    }

    /// What a client no longer wants to follow; nil for everything.
    struct Ending {
        let channels: [String]?

        init(_ body: JSON) throws(HTTPError) {
            guard let value = body["channels"], !value.isNull else {
                channels = nil
                return
            }
            let names = value.array?.compactMap(\.string) ?? []
            guard (1...RealtimeAccess.batch).contains(names.count), names.count == value.array?.count else {
                throw RealtimeSubscribe.invalid([
                    .init(field: "channels", message: "a list of 1 to \(RealtimeAccess.batch) names of channels", rule: "type")
                ])
            }
            channels = names
        }
    }

    static func invalid(_ problems: [HTTPError.Problem]) -> HTTPError {
        let words = problems.map { "\($0.field) is \($0.message)" }.joined(separator: "; ")
        return HTTPError(422, .invalidInput, words, problems: problems)
    }

    /// As the host has it for the ids in names of channels.
    static func isID(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { scalar in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "-", "_": true
                default: false
                }
            }
    }
}
