import SwiftletFiles

/// The files of this machine as `upload-sign` sees them: signs with tokens that the storage API of the same host reads.
package final class LocalStorage: StorageBackend {
    private let store: DiskStore
    private let signer: TokenSigner
    private let now: @Sendable () -> Int64

    package init(store: DiskStore, signer: TokenSigner, now: @escaping @Sendable () -> Int64) {
        self.store = store
        self.signer = signer
        self.now = now
    }

    /// The url begins at the host's root: whoever hands it on knows how clients reach this host.
    package func signUpload(_ grant: UploadGrant) async throws(StorageError) -> StoreUpload {
        try grant.check()
        guard store.bucket(grant.path.bucket) != nil else { throw .noBucket }
        if !grant.upsert, !grant.isNewPath, try store.exists(grant.path) { throw .exists }
        let seconds = now() / 1000
        var token = StorageToken(
            scope: .upload, path: grant.path, issuedAt: seconds, expiresAt: seconds + Int64(grant.expiresInSeconds))
        token.owner = grant.owner
        token.upsert = grant.upsert
        token.id = try FreshName.secret(bytes: 16)
        token.contentType = grant.contentType
        switch grant.size {
        case .exactly(let bytes): token.exactBytes = bytes
        case .upTo(let bytes): token.maxBytes = bytes
        }
        token.sha256 = grant.sha256
        token.metadata = grant.metadata
        token.displayName = grant.displayName
        let text = signer.sign(token)
        let place = PercentCoding.encode(path: grant.path.key)
        var url = "/storage/v1/object/upload/sign/"
        url.reserveCapacity(url.utf8.count + grant.path.bucket.utf8.count + place.utf8.count + text.utf8.count + 8)
        for part in [grant.path.bucket, "/", place, "?token=", text] { url += part }
        return StoreUpload(
            url: url, token: text, method: "PUT", headers: [("content-type", grant.contentType)],
            expiresAt: token.expiresAt * 1000)
    }

    package func signDownloads(_ paths: [ObjectPath], _ options: DownloadOptions) async throws(StorageError)
        -> [Result<StoreDownload, StorageError>]
    {
        try StorageSeam.check(count: paths.count)
        try StorageSeam.check(seconds: options.expiresInSeconds)
        let seconds = now() / 1000
        var results: [Result<StoreDownload, StorageError>] = []
        results.reserveCapacity(paths.count)
        for path in paths {
            guard S3Endpoint.isKey(path.key), store.bucket(path.bucket) != nil, try store.exists(path) else {
                results.append(.failure(fault(path)))
                continue
            }
            let token = StorageToken(
                scope: .download, path: path, issuedAt: seconds, expiresAt: seconds + Int64(options.expiresInSeconds))
            var url = "/storage/v1/object/sign/\(path.bucket)/\(PercentCoding.encode(path: path.key))?token=\(signer.sign(token))"
            if case .attachment(let name) = options.download { url += "&download=\(PercentCoding.encode(path: name ?? ""))" }
            results.append(.success(StoreDownload(url: url, expiresAt: token.expiresAt * 1000)))
        }
        return results
    }

    /// Why there is no link to it.
    private func fault(_ path: ObjectPath) -> StorageError {
        guard store.bucket(path.bucket) != nil else { return .noBucket }
        return S3Endpoint.isKey(path.key) ? .noObject : StorageError(.invalidKey, "Invalid key")
    }

    package func list(_ query: ListQuery) async throws(StorageError) -> [ListEntry] {
        _ = try StorageSeam.folder(query, maxOffset: .max)
        return try await store.list(query)
    }

    package func info(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo {
        try StorageSeam.check(key: path.key)
        return try await store.info(path)
    }

    package func remove(bucket: String, keys: [String]) async throws(StorageError) -> [ObjectInfo] {
        try StorageSeam.check(count: keys.count)
        return try await store.remove(bucket: bucket, keys: keys, owner: nil)
    }
}
