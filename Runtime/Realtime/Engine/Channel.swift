import DequeModule
import NIOCore
import Swiftlet

/// One topic of one socket, joined. Used on its lane only.
final class Channel {
    /// Of this channel alone; never 0.
    let id: UInt64
    let session: Session
    let topic: Topic
    let joinRef: RawJSON?
    let isPrivate: Bool
    let presenceKey: String
    /// Who this is when it comes back, hashed.
    private(set) var identity: String?
    private let key: String
    private let broadcast: JoinRequest.Broadcast
    private(set) var facts: TokenFacts
    private(set) var permissions: ChannelPermissions
    /// In its lane's list.
    var position = -1
    private(set) var isOpen = true

    /// What was handed out before is not for it.
    private let joinedAt: UInt64
    private var hearsPresenceAfter: UInt64?
    private(set) var tracks = false
    private var behind: Deque<LaneHub.Delivery> = []
    private var presenceCalls: [Int64] = []
    /// The last message that was written to the socket, the one at the time of the last mark, and the last the client is known to have.
    private var written: UInt64
    private var marked: UInt64
    private(set) var confirmed: UInt64

    init(
        id: UInt64, session: Session, topic: Topic, joinRef: RawJSON?, request: JoinRequest, facts: TokenFacts,
        identity: String?, permissions: ChannelPermissions, admission: Topic.Admission
    ) {
        self.id = id
        self.session = session
        self.topic = topic
        self.joinRef = joinRef
        isPrivate = request.isPrivate
        presenceKey = request.presence.key.isEmpty ? Hub.freshID() : request.presence.key
        key = request.presence.key
        self.identity = identity
        broadcast = request.broadcast
        self.facts = facts
        self.permissions = permissions
        joinedAt = admission.sequence
        // What is replayed to it now has not been written yet.
        written = admission.replay.first.map { $0.offset - 1 } ?? admission.offset
        marked = written
        confirmed = marked
        if request.presence.enabled, permissions.contains(.presenceRead) { hearsPresenceAfter = admission.sequence }
    }

    var wantsAck: Bool { broadcast.ack }
    var hearsItself: Bool { broadcast.toSelf }
    var hearsPresence: Bool { hearsPresenceAfter != nil }

    // MARK: Hearing

    func hear(_ delivery: LaneHub.Delivery) {
        guard isOpen else { return }
        guard behind.isEmpty, session.canTake else { return wait(delivery) }
        pass(delivery)
    }

    /// What a client does not take waits here, in order; the bytes themselves are shared with everybody else's.
    private func wait(_ delivery: LaneHub.Delivery) {
        behind.append(delivery)
        session.fellBehind(self, by: delivery.cost)
    }

    /// Goes on where it stopped.
    ///
    /// - Returns: whether nothing waits any more, and what has gone.
    func catchUp() -> (isDone: Bool, cost: Int) {
        var cost = 0
        while let next = behind.first, session.canTake {
            behind.removeFirst()
            cost += next.cost
            pass(next)
        }
        return (behind.isEmpty, cost)
    }

    var waitingCost: Int { behind.reduce(0) { $0 + $1.cost } }

    private func pass(_ delivery: LaneHub.Delivery) {
        switch delivery {
        case .replay(let entry):
            guard let frame = entry.replayed(session.serializer) else { return }
            written = max(written, entry.offset)
            session.push(frame)
        case .broadcast(let entry):
            guard entry.sequence > joinedAt, permissions.contains(.broadcastRead) else { return }
            written = entry.offset
            guard entry.audience.includes(channel: id, socket: session.id), let frame = entry.frame(session.serializer) else {
                return
            }
            session.push(frame)
        case .presence(let change):
            guard let after = hearsPresenceAfter, change.sequence > after else { return }
            session.push(change.frame(session.serializer))
        }
    }

    /// Everything written so far will have arrived when the mark is confirmed.
    func mark() { marked = written }
    func confirm() { confirmed = max(confirmed, marked) }

    // MARK: Presence

    func startHearingPresence(after sequence: UInt64) { hearsPresenceAfter = sequence }

    /// False when it has called too often.
    func mayCallPresence(now: Int64, limits: HubLimits) -> Bool {
        presenceCalls.removeAll { now &- $0 >= limits.presenceWindow }
        guard presenceCalls.count < limits.presenceCalls else { return false }
        presenceCalls.append(now)
        return true
    }

    func tracked(_ tracks: Bool) { self.tracks = tracks }

    // MARK: Rights

    /// - Returns: whether it lost a right to read that it had.
    func grant(_ new: ChannelPermissions) -> Bool {
        let read: ChannelPermissions = [.broadcastRead, .presenceRead]
        let lost = !permissions.intersection(read).subtracting(new).isEmpty
        if permissions.contains(.broadcastRead) != new.contains(.broadcastRead) {
            topic.readersChanged(by: new.contains(.broadcastRead) ? 1 : -1)
        }
        // What was said before it might read is not what it missed.
        if !permissions.contains(.broadcastRead), new.contains(.broadcastRead) {
            written = topic.offset
            marked = written
            confirmed = written
        }
        permissions = new
        return lost
    }

    func closed() {
        isOpen = false
        behind = []
    }

    /// Who somebody is across sockets, hashed; nil for one who cannot be told from others.
    static func identity(of facts: TokenFacts, presenceKey: String) -> String? {
        if facts.subject == nil, presenceKey.isEmpty { return nil }
        return Place.hash("\(facts.role)|\(facts.subject ?? "")|\(facts.sessionID ?? "")|\(presenceKey)")
    }

    /// It goes on with another token: what its owner misses later is kept for who that one says it is.
    func take(_ facts: TokenFacts) {
        self.facts = facts
        identity = Channel.identity(of: facts, presenceKey: key)
    }

    var party: MessagingParty {
        MessagingParty(user: facts.subject, connection: session.id, speaksForOthers: facts.role == "service_role")
    }
}
