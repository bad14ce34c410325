import DequeModule
import SwiftletCrypto
import Synchronization

/// The name of a topic, byte for byte: two spellings of one letter are two topics.
struct TopicName: Hashable, Sendable {
    let bytes: [UInt8]
    let isPrivate: Bool

    init(_ name: String, isPrivate: Bool) {
        bytes = Array(name.utf8)
        self.isPrivate = isPrivate
    }
}

/// Where one topic stands: who is in it on which lane, what was said, who is present. Any thread may use it.
///
/// Everything that is handed out gets its place here under one lock, and goes to the lanes in that order.
final class Topic: Sendable {
    /// As clients write it, with `realtime:` before it.
    let wireName: String
    let name: String
    let key: TopicName
    /// Whether what is said is written to disk before anybody hears it.
    let isDurable: Bool
    private let limits: HubLimits
    private let state: Mutex<State>
    /// Bytes of messages that the lanes have not handed out yet.
    let inFlight = Atomic<Int>(0)

    private struct State {
        var epoch: String
        var offset: UInt64
        var sequence: UInt64 = 0
        var history: Deque<Entry> = []
        /// Bytes of it.
        var held = 0
        /// Messages that are being written to disk.
        var pending = 0
        /// Everything up to here is no longer in the history.
        var evicted: UInt64
        var lanes: [(hub: LaneHub, members: Int)] = []
        var readers = 0
        var presence = PresenceTable()
        var presenceRefs: UInt64 = 0
        var departures: [String: [Departure]] = [:]
        var known: [String: Known] = [:]
        var knownOrder: Deque<(key: String, time: Int64)> = []
        var lastUse: Int64
        var isClosed = false
    }

    /// One channel that was cut off and may come back.
    private struct Departure {
        /// The last message it is known to have.
        let offset: UInt64
        let epoch: String
        let time: Int64
        /// What it said itself it does not hear again, unless it wanted to.
        let channel: UInt64
        /// The highest reference its client had used. A client goes on counting when it comes back; a page that was opened afresh, by the
        /// same person with the same token, begins again and missed nothing.
        let lastRef: UInt64
    }

    private struct Known {
        let id: String
        let offset: UInt64
        let time: Int64
    }

    /// What a publisher hears.
    struct Receipt: Sendable {
        let id: String
        let offset: UInt64
        let receivers: Int
        var isDuplicate = false
    }

    init(name: String, key: TopicName, isDurable: Bool, limits: HubLimits, epoch: String, offset: UInt64, now: Int64) {
        wireName = "realtime:" + name
        self.name = name
        self.key = key
        self.isDurable = isDurable
        self.limits = limits
        isMessaging = MessagingTopic(name) != nil
        state = Mutex(State(epoch: epoch, offset: offset, evicted: offset, lastUse: now))
    }

    /// Whether messages of it are looked at: typing, receipts and what belongs to them.
    let isMessaging: Bool

    var epoch: String { state.withLock { $0.epoch } }
    var offset: UInt64 { state.withLock { $0.offset } }

    // MARK: Publishing

    /// What one message is about to become.
    struct Draft: Sendable {
        var content: BroadcastContent
        var id: String
        var dedup: String?
        /// Kept for those who miss it. What only counts now, such as typing, is not.
        var isKept: Bool
        var audience = Audience.everyone
        /// The user it comes from, for the disk.
        var user: String?
    }

    /// More is on its way to its members than the lanes can keep up with.
    var isOverloaded: Bool { inFlight.load(ordering: .relaxed) > limits.maxInFlight }

    /// A message that was said before, if the key is one.
    func duplicate(_ key: String?, now: Int64) -> Receipt? {
        guard let key else { return nil }
        return state.withLock { known(key, $0, now: now) }
    }

    private func known(_ key: String, _ state: borrowing State, now: Int64) -> Receipt? {
        guard let known = state.known[key], now &- known.time <= limits.dedupAge else { return nil }
        return Receipt(id: known.id, offset: known.offset, receivers: 0, isDuplicate: true)
    }

