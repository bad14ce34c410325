/// The host's storage, used as the caller of this request: ``Context/storage``. Needs ``Capability/storage``.
///
/// The host checks every call against its buckets and against who called the function: a user reaches what lies below a folder of that
/// user's id, a project's own key (`service_role`) everything, nobody else anything. Refusals are `HTTPError`s that say what is allowed.
/// Times are milliseconds since 1970, sizes bytes.
public struct StorageAccess: Sendable {
    private let scope: InvocationScope

    init(_ scope: InvocationScope) { self.scope = scope }

    /// Items in one call of a batch.
    public static let batch = 100

    /// Checks one upload and signs it.
    public func signUpload(_ upload: UploadRequest) async throws -> SignedUpload {
        guard let first = try await signUploads([upload]).first else { throw StorageAccess.odd }
        return try first.get()
    }

    /// The same for at most ``batch`` uploads, each judged by itself.
    public func signUploads(_ uploads: [UploadRequest]) async throws -> [Result<SignedUpload, HTTPError>] {
        try StorageAccess.check(uploads.count)
        var all: [Result<SignedUpload, HTTPError>] = []
        // Links are long: no more of them in one answer than fit.
        for start in stride(from: 0, to: uploads.count, by: 20) {
            let some = Array(uploads[start..<min(start + 20, uploads.count)])
            guard case .uploads(let results) = try await ask(.signUploads(some)), results.count == some.count else {
                throw StorageAccess.odd
            }
            all += results
        }
        return all
    }

    /// A link to read one object with, without further credentials.
    public func signDownload(bucket: String, path: String, expiresIn: Duration, download: DownloadName? = nil) async throws
        -> SignedDownload
    {
        let links = try await signDownloads(bucket: bucket, paths: [path], expiresIn: expiresIn, download: download)
        guard let first = links.first else { throw StorageAccess.odd }
        return try first.get()
    }

    /// The same for at most ``batch`` objects of a bucket, in the order given.
    public func signDownloads(bucket: String, paths: [String], expiresIn: Duration, download: DownloadName? = nil) async throws
        -> [Result<SignedDownload, HTTPError>]
    {
        try StorageAccess.check(paths.count)
        let ask = StorageAsk.signDownloads(
            bucket: bucket, paths: paths, seconds: Int(clamping: expiresIn.components.seconds), download: download)
        guard case .downloads(let results) = try await self.ask(ask), results.count == paths.count else {
            throw StorageAccess.odd
        }
        return results
    }

    /// What lies directly in a folder, by name; at most ``batch`` items from `offset` on. Folders end with a slash and have no size.
    /// - Parameter search: part of a name, whatever the case of its plain letters: of a folder's, of a path's last segment, and of the name a
    ///   file is shown under, as far as files of the host's own disk go. S3 does not list the latter; Supabase looks only at how names of the
    ///   former begin.
    public func list(bucket: String, folder: String = "", search: String? = nil, limit: Int = 100, offset: Int = 0) async throws
        -> [StoredObject]
    {
        let ask = StorageAsk.list(bucket: bucket, folder: folder, search: search, limit: limit, offset: offset)
        guard case .objects(let objects) = try await self.ask(ask) else { throw StorageAccess.odd }
        return objects
    }

    public func info(bucket: String, path: String) async throws -> StoredObject {
        guard case .objects(let objects) = try await ask(.info(bucket: bucket, path: path)), let first = objects.first else {
            throw StorageAccess.odd
        }
        return first
    }

    /// Removes at most ``batch`` objects; answers with the paths of those that were there.
    public func remove(bucket: String, paths: [String]) async throws -> [String] {
        try StorageAccess.check(paths.count)
        guard case .removed(let removed) = try await ask(.remove(bucket: bucket, paths: paths)) else { throw StorageAccess.odd }
        return removed
    }

    private func ask(_ ask: StorageAsk) async throws -> StorageTold {
        try await scope.capabilities.storage(
            ask, for: InvocationReference(stream: scope.stream, head: scope.head, identity: scope.identity))
    }

    private static func check(_ count: Int) throws(HTTPError) {
        guard (1...batch).contains(count) else {
            throw HTTPError(400, .invalidInput, "One batch holds 1 to \(batch) items; this one holds \(count)")
        }
    }

    private static let odd = HTTPError(
        500, .edgeFunctionError, "Internal Server Error", cause: "the host's storage answered another question than was asked")
}

extension Context {
    /// The host's storage, as the caller of this request may use it. Needs ``Capability/storage``.
    public var storage: StorageAccess { StorageAccess(scope) }
}

