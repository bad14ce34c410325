internal import Synchronization

/// What is being uploaded right now: keys, one-time ids, resumable uploads and the bytes of each owner that no commit counts yet.
final class DiskClaims: Sendable {
    private struct State {
        var keys: Set<[ByteText]> = []
        var oneShots: Set<ByteText> = []
        var writers: Set<ByteText> = []
        /// Versions whose staged files somebody is writing.
        var staged: Set<String> = []
        var uploads = 0
        /// The same by owner; no entry when there are none.
        var slots: [ByteText?: Int] = [:]
        /// Bytes under way, by owner; no entry when there are none.
        var pending: [ByteText: Int] = [:]
        /// Bytes under way whose number is known and that are not on the disk yet, of everybody.
        var expected = 0
        var closed = false
    }

    private let state = Mutex(State())

    // MARK: Slots

    func takeSlot(of owner: String?, _ limits: StorageLimits) throws(StorageError) {
        let share = limits.maxUploadsOfOwner
        // Nobody in particular is several: the project's own uploads, and links that it signed.
        let most = owner == nil ? max(1, limits.maxConcurrentUploads - share) : share
        let owner = owner.map { ByteText($0) }
        let refusal: StorageError? = state.withLock { state in
            guard !state.closed else { return DiskFailure.closed }
            guard state.uploads < limits.maxConcurrentUploads else { return DiskFailure.busy }
            let held = state.slots[owner] ?? 0
            guard held < most else { return DiskFailure.share(most) }
            state.uploads += 1
            state.slots[owner] = held + 1
            return nil
        }
        if let refusal { throw refusal }
    }

    func giveSlot(of owner: String?) {
        let owner = owner.map { ByteText($0) }
        state.withLock { state in
            state.uploads -= 1
            let held = (state.slots[owner] ?? 1) - 1
            state.slots[owner] = held > 0 ? held : nil
        }
    }

    /// Whether it was open until now.
    func closeOnce() -> Bool {
        state.withLock { state in
            defer { state.closed = true }
            return !state.closed
        }
    }
    var isClosed: Bool { state.withLock { $0.closed } }

    // MARK: Names

    /// Both or neither.
    func claim(_ path: ObjectPath, _ oneShot: String?) throws(StorageError) {
        let key = [ByteText(path.bucket), ByteText(path.key)]
        let taken = state.withLock { state in
            if let oneShot, state.oneShots.contains(ByteText(oneShot)) { return false }
            guard state.keys.insert(key).inserted else { return false }
            if let oneShot { state.oneShots.insert(ByteText(oneShot)) }
            return true
        }
        guard taken else { throw .locked }
    }

    func release(_ path: ObjectPath, _ oneShot: String?) {
        state.withLock { state in
            state.keys.remove([ByteText(path.bucket), ByteText(path.key)])
            if let oneShot { state.oneShots.remove(ByteText(oneShot)) }
        }
    }

    func claimWriter(_ id: String) throws(StorageError) {
        guard state.withLock({ $0.writers.insert(ByteText(id)).inserted }) else { throw .locked }
    }

    func releaseWriter(_ id: String) { state.withLock { _ = $0.writers.remove(ByteText(id)) } }

    func isWriting(_ id: String) -> Bool { state.withLock { $0.writers.contains(ByteText(id)) } }

    func hold(staged version: String) { state.withLock { _ = $0.staged.insert(version) } }
    func letGo(staged version: String) { state.withLock { _ = $0.staged.remove(version) } }
    func isHeld(staged version: String) -> Bool { state.withLock { $0.staged.contains(version) } }

    // MARK: Bytes

    func pending(of owner: String) -> Int { state.withLock { $0.pending[ByteText(owner)] ?? 0 } }

    /// More bytes of this owner; those under way afterwards.
    @discardableResult
    func add(_ bytes: Int, of owner: String?) -> Int {
        guard let owner, bytes != 0 else { return 0 }
        return state.withLock { state in
            let sum = (state.pending[ByteText(owner)] ?? 0) &+ bytes
            state.pending[ByteText(owner)] = sum > 0 ? sum : nil
            return sum
        }
    }

    /// Bytes that will be needed; those expected afterwards, of everybody.
    @discardableResult
    func expect(_ bytes: Int) -> Int {
        state.withLock { state in
            state.expected = max(0, state.expected &+ bytes)
            return state.expected
        }
    }
}

/// What one upload holds of all this; gives it back by itself.
final class UploadClaim: @unchecked Sendable {
    private let claims: DiskClaims
    private let owner: String?
    /// Whose slot it holds.
    private var slot: String??
    private var names: (ObjectPath, String?)?
    private var writer: String?
    private var staged: String?
    private var pending = 0
    private var expected = 0

    init(_ claims: DiskClaims, owner: String?) {
        self.claims = claims
        self.owner = owner
    }

    deinit { release() }

    func takeSlot(of owner: String?, _ limits: StorageLimits) throws(StorageError) {
        try claims.takeSlot(of: owner, limits)
        slot = .some(owner)
    }

    func take(_ path: ObjectPath, _ oneShot: String?) throws(StorageError) {
        try claims.claim(path, oneShot)
        names = (path, oneShot)
    }

    func take(writer id: String) throws(StorageError) {
        try claims.claimWriter(id)
        writer = id
    }

    func hold(staged version: String) {
        claims.hold(staged: version)
        staged = version
    }

    /// More bytes of the owner's under way; all of them, other uploads' too.
    func add(_ bytes: Int) -> Int {
        guard owner != nil else { return 0 }
        pending += bytes
        return claims.add(bytes, of: owner)
    }

    /// Bytes that will be written; those that everybody's uploads will still write.
    func expect(_ bytes: Int) -> Int {
        expected += bytes
        return claims.expect(bytes)
    }

    /// So many of them are on the disk now.
    func arrived(_ bytes: Int) {
        let known = min(bytes, expected)
        expected -= known
        claims.expect(-known)
    }

    /// Does something on a thread; when that fails, all is given back before the caller hears of it. (The last reference to this may be the
    /// thread's, which lets go of it a moment later.)
    func releasing<Value: Sendable>(
        _ threads: DiskThreads, _ body: @escaping @Sendable () throws(StorageError) -> Value
    ) async throws(StorageError) -> Value {
        do throws(StorageError) {
            return try await threads.run(body)
        } catch {
            release()
            throw error
        }
    }

    func release() {
        if let (path, oneShot) = names { claims.release(path, oneShot) }
        names = nil
        if let writer { claims.releaseWriter(writer) }
        writer = nil
        if let staged { claims.letGo(staged: staged) }
        staged = nil
        claims.add(-pending, of: owner)
        pending = 0
        claims.expect(-expected)
        expected = 0
        if let slot { claims.giveSlot(of: slot) }
        slot = nil
    }
}
