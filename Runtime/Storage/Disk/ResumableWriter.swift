internal import Synchronization

/// One request's part of a resumable upload. For one task at a time; letting go of it without `close` loses what came since the
/// last 16 MiB were saved.
package final class ResumableWriter: @unchecked Sendable {
    /// As it was when this writer began.
    package let info: ResumableInfo
    private let store: DiskStore
    let file: StagedFile
    private let claim: UploadClaim
    private var saved: Int
    private var over: StorageError?

    /// Bytes between two savings.
    private static let stride = 16 << 20

    init(_ store: DiskStore, _ info: ResumableInfo, _ file: StagedFile, _ claim: UploadClaim) {
        self.store = store
        self.info = info
        self.file = file
        self.claim = claim
        saved = info.offset
    }

    deinit {
        file.close(removing: false)
        if over == nil { store.claims.add(saved - file.written, of: info.intent.owner) }
        claim.release()
    }

    /// How far the upload is, on the disk or on its way there.
    package var offset: Int { file.count }

    /// - Throws: `.entityTooLarge` before a byte more than the upload's length is taken. What came before is kept.
    package func write(_ bytes: [UInt8]) async throws(StorageError) {
        try admit(bytes.count)
        var offset = 0
        while offset < bytes.count {
            let from = offset
            offset += bytes.withUnsafeBytes { file.take(UnsafeRawBufferPointer(rebasing: $0[from...])) }
            if file.isFull { try await flush() }
        }
    }

    /// The memory must stay until this returns.
    package func write(_ bytes: UnsafeRawBufferPointer) async throws(StorageError) {
        try admit(bytes.count)
        var rest = bytes
        while !rest.isEmpty {
            rest = UnsafeRawBufferPointer(rebasing: rest[file.take(rest)...])
            if file.isFull { try await flush() }
        }
    }

    private func admit(_ count: Int) throws(StorageError) {
        if let over { throw over }
        guard count <= info.length - file.count else { throw .tooLarge(limit: info.length) }
    }

    private func flush() async throws(StorageError) {
        let before = file.written
        try await file.flush { [store, info] bytes throws(StorageError) in
            let owner = info.intent.owner
            let pending = owner.map { store.claims.pending(of: $0) &+ bytes } ?? 0
            try store.checkQuota(of: owner, pending: pending, replacing: info.intent)
            try store.checkDisk(for: store.claims.expect(0) &+ bytes)
        }
        store.claims.add(file.written - before, of: info.intent.owner)
        if file.written - saved >= Self.stride { try await save() }
    }

    private func save() async throws(StorageError) {
        let before = file.written
        do throws(StorageError) {
            try await file.sync()
        } catch {
            store.claims.add(file.written - before, of: info.intent.owner)
            throw error
        }
        store.claims.add(file.written - before, of: info.intent.owner)
        let (id, received) = (info.id, file.written)
        guard received != saved else { return }
        _ = try await store.line.commit { database in
            try CatalogueResumables.save(id, received: received, in: database)
            return Change()
        }
        saved = received
    }

    /// Keeps what came and ends this request's part. May be called after an error, which is the way to keep what came before it.
    /// - Returns: Where the upload stands now; also when called again.
    @discardableResult
    package func close() async throws(StorageError) -> Int {
        guard over == nil else { return saved }
        defer {
            // What could not be saved is cut off by the next writer.
            store.claims.add(saved - file.written, of: info.intent.owner)
            over = StorageError(.invalidRequest, "This part of the upload has ended")
        }
        let result: Result<Void, StorageError>
        do throws(StorageError) {
            try await save()
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await file.end(removing: false)
        claim.release()
        try result.get()
        return saved
    }

    /// Makes the object, when all of it is there; like `DiskUpload.finish`. After an error that another try cannot mend the upload is given up,
    /// otherwise it stays, and an empty part may finish it later.
    package func finish(contentType: String? = nil) async throws(StorageError) -> ObjectInfo {
        if let over { throw over }
        guard file.count == info.length else {
            throw StorageError(.invalidRequest, "The upload stands at \(file.count) of \(info.length)")
        }
        do throws(StorageError) {
            try await save()
            try claim.take(info.intent.path, info.intent.oneShot?.id)
            if let digest = info.intent.sha256, try await file.digest() != digest { throw StorageError.wrongDigest }
            let made = try await store.publish(
                info.intent, version: file.version, size: info.length, contentType: contentType, resumable: info.id)
            store.claims.add(-file.written, of: info.intent.owner)
            over = StorageError(.invalidRequest, "This upload has ended")
            await file.end(removing: false)
            claim.release()
            return made
        } catch {
            _ = try? await close()
            switch error.code {
            case .keyAlreadyExists, .tokenSpent, .contentChanged: await store.dropResumable(info.id)
            default: break
            }
            throw error
        }
    }
}

/// One value behind a lock.
final class Guarded<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func set(_ new: Value) { value.withLock { $0 = new } }
    func get() -> Value { value.withLock { $0 } }
}
