import DequeModule
import Synchronization

/// The channels of one lane by topic, and what waits to be handed to them. Used on that lane only.
final class LaneHub: @unchecked Sendable {
    let lane: any Lane
    private var rooms: [ObjectIdentifier: Room] = [:]
    private(set) var sessions: [Session] = []

    init(lane: any Lane) { self.lane = lane }

    /// Those on this lane who are in one topic.
    final class Room {
        let topic: Topic
        fileprivate(set) var members: [Channel] = []
        fileprivate var waiting: Deque<Delivery> = []
        fileprivate var isDelivering = false

        init(topic: Topic) { self.topic = topic }
    }

    /// One thing that everybody in a topic hears, in the topic's order.
    enum Delivery: Sendable {
        case broadcast(Entry)
        /// Once more, for one who missed it.
        case replay(Entry)
        case presence(PresenceChange)

        /// What it costs a client to leave it waiting; what lies in the history anyway costs nothing.
        var cost: Int {
            switch self {
            case .broadcast(let entry): entry.cost
            case .replay: 0
            case .presence: 512
            }
        }
    }

    // MARK: Members

    func room(of topic: Topic) -> Room? { rooms[ObjectIdentifier(topic)] }

    func add(_ channel: Channel) {
        let id = ObjectIdentifier(channel.topic)
        let room = rooms[id] ?? Room(topic: channel.topic)
        rooms[id] = room
        channel.position = room.members.count
        room.members.append(channel)
    }

    func remove(_ channel: Channel) {
        let id = ObjectIdentifier(channel.topic)
        guard let room = rooms[id], channel.position >= 0, channel.position < room.members.count,
            room.members[channel.position] === channel
        else { return }
        let last = room.members.count - 1
        room.members.swapAt(channel.position, last)
        room.members[channel.position].position = channel.position
        room.members.removeLast()
        channel.position = -1
        if room.members.isEmpty { rooms[id] = nil }
    }

    func add(_ session: Session) {
        session.position = sessions.count
        sessions.append(session)
    }

    func remove(_ session: Session) {
        guard session.position >= 0, session.position < sessions.count, sessions[session.position] === session else { return }
        sessions.swapAt(session.position, sessions.count - 1)
        sessions[session.position].position = session.position
        sessions.removeLast()
        session.position = -1
    }

    // MARK: Handing out

    /// Members that are served before others on this lane get their turn.
    private static let chunk = 512
    /// What waits for the same members is handed out together, so that a socket is written to once for all of it.
    private static let together = 32

    func deliver(_ delivery: Delivery, to topic: Topic) {
        guard let room = rooms[ObjectIdentifier(topic)] else {
            topic.inFlight.subtract(delivery.cost, ordering: .relaxed)
            return
        }
        room.waiting.append(delivery)
        guard !room.isDelivering else { return }
        room.isDelivering = true
        next(of: room)
    }

    private func next(of room: Room) {
        guard !room.waiting.isEmpty else {
            room.isDelivering = false
            return
        }
        let batch = Array(room.waiting.prefix(Self.together))
        room.waiting.removeFirst(batch.count)
        // As they are now: who comes later has joined behind everything that waits.
        hand(batch, to: room.members, from: 0, of: room)
    }

    private func hand(_ batch: [Delivery], to members: [Channel], from start: Int, of room: Room) {
        let end = min(start + Self.chunk, members.count)
        for index in start..<max(start, end) {
            let member = members[index]
            for delivery in batch { member.hear(delivery) }
            // While all that belongs to this socket is at hand.
            member.session.flush()
        }
        if end < members.count {
            let rest = LaneBound((members, room))
            lane.submit { [self] in hand(batch, to: rest.value.0, from: end, of: rest.value.1) }
            return
        }
        room.topic.inFlight.subtract(batch.reduce(0) { $0 &+ $1.cost }, ordering: .relaxed)
        if room.waiting.isEmpty {
            room.isDelivering = false
        } else {
            let room = LaneBound(room)
            lane.submit { [self] in next(of: room.value) }
        }
    }
}
