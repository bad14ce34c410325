internal import GRDB
internal import Glibc

extension DiskStore {
    /// Removes objects; keys that name none are passed over.
    /// - Parameters:
    ///   - keys: At most 1000.
    ///   - owner: Only this user's objects; nil for anybody's.
    /// - Returns: Those that were removed.
    package func remove(bucket: String, keys: [String], owner: String? = nil) async throws(StorageError) -> [ObjectInfo] {
        guard self.bucket(bucket) != nil else { throw .noBucket }
        guard keys.count <= 1000 else { throw StorageError(.invalidParameter, "At most 1000 objects are removed at once") }
        let change = try await line.commit { database in
            var change = Change()
            for key in keys {
                let path = ObjectPath(bucket: bucket, key: key)
                guard let info = try CatalogueObjects.find(path, in: database), info.isOwned(by: owner) else { continue }
                try change.delete(info, in: database)
                change.objects.append(info)
            }
            return change
        }
        return change.objects
    }

    /// Gives an object another key; its content, version and id stay.
    /// - Parameters:
    ///   - toBucket: Nil for the same one.
    ///   - owner: Only this user's object, and over this user's alone; nil for anybody's.
    ///   - whose: Whose it is at its new place, from whose it was; nil keeps that.
    package func move(
        bucket: String, from: String, to: String, toBucket: String? = nil, owner: String? = nil, upsert: Bool = false,
        whose: (@Sendable (String?) -> String?)? = nil
    ) async throws(StorageError) -> ObjectInfo {
        let (source, target, claim) = try prepare(bucket, from, toBucket ?? bucket, to, owner)
        defer { claim.release() }
        let time = now()
        let maxBytes = self.bucket(target.bucket)?.maxBytes ?? 0
        let change = try await line.commit { database in
            var change = Change()
            guard var info = try CatalogueObjects.find(source, in: database), info.isOwned(by: owner) else {
                throw StorageError.noObject
            }
            guard info.size <= maxBytes else { throw StorageError.tooLarge(limit: maxBytes) }
            if ByteText(source.bucket) == ByteText(target.bucket), ByteText(source.key) == ByteText(target.key) {
                guard upsert else { throw StorageError.exists }
                change.objects = [info]
                return change
            }
            try change.makeRoom(at: target, owner, upsert, in: database)
            try CatalogueObjects.delete(version: info.version, in: database)
            // Given up by the row that goes, so that the books of both owners are kept.
            if let owner = info.owner { change.touched.append(owner) }
            info.path = target
            info.updatedAt = time
            if let whose { info.owner = whose(info.owner) }
            try change.insert(info, in: database)
            return change
        }
        guard let info = change.objects.last else { throw .noObject }
        return info
    }

    /// Makes a second object of an object's content.
    /// - Parameters:
    ///   - toBucket: Nil for the same one.
    ///   - owner: Only this user's object, and over this user's alone; the copy is this user's. Nil for anybody's, and the copy has the same owner.
    ///   - whose: Whose the copy is, from whose the object is; nil for what `owner` says.
    package func copy(
        bucket: String, from: String, to: String, toBucket: String? = nil, owner: String? = nil, upsert: Bool = false,
        whose: (@Sendable (String?) -> String?)? = nil
    ) async throws(StorageError) -> ObjectInfo {
        let (source, target, claim) = try prepare(bucket, from, toBucket ?? bucket, to, owner)
        defer { claim.release() }
        let original = try await info(source)
        guard original.isOwned(by: owner) else { throw .noObject }
        guard let maxBytes = self.bucket(target.bucket)?.maxBytes, original.size <= maxBytes else {
            throw .tooLarge(limit: self.bucket(target.bucket)?.maxBytes ?? 0)
        }
        let version = try FreshName.make()
        claim.hold(staged: version)
        // Content never changes, so a second name for the same bytes is a copy.
        if try await !threads.run({ () throws(StorageError) in try self.folder.link(original.version, as: version) }) {
            try await copyBytes(of: source, to: version)
        }
        let id = try FreshName.make()
        let time = now()
        let limits = limits
        let change = try await line.commit(publish: version) { database in
            var change = Change()
            try change.makeRoom(at: target, owner, upsert, in: database)
            var info = original
            (info.id, info.path, info.version, info.etag) = (id, target, version, "\"\(version)\"")
            (info.owner, info.createdAt, info.updatedAt) = (owner ?? original.owner, time, time)
            if let whose { info.owner = whose(original.owner) }
            try change.insert(info, in: database)
            try CatalogueObjects.checkQuota(of: info.owner, limits, in: database)
            return change
        }
        guard let info = change.objects.last else { throw .noObject }
        return info
    }

