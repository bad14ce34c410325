import SwiftletSanitize

/// A bucket: where objects of one kind lie, and what may lie there. Buckets come from the configuration.
package struct Bucket: Hashable, Sendable {
    package let id: String
    /// Whether anybody may read its objects without a signature.
    package let isPublic: Bool
    /// In bytes.
    package let maxBytes: Int
    /// `type/subtype` or `type/*`; nil allows every type that does not run in a browser or on a machine.
    package let allowedTypes: [String]?
    /// The same, made once for all the files that are checked against it.
    let rules: FileRules

    package init(id: String, isPublic: Bool = false, maxBytes: Int = 50 << 20, allowedTypes: [String]? = nil) {
        self.id = id
        self.isPublic = isPublic
        self.maxBytes = maxBytes
        self.allowedTypes = allowedTypes
        rules = FileRules(allowedTypes: Set(allowedTypes ?? Bucket.everything), maxBytes: maxBytes)
    }

    /// Each stands for the types of its group that do not run anywhere.
    private static let everything = ["image/*", "video/*", "audio/*", "text/*", "application/*", "font/*", "model/*"]
}

/// Where an object is: a bucket and a key in it.
package struct ObjectPath: Hashable, Sendable {
    package let bucket: String
    package let key: String

    package init(bucket: String, key: String) {
        self.bucket = bucket
        self.key = key
    }

    /// Byte by byte: two spellings of one accented letter are two names.
    package static func == (left: ObjectPath, right: ObjectPath) -> Bool {
        left.bucket.utf8.elementsEqual(right.bucket.utf8) && left.key.utf8.elementsEqual(right.key.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        ByteText(bucket).hash(into: &hasher)
        ByteText(key).hash(into: &hasher)
    }
}

/// Buckets by id, byte by byte.
struct BucketTable: Sendable {
    private let buckets: [ByteText: Bucket]

    /// The first of several with one id counts.
    init(_ buckets: [Bucket]) {
        self.buckets = Dictionary(buckets.map { (ByteText($0.id), $0) }) { first, _ in first }
    }

    subscript(id: String) -> Bucket? { buckets[ByteText(id)] }
}

/// What is known of a stored object.
package struct ObjectInfo: Hashable, Sendable {
    /// A UUID in lower case, made by the server; it stays when the object is overwritten.
    package var id: String
    package var path: ObjectPath
    /// Changes with every overwriting.
    package var version: String
    /// The user who made it; nil when nobody signed in did.
    package var owner: String?
    /// In bytes.
    package var size: Int
    package var contentType: String
    /// As it was given (`max-age=3600`); nil for none.
    package var cacheControl: String?
    /// With its quotes.
    package var etag: String
    /// Milliseconds since 1970.
    package var createdAt: Int64
    package var updatedAt: Int64
    /// The user's own JSON object, as text; nil for none.
    package var metadata: String?
    /// The name the user gave the file, in any letters; nil when the key says it.
    package var displayName: String?

    package init(
        id: String, path: ObjectPath, version: String, owner: String?, size: Int, contentType: String, cacheControl: String?,
        etag: String, createdAt: Int64, updatedAt: Int64, metadata: String?, displayName: String?
    ) {
        self.id = id
        self.path = path
        self.version = version
        self.owner = owner
        self.size = size
        self.contentType = contentType
        self.cacheControl = cacheControl
        self.etag = etag
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.metadata = metadata
        self.displayName = displayName
    }
}

/// An object that is about to come: what it will be called, and what it must be.
package struct UploadIntent: Hashable, Sendable {
    package var path: ObjectPath
    package var owner: String?
    package var contentType: String
    package var cacheControl: String?
    package var metadata: String?
    package var displayName: String?
    /// Not one byte more.
    package var maxBytes: Int
    /// Exactly as many, when the token says so.
    package var exactBytes: Int?
    /// The digest of the content, when the token says so: 32 bytes.
    package var sha256: [UInt8]?
    package var upsert: Bool
    /// The one-time id of the token and when it ends (milliseconds since 1970): the object is made once for it.
    package var oneShot: OneShot?

    package struct OneShot: Hashable, Sendable {
        package let id: String
        package let expiresAt: Int64
        package init(id: String, expiresAt: Int64) {
            self.id = id
            self.expiresAt = expiresAt
        }
    }

    package init(
        path: ObjectPath, owner: String?, contentType: String, cacheControl: String? = nil, metadata: String? = nil,
        displayName: String? = nil, maxBytes: Int, exactBytes: Int? = nil, sha256: [UInt8]? = nil, upsert: Bool = false,
        oneShot: OneShot? = nil
    ) {
        self.path = path
        self.owner = owner
        self.contentType = contentType
        self.cacheControl = cacheControl
        self.metadata = metadata
        self.displayName = displayName
        self.maxBytes = maxBytes
        self.exactBytes = exactBytes
        self.sha256 = sha256
        self.upsert = upsert
        self.oneShot = oneShot
    }
}

/// What a listing asks for.
package struct ListQuery: Hashable, Sendable {
    package enum SortColumn: String, Sendable { case name, created_at, updated_at, last_accessed_at }
    package var bucket: String
    /// A folder, with or without its slash; empty for the root.
    package var prefix: String
    /// Part of the name of what is directly in the folder; nil for everything.
    package var search: String?
    /// 1...1000
    package var limit: Int
    package var offset: Int
    package var sortBy: SortColumn
    package var ascending: Bool
    /// Only this user's objects; nil for everybody's.
    package var owner: String?

    package init(
        bucket: String, prefix: String = "", search: String? = nil, limit: Int = 100, offset: Int = 0,
        sortBy: SortColumn = .name, ascending: Bool = true, owner: String? = nil
    ) {
        self.bucket = bucket
        self.prefix = prefix
        self.search = search
        self.limit = limit
        self.offset = offset
        self.sortBy = sortBy
        self.ascending = ascending
        self.owner = owner
    }
}

/// One line of a listing: an object, or a folder that holds some.
package enum ListEntry: Hashable, Sendable {
    /// With its last path segment as the name.
    case object(name: String, ObjectInfo)
    case folder(name: String)
}
