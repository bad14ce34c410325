/// The events messaging knows, in any case of letters, as clients match them.
enum MessagingEvent: Equatable {
    case newMessage, messageRead, deliveryStatus, presence
    /// Whether typing begins or ends is said by the payload.
    case typing
    /// It is said by the name; `stop` is the name its end has.
    case typingStart(stop: String)
    case typingStop

    init?(_ event: String) {
        guard event.utf8.count <= 16 else { return nil }
        switch event.lowercased() {
        case "new_message": self = .newMessage
        case "message_read": self = .messageRead
        case "delivery_status": self = .deliveryStatus
        case "presence": self = .presence
        case "typing": self = .typing
        case "typing_start": self = .typingStart(stop: "typing_stop")
        case "typing:start": self = .typingStart(stop: "typing:stop")
        case "typing-start": self = .typingStart(stop: "typing-stop")
        case "start_typing": self = .typingStart(stop: "stop_typing")
        case "start-typing": self = .typingStart(stop: "stop-typing")
        case "typing_started": self = .typingStart(stop: "typing_stopped")
        case "typingstart": self = .typingStart(stop: "typingStop")
        case "starttyping": self = .typingStart(stop: "stopTyping")
        case "typing_stop", "typing:stop", "typing-stop", "stop_typing", "stop-typing", "typing_stopped", "typingstop",
            "stoptyping":
            self = .typingStop
        default: return nil
        }
    }
}

/// Where a payload says whether somebody types.
struct TypingFlag {
    let at: Range<Int>
    let isOn: Bool
    /// How the payload would say that nobody does.
    let off: String

    static func all(in payload: PayloadMembers) -> [TypingFlag] {
        payload.all.compactMap { member in
            let isFlag = ["isTyping", "is_typing", "typing"].contains { payload.isNamed(member, $0) }
            guard isFlag || ["status", "state", "action"].contains(where: { payload.isNamed(member, $0) }) else { return nil }
            if let word = payload.word(member) {
                switch word {
                case "true" where isFlag: return TypingFlag(at: member.value, isOn: true, off: "\"false\"")
                case "false" where isFlag: return TypingFlag(at: member.value, isOn: false, off: "\"false\"")
                case "start": return TypingFlag(at: member.value, isOn: true, off: "\"stop\"")
                case "started": return TypingFlag(at: member.value, isOn: true, off: "\"stopped\"")
                case "stop", "stopped": return TypingFlag(at: member.value, isOn: false, off: "\"\(word)\"")
                default: return nil
                }
            }
            guard isFlag else { return nil }
            switch String(decoding: payload.bytes[member.value].prefix(6), as: UTF8.self) {
            case "true": return TypingFlag(at: member.value, isOn: true, off: "false")
            case "false": return TypingFlag(at: member.value, isOn: false, off: "false")
            case "1": return TypingFlag(at: member.value, isOn: true, off: "0")
            case "0": return TypingFlag(at: member.value, isOn: false, off: "0")
            default: return nil
            }
        }
    }
}