    /// Gives the message its place and sends it on its way. Nil when the topic has been closed meanwhile: ask for it again.
    ///
    /// - Parameter grown: bytes that the history of this topic grew or shrank by.
    func publish(_ draft: Draft, now: Int64, grown: (Int) -> Void) -> Receipt? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            if let key = draft.dedup, let receipt = known(key, state, now: now) { return receipt }
            state.lastUse = now
            state.sequence += 1
            if draft.isKept { state.offset += 1 }
            let entry = Entry(
                topic: wireName, content: draft.content, id: draft.id, offset: state.offset, epoch: state.epoch,
                sequence: state.sequence, time: now, audience: draft.audience)
            if draft.isKept { grown(keep(entry, &state, now: now)) }
            if let key = draft.dedup { remember(key, Known(id: draft.id, offset: entry.offset, time: now), &state, now: now) }
            var receivers = state.readers
            if case .allButChannel(_, let reads) = draft.audience, reads { receivers = max(0, receivers - 1) }
            send(.broadcast(entry), state)
            return Receipt(id: draft.id, offset: entry.offset, receivers: receivers)
        }
    }

    private func send(_ delivery: LaneHub.Delivery, _ state: borrowing State) {
        inFlight.add(delivery.cost &* state.lanes.count, ordering: .relaxed)
        for (hub, _) in state.lanes { hub.lane.submit { [self] in hub.deliver(delivery, to: self) } }
    }

    private func remember(_ key: String, _ known: Known, _ state: inout State, now: Int64) {
        state.known[key] = known
        state.knownOrder.append((key, now))
        while let oldest = state.knownOrder.first,
            state.knownOrder.count > limits.dedupCount || now &- oldest.time > limits.dedupAge
        {
            forget(oldest, &state)
        }
    }

    /// Said again after it had been forgotten, it is known by its newer time.
    private func forget(_ oldest: (key: String, time: Int64), _ state: inout State) {
        state.knownOrder.removeFirst()
        if state.known[oldest.key]?.time == oldest.time { state.known[oldest.key] = nil }
    }

    // MARK: History

    private func keep(_ entry: Entry, _ state: inout State, now: Int64) -> Int {
        state.history.append(entry)
        state.held += entry.cost
        return entry.cost + trim(&state, now: now)
    }

    /// - Returns: how much less it holds, as a negative number of bytes.
    private func trim(_ state: inout State, now: Int64) -> Int {
        var change = 0
        while let oldest = state.history.first,
            state.history.count > limits.historyCount || now &- oldest.time > limits.historyAge
                || state.held + change > limits.historyTopicBytes && state.history.count > 1
        {
            state.history.removeFirst()
            state.evicted = oldest.offset
            change -= oldest.cost
        }
        state.held += change
        return change
    }

    /// Puts back what was on disk, oldest first. Only before anybody has joined.
    func restore(_ messages: [StoredMessage], dedup: [(key: String, id: String, offset: UInt64)], now: Int64) -> Int {
        state.withLock { state in
            var cost = 0
            if let first = messages.first, first.offset > 0 { state.evicted = first.offset - 1 }
            for message in messages {
                let entry = Entry(
                    topic: wireName, content: message.content, id: message.id, offset: message.offset, epoch: state.epoch,
                    sequence: 0, time: message.time, audience: .everyone)
                state.history.append(entry)
                cost += entry.cost
            }
            state.held = cost
            for item in dedup {
                state.known[item.key] = Known(id: item.id, offset: item.offset, time: now)
                state.knownOrder.append((item.key, now))
            }
            return cost
        }
    }

    /// Lets go of what is too old; all of it when memory is short.
    func prune(now: Int64, all: Bool) -> Int {
        state.withLock { state in
            var change = trim(&state, now: now)
            if all {
                change -= state.held
                state.held = 0
                if let last = state.history.last { state.evicted = last.offset }
                state.history.removeAll()
            }
            forgetDepartures(&state, now: now)
            while let oldest = state.knownOrder.first, now &- oldest.time > limits.dedupAge { forget(oldest, &state) }
            return change
        }
    }

    /// A message for this topic is about to be written: it stays open until ``written()``. False when it has been closed already.
    func willWrite() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.pending += 1
            return true
        }
    }

    func written() { state.withLock { $0.pending -= 1 } }

    var lastUse: Int64 { state.withLock { $0.lastUse } }

    /// Closes it when nobody and nothing is left in it.
    func closeIfEmpty() -> Bool {
        state.withLock { state in
            guard state.pending == 0, state.lanes.isEmpty, state.history.isEmpty, state.departures.isEmpty, state.known.isEmpty,
                state.presence.isEmpty
            else { return false }
            state.isClosed = true
            return true
        }
    }

    // MARK: Members

    /// What a channel finds when it comes in.
    struct Admission: Sendable {
        /// Only what is handed out after this is for it.
        let sequence: UInt64
        let epoch: String
        let offset: UInt64
        /// What it missed, oldest first.
        var replay: [Entry] = []
        /// Nil when it asked for nothing and nothing was due to it.
        var recovery: Recovery?
        var presence: [PresenceEntry] = []
    }

    enum Recovery: Sendable {
        case complete
        /// The history does not reach back far enough: the client has to load what it shows again.
        case incomplete
    }

    /// Lets a channel in. Nil when the topic has been closed meanwhile.
    func admit(
        to hub: LaneHub, reads: Bool, replay: Replay?, returning: Returning?, wantsPresence: Bool, now: Int64,
        grown: (Int) -> Void
    ) -> Admission? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            state.lastUse = now
            grown(trim(&state, now: now))
            if let index = state.lanes.firstIndex(where: { $0.hub === hub }) {
                state.lanes[index].members += 1
            } else {
                state.lanes.append((hub, 1))
            }
            if reads { state.readers += 1 }
            var admission = Admission(sequence: state.sequence, epoch: state.epoch, offset: state.offset)
            if wantsPresence { admission.presence = state.presence.state }
            guard reads else { return admission }
            if let replay {
                if let offset = replay.offset {
                    // Where it has been, exactly.
                    recover(from: offset, ofEpoch: replay.epoch, into: &admission, state)
                } else if let since = replay.since {
                    let limit = max(0, min(replay.limit ?? limits.replayLimit, limits.replayLimit))
                    admission.replay = state.history.filter { $0.time >= since }.suffix(limit)
                }
            } else if let returning, let ref = returning.ref {
                comeBack(returning.identity, isPerson: returning.isPerson, ref, into: &admission, &state, now: now)
            }
            return admission
        }
    }

    /// Several sockets of one client may have been cut off, and nobody can tell which of them comes back: it gets what any of them missed. The
    /// one that had most is thought to be it, so that nothing of the others is forgotten.
    private func comeBack(
        _ identity: String, isPerson: Bool, _ ref: UInt64, into admission: inout Admission, _ state: inout State, now: Int64
    ) {
        let key = identity
        guard var all = state.departures[key] else { return }
        all.removeAll { now &- $0.time > limits.recoveryWindow }
        let own = all.indices.filter { all[$0].lastRef < ref }
        guard let earliest = own.min(by: { all[$0].offset < all[$1].offset }),
            let latest = own.max(by: { all[$0].offset < all[$1].offset })
        else { return }
        let departure = all[earliest]
        // Without a user anybody can bear the name: nobody uses it up for somebody else.
        if isPerson { all.remove(at: latest) }
        state.departures[key] = all.isEmpty ? nil : all
        recover(from: departure.offset, ofEpoch: departure.epoch, into: &admission, state)
        if own.count == 1 { admission.replay.removeAll { !$0.audience.includes(channel: departure.channel, socket: 0) } }
    }

    /// Where clients are that were cut off, and the window in which they may come back has not passed.
    func places(now: Int64) -> [Place] {
        state.withLock { state in
            state.departures.flatMap { identity, all in
                all.filter { now &- $0.time <= limits.recoveryWindow }.map {
                    Place(
                        topic: name, isPrivate: key.isPrivate, identity: identity, epoch: $0.epoch, offset: $0.offset,
                        lastRef: $0.lastRef, time: $0.time)
                }
            }
        }
    }

    /// Before anybody has joined: who was there before a restart.
    func remember(_ places: [Place]) {
        state.withLock { state in
            for place in places {
                state.departures[place.identity, default: []].append(
                    Departure(
                        offset: place.offset, epoch: place.epoch, time: place.time, channel: 0, lastRef: place.lastRef))
            }
        }
    }

    private func recover(from offset: UInt64, ofEpoch epoch: String?, into admission: inout Admission, _ state: borrowing State) {
        guard epoch == state.epoch, offset >= state.evicted, offset <= state.offset else {
            admission.recovery = .incomplete
            return
        }
        admission.recovery = .complete
        let first = state.history.firstIndex { $0.offset > offset } ?? state.history.endIndex
        admission.replay = Array(state.history[first...])
    }

    /// Who a channel is, across its sockets, and the highest reference its client has used.
    struct Returning: Sendable {
        /// Hashed.
        let identity: String
        /// A user, not only a presence key.
        let isPerson: Bool
        let ref: UInt64?
    }

    /// - Parameters:
    ///   - departing: who it was, when it was cut off and may come back.
    ///   - confirmed: the last message it is known to have.
    func leave(_ hub: LaneHub, _ channel: UInt64, read: Bool, departing: Returning?, confirmed: UInt64, now: Int64) {
        state.withLock { state in
            if let index = state.lanes.firstIndex(where: { $0.hub === hub }) {
                state.lanes[index].members -= 1
                if state.lanes[index].members == 0 { state.lanes.remove(at: index) }
            }
            if read { state.readers -= 1 }
            guard read, let departing, let ref = departing.ref else { return }
            if state.departures.count >= 4096 { forgetDepartures(&state, now: now) }
            if state.departures.count >= 4096,
                let oldest = state.departures.min(by: { ($0.value.last?.time ?? 0) < ($1.value.last?.time ?? 0) })
            {
                state.departures[oldest.key] = nil
            }
            let key = departing.identity
            var same = state.departures[key] ?? []
            if same.count >= 8 { same.removeFirst() }
            same.append(Departure(offset: confirmed, epoch: state.epoch, time: now, channel: channel, lastRef: ref))
            state.departures[key] = same
        }
    }

    private func forgetDepartures(_ state: inout State, now: Int64) {
        guard !state.departures.isEmpty else { return }
        state.departures = state.departures.compactMapValues { all in
            let fresh = all.filter { now &- $0.time <= limits.recoveryWindow }
            return fresh.isEmpty ? nil : fresh
        }
    }

    func readersChanged(by change: Int) { state.withLock { $0.readers += change } }

    // MARK: Presence

    enum PresenceOutcome { case same, full, changed }

    func track(_ fields: RawJSON, key: String, channel: UInt64, now: Int64) -> PresenceOutcome {
        state.withLock { state in
            state.presenceRefs += 1
            state.lastUse = now
            let ref = "F" + String(state.presenceRefs, radix: 36) + "." + String(channel, radix: 36)
            return announce(
                state.presence.track(fields, key: key, channel: channel, ref: ref, limit: limits.maxPresences), &state)
        }
    }

    func untrack(key: String, channel: UInt64) -> PresenceOutcome {
        state.withLock { state in announce(state.presence.untrack(key: key, channel: channel), &state) }
    }

    private func announce(_ outcome: PresenceTable.Outcome, _ state: inout State) -> PresenceOutcome {
        switch outcome {
        case .same: return .same
        case .full: return .full
        case .changed(let joins, let leaves):
            state.sequence += 1
            send(.presence(PresenceChange(topic: wireName, sequence: state.sequence, joins: joins, leaves: leaves)), state)
            return .changed
        }
    }

    var presence: (state: [PresenceEntry], sequence: UInt64) { state.withLock { ($0.presence.state, $0.sequence) } }
}
