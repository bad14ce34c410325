internal import SwiftletCrypto

/// Signs links, forms and requests for one S3 endpoint. Pure; `now` is milliseconds since 1970, expiry is in seconds (1...604800).
package struct S3Presigner: Sendable {
    package let endpoint: S3Endpoint
    let signer: SigV4Signer

    package init(endpoint: S3Endpoint, credentials: S3Credentials) {
        self.endpoint = endpoint
        signer = SigV4Signer(credentials: credentials, options: .s3(region: endpoint.region))
    }

    /// The most that one request may put: 5 GiB.
    package static let maxBytes = 5 << 30
    /// Of all `x-amz-meta-` headers together.
    package static let maxMetadataBytes = 2048

    package struct Put: Sendable {
        package var path: ObjectPath
        /// Exactly as many bytes, because a signature knows no ranges.
        package var contentLength: Int
        package var contentType: String
        /// 32 bytes. Stores that know the checksum refuse other content; not all do.
        package var sha256: [UInt8]?
        /// Refuses when something is there already, where the store supports `if-none-match`.
        package var createOnce: Bool
        /// Names without `x-amz-meta-`: lower-case letters, digits and hyphens; values in plain ASCII.
        package var metadata: [(name: String, value: String)]

        package init(
            path: ObjectPath, contentLength: Int, contentType: String, sha256: [UInt8]? = nil, createOnce: Bool = false,
            metadata: [(name: String, value: String)] = []
        ) {
            self.path = path
            self.contentLength = contentLength
            self.contentType = contentType
            self.sha256 = sha256
            self.createOnce = createOnce
            self.metadata = metadata
        }
    }

    // MARK: Links

    /// A link that takes exactly these bytes by `PUT`. Not promised: that it works only once; until it expires it puts the same again.
    /// - Throws: `.invalidBucketName`, `.invalidKey`, `.invalidMimeType`, `.entityTooLarge`, `.invalidParameter`
    package func put(_ put: Put, expires: Int, now: Int64) throws(StorageError) -> StoreUpload {
        let place = try endpoint.place(bucket: put.path.bucket, key: put.path.key)
        guard (0...Self.maxBytes).contains(put.contentLength) else { throw .tooLarge(limit: Self.maxBytes) }
        var headers = [("content-length", String(put.contentLength)), ("content-type", try Self.type(put.contentType))]
        if let sha256 = put.sha256 { headers.append(("x-amz-checksum-sha256", try Self.checksum(sha256))) }
        if put.createOnce { headers.append(("if-none-match", "*")) }
        headers += try Self.metadata(put.metadata)
        let request = SigV4.Request(method: "PUT", path: place.path, headers: [("host", place.host)] + headers)
        let url = try link(request, place, expires, now)
        return StoreUpload(url: url, method: "PUT", headers: headers, expiresAt: Self.end(now, expires))
    }

    /// A link that reads one object.
    /// - Parameters:
    ///   - method: `GET` or `HEAD`
    ///   - contentDisposition: what the store answers as that header; plain ASCII
    ///   - contentType: likewise
    package func get(
        _ path: ObjectPath, method: String = "GET", contentDisposition: String? = nil, contentType: String? = nil, expires: Int,
        now: Int64
    ) throws(StorageError) -> StoreDownload {
        guard method == "GET" || method == "HEAD" else { throw StorageError(.invalidParameter, "Only GET and HEAD read objects") }
        let place = try endpoint.place(bucket: path.bucket, key: path.key)
        var query: [(name: String, value: String)] = []
        if let contentDisposition {
            guard S3Text.isPlainValue(contentDisposition, upTo: 4096) else {
                throw StorageError(.invalidParameter, "The name for the download cannot be written")
            }
            query.append(("response-content-disposition", contentDisposition))
        }
        if let contentType { query.append(("response-content-type", try Self.type(contentType))) }
        let request = SigV4.Request(method: method, path: place.path, query: query, headers: [("host", place.host)])
        return StoreDownload(url: try link(request, place, expires, now), expiresAt: Self.end(now, expires))
    }

    // MARK: Forms

    /// What a form must be to be taken.
    package struct Form: Sendable {
        package var path: ObjectPath
        package var contentType: String
        /// In bytes, both ends included.
        package var size: ClosedRange<Int>
        package var sha256: [UInt8]?
        /// As in ``Put``.
        package var metadata: [(name: String, value: String)]

        package init(
            path: ObjectPath, contentType: String, size: ClosedRange<Int>, sha256: [UInt8]? = nil,
            metadata: [(name: String, value: String)] = []
        ) {
            self.path = path
            self.contentType = contentType
            self.size = size
            self.sha256 = sha256
            self.metadata = metadata
        }
    }

    /// A form (`POST`, `multipart/form-data`) whose policy the store checks: one key, one type, a range of sizes.
    /// - Throws: as ``put(_:expires:now:)``
    package func post(_ form: Form, expires: Int, now: Int64) throws(StorageError) -> StoreUpload {
        let place = try endpoint.place(bucket: form.path.bucket, key: nil)
        _ = try endpoint.place(bucket: form.path.bucket, key: form.path.key)
        guard (1...SigV4.maxExpiry).contains(expires) else { throw Self.badExpiry }
        // A store puts the name of the file there.
        guard !form.path.key.utf8.contains(UInt8(ascii: "$")) || !form.path.key.contains("${filename}") else {
            throw StorageError(.invalidKey, "Invalid key")
        }
        guard form.size.lowerBound >= 0, form.size.upperBound <= Self.maxBytes else { throw .tooLarge(limit: Self.maxBytes) }
        let date = S3Time.basic(now / 1000)
        var fields = [
            ("key", form.path.key), ("Content-Type", try Self.type(form.contentType)), ("x-amz-algorithm", SigV4.algorithm),
            ("x-amz-credential", signer.credential(date: date)), ("x-amz-date", date),
        ]
        if let token = signer.sessionToken { fields.append(("x-amz-security-token", token)) }
        if let sha256 = form.sha256 { fields.append(("x-amz-checksum-sha256", try Self.checksum(sha256))) }
        fields += try Self.metadata(form.metadata)
        let policy = PostPolicy(
            bucket: form.path.bucket, fields: fields, size: form.size, expiration: Self.end(now, expires) / 1000)
        let text = policy.encoded
        fields.append(("policy", text))
        fields.append(("x-amz-signature", signer.sign(Array(text.utf8), date: date)))
        let url = "\(endpoint.scheme)://\(place.host)\(S3Text.encoded(place.path, keepingSlash: true))"
        return StoreUpload(url: url, method: "POST", fields: fields, expiresAt: Self.end(now, expires))
    }

    // MARK: Requests of our own

    package func head(_ path: ObjectPath, now: Int64) throws(StorageError) -> RemoteRequest {
        request("HEAD", try endpoint.place(bucket: path.bucket, key: path.key), now: now)
    }

    package func delete(_ path: ObjectPath, now: Int64) throws(StorageError) -> RemoteRequest {
        request("DELETE", try endpoint.place(bucket: path.bucket, key: path.key), now: now)
    }

    /// One page of a listing (ListObjectsV2), folder by folder. Keys come percent-encoded, since XML cannot say every letter.
    /// - Parameters:
    ///   - prefix: what keys start with; usually a folder with its slash
    ///   - continuation: from the page before
    ///   - limit: 1...1000
    package func list(
        bucket: String, prefix: String, continuation: String? = nil, limit: Int = 1000, now: Int64
    ) throws(StorageError) -> RemoteRequest {
        guard prefix.utf8.count <= 1024 else { throw StorageError(.invalidKey, "Invalid prefix") }
        var query = [
            ("list-type", "2"), ("delimiter", "/"), ("encoding-type", "url"), ("max-keys", String(min(max(limit, 1), 1000))),
            ("prefix", prefix),
        ]
        if let continuation { query.append(("continuation-token", continuation)) }
        return request("GET", try endpoint.place(bucket: bucket, key: nil), query: query, now: now)
    }

    private func request(
        _ method: String, _ place: (host: String, path: String), query: [(name: String, value: String)] = [], now: Int64
    ) -> RemoteRequest {
        let request = SigV4.Request(method: method, path: place.path, query: query, headers: [("host", place.host)])
        let headers = signer.signHeaders(request, .empty, statesPayload: true, now: now / 1000).added
        var url = "\(endpoint.scheme)://\(place.host)\(S3Text.encoded(place.path, keepingSlash: true))"
        if !query.isEmpty { url += "?\(SigV4.canonicalQuery(query))" }
        return RemoteRequest(method: method, url: url, headers: headers)
    }

    private func link(
        _ request: SigV4.Request, _ place: (host: String, path: String), _ expires: Int, _ now: Int64
    ) throws(StorageError) -> String {
        guard (1...SigV4.maxExpiry).contains(expires) else { throw Self.badExpiry }
        let query = signer.presign(request, .unsigned, expires: expires, now: now / 1000).query
        return "\(endpoint.scheme)://\(place.host)\(S3Text.encoded(place.path, keepingSlash: true))?\(query)"
    }

    // MARK: Values

    private static let badExpiry = StorageError(.invalidParameter, "expiresIn must be 1 to \(SigV4.maxExpiry) seconds")

    /// S3 counts in whole seconds.
    private static func end(_ now: Int64, _ expires: Int) -> Int64 { (now / 1000 + Int64(expires)) * 1000 }

    private static func type(_ text: String) throws(StorageError) -> String {
        guard S3Text.isPlainValue(text, upTo: 255), text.utf8.contains(UInt8(ascii: "/")) else {
            throw StorageError(.invalidMimeType, "The content type must be type/subtype in plain letters")
        }
        return text
    }

    private static func checksum(_ sha256: [UInt8]) throws(StorageError) -> String {
        guard sha256.count == SHA256.byteCount else { throw StorageError(.invalidParameter, "sha256 must have 32 bytes") }
        return S3Base64.encode(sha256)
    }

    private static func metadata(
        _ metadata: [(name: String, value: String)]
    ) throws(StorageError) -> [(name: String, value: String)] {
        var total = 0
        for part in metadata {
            let isName = part.name.utf8.allSatisfy {
                S3Text.isUnreserved($0) && !(0x41...0x5A).contains($0) && $0 != UInt8(ascii: "~")
            }
            guard isName, !part.name.isEmpty, S3Text.isPlainValue(part.value, upTo: maxMetadataBytes) else {
                throw StorageError(.invalidParameter, "The metadata cannot be written as headers")
            }
            total += part.name.utf8.count + part.value.utf8.count
        }
        guard total <= maxMetadataBytes else {
            throw StorageError(.invalidParameter, "The metadata is too long: this store keeps \(maxMetadataBytes) bytes")
        }
        return metadata.map { ("x-amz-meta-\($0.name)", $0.value) }
    }
}
