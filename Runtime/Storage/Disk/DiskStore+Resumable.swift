internal import GRDB
internal import SwiftletCrypto

/// An upload that may come in several requests.
package struct ResumableInfo: Hashable, Sendable {
    /// Cannot be guessed; whoever has it may go on with the upload.
    package let id: String
    package let intent: UploadIntent
    /// How many bytes it will have.
    package let length: Int
    /// How many are on the disk for good.
    package let offset: Int
    /// Milliseconds since 1970; from then on it is gone.
    package let expiresAt: Int64
}

extension StorageError {
    /// An append that does not begin where the upload stands.
    package static func wrongOffset(_ offset: Int) -> StorageError {
        StorageError(.wrongOffset, "The upload stands at \(offset); go on from there")
    }

    /// Nothing is remembered of an upload that has ended; but nobody has an id of that form who was not given one.
    static func noUpload(_ id: String) -> StorageError {
        Base64URL.decode(id)?.count == 32
            ? StorageError(.uploadGone, "This upload has ended, or is too old; begin it anew")
            : StorageError(.noSuchKey, "There is no such upload")
    }

    /// Whether it is `wrongOffset`: a conflict for TUS (409), not a bad request.
    package var isWrongOffset: Bool { code == .wrongOffset }
}

extension DiskStore {
    /// Begins an upload that survives lost connections and a restart of the host. It is refused as `begin` refuses; its key is not held, and
    /// whichever upload is finished first gets it. One that was begun with the same one-time id before is given up.
    package func createResumable(_ intent: UploadIntent, length: Int) async throws(StorageError) -> ResumableInfo {
        let bucket = try check(intent)
        guard length >= 0 else { throw StorageError(.invalidParameter, "A length is 0 or more") }
        let limit = min(intent.maxBytes, bucket.maxBytes)
        guard length <= limit else { throw .tooLarge(limit: limit) }
        if let exact = intent.exactBytes, exact != length {
            throw StorageError(.contentChanged, "The upload has \(length) bytes, and not the \(exact) that were signed")
        }
        guard !claims.isClosed else { throw DiskFailure.closed }
        let (id, version) = try await threads.run { () throws(StorageError) in
            try self.admit(intent)
            if let owner = intent.owner {
                let (pending, overflow) = self.claims.pending(of: owner).addingReportingOverflow(length)
                try self.checkQuota(of: owner, pending: overflow ? .max : pending, replacing: intent)
            }
            let (needed, overflow) = self.claims.expect(0).addingReportingOverflow(length)
            try self.checkDisk(for: overflow ? .max : needed)
            return (try FreshName.secret(), try FreshName.make())
        }
        let info = ResumableInfo(id: id, intent: intent, length: length, offset: 0, expiresAt: now() &+ limits.resumableLifetime)
        let (claims, most) = (claims, limits.maxResumables)
        let replaced = Guarded<CatalogueResumables.Entry?>(nil)
        _ = try await line.commit { database in
            var change = Change()
            replaced.set(nil)
            if let oneShot = intent.oneShot, let old = try CatalogueResumables.find(oneShot: oneShot.id, in: database) {
                guard !claims.isWriting(old.info.id) else { throw StorageError.locked }
                try CatalogueResumables.delete(old.info.id, in: database)
                change.dropped.append(old.version)
                replaced.set(old)
            }
            guard try CatalogueResumables.count(in: database) < most else { throw DiskFailure.busy }
            // One user's half-done uploads do not take the room of all.
            if let owner = intent.owner, try CatalogueResumables.count(of: owner, in: database) >= min(64, most) {
                throw StorageError(.slowDown, "Too many uploads are begun and not finished; finish or delete some")
            }
            try CatalogueResumables.insert(info, version: version, in: database)
            return change
        }
        if let old = replaced.get() { claims.add(-old.info.offset, of: old.info.intent.owner) }
        return info
    }

    /// How far an upload is.
    /// - Throws: `.uploadGone` when it has ended or is too old; `.noSuchKey` for an id that was never one.
    package func resumable(_ id: String) async throws(StorageError) -> ResumableInfo {
        try await threads.run { () throws(StorageError) in try self.entry(id).info }
    }

