internal import GRDB
internal import SwiftletCrypto

/// Rows of `resumables`: uploads that outlive a connection, and the host.
enum CatalogueResumables {
    struct Entry {
        let info: ResumableInfo
        let version: String
    }

    private static let columns = """
        id, version, bucket, key, owner, content_type, cache_control, metadata, display_name, max_bytes, exact_bytes, sha256, upsert,
        one_shot, one_shot_expires, length, received, expires_at
        """

    static func find(_ id: String, in database: Database) throws -> Entry? {
        guard !id.utf8.contains(0) else { return nil }
        let statement = try database.cachedStatement(sql: "SELECT \(columns) FROM resumables WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id]).map(entry)
    }

    static func find(oneShot id: String, in database: Database) throws -> Entry? {
        let statement = try database.cachedStatement(sql: "SELECT \(columns) FROM resumables WHERE one_shot = ?")
        return try Row.fetchOne(statement, arguments: [id]).map(entry)
    }

    static func expired(at time: Int64, most: Int, in database: Database) throws -> [Entry] {
        let statement = try database.cachedStatement(
            sql: "SELECT \(columns) FROM resumables WHERE expires_at <= ? ORDER BY expires_at LIMIT ?")
        return try Row.fetchAll(statement, arguments: [time, most]).map(entry)
    }

    static func count(in database: Database) throws -> Int {
        try Int.fetchOne(database.cachedStatement(sql: "SELECT count(*) FROM resumables")) ?? 0
    }

    static func count(of owner: String, in database: Database) throws -> Int {
        try Int.fetchOne(
            database.cachedStatement(sql: "SELECT count(*) FROM resumables WHERE owner = ?"), arguments: [owner]) ?? 0
    }

    static func has(version: String, in database: Database) throws -> Bool {
        try Int.fetchOne(database.cachedStatement(sql: "SELECT 1 FROM resumables WHERE version = ?"), arguments: [version]) != nil
    }

    static func insert(_ info: ResumableInfo, version: String, in database: Database) throws {
        let intent = info.intent
        let statement = try database.cachedStatement(
            sql: "INSERT INTO resumables (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        try statement.execute(arguments: [
            info.id, version, intent.path.bucket, intent.path.key, intent.owner, intent.contentType, intent.cacheControl,
            intent.metadata,
            intent.displayName, intent.maxBytes, intent.exactBytes, intent.sha256.map { Hex.encode($0) }, intent.upsert,
            intent.oneShot?.id,
            intent.oneShot?.expiresAt, info.length, info.offset, info.expiresAt,
        ])
    }

    static func save(_ id: String, received: Int, in database: Database) throws {
        try database.cachedStatement(sql: "UPDATE resumables SET received = ? WHERE id = ?").execute(arguments: [received, id])
        // Given up meanwhile.
        guard database.changesCount == 1 else { throw StorageError.noUpload(id) }
    }

    static func delete(_ id: String, in database: Database) throws {
        try database.cachedStatement(sql: "DELETE FROM resumables WHERE id = ?").execute(arguments: [id])
    }

    private static func entry(_ row: Row) -> Entry {
        let oneShot: String? = row[13]
        let digest: String? = row[11]
        let intent = UploadIntent(
            path: ObjectPath(bucket: row[2], key: row[3]), owner: row[4], contentType: row[5], cacheControl: row[6],
            metadata: row[7],
            displayName: row[8], maxBytes: row[9], exactBytes: row[10], sha256: digest.flatMap { Hex.decode($0) },
            upsert: row[12],
            oneShot: oneShot.map { UploadIntent.OneShot(id: $0, expiresAt: row[14] ?? 0) })
        return Entry(
            info: ResumableInfo(id: row[0], intent: intent, length: row[15], offset: row[16], expiresAt: row[17]), version: row[1]
        )
    }
}
