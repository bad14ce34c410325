internal import GRDB
internal import SwiftletSanitize

/// One level of a bucket: the folders first, then the objects.
///
/// Objects of a folder stand side by side in the index, whatever lies in the folders beneath it; the names of those folders are found by
/// jumping from one to the next. So a page costs as many steps as it skips and shows, not as many as there are objects.
struct CatalogueListing {
    let query: ListQuery
    private let folder: String
    private let needle: [UInt8]

    /// Nil when no such folder can be.
    init?(_ query: ListQuery) {
        guard let folder = CatalogueKey.folder(query.prefix), query.search.map({ !$0.utf8.contains(0) }) ?? true else {
            return nil
        }
        self.query = query
        self.folder = folder
        // Names are kept composed; a search may come from a system that takes letters apart.
        let search = query.search ?? ""
        let composed = search.utf8.allSatisfy { $0 < 0x80 } ? search : sanitizeText(search)
        // Nothing visible is in no name.
        guard search.isEmpty || !composed.isEmpty else { return nil }
        needle = composed.utf8.map(Self.lower)
    }

    func entries(in database: Database) throws -> [ListEntry] {
        let limit = min(max(query.limit, 1), 1000)
        var skip = max(query.offset, 0)
        var entries: [ListEntry] = []
        try eachFolder(in: database) { name in
            if skip > 0 {
                skip -= 1
            } else {
                entries.append(.folder(name: name))
            }
            return entries.count < limit
        }
        if entries.count < limit { try addObjects(to: &entries, limit: limit - entries.count, offset: skip, in: database) }
        return entries
    }

    // MARK: Folders

    /// Until `body` says false.
    private func eachFolder(in database: Database, _ body: (String) -> Bool) throws {
        let ascending = query.ascending
        let owner = query.owner == nil ? "" : "owner = ? AND "
        let statement = try database.cachedStatement(
            sql: """
                SELECT folder FROM objects WHERE \(owner)bucket = ? AND folder >= ? AND folder < ?
                ORDER BY folder \(ascending ? "ASC" : "DESC") LIMIT 1
                """)
        // After the folder itself, and before the first name after everything in it. No name begins with a byte below the space.
        var low = folder + "\u{2}"
        var high = folder.isEmpty ? "\u{10FFFF}\u{10FFFF}" : String(folder.dropLast()) + "\u{2}"
        while true {
            let arguments: StatementArguments = query.owner.map { [$0, query.bucket, low, high] } ?? [query.bucket, low, high]
            guard let found = try String.fetchOne(statement, arguments: arguments) else { return }
            let name = String(
                decoding: found.utf8.dropFirst(folder.utf8.count).prefix { $0 != CatalogueKey.separator }, as: UTF8.self)
            if matches(name), !body(name) { return }
            // Past everything beneath this one.
            if ascending { low = folder + name + "\u{2}" } else { high = folder + name + "\u{1}" }
        }
    }

    private func matches(_ name: String) -> Bool {
        guard !needle.isEmpty else { return true }
        let name = name.utf8.map(Self.lower)
        guard name.count >= needle.count else { return false }
        return (0...(name.count - needle.count)).contains { name[$0..<($0 + needle.count)].elementsEqual(needle) }
    }

    /// As SQLite's `lower`: ASCII alone.
    private static func lower(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    // MARK: Objects

    private func addObjects(to entries: inout [ListEntry], limit: Int, offset: Int, in database: Database) throws {
        let direction = query.ascending ? "ASC" : "DESC"
        let order =
            switch query.sortBy {
            case .name: "name \(direction)"
            case .created_at: "created_at \(direction), name ASC"
            case .updated_at, .last_accessed_at: "updated_at \(direction), name ASC"
            }
        // `instr` knows no wildcards. An object is found by its key and by the name it is shown under.
        let statement = try database.cachedStatement(
            sql: """
                SELECT \(CatalogueObjects.listedColumns) FROM objects
                WHERE \(query.owner == nil ? "" : "owner = ? AND ")bucket = ? AND folder = ?
                \(needle.isEmpty ? "" : "AND (instr(lower(name), ?) > 0 OR instr(lower(display_name), ?) > 0)")
                ORDER BY \(order) LIMIT ? OFFSET ?
                """)
        var arguments: StatementArguments = []
        if let owner = query.owner { arguments += [owner] }
        arguments += [query.bucket, folder]
        if !needle.isEmpty {
            let text = String(decoding: needle, as: UTF8.self)
            arguments += [text, text]
        }
        arguments += [limit, offset]
        let rows = try Row.fetchCursor(statement, arguments: arguments)
        while let row = try rows.next() {
            entries.append(.object(name: row[2], CatalogueObjects.info(row)))
        }
    }
}
