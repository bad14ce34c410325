import SwiftletHTTP
import SwiftletFiles
import NIOCore
import SwiftletSanitize

/// Resumable uploads: TUS 1.0.0 with the extensions creation, expiration and termination. Refusals are plain text with their real status.
extension StorageAPI {
    private static let version = (name: "tus-resumable", value: TusHeaders.version)

    func answerResumable(_ request: StorageRequest) async -> StorageReply {
        do throws(StorageError) {
            return try await resume(request)
        } catch {
            var reply = StorageReply(
                status: error.status, fields: [("content-type", "text/plain; charset=utf-8"), Self.version],
                body: .bytes(Array(error.message.utf8)), fault: error)
            if error.code == .slowDown { reply.fields.append(StorageAPI.retry) }
            if error.code == .otherVersion { reply.fields.append(("tus-version", TusHeaders.version)) }
            return reply
        }
    }

    private func resume(_ request: StorageRequest) async throws(StorageError) -> StorageReply {
        var rest = request.path.utf8.dropFirst("/upload/resumable".utf8.count)
        let isSigned = rest.starts(with: "/sign".utf8) && (rest.count == 5 || rest.dropFirst(5).first == UInt8(ascii: "/"))
        if isSigned { rest = rest.dropFirst(5) }
        if rest.first == UInt8(ascii: "/") { rest = rest.dropFirst() }
        let id = String(Substring(rest))
        if request.method == "OPTIONS" {
            return StorageReply(
                status: 204,
                fields: [
                    Self.version, ("tus-version", "1.0.0"), ("tus-extension", "creation,expiration,termination"),
                    ("tus-max-size", String(store.buckets.map(\.maxBytes).max() ?? 0)),
                ])
        }
        try Self.read { () throws(TusHeaders.Fault) in try TusHeaders.checkVersion(request.field("tus-resumable")) }
        guard !id.isEmpty else {
            guard request.method == "POST" else { throw StorageError(.noRoute, "POST creates an upload here") }
            return try await create(request, isSigned: isSigned)
        }
        let upload = try await store.resumable(id)
        try authorise(request, upload.intent, isSigned: isSigned)
        switch request.method {
        case "HEAD":
            return StorageReply(
                status: 200,
                fields: [
                    Self.version, ("upload-offset", String(upload.offset)), ("upload-length", String(upload.length)),
                    ("cache-control", "no-store"), ("upload-expires", HTTPDate.text(upload.expiresAt / 1000)),
                ])
        case "PATCH": return try await append(request, id, upload)
        case "DELETE":
            await store.dropResumable(id)
            return StorageReply(status: 204, fields: [Self.version])
        default: throw StorageError(.noRoute, "An upload takes HEAD, PATCH and DELETE")
        }
    }

    /// Whoever made it may go on: with the link's token, or as the same user.
    private func authorise(_ request: StorageRequest, _ intent: UploadIntent, isSigned: Bool) throws(StorageError) {
        guard isSigned else { return try mayWrite(intent.path.key, try caller(request)) }
        let token = try signature(request, of: intent.path)
        guard let id = token.id, id == intent.oneShot?.id else { throw StorageError(.invalidSignature, "Invalid signature") }
    }

    private func signature(_ request: StorageRequest, of path: ObjectPath) throws(StorageError) -> StorageToken {
        guard let text = request.field("x-signature"), !text.isEmpty else {
            throw StorageError(.invalidSignature, "Missing x-signature header")
        }
        return try signer.verify(text, for: .upload, of: path, now: seconds)
    }

