/// The topics that messaging knows; every other topic is the app's own and none of its business.
package struct MessagingTopic: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// `conversation:{id}`
        case conversation
        /// `typing:{id}`, beside `conversation:{id}`
        case typing
        /// `presence:{id}`, beside `conversation:{id}`
        case presence
        /// `customer:{id}:messages`
        case customer
    }

    package let kind: Kind
    package let id: String

    /// `nil` for other topics. `topic` comes without `realtime:` in front.
    package init?(_ topic: String) {
        let text = topic.utf8
        // Most topics are not of messaging: one look tells.
        guard let first = text.first, first == UInt8(ascii: "c") || first == UInt8(ascii: "t") || first == UInt8(ascii: "p"),
            let colon = text.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        var id = Substring(text[text.index(after: colon)...])
        switch topic[..<colon] {
        case "conversation": kind = .conversation
        case "typing": kind = .typing
        case "presence": kind = .presence
        case "customer":
            let ending = ":messages"
            guard id.utf8.count > ending.utf8.count, id.utf8.suffix(ending.utf8.count).elementsEqual(ending.utf8) else {
                return nil
            }
            kind = .customer
            id = Substring(id.utf8.dropLast(ending.utf8.count))
        default: return nil
        }
        guard !id.isEmpty, id.utf8.count <= MessagingTopic.mostBytes, !id.utf8.contains(0) else { return nil }
        self.id = String(id)
    }

    /// Ids beyond this are not taken for ids.
    private static let mostBytes = 256
}

/// A conversation: what `conversation:{id}`, `typing:{id}` and `presence:{id}` have in common, or a `customer:{id}:messages` for itself.
/// The private and the public one of one name are two.
package struct Conversation: Sendable, Hashable {
    /// `conversation:{id}` or `customer:{id}:messages`.
    package let topic: String
    package let isPrivate: Bool

    /// For a topic of messaging; `nil` for others.
    package init?(topic: String, isPrivate: Bool) {
        guard let known = MessagingTopic(topic) else { return nil }
        self.init(known, isPrivate: isPrivate)
    }

    package init(_ known: MessagingTopic, isPrivate: Bool) {
        self.topic = known.kind == .customer ? "customer:\(known.id):messages" : "conversation:\(known.id)"
        self.isPrivate = isPrivate
    }
}

extension Conversation {
    package static func == (left: Self, right: Self) -> Bool {
        left.isPrivate == right.isPrivate && ExactText.same(left.topic, right.topic)
    }

    package func hash(into hasher: inout Hasher) {
        ExactText.hash(topic, into: &hasher)
        hasher.combine(isPrivate)
    }
}
