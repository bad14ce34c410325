/// The newest messages of one conversation, who takes part in it, and who has read what.
struct ConversationWindow: Sendable {
    struct Entry: Sendable {
        let id: ExactText
        let sender: ExactText?
        /// The socket it came by; 0 for none.
        let connection: UInt64
        var status: DeliveryStatus
        /// A bit for each member's slot.
        var readers = SIMD4<UInt64>()
    }

    /// Slots there are bits for.
    static let mostMembers = 256

    private var entries: [Entry] = []
    private var head = 0
    /// How many messages went before `entries[head]`.
    private var gone = 0
    private var places: [ExactText: Int] = [:]
    /// The member's slot, and from which message on its messages count.
    private var members: [ExactText: (slot: Int, since: Int)] = [:]

    var count: Int { entries.count - head }
    var memberCount: Int { members.count }
    var memberNames: Dictionary<ExactText, (slot: Int, since: Int)>.Keys { members.keys }
    private var end: Int { gone + count }

    /// False when the user was one already, or there is no slot left.
    mutating func join(_ user: ExactText, most: Int) -> Bool {
        guard members[user] == nil, members.count < min(most, Self.mostMembers) else { return false }
        members[user] = (members.count, end)
        return true
    }

    func isMember(_ user: ExactText) -> Bool { members[user] != nil }

    subscript(id: ExactText) -> Entry? { index(id).map { entries[$0] } }

    /// False when it is there already.
    mutating func append(_ entry: Entry, most: Int) -> Bool {
        guard places[entry.id] == nil else { return false }
        places[entry.id] = end
        entries.append(entry)
        while count > max(most, 1) {
            places[entries[head].id] = nil
            head += 1
            gone += 1
        }
        if head >= 32, head * 2 >= entries.count {
            entries.removeFirst(head)
            head = 0
        }
        return true
    }

    /// Whether the status is another now.
    mutating func advance(_ id: ExactText, to status: DeliveryStatus) -> Bool {
        guard let index = index(id), entries[index].status.mayBecome(status) else { return false }
        entries[index].status = status
        return true
    }

    /// Whether the member had not read it before.
    mutating func read(_ id: ExactText, by user: ExactText) -> Bool {
        guard let index = index(id), let member = members[user] else { return false }
        let bit = UInt64(1) << UInt64(member.slot & 63)
        guard entries[index].readers[member.slot >> 6] & bit == 0 else { return false }
        entries[index].readers[member.slot >> 6] |= bit
        return true
    }

    /// Ids of what others wrote since the user took part, and the user has not read.
    func unread(by user: ExactText) -> [ExactText] {
        guard let member = members[user] else { return [] }
        let bit = UInt64(1) << UInt64(member.slot & 63)
        return entries[(head + min(max(member.since - gone, 0), count))...].compactMap { entry in
            entry.sender == user || entry.readers[member.slot >> 6] & bit != 0 ? nil : entry.id
        }
    }

    private func index(_ id: ExactText) -> Int? { places[id].map { $0 - gone + head } }
}
