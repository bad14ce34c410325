/// An object that is coming. Nobody sees it until `finish` has returned, and nothing is left of it unless it has.
///
/// For one task at a time. Letting go of it discards it.
package final class DiskUpload: @unchecked Sendable {
    package let intent: UploadIntent
    private let store: DiskStore
    private let file: StagedFile
    private let claim: UploadClaim
    private let limit: Int
    private var over: StorageError?

    init(_ store: DiskStore, _ intent: UploadIntent, limit: Int, version: String, _ claim: UploadClaim) {
        self.store = store
        self.intent = intent
        self.limit = limit
        self.claim = claim
        claim.hold(staged: version)
        file = StagedFile(
            version, store.folder, store.threads, expected: intent.exactBytes ?? intent.maxBytes, hashing: intent.sha256 != nil)
    }

    deinit { discard() }

    /// How many bytes came.
    package var received: Int { file.count }

    // MARK: Writing

    /// Takes bytes without waiting, as many as there is room for: all of them unless `isFull` afterwards. Then `flush`, and give it the rest.
    /// - Throws: `.entityTooLarge` or `.contentChanged` before a byte too many is taken.
    package func add(_ bytes: UnsafeRawBufferPointer) throws(StorageError) -> Int {
        if let over { throw over }
        guard bytes.count <= limit - file.count else { throw fail(tooMany) }
        return file.take(bytes)
    }

    package var isFull: Bool { file.isFull }

    /// Writes to the disk what was taken. Waiting for it is the back-pressure.
    package func flush() async throws(StorageError) {
        if let over { throw over }
        do throws(StorageError) {
            let exact = intent.exactBytes != nil
            try await file.flush { [store, intent, claim] bytes throws(StorageError) in
                try store.checkRoom(for: bytes, of: intent, claim, reserved: exact)
            }
        } catch {
            throw await end(with: error)
        }
    }

    /// All the bytes. The memory must stay until this returns.
    package func write(_ bytes: UnsafeRawBufferPointer) async throws(StorageError) {
        if let over { throw over }
        guard bytes.count <= limit - file.count else { throw await end(with: tooMany) }
        var rest = bytes
        while !rest.isEmpty {
            let taken = try add(rest)
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            if isFull { try await flush() }
        }
    }

    package func write(_ bytes: [UInt8]) async throws(StorageError) {
        if let over { throw over }
        guard bytes.count <= limit - file.count else { throw await end(with: tooMany) }
        var offset = 0
        while offset < bytes.count {
            let from = offset
            offset += bytes.withUnsafeBytes { file.take(UnsafeRawBufferPointer(rebasing: $0[from...])) }
            if isFull { try await flush() }
        }
    }

    // MARK: Ending

    /// Makes the object: it is on the disk for good when this returns, and there is nothing after an error.
    /// - Parameter contentType: What the content turned out to be, when that is not what was announced.
    package func finish(contentType: String? = nil) async throws(StorageError) -> ObjectInfo {
        if let over { throw over }
        do throws(StorageError) {
            if let exact = intent.exactBytes, file.count != exact {
                throw StorageError(.contentChanged, "The content has \(file.count) bytes, and not the \(exact) that were signed")
            }
            let size = file.count
            let digest = try await file.seal()
            guard digest == intent.sha256 else { throw StorageError.wrongDigest }
            over = DiskUpload.ended
            let info = try await store.publish(intent, version: file.version, size: size, contentType: contentType)
            claim.release()
            return info
        } catch {
            throw await end(with: error)
        }
    }

    /// Nothing is left of it afterwards. May be called again, and after `finish`.
    package func discard() {
        over = over ?? Self.ended
        file.close(removing: true)
        claim.release()
    }

    private static let ended = StorageError(.invalidRequest, "This upload has ended")

    private var tooMany: StorageError {
        guard let exact = intent.exactBytes, exact <= limit else { return .tooLarge(limit: limit) }
        return StorageError(.contentChanged, "The content has more than the \(exact) bytes that were signed")
    }

    private func end(with error: StorageError) async -> StorageError {
        over = error
        await file.end(removing: true)
        claim.release()
        return error
    }

    private func fail(_ error: StorageError) -> StorageError {
        over = error
        discard()
        return error
    }
}

extension StorageError {
    static let wrongDigest = StorageError(.contentChanged, "The content is not the one whose SHA-256 was signed")
}
