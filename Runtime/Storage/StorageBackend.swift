/// What signing uploads asks of a store, the same for disk, S3 and Supabase.
///
/// Not every store keeps everything: S3 and Supabase know no one-time links, Supabase binds nothing but the path. What each promises stands
/// with it; what all of them promise stands here.
package protocol StorageBackend: Sendable {
    /// What a client needs to put one object there itself.
    /// - Throws: `.keyAlreadyExists` when the object is there and the grant is no upsert; `.invalidKey`, `.invalidMimeType`,
    ///   `.invalidParameter` for a grant that cannot be kept.
    func signUpload(_ grant: UploadGrant) async throws(StorageError) -> StoreUpload

    /// One answer for each path, in their order; `.noSuchKey` for what is not there, `.invalidKey` for what can be no key.
    /// - Throws: when the store as a whole does not answer; what is wrong with one path is its own answer. `.invalidParameter` for more than
    ///   1000 paths, and for a time that is not 1 second to 7 days.
    func signDownloads(
        _ paths: [ObjectPath], _ options: DownloadOptions
    ) async throws(StorageError) -> [Result<StoreDownload, StorageError>]

    /// One folder. Objects come in the order asked for and folders in that of their names; which of the two comes first, and how letters of
    /// another case sort, is the store's choice.
    /// - Throws: `.invalidParameter` for a limit that is not 1 to 1000 and an offset that is negative; `.invalidKey` for a prefix that is none.
    func list(_ query: ListQuery) async throws(StorageError) -> [ListEntry]

    /// - Throws: `.noSuchKey` when it is not there, `.invalidKey` for what can be no key.
    func info(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo

    /// - Returns: what was there and is gone, each once; keys that held nothing, and texts that can be no keys, are left out.
    /// - Throws: `.invalidParameter` for more than 1000 keys.
    func remove(bucket: String, keys: [String]) async throws(StorageError) -> [ObjectInfo]
}

/// What is asked of every store alike, before it is asked.
enum StorageSeam {
    static let maxKeys = 1000
    /// Seven days.
    static let maxSeconds = 604_800

    static func check(count: Int) throws(StorageError) {
        guard count <= maxKeys else { throw StorageError(.invalidParameter, "At most \(maxKeys) keys at a time") }
    }

    static func check(seconds: Int) throws(StorageError) {
        guard (1...maxSeconds).contains(seconds) else {
            throw StorageError(.invalidParameter, "expiresIn must be 1 to \(maxSeconds) seconds")
        }
    }

    /// A key that is looked for. A store may hold objects that others put there, under names that nobody gets leave for here.
    static func check(key: String) throws(StorageError) {
        guard S3Endpoint.isKey(key) else { throw StorageError(.invalidKey, "Invalid key") }
    }

    /// - Returns: the folder with its slash; empty for the root.
    static func folder(_ query: ListQuery, maxOffset: Int) throws(StorageError) -> String {
        guard (1...1000).contains(query.limit), (0...maxOffset).contains(query.offset) else {
            throw StorageError(.invalidParameter, "limit must be 1 to 1000 and offset 0 to \(maxOffset)")
        }
        let prefix = query.prefix
        let folder = prefix.isEmpty || prefix.utf8.last == UInt8(ascii: "/") ? prefix : prefix + "/"
        guard folder.isEmpty || S3Endpoint.isKey(folder) else { throw StorageError(.invalidKey, "Invalid prefix") }
        return folder
    }
}

extension UploadGrant {
    /// Whether any store could keep it.
    func check() throws(StorageError) {
        if !isNewPath { try StorageRules.check(key: path.key) }
        guard S3Text.isPlainValue(contentType, upTo: 255), contentType.utf8.contains(UInt8(ascii: "/")) else {
            throw StorageError(.invalidMimeType, "The content type must be type/subtype in plain letters")
        }
        switch size {
        case .exactly(let bytes), .upTo(let bytes):
            guard bytes >= 0 else { throw StorageError(.invalidParameter, "A size must not be negative") }
        }
        if let sha256, sha256.count != 32 { throw StorageError(.invalidParameter, "sha256 must have 32 bytes") }
        try StorageSeam.check(seconds: expiresInSeconds)
    }
}

/// Permission to make one object, decided before any byte of it is there.
package struct UploadGrant: Hashable, Sendable {
    /// How many bytes the object may have.
    package enum Size: Hashable, Sendable {
        case exactly(Int)
        case upTo(Int)
    }

    package var path: ObjectPath
    /// The user it is for; nil when nobody signed in.
    package var owner: String?
    package var contentType: String
    package var size: Size
    /// The digest of the content: 32 bytes; nil when the client did not say.
    package var sha256: [UInt8]?
    /// Whether an object that is there may be overwritten.
    package var upsert: Bool
    /// The user's own JSON object, as text.
    package var metadata: String?
    /// The name the user gave the file, in any letters.
    package var displayName: String?
    package var expiresInSeconds: Int
    /// The key was made and judged just now: nothing can be there.
    package var isNewPath = false

    package init(
        path: ObjectPath, owner: String? = nil, contentType: String, size: Size, sha256: [UInt8]? = nil, upsert: Bool = false,
        metadata: String? = nil, displayName: String? = nil, expiresInSeconds: Int
    ) {
        self.path = path
        self.owner = owner
        self.contentType = contentType
        self.size = size
        self.sha256 = sha256
        self.upsert = upsert
        self.metadata = metadata
        self.displayName = displayName
        self.expiresInSeconds = expiresInSeconds
    }
}

/// How to send the bytes. The url, the token and the fields are bearer secrets until they expire: not for logs.
package struct StoreUpload: Sendable {
    /// Absolute.
    package var url: String
    /// For stores whose clients ask for it; it stands in the url as well.
    package var token: String?
    /// `PUT` with the bytes as the body, or `POST` of a form.
    package var method: String
    /// To be sent exactly so; a browser writes `content-length` itself, from the same number.
    package var headers: [(name: String, value: String)]
    /// For a form (`multipart/form-data`), in this order, with the file after them; empty for `PUT`.
    package var fields: [(name: String, value: String)]
    /// Milliseconds since 1970.
    package var expiresAt: Int64

    package init(
        url: String, token: String? = nil, method: String, headers: [(name: String, value: String)] = [],
        fields: [(name: String, value: String)] = [], expiresAt: Int64
    ) {
        self.url = url
        self.token = token
        self.method = method
        self.headers = headers
        self.fields = fields
        self.expiresAt = expiresAt
    }
}

package struct DownloadOptions: Hashable, Sendable {
    package enum Disposition: Hashable, Sendable {
        /// Saved rather than shown, under this name; nil for the name at the end of the key.
        case attachment(name: String?)
    }

    package var expiresInSeconds: Int
    /// Nil leaves it to the store and the type whether a browser shows the object.
    package var download: Disposition?

    package init(expiresInSeconds: Int, download: Disposition? = nil) {
        self.expiresInSeconds = expiresInSeconds
        self.download = download
    }
}

/// A link that reads one object. A bearer secret until it expires.
package struct StoreDownload: Hashable, Sendable {
    /// Absolute.
    package var url: String
    /// Milliseconds since 1970.
    package var expiresAt: Int64

    package init(url: String, expiresAt: Int64) {
        self.url = url
        self.expiresAt = expiresAt
    }
}