/// One file that somebody wants to upload.
public struct UploadRequest: Sendable, Hashable {
    public var bucket: String
    /// Where the file is to be.
    public enum Place: Sendable, Hashable {
        /// Exactly here, below the caller's own folder.
        case path(String)
        /// Below the caller's own folder in `folder` (empty for none), under a name that the host makes; `name` is kept to be shown.
        case folder(String, name: String)
    }
    public var place: Place
    /// The media type the file will be served as; name, type and content must agree.
    public var contentType: String
    /// Exactly so many bytes will come.
    public var size: Int
    /// Of the content, in hexadecimal; nil leaves it open.
    public var sha256: String?
    /// Whether a file of the same path is replaced.
    public var upsert: Bool
    /// A JSON object of the caller's own, as text.
    public var metadata: String?
    /// How long the link may be used; nil for the host's usual time.
    public var expiresIn: Duration?

    public init(
        bucket: String, place: Place, contentType: String, size: Int, sha256: String? = nil, upsert: Bool = false,
        metadata: String? = nil, expiresIn: Duration? = nil
    ) {
        self.bucket = bucket
        self.place = place
        self.contentType = contentType
        self.size = size
        self.sha256 = sha256
        self.upsert = upsert
        self.metadata = metadata
        self.expiresIn = expiresIn
    }
}

/// Leave to upload one file.
public struct SignedUpload: Sendable, Hashable {
    public struct Field: Sendable, Hashable {
        public let name: String
        public let value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }
    public let bucket: String
    /// The key the file will have.
    public let path: String
    /// Where to send it.
    public let url: String
    /// What the Supabase clients hand over as `token`; nil where the store has none.
    public let token: String?
    public let method: String
    /// Request headers that must go with it.
    public let headers: [Field]
    /// Form fields that go before the file when ``method`` is `POST`.
    public let fields: [Field]
    public let expiresAt: Int64

    public init(
        bucket: String, path: String, url: String, token: String?, method: String, headers: [Field], fields: [Field] = [],
        expiresAt: Int64
    ) {
        self.bucket = bucket
        self.path = path
        self.url = url
        self.token = token
        self.method = method
        self.headers = headers
        self.fields = fields
        self.expiresAt = expiresAt
    }
}

/// What a browser does with a download: nil shows it when that is safe.
public enum DownloadName: Sendable, Hashable {
    /// Saved under the name it has.
    case own
    /// Saved under this name.
    case named(String)
}

/// A link to read one object with.
public struct SignedDownload: Sendable, Hashable {
    public let path: String
    public let url: String
    public let expiresAt: Int64
    public init(path: String, url: String, expiresAt: Int64) {
        self.path = path
        self.url = url
        self.expiresAt = expiresAt
    }
}

/// What is known of a stored file, or of a folder in a listing.
public struct StoredObject: Sendable, Hashable {
    public let id: String
    public let path: String
    /// As the user named it.
    public let name: String
    public let isFolder: Bool
    public let size: Int
    public let contentType: String
    public let etag: String
    public let createdAt: Int64
    public let updatedAt: Int64
    /// The caller's own JSON object, as text; only from ``StorageAccess/info(bucket:path:)``.
    public let metadata: String?

    public init(
        id: String, path: String, name: String, isFolder: Bool = false, size: Int, contentType: String, etag: String,
        createdAt: Int64, updatedAt: Int64, metadata: String? = nil
    ) {
        self.id = id
        self.path = path
        self.name = name
        self.isFolder = isFolder
        self.size = size
        self.contentType = contentType
        self.etag = etag
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.metadata = metadata
    }
}

/// What a function asks of the host's storage.
package enum StorageAsk: Sendable, Hashable {
    case signUploads([UploadRequest])
    case signDownloads(bucket: String, paths: [String], seconds: Int, download: DownloadName?)
    case list(bucket: String, folder: String, search: String?, limit: Int, offset: Int)
    case info(bucket: String, path: String)
    case remove(bucket: String, paths: [String])
}

/// What the host answers.
package enum StorageTold: Sendable {
    case uploads([Result<SignedUpload, HTTPError>])
    case downloads([Result<SignedDownload, HTTPError>])
    case objects([StoredObject])
    case removed([String])
}

/// The request a capability is used for. Across the hop only the number of its stream travels: who calls is what the host knows.
package struct InvocationReference: Sendable {
    package let stream: UInt32
    package let head: FunctionRequestHead
    package let identity: Identity

    package init(stream: UInt32, head: FunctionRequestHead, identity: Identity) {
        self.stream = stream
        self.head = head
        self.identity = identity
    }
}