    private func create(_ request: StorageRequest, isSigned: Bool) async throws(StorageError) -> StorageReply {
        let metadata = try Self.read { () throws(TusHeaders.Fault) in try TusHeaders.metadata(request.field("upload-metadata")) }
        guard let bucketName = metadata.bucketName, let key = metadata.objectName else {
            throw StorageError(.invalidRequest, "Upload-Metadata must name bucketName and objectName")
        }
        try StorageRules.check(key: key)
        let path = ObjectPath(bucket: bucketName, key: key)
        let terms: UploadTerms
        if isSigned {
            terms = try UploadTerms(try signature(request, of: path), bucket: try bucket(of: path))
        } else {
            let caller = try caller(request)
            let bucket = try bucket(of: path)
            try mayWrite(key, caller)
            terms = UploadTerms(path: path, bucket: bucket, owner: caller.owner, upsert: request.field("x-upsert") == "true")
        }
        let length = try Self.read { () throws(TusHeaders.Fault) in
            try TusHeaders.length(
                uploadLength: request.field("upload-length"), deferLength: request.field("upload-defer-length"),
                concat: request.field("upload-concat"), maxBytes: terms.maxBytes)
        }
        try terms.admit(declaredLength: length)
        guard length > 0 else { throw StorageError(.invalidRequest, "An empty file is not taken\n") }
        var intent = UploadIntent(
            path: path, owner: terms.owner, contentType: try terms.type(metadata.contentType),
            cacheControl: metadata.cacheControl.flatMap { Int($0) }.map { "max-age=\($0)" }, maxBytes: terms.maxBytes,
            exactBytes: terms.exactBytes, sha256: terms.sha256, upsert: terms.upsert, oneShot: terms.oneShot)
        let given = try StorageRules.metadata(metadata.metadata, limit: StorageRules.longestOwnMetadata)
        intent.metadata = terms.metadata ?? given
        intent.displayName = terms.displayName
        let upload = try await store.createResumable(intent, length: length)
        let root = "\(request.origin)/storage/v1/upload/resumable\(isSigned ? "/sign" : "")"
        return StorageReply(
            status: 201,
            fields: [
                Self.version, ("location", "\(root)/\(upload.id)"),
                ("upload-expires", HTTPDate.text(upload.expiresAt / 1000)), ("upload-offset", "0"),
            ])
    }

    private func append(_ request: StorageRequest, _ id: String, _ upload: ResumableInfo) async throws(StorageError)
        -> StorageReply
    {
        let offset = try Self.read { () throws(TusHeaders.Fault) in
            try TusHeaders.checkPatchType(request.field("content-type"))
            return try TusHeaders.offset(request.field("upload-offset"))
        }
        guard offset == upload.offset else {
            throw StorageError(.wrongOffset, "Upload-Offset is \(upload.offset) here, not \(offset)\n")
        }
        if let length = request.body.length, length > upload.length - offset {
            throw StorageError(.entityTooLarge, TusHeaders.tooLarge.message)
        }
        let writer = try await store.appendResumable(id, at: offset)
        do throws(StorageError) {
            while let part = try await request.body.next() { try await writer.write(Array(part.readableBytesView)) }
        } catch {
            // What came stays: that is what resuming is about.
            _ = try? await writer.close()
            throw error
        }
        let reached = try await writer.close()
        var fields: [(name: String, value: String)] = [
            Self.version, ("upload-offset", String(reached)), ("upload-expires", HTTPDate.text(upload.expiresAt / 1000)),
        ]
        if reached == upload.length {
            try await publish(id, upload)
            fields.append(("tus-complete", "1"))
        }
        return StorageReply(status: 204, fields: fields)
    }

    private static func read<Value>(_ headers: () throws(TusHeaders.Fault) -> Value) throws(StorageError) -> Value {
        do throws(TusHeaders.Fault) { return try headers() } catch {
            let code: StorageError.Code =
                switch error.status {
                case 412: .otherVersion
                case 413: .entityTooLarge
                case 415: .invalidMimeType
                case 501: .notConfigured
                default: .invalidRequest
                }
            throw StorageError(code, error.message)
        }
    }

    /// The whole file is here: judged as one that came in one piece.
    private func publish(_ id: String, _ upload: ResumableInfo) async throws(StorageError) {
        let intent = upload.intent
        let bucket = try bucket(of: intent.path)
        var judge = ContentJudge(
            declared: intent.contentType, fileExtension: FileName.fileExtension(StorageRules.name(intent.path.key)),
            rules: bucket.rules)
        let writer = try await store.appendResumable(id, at: upload.length, isWhole: true)
        do throws(StorageError) {
            var offset = 0
            while offset < upload.length {
                let bytes = try await writer.read(at: offset, upTo: 256 * 1024)
                guard !bytes.isEmpty else {
                    throw StorageError(.internalError, "Internal Server Error", cause: "a staged file is short")
                }
                if let refusal = judge.feed(bytes) { throw refusal.error }
                offset += bytes.count
            }
            switch judge.finish() {
            case .refused(let refusal): throw refusal.error
            case .accepted(let type): _ = try await writer.finish(contentType: type)
            }
        } catch {
            _ = try? await writer.close()
            // Content that is not what it was said to be does not get better by resuming.
            if [.contentMismatch, .invalidMimeType, .contentChanged].contains(error.code) { await store.dropResumable(id) }
            throw error
        }
    }
}
