internal import SwiftletSanitize

/// Objects in an S3 store. Bytes go between client and store; only names, signatures and small answers pass here.
///
/// Not promised: that a link is used once (S3 knows no such thing), that a form does not overwrite within its life, and the type of objects
/// in listings (S3 does not list it; ``info(_:)`` knows). Owner, metadata and display name are kept with the object, signed by us.
package struct S3Storage: StorageBackend {
    package let presigner: S3Presigner
    private let transport: any RemoteTransport
    /// Milliseconds since 1970.
    private let now: @Sendable () -> Int64

    /// A page of 1000 keys of 1024 bytes, each three times as long when encoded, and what stands around them.
    static let maxAnswerBytes = 4 << 20
    static let maxPages = 10
    static let maxOffset = 10_000

    package init(presigner: S3Presigner, transport: any RemoteTransport, now: @escaping @Sendable () -> Int64) {
        self.presigner = presigner
        self.transport = transport
        self.now = now
    }

    /// A `PUT` for an exact size, a form for an upper bound: a signature alone cannot bound one.
    package func signUpload(_ grant: UploadGrant) async throws(StorageError) -> StoreUpload {
        try grant.check()
        if !grant.upsert, try await find(grant.path) != nil { throw .exists }
        let metadata = S3Marks(grant).fields
        switch grant.size {
        case .exactly(let bytes):
            return try presigner.put(
                S3Presigner.Put(
                    path: grant.path, contentLength: bytes, contentType: grant.contentType, sha256: grant.sha256,
                    createOnce: !grant.upsert, metadata: metadata),
                expires: grant.expiresInSeconds, now: now())
        case .upTo(let bytes):
            return try presigner.post(
                S3Presigner.Form(
                    path: grant.path, contentType: grant.contentType, size: 0...bytes, sha256: grant.sha256, metadata: metadata),
                expires: grant.expiresInSeconds, now: now())
        }
    }

    /// Each object is looked up first, so that a link leads somewhere, and what could run in a browser is saved rather than shown.
    package func signDownloads(
        _ paths: [ObjectPath], _ options: DownloadOptions
    ) async throws(StorageError) -> [Result<StoreDownload, StorageError>] {
        try StorageSeam.check(count: paths.count)
        try StorageSeam.check(seconds: options.expiresInSeconds)
        return await RemoteBatch.map(paths) { path in
            do throws(StorageError) {
                return .success(try link(to: try await info(path), options))
            } catch {
                return .failure(error)
            }
        }
    }

    private func link(to object: ObjectInfo, _ options: DownloadOptions) throws(StorageError) -> StoreDownload {
        var disposition: String?
        let last = object.path.key.split(separator: "/").last.map(String.init) ?? "download"
        if case .attachment(let name) = options.download {
            disposition = S3Text.attachment(named: name ?? object.displayName ?? last)
        } else if !Self.isShowable(object.contentType) {
            disposition = S3Text.attachment(named: object.displayName ?? last)
        }
        return try presigner.get(
            object.path, contentDisposition: disposition, expires: options.expiresInSeconds, now: now())
    }

    private static func isShowable(_ type: String) -> Bool {
        switch FileType.normalised(type).flatMap({ FileType.named($0) })?.family {
        case .binary, .text: true
        default: false
        }
    }

    /// Folder by folder. Sorting by time and searching need the whole folder: at most ten pages of 1000 are read.
    /// - Throws: `.invalidParameter` for a folder larger than that, and for an owner other than that of the folder.
    package func list(_ query: ListQuery) async throws(StorageError) -> [ListEntry] {
        let listing = try RemoteListing(query, maxOffset: Self.maxOffset)
        var entries: [ListEntry] = []
        var continuation: String?
        for _ in 0..<Self.maxPages {
            let request = try presigner.list(
                bucket: query.bucket, prefix: listing.folder, continuation: continuation,
                limit: listing.isInStoreOrder ? listing.end - entries.count : 1000, now: now())
            let answer = try await transport.ask(request, limit: Self.maxAnswerBytes)
            guard answer.status == 200 else { throw S3Answer.fault(answer) }
            let page = try S3Answer.page(answer.body, bucket: query.bucket, folder: listing.folder)
            entries += page.entries.filter(listing.matches)
            continuation = page.continuation
            if continuation == nil || listing.isInStoreOrder && entries.count >= listing.end { return listing.part(of: entries) }
        }
        throw StorageError(.invalidParameter, "The folder holds too much to be sorted or searched: ask for a folder below it")
    }

    package func info(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo {
        guard let info = try await find(path) else { throw .noObject }
        return info
    }

    private func find(_ path: ObjectPath) async throws(StorageError) -> ObjectInfo? {
        let answer = try await transport.ask(try presigner.head(path, now: now()), limit: 65_536)
        switch answer.status {
        case 200: return try S3Answer.object(answer, at: path)
        case 404: return nil
        default: throw S3Answer.fault(answer)
        }
    }

    /// When one key fails the others are removed all the same, and then the failure is thrown; asking again does no harm.
    package func remove(bucket: String, keys: [String]) async throws(StorageError) -> [ObjectInfo] {
        try StorageSeam.check(count: keys.count)
        var seen: Set<ByteText> = []
        let keys = keys.filter { S3Endpoint.isKey($0) && seen.insert(ByteText($0)).inserted }
        let answers = await RemoteBatch.map(keys) { key -> Result<ObjectInfo?, StorageError> in
            do throws(StorageError) {
                let path = ObjectPath(bucket: bucket, key: key)
                guard let info = try await find(path) else { return .success(nil) }
                let answer = try await transport.ask(try presigner.delete(path, now: now()), limit: 65_536)
                guard (200...299).contains(answer.status) || answer.status == 404 else { throw S3Answer.fault(answer) }
                return .success(info)
            } catch {
                return .failure(error)
            }
        }
        var removed: [ObjectInfo] = []
        for answer in answers {
            if let info = try answer.get() { removed.append(info) }
        }
        return removed
    }
}