    private func entry(_ id: String) throws(StorageError) -> CatalogueResumables.Entry {
        let entry = try catalogue.ask { try CatalogueResumables.find(id, in: $0) }
        guard let entry, entry.info.expiresAt > now() else { throw .noUpload(id) }
        return entry
    }

    /// Goes on with an upload; `.resourceLocked` while somebody else does, `wrongOffset` when it stands elsewhere, `.slowDown` when no slot is
    /// free for its owner.
    /// - Parameter isWhole: All of it is here and only to be finished, which takes no slot: nobody would send the last byte again.
    package func appendResumable(_ id: String, at offset: Int, isWhole: Bool = false) async throws(StorageError)
        -> ResumableWriter
    {
        let claim = UploadClaim(claims, owner: nil)
        try claim.take(writer: id)
        return try await claim.releasing(threads) { () throws(StorageError) in
            let entry = try self.entry(id)
            if !isWhole || offset != entry.info.length { try claim.takeSlot(of: entry.info.intent.owner, self.limits) }
            guard entry.info.offset == offset else { throw StorageError.wrongOffset(entry.info.offset) }
            claim.hold(staged: entry.version)
            var file = try self.folder.reopen(entry.version)
            if let file { try self.folder.cut(file, to: offset) }
            if file == nil {
                guard offset == 0 else {
                    throw StorageError(
                        .internalError, "The storage could not do this", cause: "a resumable upload's file is gone")
                }
                file = try self.folder.create(entry.version)
            }
            let staged = StagedFile(entry.version, self.folder, self.threads, descriptor: file ?? -1, written: offset)
            return ResumableWriter(self, entry.info, staged, claim)
        }
    }

    /// Gives an upload up. Nothing happens when there is none; one that somebody is writing is left to its writer.
    package func dropResumable(_ id: String) async {
        let claim = UploadClaim(claims, owner: nil)
        do throws(StorageError) {
            try claim.take(writer: id)
            let entry = try await threads.run { () throws(StorageError) in
                try self.catalogue.ask { try CatalogueResumables.find(id, in: $0) }
            }
            if let entry { try await forget([entry]) }
        } catch {
            // It expires by itself.
        }
        claim.release()
    }

    func forget(_ entries: [CatalogueResumables.Entry]) async throws(StorageError) {
        _ = try await line.commit { database in
            for entry in entries { try CatalogueResumables.delete(entry.info.id, in: database) }
            return Change(dropped: entries.map(\.version))
        }
        for entry in entries { claims.add(-entry.info.offset, of: entry.info.intent.owner) }
    }

    // MARK: Upkeep

    /// Takes away what is too old: one-time ids, resumable uploads, staged files of nobody. To be called every minute or so.
    package func maintain() async {
        guard !claims.isClosed else { return }
        let time = now()
        do throws(StorageError) {
            // A resumable upload may end long after its token did, so ids are kept for as long as one may last, and some clock drift.
            let (past, overflow) = time.subtractingReportingOverflow(limits.resumableLifetime &+ 600_000)
            if !overflow {
                _ = try await line.commit { database in
                    try database.cachedStatement(
                        sql:
                            "DELETE FROM spent WHERE id IN (SELECT id FROM spent WHERE expires_at < ? ORDER BY expires_at LIMIT 10000)"
                    ).execute(arguments: [past])
                    return Change()
                }
            }
            let old = try await threads.run { () throws(StorageError) in
                try self.catalogue.ask { try CatalogueResumables.expired(at: time, most: 500, in: $0) }
            }
            for entry in old { await dropResumable(entry.info.id) }
            try await threads.run { () throws(StorageError) in
                for version in try self.folder.names(in: "staging") where !self.claims.isHeld(staged: version) {
                    if try self.catalogue.ask({ try CatalogueResumables.has(version: version, in: $0) }) { continue }
                    // Asked again: it may have been moved into place, or another may have begun, since the folder was read.
                    if !self.claims.isHeld(staged: version) { self.folder.removeStaged(version) }
                }
            }
        } catch {
            // The next minute comes.
        }
    }
}
