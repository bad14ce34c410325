/// What storage refuses with. The codes and short words are those of Supabase Storage, so that its clients read them; the codes of our own
/// stand at the end.
package struct StorageError: Error, Equatable, Sendable {
    package enum Code: String, Sendable, CaseIterable {
        case accessDenied = "AccessDenied"
        case keyAlreadyExists = "KeyAlreadyExists"
        case noSuchBucket = "NoSuchBucket"
        case noSuchKey = "NoSuchKey"
        case invalidKey = "InvalidKey"
        case invalidBucketName = "InvalidBucketName"
        case entityTooLarge = "EntityTooLarge"
        case invalidMimeType = "InvalidMimeType"
        case invalidJWT = "InvalidJWT"
        case invalidSignature = "InvalidSignature"
        case resourceLocked = "ResourceLocked"
        case invalidRequest = "InvalidRequest"
        case invalidParameter = "InvalidParameter"
        case invalidRange = "InvalidRange"
        case internalError = "InternalError"
        case slowDown = "SlowDown"
        /// A one-shot token that has made its object already.
        case tokenSpent = "TokenSpent"
        /// Name, declared type and content do not say the same, or the content is not whole.
        case contentMismatch = "ContentMismatch"
        /// More or fewer bytes than the token says, or another digest.
        case contentChanged = "ContentChanged"
        case quotaExceeded = "QuotaExceeded"
        case storageFull = "StorageFull"
        case notConfigured = "NotConfigured"
        case noRoute = "NotFound"
        /// A resumable upload that is finished, given up or too old.
        case uploadGone = "UploadGone"
        /// A resumable upload stands elsewhere.
        case wrongOffset = "WrongOffset"
        /// Of the protocol of resumable uploads.
        case otherVersion = "OtherVersion"
        case requestTimeout = "RequestTimeout"
        case clientGone = "ClientGone"
        /// The store behind this one (S3, Supabase) refused or could not be reached.
        case upstream = "UpstreamFailed"
    }

    package let code: Code
    /// For the caller: says what is allowed or what to do.
    package let message: String
    /// For the log alone.
    package let cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The status that says what happened; the storage API shows it as a string inside a 400, as the original does.
    package var status: Int {
        switch code {
        case .accessDenied: 403
        case .keyAlreadyExists, .tokenSpent: 409
        case .noSuchBucket, .noSuchKey, .noRoute: 404
        case .wrongOffset: 409
        case .otherVersion: 412
        case .requestTimeout: 408
        case .uploadGone: 410
        case .clientGone: 499
        case .invalidKey, .invalidBucketName, .invalidJWT, .invalidSignature, .invalidRequest, .invalidParameter: 400
        case .contentChanged: 422
        case .entityTooLarge, .quotaExceeded: 413
        case .invalidMimeType, .contentMismatch: 415
        case .invalidRange: 416
        case .resourceLocked: 423
        case .slowDown: 429
        case .internalError: 500
        case .notConfigured: 501
        case .upstream: 502
        case .storageFull: 507
        }
    }

    /// The short word beside the message.
    package var word: String {
        switch code {
        case .accessDenied: "Unauthorized"
        case .keyAlreadyExists, .tokenSpent: "Duplicate"
        case .noSuchBucket: "Bucket not found"
        case .noSuchKey: "not_found"
        case .invalidBucketName: "Invalid Input"
        case .entityTooLarge: "Payload too large"
        case .invalidMimeType: "invalid_mime_type"
        default: code.rawValue
        }
    }

    package static let exists = StorageError(.keyAlreadyExists, "The resource already exists")
    package static let noBucket = StorageError(.noSuchBucket, "Bucket not found")
    package static let noObject = StorageError(.noSuchKey, "Object not found")
    package static let locked = StorageError(.resourceLocked, "The resource is locked")
    package static func tooLarge(limit: Int) -> StorageError {
        StorageError(.entityTooLarge, "The object exceeded the maximum allowed size (\(limit) bytes)")
    }
}