    /// The user's own JSON of an object; nil to take it away.
    package func setMetadata(_ metadata: String?, of path: ObjectPath, owner: String? = nil) async throws(StorageError)
        -> ObjectInfo
    {
        guard bucket(path.bucket) != nil else { throw .noBucket }
        guard !(metadata?.utf8.contains(0) ?? false) else { throw StorageError(.invalidRequest, "A text contains a zero byte") }
        let time = now()
        let change = try await line.commit { database in
            guard var info = try CatalogueObjects.find(path, in: database), info.isOwned(by: owner) else {
                throw StorageError.noObject
            }
            (info.metadata, info.updatedAt) = (metadata, time)
            try database.cachedStatement(sql: "UPDATE objects SET metadata = ?, updated_at = ? WHERE version = ?")
                .execute(arguments: [metadata, time, info.version])
            return Change(objects: [info])
        }
        guard let info = change.objects.last else { throw .noObject }
        return info
    }

    private func prepare(
        _ bucket: String, _ from: String, _ toBucket: String, _ to: String, _ owner: String?
    ) throws(StorageError) -> (ObjectPath, ObjectPath, UploadClaim) {
        guard self.bucket(bucket) != nil, self.bucket(toBucket) != nil else { throw .noBucket }
        guard CatalogueKey(to) != nil else { throw StorageError(.invalidKey, "Invalid key: \(to)") }
        guard !(owner?.utf8.contains(0) ?? false) else { throw StorageError(.invalidRequest, "A text contains a zero byte") }
        let target = ObjectPath(bucket: toBucket, key: to)
        let claim = UploadClaim(claims, owner: nil)
        try claim.take(target, nil)
        return (ObjectPath(bucket: bucket, key: from), target, claim)
    }

    /// For disks that know no second names.
    private func copyBytes(of source: ObjectPath, to version: String) async throws(StorageError) {
        let original = try await open(source)
        let copy = StagedFile(version, folder, threads)
        do throws(StorageError) {
            var offset = 0
            while offset < original.size {
                let from = offset
                offset += try await threads.run { () throws(StorageError) in
                    try self.checkDisk(for: StagedFile.bufferBytes)
                    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: StagedFile.bufferBytes, alignment: 16)
                    defer { room.deallocate() }
                    let count = try original.read(at: from, into: room)
                    guard count > 0 else { throw DiskFailure.system("copying content", EIO) }
                    return copy.take(UnsafeRawBufferPointer(rebasing: room[..<count]))
                }
                try await copy.flush { _ in }
            }
            _ = try await copy.seal()
        } catch {
            await copy.end(removing: true)
            throw error
        }
    }
}

extension ObjectInfo {
    func isOwned(by user: String?) -> Bool {
        guard let user else { return true }
        return owner.map { ByteText($0) == ByteText(user) } ?? false
    }
}

extension Change {
    /// Takes away what is at a path, or refuses.
    fileprivate mutating func makeRoom(at path: ObjectPath, _ owner: String?, _ upsert: Bool, in database: Database) throws {
        guard let old = try CatalogueObjects.find(path, in: database) else { return }
        guard upsert else { throw StorageError.exists }
        guard old.isOwned(by: owner) else { throw StorageError(.accessDenied, "The object there belongs to somebody else") }
        try delete(old, in: database)
    }
}
