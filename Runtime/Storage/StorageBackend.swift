/// What signing uploads asks of a store, the same for disk, S3 and Supabase.
package protocol StorageBackend: Sendable {
    /// What a client needs to put one object there itself.
    /// - Throws: `.keyAlreadyExists` when the object is there and the grant is no upsert; `.invalidKey`, `.invalidMimeType`,
    ///   `.invalidParameter` for a grant that cannot be kept.
    func signUpload(_ grant: UploadGrant) async throws(StorageError) -> StoreUpload

    /// One answer for each path, in their order.
    /// - Throws: when the store as a whole does not answer; what is wrong with one path is its own answer.
    func signDownloads(
        _ paths: [ObjectPath], _ options: DownloadOptions
    ) async throws(StorageError) -> [Result<StoreDownload, StorageError>]

    func list(_ query: ListQuery) async throws(StorageError) -> [ListEntry]

    func info(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo

    /// - Returns: what was there and is gone; keys that held nothing are left out.
    func remove(bucket: String, keys: [String]) async throws(StorageError) -> [ObjectInfo]
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
    /// The key was made for it just now: nothing can be there.
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
