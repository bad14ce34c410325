internal import GRDB

/// Storage on a local disk: content in files whose names the server makes up, and a catalogue of what they are called.
///
/// An object is written beside, written through, moved into place, and only then entered in the catalogue, in one transaction that is on the
/// disk before the upload is answered. So there are whole objects or none, after a crash and after a power cut, as far as the disk
/// keeps its word about what it has written. Content that no object names is removed at the next start.
///
/// Files and SQLite are waited for on a few threads of the store's own. Only `exists`, `usage` and `isSpent` are asked on the caller's
/// thread: they take microseconds.
package final class DiskStore: Sendable {
    package let limits: StorageLimits
    package let buckets: [Bucket]
    /// What a crash had left, and is cleared away.
    package let sweepReport: SweepReport

    let folder: DiskFolder
    let catalogue: Catalogue
    let threads: DiskThreads
    /// Listings wait for each other, not uploads for listings.
    let browsers: DiskThreads
    let line: CommitLine
    let claims = DiskClaims()
    let usageCache = UsageCache()
    let now: @Sendable () -> Int64
    private let named: BucketTable

    /// Opens the folder, or makes it, brings the catalogue up to date and clears away what a crash left.
    /// - Parameters:
    ///   - directory: Used by one host at a time; only this process's user may read what is in it.
    ///   - now: Milliseconds since 1970.
    ///   - fault: For tests.
    /// - Throws: When the folder cannot be used; the message says which and what to do.
    package init(
        directory: String, buckets: [Bucket], limits: StorageLimits = StorageLimits(), now: @escaping @Sendable () -> Int64,
        fault: DiskFault? = nil
    ) throws(StorageError) {
        self.limits = limits
        self.buckets = buckets
        self.now = now
        named = BucketTable(buckets)
        folder = try DiskFolder(path: directory, fault: fault)
        try DiskSweep.refuseOrphans(folder)
        catalogue = try Catalogue(folder)
        var sweep = DiskSweep(folder, catalogue)
        sweepReport = try sweep.run()
        for (owner, bytes) in sweep.resumableBytes { claims.add(bytes, of: owner) }
        // Mostly they wait for `fsync`, and the disk answers several that wait together in one go.
        threads = try DiskThreads(count: 8, capacity: 4096)
        do throws(StorageError) {
            browsers = try DiskThreads(count: 1, capacity: 64)
        } catch {
            threads.stop()
            throw error
        }
        do throws(StorageError) {
            line = try CommitLine(folder, catalogue, usageCache, helpers: threads, capacity: 4096)
        } catch {
            browsers.stop()
            threads.stop()
            throw error
        }
    }

    deinit {
        line.stop()
        browsers.stop()
        threads.stop()
    }

    package func bucket(_ id: String) -> Bucket? { named[id] }

    // MARK: Uploads

    /// Begins an upload, or refuses it at once: see `StorageError.Code` for the reasons. The key and the one-time id are this upload's alone until it
    /// ends; another that wants one of them meanwhile gets `.resourceLocked`.
    package func begin(_ intent: UploadIntent) async throws(StorageError) -> DiskUpload {
        let bucket = try check(intent)
        let claim = UploadClaim(claims, owner: intent.owner)
        // What it holds is given back when it goes, if the next lines throw.
        try claim.takeSlot(of: intent.owner, limits)
        try claim.take(intent.path, intent.oneShot?.id)
        let version = try await claim.releasing(threads) { () throws(StorageError) in
            try self.admit(intent)
            if let exact = intent.exactBytes {
                try self.checkQuota(of: intent.owner, pending: claim.add(exact), replacing: intent)
                try self.checkDisk(for: claim.expect(exact))
            } else {
                try self.checkQuota(of: intent.owner, pending: claim.add(0), replacing: intent)
                try self.checkDisk(for: claim.expect(0))
            }
            return try FreshName.make()
        }
        return DiskUpload(
            self, intent, limit: min(intent.maxBytes, bucket.maxBytes, intent.exactBytes ?? .max), version: version, claim)
    }

    /// What can be said without the disk.
    func check(_ intent: UploadIntent) throws(StorageError) -> Bucket {
        guard let bucket = bucket(intent.path.bucket) else { throw .noBucket }
        guard CatalogueKey(intent.path.key) != nil else { throw StorageError(.invalidKey, "Invalid key: \(intent.path.key)") }
        let texts = [
            intent.owner, intent.contentType, intent.cacheControl, intent.metadata, intent.displayName, intent.oneShot?.id,
        ]
        // SQLite would cut a text there, and two owners might become one.
        guard texts.allSatisfy({ $0.map { !$0.utf8.contains(0) } ?? true }) else {
            throw StorageError(.invalidRequest, "A text contains a zero byte")
        }
        let limit = min(intent.maxBytes, bucket.maxBytes)
        guard limit >= 0, intent.exactBytes.map({ $0 >= 0 }) ?? true else {
            throw StorageError(.invalidParameter, "A size is 0 or more")
        }
        if let exact = intent.exactBytes, exact > limit { throw .tooLarge(limit: limit) }
        if let digest = intent.sha256, digest.count != 32 { throw StorageError(.invalidParameter, "A SHA-256 has 32 bytes") }
        return bucket
    }

    /// What the catalogue says.
    func admit(_ intent: UploadIntent) throws(StorageError) {
        let refusal = try catalogue.ask { database -> StorageError? in
            if let oneShot = intent.oneShot, try CatalogueObjects.isSpent(oneShot.id, in: database) { return .spent }
            if !intent.upsert, try CatalogueObjects.exists(intent.path, in: database) { return .exists }
            return nil
        }
        if let refusal { throw refusal }
    }

    /// - Parameter pending: All that the owner has under way, with this upload.
    func checkQuota(of owner: String?, pending: Int, replacing intent: UploadIntent?) throws(StorageError) {
        guard let owner, let quota = limits.ownerQuotaBytes else { return }
        let (sum, overflow) = try usage(of: owner).addingReportingOverflow(pending)
        if !overflow, sum <= quota { return }
        // What will be overwritten makes room.
        if let intent, intent.upsert, !overflow {
            let old = try catalogue.ask { try CatalogueObjects.find(intent.path, in: $0) }
            if let old, let holder = old.owner, ByteText(holder) == ByteText(owner), sum - old.size <= quota { return }
        }
        throw StorageError.overQuota(quota)
    }

    func checkDisk(for bytes: Int) throws(StorageError) {
        guard let free = folder.freeBytes else { return }
        let (left, overflow) = free.subtractingReportingOverflow(bytes)
        guard !overflow, left >= limits.reservedBytes else {
            throw StorageError(
                .storageFull, DiskFailure.full.message, cause: "\(free) bytes are free, \(limits.reservedBytes) are kept")
        }
    }

    /// Before collected bytes of an upload are written.
    /// - Parameter reserved: Whether they were counted when the upload began.
    func checkRoom(for bytes: Int, of intent: UploadIntent, _ claim: UploadClaim, reserved: Bool) throws(StorageError) {
        if reserved {
            claim.arrived(bytes)
        } else {
            try checkQuota(of: intent.owner, pending: claim.add(bytes), replacing: intent)
            try checkDisk(for: claim.expect(0) &+ bytes)
        }
    }

    /// Makes an object of a staged file that is sealed.
    /// - Parameter resumable: The resumable upload it came by; its row goes with the same transaction.
    func publish(
        _ intent: UploadIntent, version: String, size: Int, contentType: String?, resumable: String? = nil
    ) async throws(StorageError) -> ObjectInfo {
        let id = try FreshName.make()
        let time = now()
        let limits = limits
        let change = try await line.commit(publish: version, keep: resumable != nil) { database in
            var change = Change()
            var info = ObjectInfo(
                id: id, path: intent.path, version: version, owner: intent.owner, size: size,
                contentType: contentType ?? intent.contentType, cacheControl: intent.cacheControl, etag: "\"\(version)\"",
                createdAt: time, updatedAt: time, metadata: intent.metadata, displayName: intent.displayName)
            if let oneShot = intent.oneShot { try CatalogueObjects.spend(oneShot, in: database) }
            if let old = try CatalogueObjects.find(intent.path, in: database) {
                guard intent.upsert else { throw StorageError.exists }
                (info.id, info.createdAt) = (old.id, old.createdAt)
                try change.delete(old, in: database)
            }
            try change.insert(info, in: database)
            try CatalogueObjects.checkQuota(of: info.owner, limits, in: database)
            if let resumable { try CatalogueResumables.delete(resumable, in: database) }
            return change
        }
        guard let info = change.objects.last else { throw StorageError(.internalError, "The storage could not do this") }
        return info
    }

    // MARK: Reading

    package func info(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo {
        guard bucket(path.bucket) != nil else { throw .noBucket }
        let found = try await threads.run { () throws(StorageError) in
            try self.catalogue.ask { try CatalogueObjects.find(path, in: $0) }
        }
        guard let found else { throw .noObject }
        return found
    }

    /// The object's content, opened. Overwriting and deleting do not disturb who has it open.
    package func open(_ path: ObjectPath) async throws(StorageError) -> StoredFile {
        guard bucket(path.bucket) != nil else { throw .noBucket }
        return try await threads.run { () throws(StorageError) in
            var missing = ""
            // It may be overwritten between the two looks: then there is another version to open.
            for _ in 0..<8 {
                guard let info = try self.catalogue.ask({ try CatalogueObjects.find(path, in: $0) }) else { throw .noObject }
                if let file = try self.folder.read(info.version) { return try StoredFile(info, file) }
                if info.version == missing { break }
                missing = info.version
            }
            throw StorageError(
                .internalError, "The content of this object is missing", cause: "no content for version \(missing)")
        }
    }

    /// On the caller's thread, in microseconds.
    package func exists(_ path: ObjectPath) throws(StorageError) -> Bool {
        guard bucket(path.bucket) != nil else { throw .noBucket }
        return try catalogue.ask { try CatalogueObjects.exists(path, in: $0) }
    }

    /// What an owner's objects hold together, in bytes; uploads under way are not counted. On the caller's thread, mostly from memory.
    package func usage(of owner: String) throws(StorageError) -> Int {
        guard !owner.utf8.contains(0) else { return 0 }
        return try usageCache.value(of: ByteText(owner)) { () throws(StorageError) in
            try catalogue.ask { try CatalogueObjects.usage(of: owner, in: $0) }
        }
    }

    /// Whether an object was made for this one-time id. On the caller's thread, in microseconds.
    package func isSpent(_ oneShot: String) throws(StorageError) -> Bool {
        guard !oneShot.utf8.contains(0) else { return false }
        return try catalogue.ask { try CatalogueObjects.isSpent(oneShot, in: $0) }
    }

    /// One level of a bucket: the folders in the order of their names, then the objects.
    package func list(_ query: ListQuery) async throws(StorageError) -> [ListEntry] {
        guard bucket(query.bucket) != nil else { throw .noBucket }
        guard let listing = CatalogueListing(query) else { return [] }
        return try await browsers.run { () throws(StorageError) in
            try self.catalogue.browse { try listing.entries(in: $0) }
        }
    }

    // MARK: The end

    /// Refuses new uploads, makes the changes that wait, and lets another host have the folder. Uploads that are still under way fail.
    package func close() async {
        guard claims.closeOnce() else { return }
        _ = try? await line.commit { _ in Change() }
        try? await threads.run { () throws(StorageError) in self.catalogue.close() }
        folder.unlock()
        line.stop()
        browsers.stop()
        threads.stop()
    }
}

extension Change {
    mutating func delete(_ info: ObjectInfo, in database: Database) throws {
        try CatalogueObjects.delete(version: info.version, in: database)
        freed.append(info.version)
        if let owner = info.owner { touched.append(owner) }
    }

    mutating func insert(_ info: ObjectInfo, in database: Database) throws {
        try CatalogueObjects.insert(info, in: database)
        objects.append(info)
        if let owner = info.owner { touched.append(owner) }
    }
}
