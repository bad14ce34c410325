import DequeModule
import SwiftletJSON
import Synchronization

/// Writes what durable topics say before anybody hears it: in order, many at once. What could not be written was never said.
final class HistoryWriter: Sendable {
    private let store: any HistoryStore
    private let tables: MessageTables?
    private let limits: HubLimits
    private let report: @Sendable (HubEvent) -> Void
    private let state = Mutex(State())

    private struct State {
        var jobs: Deque<Job> = []
        var bytes = 0
        var isWorking = false
        var isClosed = false
    }

    private enum Job: Sendable {
        case message(Topic.Draft, Topic, time: Int64, then: @Sendable (String?) -> Void)
        case changes([MessageChange])
        /// Everything before it has been done.
        case barrier(CheckedContinuation<Void, Never>)

        var bytes: Int { if case .message(let draft, _, _, _) = self { draft.content.byteCount } else { 0 } }
    }

    /// What lay on disk of a topic.
    struct Loaded: Sendable {
        let position: TopicPosition
        let messages: [StoredMessage]
        let dedup: [(key: String, id: String, offset: UInt64)]
    }

    /// Jobs that may wait, and that are done at once.
    private static let most = 8192
    private static let batch = 256

    init(store: any HistoryStore, tables: MessageTables?, limits: HubLimits, report: @escaping @Sendable (HubEvent) -> Void) {
        self.store = store
        self.tables = tables
        self.limits = limits
        self.report = report
    }

    func load(
        _ name: String, isPrivate: Bool, limits: HubLimits, now: Int64,
        _ then: @escaping @Sendable (Result<Loaded, any Error>) -> Void
    ) {
        let store = store
        Task {
            do {
                let position = try await store.position(of: name, isPrivate: isPrivate)
                let since = now &- limits.historyAge
                let messages = try await store.read(
                    topic: name, isPrivate: isPrivate, sinceMilliseconds: since, limit: limits.historyCount)
                let dedup = try await store.recentDedupKeys(topic: name, isPrivate: isPrivate, since: now &- limits.dedupAge)
                then(.success(Loaded(position: position, messages: messages, dedup: dedup.suffix(limits.dedupCount))))
            } catch { then(.failure(error)) }
        }
    }

    /// - Parameter then: nil once it is written, else why it is not; called in the order of the calls.
    func append(_ draft: Topic.Draft, to topic: Topic, time: Int64, then: @escaping @Sendable (String?) -> Void) {
        if !add(.message(draft, topic, time: time, then: then)) {
            then("HistoryUnavailable: the history cannot take more just now; try again in a moment")
        }
    }

    func write(_ changes: [MessageChange]) {
        guard tables != nil, !changes.isEmpty else { return }
        if !add(.changes(changes)) {
            report(.historyFailed(reason: "busy: \(changes.count) changes of receipts were not written"))
        }
    }

    private func add(_ job: Job) -> Bool {
        let (isTaken, isIdle) = state.withLock { state -> (Bool, Bool) in
            if case .barrier = job {
            } else {
                guard !state.isClosed, state.jobs.count < Self.most, state.bytes < limits.maxUnwritten else {
                    return (false, false)
                }
            }
            state.bytes += job.bytes
            state.jobs.append(job)
            defer { state.isWorking = true }
            return (true, !state.isWorking)
        }
        if isIdle { Task { await work() } }
        return isTaken
    }

    private func work() async {
        while true {
            let jobs = state.withLock { state -> [Job] in
                let jobs = Array(state.jobs.prefix(Self.batch))
                state.jobs.removeFirst(jobs.count)
                state.bytes -= jobs.reduce(0) { $0 + $1.bytes }
                if jobs.isEmpty { state.isWorking = false }
                return jobs
            }
            if jobs.isEmpty { return }
            await perform(jobs)
        }
    }

