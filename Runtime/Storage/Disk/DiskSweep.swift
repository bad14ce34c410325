internal import GRDB

/// Compares files and catalogue when the store is opened.
struct DiskSweep {
    private let folder: DiskFolder
    private let catalogue: Catalogue
    private var report = SweepReport()
    /// What resumable uploads hold on the disk, by owner.
    private(set) var resumableBytes: [(String, Int)] = []

    /// More files without a name than a crash leaves are no leftovers.
    private static let suspicious = 1000

    init(_ folder: DiskFolder, _ catalogue: Catalogue) {
        self.folder = folder
        self.catalogue = catalogue
    }

    /// Before a catalogue is made: content without one is no rubbish, but what somebody will want back.
    static func refuseOrphans(_ folder: DiskFolder) throws(StorageError) {
        guard try folder.size("catalogue.sqlite") == 0 else { return }
        for leaf in DiskFolder.leaves where try !folder.names(in: DiskFolder.leaf(of: leaf)).isEmpty {
            throw StorageError(
                .internalError,
                "the storage folder \(folder.path) holds content but no catalogue: restore catalogue.sqlite from a backup, or give the host "
                    + "another folder")
        }
    }

    mutating func run() throws(StorageError) -> SweepReport {
        var unnamed: [String] = []
        var objects = 0
        for leaf in DiskFolder.leaves {
            var files = Set(try folder.names(in: DiskFolder.leaf(of: leaf)))
            // Every hexadecimal digit and the hyphen sort before `g`.
            let (named, missing) = try catalogue.ask { database -> (Int, [String]) in
                var named = 0
                var missing: [String] = []
                let rows = try String.fetchCursor(
                    database, sql: "SELECT version FROM objects WHERE version >= ? AND version < ?",
                    arguments: [leaf, leaf + "g"])
                while let version = try rows.next() {
                    named += 1
                    if files.remove(version) == nil { missing.append(version) }
                }
                return (named, missing)
            }
            objects += named
            report.missingFiles += missing.count
            report.missingVersions += missing.prefix(max(0, 20 - report.missingVersions.count))
            unnamed += files
        }
        guard unnamed.count <= Self.suspicious || unnamed.count <= objects else {
            throw StorageError(
                .internalError,
                "the storage folder \(folder.path) holds \(unnamed.count) files that its catalogue does not know, and \(objects) that it knows: "
                    + "restore the catalogue that belongs to them, or move the folder content away")
        }
        for version in unnamed where folder.removeContent(version) { report.unnamedFiles += 1 }
        try sweepStaging()
        return report
    }

    private mutating func sweepStaging() throws(StorageError) {
        var staged = Set(try folder.names(in: "staging"))
        let rows = try catalogue.ask { database in
            try Row.fetchAll(database, sql: "SELECT id, version, owner, received FROM resumables")
                .map { (id: $0[0] as String, version: $0[1] as String, owner: $0[2] as String?, received: $0[3] as Int) }
        }
        var lost: [String] = []
        for row in rows {
            let size = try folder.size(DiskFolder.staged(row.version))
            if row.received > 0, size.map({ $0 < row.received }) ?? true {
                lost.append(row.id)
            } else {
                staged.remove(row.version)
                if let owner = row.owner { resumableBytes.append((owner, row.received)) }
            }
        }
        if !lost.isEmpty {
            try catalogue.change { [lost] database in
                for id in lost { try CatalogueResumables.delete(id, in: database) }
            }
        }
        report.lostResumables = lost.count
        for name in staged where folder.removeStaged(name) { report.stagedFiles += 1 }
    }
}
