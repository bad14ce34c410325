/// What a listing of a store without searching and sorting is cut from.
struct RemoteListing: Sendable {
    /// With its slash; empty for the root.
    let folder: String
    private let query: ListQuery
    private let search: [UInt8]?

    /// - Throws: `.invalidParameter`. A store that does not list owners can be asked for one only below the folder that bears the owner's name.
    init(_ query: ListQuery, maxOffset: Int) throws(StorageError) {
        folder = try StorageSeam.folder(query, maxOffset: maxOffset)
        if let owner = query.owner {
            guard !owner.isEmpty, folder.utf8.starts(with: "\(owner)/".utf8) else {
                throw StorageError(.invalidParameter, "Objects of one user can be listed only below the user's own folder")
            }
        }
        self.query = query
        search = query.search.flatMap { $0.isEmpty ? nil : Array($0.lowercased().utf8) }
    }

    /// Where the wanted part ends.
    var end: Int { query.offset + query.limit }

    /// Whether the store's own order is the one asked for, so that nothing behind the wanted part need be read.
    var isInStoreOrder: Bool { query.sortBy == .name && query.ascending && search == nil }

    func matches(_ entry: ListEntry) -> Bool {
        guard let search else { return true }
        let name = Array(entry.name.lowercased().utf8)
        guard name.count >= search.count else { return false }
        return (0...(name.count - search.count)).contains { name[$0...].starts(with: search) }
    }

    /// Folders have no times: they come first then.
    func part(of entries: [ListEntry]) -> [ListEntry] {
        let isByName = query.sortBy == .name
        let sorted = entries.map { (place: $0.place, time: $0.time(query.sortBy), entry: $0) }.sorted { left, right in
            if !isByName, left.time != right.time {
                guard let a = left.time, let b = right.time else { return left.time == nil }
                return query.ascending ? a < b : a > b
            }
            return query.ascending || !isByName
                ? left.place.lexicographicallyPrecedes(right.place) : right.place.lexicographicallyPrecedes(left.place)
        }
        return sorted.dropFirst(query.offset).prefix(query.limit).map(\.entry)
    }
}

extension ListEntry {
    fileprivate var name: String {
        switch self {
        case .object(let name, _), .folder(let name): name
        }
    }

    /// As stores sort: a folder by its name with the slash.
    fileprivate var place: [UInt8] {
        switch self {
        case .object(let name, _): Array(name.utf8)
        case .folder(let name): Array("\(name)/".utf8)
        }
    }

    fileprivate func time(_ column: ListQuery.SortColumn) -> Int64? {
        guard case .object(_, let info) = self else { return nil }
        return column == .created_at ? info.createdAt : info.updatedAt
    }
}
