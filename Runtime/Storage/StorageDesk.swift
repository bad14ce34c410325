package import Swiftlet
import SwiftletCrypto
import SwiftletSanitize

/// What functions ask of the storage, judged here whatever the function has checked before: whose place it is, what the bucket takes, how
/// much of it there may be. The store behind it only signs, lists and removes.
package final class StorageDesk: Sendable {
    private let backend: any StorageBackend
    private let buckets: BucketTable
    private let names: String
    /// Bytes one user has stored, where that is known.
    private let usage: (@Sendable (String) throws(StorageError) -> Int)?
    private let quota: Int?

    /// Seconds a link may be used when nobody says.
    package static let uploadSeconds = 7200
    package static let longestUpload = 86_400
    package static let longestDownload = 7 * 86_400

    package init(
        backend: any StorageBackend, buckets: [Bucket], quota: Int? = nil,
        usage: (@Sendable (String) throws(StorageError) -> Int)? = nil
    ) {
        self.backend = backend
        self.buckets = BucketTable(buckets)
        names = buckets.map(\.id).joined(separator: ", ")
        self.quota = quota
        self.usage = usage
    }

    /// - Parameter origin: how the client reached this host, `https://api.example`.
    package func answer(_ ask: StorageAsk, by caller: StorageCaller, origin: String) async throws(StorageError) -> StorageTold {
        guard caller != .nobody else {
            throw StorageError(.accessDenied, "Storage is for signed-in users; the token or key sent names none")
        }
        switch ask {
        case .signUploads(let uploads):
            var results: [Result<SignedUpload, HTTPError>] = []
            results.reserveCapacity(uploads.count)
            var promised = 0
            for upload in uploads {
                do throws(StorageError) {
                    let signed = try await sign(upload, by: caller, origin: origin, besides: promised)
                    promised += upload.size
                    results.append(.success(signed))
                } catch { results.append(.failure(error.httpError)) }
            }
            return .uploads(results)
        case .signDownloads(let bucket, let paths, let seconds, let download):
            return .downloads(try await sign(paths, in: bucket, seconds, download, by: caller, origin: origin))
        case .list(let bucket, let folder, let search, let limit, let offset):
            return .objects(try await list(bucket, folder, search, limit, offset, by: caller))
        case .info(let bucket, let path):
            let object = try object(bucket, path, caller)
            return .objects([StoredObject(try await backend.info(object), withMetadata: true)])
        case .remove(let bucket, let paths):
            _ = try self.bucket(bucket)
            let own = paths.filter { StorageRules.reaches($0, caller) }
            return .removed(own.isEmpty ? [] : try await backend.remove(bucket: bucket, keys: own).map(\.path.key))
        }
    }

    private func bucket(_ id: String) throws(StorageError) -> Bucket {
        guard let bucket = buckets[id] else {
            throw StorageError(.noSuchBucket, "Bucket not found; there are: \(names)")
        }
        return bucket
    }

    private func object(_ bucket: String, _ key: String, _ caller: StorageCaller) throws(StorageError) -> ObjectPath {
        _ = try self.bucket(bucket)
        try StorageRules.check(key: key)
        try StorageRules.mayRead(key, caller)
        return ObjectPath(bucket: bucket, key: key)
    }

    // MARK: Uploads

    private func sign(_ upload: UploadRequest, by caller: StorageCaller, origin: String, besides promised: Int)
        async throws(StorageError)
        -> SignedUpload
    {
        let bucket = try bucket(upload.bucket)
        let place = try place(upload, in: bucket, caller)
        let seconds = upload.expiresIn.map { Int(clamping: $0.components.seconds) } ?? StorageDesk.uploadSeconds
        guard (1...StorageDesk.longestUpload).contains(seconds) else {
            throw StorageError(.invalidParameter, "expiresIn is 1 to \(StorageDesk.longestUpload) seconds")
        }
        if let quota, let owner = caller.owner, let usage {
            let used = try usage(owner)
            guard used + promised + upload.size <= quota else {
                throw StorageError(
                    .quotaExceeded,
                    "This file would exceed your storage of \(quota) bytes; \(max(0, quota - used - promised)) are left")
            }
        }
        var grant = UploadGrant(
            path: ObjectPath(bucket: bucket.id, key: place.key), owner: caller.owner, contentType: place.type,
            size: .exactly(upload.size), sha256: try StorageRules.digest(upload.sha256), upsert: upload.upsert,
            metadata: try StorageRules.metadata(upload.metadata), displayName: place.displayName, expiresInSeconds: seconds)
        grant.isNewPath = place.isNew
        let signed = try await backend.signUpload(grant)
        let url = absolute(signed.url, origin)
        try StorageRules.check(link: url, what: "the metadata, the path or the name")
        return SignedUpload(
            bucket: bucket.id, path: place.key, url: url, token: signed.token, method: signed.method,
            headers: signed.headers.map { .init($0.name, $0.value) }, fields: signed.fields.map { .init($0.name, $0.value) },
            expiresAt: signed.expiresAt)
    }

    private func absolute(_ url: String, _ origin: String) -> String { url.utf8.first == UInt8(ascii: "/") ? origin + url : url }

    private struct Place {
        let key: String
        let type: String
        let displayName: String?
        let isNew: Bool
    }

    private func place(_ upload: UploadRequest, in bucket: Bucket, _ caller: StorageCaller) throws(StorageError) -> Place {
        switch upload.place {
        case .path(let key):
            try StorageRules.check(key: key)
            try StorageRules.mayWrite(key, caller)
            let type = try StorageRules.check(
                name: StorageRules.name(key), type: upload.contentType, size: upload.size, in: bucket)
            return Place(key: key, type: type, displayName: nil, isNew: false)
        case .folder(let folder, let name):
            let shown = try StorageRules.name(name, type: upload.contentType, in: bucket)
            let type = try StorageRules.check(name: shown, type: upload.contentType, size: upload.size, in: bucket)
            let ending = FileName.fileExtension(shown)
            var key = caller.owner.map { StorageRules.folder(of: $0) + "/" } ?? ""
            if !folder.isEmpty { key += folder + "/" }
            key += try FreshName.make()
            if !ending.isEmpty { key += "." + ending }
            try StorageRules.check(key: key)
            return Place(key: key, type: type, displayName: shown, isNew: true)
        }
    }

    // MARK: Downloads and lists

    private func sign(
        _ paths: [String], in bucket: String, _ seconds: Int, _ download: DownloadName?, by caller: StorageCaller, origin: String
    ) async throws(StorageError) -> [Result<SignedDownload, HTTPError>] {
        _ = try self.bucket(bucket)
        guard (1...StorageDesk.longestDownload).contains(seconds) else {
            throw StorageError(.invalidParameter, "expiresIn is 1 to \(StorageDesk.longestDownload) seconds")
        }
        let disposition: DownloadOptions.Disposition? =
            switch download {
            case nil: nil
            case .own: .attachment(name: nil)
            case .named(let name): .attachment(name: name)
            }
        let readable = paths.filter { StorageRules.reaches($0, caller) }
        let links = try await backend.signDownloads(
            readable.map { ObjectPath(bucket: bucket, key: $0) },
            DownloadOptions(expiresInSeconds: seconds, download: disposition))
        var next = links.makeIterator()
        return paths.map { path in
            guard StorageRules.reaches(path, caller), let link = next.next() else {
                return .failure(StorageError.noObject.httpError)
            }
            switch link {
            case .success(let link):
                let url = absolute(link.url, origin)
                do throws(StorageError) { try StorageRules.check(link: url, what: "the name for the download") } catch {
                    return .failure(error.httpError)
                }
                return .success(SignedDownload(path: path, url: url, expiresAt: link.expiresAt))
            case .failure(let error): return .failure(error.httpError)
            }
        }
    }

    private func list(
        _ bucket: String, _ folder: String, _ search: String?, _ limit: Int, _ offset: Int, by caller: StorageCaller
    ) async throws(StorageError) -> [StoredObject] {
        _ = try self.bucket(bucket)
        guard (1...StorageAccess.batch).contains(limit), (0...10_000_000).contains(offset) else {
            throw StorageError(.invalidParameter, "limit is 1 to \(StorageAccess.batch), offset is not negative")
        }
        // A user's folders begin in the user's own.
        var prefix = folder
        if let owner = caller.owner, !StorageRules.isBelow(folder + "/", owner) {
            prefix = StorageRules.folder(of: owner) + (folder.isEmpty ? "" : "/\(folder)")
        }
        while prefix.utf8.last == UInt8(ascii: "/") { prefix.removeLast() }
        if !prefix.isEmpty { try StorageRules.check(key: prefix) }
        var query = ListQuery(bucket: bucket, prefix: prefix, search: search, limit: limit, offset: offset)
        query.owner = nil
        return try await backend.list(query).map { entry in
            switch entry {
            case .object(_, let info): return StoredObject(info, withMetadata: false)
            case .folder(let name):
                return StoredObject(
                    id: "", path: (prefix.isEmpty ? "" : prefix + "/") + name + "/", name: name, isFolder: true, size: 0,
                    contentType: "", etag: "", createdAt: 0, updatedAt: 0)
            }
        }
    }
}

