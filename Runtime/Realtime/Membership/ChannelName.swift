/// What a channel is about, read from its name (without `realtime:`).
package enum ChannelName: Sendable, Hashable {
    /// `conversation:<id>`, and what goes with it: `typing:<id>`, `presence:<id>`, `messages:<id>`.
    case conversation(String)
    /// `customer:<id>:messages`
    case customer(String)
    /// `user:<id>:messages`
    case user(String)
    case other

    /// Bytes of a name.
    package static let longest = 200

    package init(_ name: String) {
        let parts = name.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 2, ChannelName.isID(parts[1]) else {
            self = .other
            return
        }
        switch (String(parts[0]), parts.count) {
        case ("conversation", 2), ("typing", 2), ("presence", 2), ("messages", 2): self = .conversation(String(parts[1]))
        case ("customer", 3) where parts[2] == "messages": self = .customer(String(parts[1]))
        case ("user", 3) where parts[2] == "messages": self = .user(String(parts[1]))
        default: self = .other
        }
    }

    /// An id as it may stand in the name of a channel: 1 to 64 ASCII letters, digits, `-` and `_`.
    package static func isID(_ text: some StringProtocol) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// Any name a channel can have: no controls, and no longer than fits everywhere.
    package static func isName(_ text: String) -> Bool {
        (1...longest).contains(text.utf8.count) && !text.hasPrefix("realtime:")
            && text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
    }
}
