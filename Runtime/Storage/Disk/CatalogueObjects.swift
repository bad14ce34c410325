internal import GRDB

/// Rows of `objects`. An object that is overwritten is a new row with the old id, so that the triggers keep the books.
enum CatalogueObjects {
    static let columns = """
        bucket, folder, name, id, version, owner, size, content_type, cache_control, created_at, updated_at, metadata, display_name
        """

    /// The same without what no listing shows, and what could be long.
    static let listedColumns = """
        bucket, folder, name, id, version, owner, size, content_type, cache_control, created_at, updated_at, NULL, display_name
        """

    static func info(_ row: Row) -> ObjectInfo {
        let version: String = row[4]
        return ObjectInfo(
            id: row[3], path: ObjectPath(bucket: row[0], key: CatalogueKey(folder: row[1], name: row[2]).key), version: version,
            owner: row[5], size: row[6], contentType: row[7], cacheControl: row[8], etag: "\"\(version)\"", createdAt: row[9],
            updatedAt: row[10], metadata: row[11], displayName: row[12])
    }

    static func find(_ path: ObjectPath, in database: Database) throws -> ObjectInfo? {
        guard let key = CatalogueKey(path.key) else { return nil }
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM objects WHERE bucket = ? AND folder = ? AND name = ?")
        return try Row.fetchOne(statement, arguments: [path.bucket, key.folder, key.name]).map(info)
    }

    static func exists(_ path: ObjectPath, in database: Database) throws -> Bool {
        guard let key = CatalogueKey(path.key) else { return false }
        let statement = try database.cachedStatement(sql: "SELECT 1 FROM objects WHERE bucket = ? AND folder = ? AND name = ?")
        return try Int.fetchOne(statement, arguments: [path.bucket, key.folder, key.name]) != nil
    }

    static func insert(_ info: ObjectInfo, in database: Database) throws {
        guard let key = CatalogueKey(info.path.key) else { throw StorageError(.invalidKey, "Invalid key: \(info.path.key)") }
        let statement = try database.cachedStatement(
            sql: "INSERT INTO objects (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            info.path.bucket, key.folder, key.name, info.id, info.version, info.owner, info.size, info.contentType,
            info.cacheControl,
            info.createdAt, info.updatedAt, info.metadata, info.displayName,
        ])
    }

    static func delete(version: String, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM objects WHERE version = ?").execute(arguments: [version])
    }

    static func usage(of owner: String, in database: Database) throws -> Int {
        let statement = try database.cachedStatement(sql: "SELECT bytes FROM usage WHERE owner = ?")
        return try Int.fetchOne(statement, arguments: [owner]) ?? 0
    }

    /// Throws when the owner, with what this transaction did, is over the limit.
    static func checkQuota(of owner: String?, _ limits: StorageLimits, in database: Database) throws {
        guard let owner, let quota = limits.ownerQuotaBytes, try usage(of: owner, in: database) > quota else { return }
        throw StorageError.overQuota(quota)
    }

    // MARK: One-time ids

    static func isSpent(_ id: String, in database: Database) throws -> Bool {
        try Int.fetchOne(database.cachedStatement(sql: "SELECT 1 FROM spent WHERE id = ?"), arguments: [id]) != nil
    }

    static func spend(_ oneShot: UploadIntent.OneShot, in database: Database) throws {
        let statement = try database.cachedStatement(sql: "INSERT OR IGNORE INTO spent VALUES (?, ?)")
        try statement.execute(arguments: [oneShot.id, oneShot.expiresAt])
        guard database.changesCount == 1 else { throw StorageError.spent }
    }
}

extension StorageError {
    static let spent = StorageError(.tokenSpent, "This upload token has been used; ask for a new one")
    static func overQuota(_ quota: Int) -> StorageError {
        StorageError(.quotaExceeded, "You may store \(quota) bytes; delete something first")
    }
}