extension StoredObject {
    init(_ info: ObjectInfo, withMetadata: Bool) {
        self.init(
            id: info.id, path: info.path.key, name: info.displayName ?? StorageRules.name(info.path.key), size: info.size,
            contentType: info.contentType, etag: info.etag, createdAt: info.createdAt, updatedAt: info.updatedAt,
            metadata: withMetadata ? info.metadata : nil)
    }
}

extension StorageError {
    /// As a function's caller sees it: the real status, a stable code.
    package var httpError: HTTPError {
        let code: ErrorCode =
            switch self.code {
            case .accessDenied: .forbidden
            case .noSuchBucket: "BUCKET_NOT_FOUND"
            case .noSuchKey: "OBJECT_NOT_FOUND"
            case .keyAlreadyExists, .tokenSpent: "ALREADY_EXISTS"
            case .entityTooLarge: .payloadTooLarge
            case .quotaExceeded: "QUOTA_EXCEEDED"
            case .invalidMimeType: "TYPE_NOT_ALLOWED"
            case .contentMismatch: "TYPE_MISMATCH"
            case .invalidKey: "INVALID_NAME"
            case .slowDown: .overloaded
            case .storageFull: "STORAGE_FULL"
            case .notConfigured: "NOT_CONFIGURED"
            case .upstream: "STORAGE_UNAVAILABLE"
            case .internalError: .edgeFunctionError
            default: .invalidInput
            }
        return HTTPError(status, code, message, cause: cause)
    }
}