    private func perform(_ jobs: [Job]) async {
        let failures = await store(jobs)
        var changes: [MessageChange] = []
        for job in jobs {
            switch job {
            case .message(let draft, let topic, _, let then): then(draft.isKept ? failures[ObjectIdentifier(topic)] : nil)
            case .changes(let some): changes += some
            case .barrier(let continuation): continuation.resume()
            }
        }
        guard let tables, !changes.isEmpty else { return }
        do { try await tables.apply(changes) } catch { report(.historyFailed(reason: "receipts: \(error)")) }
    }

    /// Of each topic all of its messages or none: what is wrong with one topic is not the others' loss. The store writes them together.
    ///
    /// - Returns: why a topic's messages are not there.
    private func store(_ jobs: [Job]) async -> [ObjectIdentifier: String] {
        var messages: [ObjectIdentifier: [StoredMessage]] = [:]
        var seen: Set<String> = []
        for job in jobs {
            guard case .message(let draft, let topic, let time, _) = job, draft.isKept else { continue }
            if let key = draft.dedup {
                // Said before, or twice in this very batch: it gets its answer, and no second place.
                let whole = "\(topic.key.isPrivate)\u{1F}\(topic.name)\u{1F}\(key)"
                if topic.duplicate(key, now: time) != nil || !seen.insert(whole).inserted { continue }
            }
            let same = messages[ObjectIdentifier(topic), default: []]
            messages[ObjectIdentifier(topic)] =
                same + [
                    StoredMessage(
                        topic: topic.name, isPrivate: topic.key.isPrivate, offset: topic.offset + UInt64(same.count) + 1,
                        id: draft.id, dedupKey: draft.dedup, event: draft.content.event, body: draft.content.body,
                        extra: draft.content.extraObject, sender: draft.user, time: time, epoch: topic.epoch)
                ]
        }
        guard !messages.isEmpty else { return [:] }
        let store = store
        let failed = await withTaskGroup { group in
            for (topic, messages) in messages {
                group.addTask { () -> (ObjectIdentifier, String?) in
                    do {
                        try await store.append(messages)
                        return (topic, nil)
                    } catch { return (topic, "\(error)") }
                }
            }
            return await group.reduce(into: [ObjectIdentifier: String]()) { failed, result in failed[result.0] = result.1 }
        }
        if let reason = failed.values.first { report(.historyFailed(reason: reason)) }
        return failed.mapValues { _ in "HistoryUnavailable: the message could not be stored, and nobody has got it; try again" }
    }

    /// Lets go on disk of what is older than the engine hands out; a little more is kept than that.
    func prune(limits: HubLimits, now: Int64) async {
        do {
            _ = try await store.prune(
                now: now, maxAge: limits.historyAge, maxPerTopic: limits.historyCount, maxBytes: limits.storedBytes)
            _ = try await tables?.prune(now: now, maxAge: limits.receiptAge, maxMessages: limits.receipts)
        } catch { report(.historyFailed(reason: "\(error)")) }
    }

    func close() async {
        state.withLock { $0.isClosed = true }
        await withCheckedContinuation { continuation in _ = add(.barrier(continuation)) }
        await store.close()
    }
}

extension BroadcastContent {
    /// The other members of the payload as one object; empty when there are none.
    var extraObject: [UInt8] {
        guard !extra.isEmpty else { return [] }
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for (index, member) in extra.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += RawJSON(string: member.name).bytes
            bytes.append(UInt8(ascii: ":"))
            bytes += member.value.bytes
        }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }
}

extension StoredMessage {
    var content: BroadcastContent {
        let extra = self.extra.withUnsafeBytes { bytes -> [(name: String, value: RawJSON)] in
            guard !bytes.isEmpty, let slices = try? JSONSlices(bytes) else { return [] }
            var members: [(name: String, value: RawJSON)] = []
            var cursor = slices.children(of: slices.root)
            while let member = slices.nextMember(&cursor) {
                members.append((slices.name(of: member), RawJSON(unchecked: slices.bytes(of: member.value))))
            }
            return members
        }
        return BroadcastContent(event: event, id: dedupKey == nil ? nil : id, body: body, extra: extra)
    }
}
