/// What a store on disk allows at most.
package struct StorageLimits: Hashable, Sendable {
    /// What one user's objects may hold together, in bytes; nil for no limit. Objects of nobody are not counted.
    package var ownerQuotaBytes: Int?
    /// Uploads that are being written at one time, resumable ones among them.
    package var maxConcurrentUploads: Int
    /// Those of them that one owner may hold, so that one user does not keep out everybody else. Links count for whoever signed them; what
    /// belongs to nobody may take all but this many.
    package var maxUploadsOfOwner: Int
    /// How long a resumable upload may lie unfinished, from its beginning; milliseconds.
    package var resumableLifetime: Int64
    /// Resumable uploads that are begun and not finished.
    package var maxResumables: Int
    /// Space that uploads leave free on the disk, for the catalogue and for everybody else; bytes.
    package var reservedBytes: Int

    package init(
        ownerQuotaBytes: Int? = nil, maxConcurrentUploads: Int = 256, maxUploadsOfOwner: Int? = nil,
        resumableLifetime: Int64 = 86_400_000, maxResumables: Int = 4096, reservedBytes: Int = 16 << 20
    ) {
        self.ownerQuotaBytes = ownerQuotaBytes
        self.maxConcurrentUploads = maxConcurrentUploads
        self.maxUploadsOfOwner = maxUploadsOfOwner ?? max(1, maxConcurrentUploads / 4)
        self.resumableLifetime = resumableLifetime
        self.maxResumables = maxResumables
        self.reservedBytes = reservedBytes
    }
}

/// What a store found and cleared away when it was opened.
package struct SweepReport: Hashable, Sendable {
    /// Half-written files that belonged to no resumable upload. Removed.
    package var stagedFiles = 0
    /// Content files that no object names. Removed.
    package var unnamedFiles = 0
    /// Objects whose content is not there. They stay in the catalogue, for the folder may be the wrong one or not mounted whole.
    package var missingFiles = 0
    /// The versions of some of them, for the log.
    package var missingVersions: [String] = []
    /// Resumable uploads whose bytes are gone. Removed.
    package var lostResumables = 0

    package init() {}
}
