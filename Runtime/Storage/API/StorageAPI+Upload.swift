import NIOCore
import SwiftletFiles
import SwiftletJSON
import SwiftletSanitize

/// Signing uploads, and taking them in.
extension StorageAPI {
    /// `POST /object/upload/sign/{bucket}/{path}`: what the caller may upload here later, without credentials. Nothing is said of the file
    /// itself, so the bucket's own limits hold; `upload-sign` binds more.
    func signUpload(_ request: StorageRequest, _ path: ObjectPath) async throws(StorageError) -> StorageReply {
        let caller = try caller(request)
        let bucket = try bucket(of: path)
        try mayWrite(path.key, caller)
        let upsert = request.field("x-upsert") == "true"
        if !upsert, try store.exists(path) { throw .exists }
        var token = StorageToken(scope: .upload, path: path, issuedAt: seconds, expiresAt: seconds + Int64(uploadSeconds))
        token.owner = caller.owner
        token.upsert = upsert
        token.id = try FreshName.secret(bytes: 16)
        token.maxBytes = bucket.maxBytes
        token.metadata = try StorageRules.metadata(Self.metadata(header: request.field("x-metadata")))
        let text = signer.sign(token)
        let url = "/object/upload/sign/\(path.bucket)/\(path.key)?token=\(text)"
        // Clients encode the key and put the storage's address in front.
        try StorageRules.check(
            link: "\(request.origin)/storage/v1\(PercentCoding.encode(path: url))", what: "the metadata or the path")
        return Self.json(["url": .string(url), "token": .string(text)])
    }

    /// `PUT` on a signed link: the link says what may come, nothing else does.
    func putSigned(_ request: StorageRequest, _ path: ObjectPath) async throws(StorageError) -> StorageReply {
        guard let text = request.parameter("token"), !text.isEmpty else {
            throw StorageError(.invalidRequest, "querystring must have required property 'token'")
        }
        let token = try signer.verify(text, for: .upload, of: path, now: seconds)
        let terms = try UploadTerms(token, bucket: try bucket(of: path))
        let info = try await take(request, terms)
        return Self.json(["Key": .string("\(info.path.bucket)/\(info.path.key)")])
    }

    /// `POST` and `PUT /object/{bucket}/{path}` with the caller's own credentials.
    func put(_ request: StorageRequest, _ path: ObjectPath, mustExist: Bool) async throws(StorageError) -> StorageReply {
        let caller = try caller(request)
        let bucket = try bucket(of: path)
        try mayWrite(path.key, caller)
        if mustExist, try !store.exists(path) { throw .noObject }
        let terms = UploadTerms(
            path: path, bucket: bucket, owner: caller.owner, upsert: mustExist || request.field("x-upsert") == "true")
        let info = try await take(request, terms)
        return Self.json(["Id": .string(info.id), "Key": .string("\(info.path.bucket)/\(info.path.key)")])
    }

    private func take(_ request: StorageRequest, _ terms: UploadTerms) async throws(StorageError) -> ObjectInfo {
        let type = request.field("content-type")
        let intake = UploadIntake(store: store, terms: terms)
        do throws(StorageError) {
            if FileType.normalised(type ?? "") == "multipart/form-data" {
                return try await intake.takeForm(request.body, type: type ?? "")
            }
            try terms.admit(declaredLength: request.body.length)
            let metadata = Self.metadata(header: request.field("x-metadata"))
            try await intake.begin(type: type, cacheControl: request.field("cache-control"), metadata: metadata)
            while let part = try await request.body.next() { try await intake.write(part) }
            return try await intake.finish()
        } catch {
            intake.discard()
            throw error
        }
    }

    /// Base64 around JSON.
    static func metadata(header: String?) -> String? {
        guard let header, header.utf8.count <= 64 * 1024 else { return header == nil ? nil : "" }
        return Base64Text.decode(header.utf8).flatMap { String(validating: $0, as: UTF8.self) } ?? ""
    }
}

/// What one upload must be.
struct UploadTerms: Sendable {
    let path: ObjectPath
    let bucket: Bucket
    let owner: String?
    let upsert: Bool
    var maxBytes: Int
    var exactBytes: Int?
    var sha256: [UInt8]?
    /// What the link binds it to; nil takes what the request says.
    var contentType: String?
    var metadata: String?
    var displayName: String?
    var oneShot: UploadIntent.OneShot?

    init(path: ObjectPath, bucket: Bucket, owner: String?, upsert: Bool) {
        self.path = path
        self.bucket = bucket
        self.owner = owner
        self.upsert = upsert
        maxBytes = bucket.maxBytes
    }

    init(_ token: StorageToken, bucket: Bucket) throws(StorageError) {
        self.init(path: token.path, bucket: bucket, owner: token.owner, upsert: token.upsert)
        guard let id = token.id else { throw StorageError(.invalidSignature, "Token is not scoped for upload") }
        oneShot = .init(id: id, expiresAt: token.expiresAt * 1000)
        // The bucket may have been made smaller since.
        maxBytes = min(bucket.maxBytes, token.exactBytes ?? token.maxBytes ?? bucket.maxBytes)
        exactBytes = token.exactBytes
        sha256 = token.sha256
        contentType = token.contentType
        metadata = token.metadata
        displayName = token.displayName
    }

    var name: String { StorageRules.name(path.key) }

    /// Refuses by the declared length, before a byte of the body is read.
    func admit(declaredLength length: Int?) throws(StorageError) {
        guard let length else { return }
        if length > maxBytes { throw .tooLarge(limit: maxBytes) }
        if let exactBytes, length != exactBytes {
            throw StorageError(.contentChanged, "The link is for \(exactBytes) bytes; this request declares \(length)")
        }
    }

    /// The type the file is judged as.
    func type(_ header: String?) throws(StorageError) -> String {
        let declared = StorageRules.declared(header, name: name)
        try StorageRules.checkRuns(name, type: contentType ?? declared, in: bucket)
        guard let contentType else {
            let type = FileType.named(declared)
            guard bucket.rules.takes(declared, type) else {
                throw StorageRules.refusal(type: declared, in: bucket)
            }
            return type?.name ?? declared
        }
        // A client that says nothing of its own is not held to it.
        if let header, let own = FileType.normalised(header), declared == own, FileType.named(own)?.name ?? own != contentType,
            own != "application/octet-stream"
        {
            throw StorageError(.invalidMimeType, "The link is for \(contentType); this request declares \(own)")
        }
        return contentType
    }
}

/// One upload on its way in: counted and judged while it is written. Used by one task.
final class UploadIntake {
    private let store: DiskStore
    private let terms: UploadTerms
    private var upload: DiskUpload?
    private var judge: ContentJudge?

    init(store: DiskStore, terms: UploadTerms) {
        self.store = store
        self.terms = terms
    }

    func begin(type header: String?, cacheControl: String?, metadata: String?) async throws(StorageError) {
        let type = try terms.type(header)
        var intent = UploadIntent(
            path: terms.path, owner: terms.owner, contentType: type, cacheControl: Self.cacheControl(cacheControl),
            maxBytes: terms.maxBytes, exactBytes: terms.exactBytes, sha256: terms.sha256, upsert: terms.upsert,
            oneShot: terms.oneShot)
        let given = try StorageRules.metadata(metadata, limit: StorageRules.longestOwnMetadata)
        // What was signed stays; a client adds only where nothing was.
        intent.metadata = terms.metadata ?? given
        intent.displayName = terms.displayName
        judge = ContentJudge(
            declared: type, fileExtension: FileName.fileExtension(terms.name), rules: terms.bucket.rules)
        upload = try await store.begin(intent)
    }

    func write(_ part: ByteBuffer) async throws(StorageError) {
        let refusal = part.withUnsafeReadableBytes { judge?.feed($0) }
        if let refusal { throw refusal.error }
        try await upload?.write(part)
    }

    func finish() async throws(StorageError) -> ObjectInfo {
        guard let upload, let verdict = judge?.finish() else {
            throw StorageError(.invalidRequest, "The request holds no file")
        }
        switch verdict {
        case .refused(let refusal): throw refusal.error
        case .accepted(let type): return try await upload.finish(contentType: type)
        }
    }

    func discard() {
        upload?.discard()
        upload = nil
    }

    /// A form: its fields first, then the file, as every client of the original sends it.
    func takeForm(_ body: any StorageBody, type: String) async throws(StorageError) -> ObjectInfo {
        var reader: MultipartReader
        do throws(MultipartFault) { reader = try MultipartReader(contentType: type) } catch { throw StorageError(error) }
        var form = UploadForm()
        while let part = try await body.next() {
            let input = part
            var offset = 0
            while true {
                let event: MultipartReader.Event?
                do throws(MultipartFault) {
                    event = try reader.next(in: input, from: &offset)
                } catch { throw StorageError(error) }
                guard let event else { break }
                try await take(event, of: input, &form)
            }
        }
        do throws(MultipartFault) { try reader.finish() } catch { throw StorageError(error) }
        return try await finish()
    }

    private func take(_ event: MultipartReader.Event, of input: ByteBuffer, _ form: inout UploadForm) async throws(StorageError) {
        switch event {
        case .partBegan(let part):
            form.current = part
            if part.isFile {
                try await begin(
                    type: form.contentType ?? part.contentType, cacheControl: form.cacheControl, metadata: form.metadata)
            }
        case .body(let range):
            guard let bytes = input.getSlice(at: input.readerIndex + range.lowerBound, length: range.count) else { return }
            if form.current?.isFile == true { try await write(bytes) } else { form.add(bytes.readableBytesView) }
        case .held(let bytes):
            if form.current?.isFile == true { try await write(ByteBuffer(bytes: bytes)) } else { form.add(bytes) }
        case .partEnded: form.endPart()
        case .ended: break
        }
    }

    /// Seconds alone are what forms send.
    private static func cacheControl(_ text: String?) -> String? {
        guard let text, !text.isEmpty else { return nil }
        if let seconds = Int(text), seconds >= 0 { return "max-age=\(seconds)" }
        let isPlain = text.utf8.count <= 256 && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        return isPlain ? text : nil
    }
}

/// The fields of an upload form so far.
private struct UploadForm {
    var current: MultipartReader.Part?
    private(set) var contentType: String?
    private(set) var cacheControl: String?
    private(set) var metadata: String?
    private var value: [UInt8] = []

    mutating func add(_ bytes: some Sequence<UInt8>) { value.append(contentsOf: bytes) }

    mutating func endPart() {
        defer {
            value = []
            current = nil
        }
        guard let current, !current.isFile else { return }
        let text = String(decoding: value, as: UTF8.self)
        switch current.name {
        case "cacheControl": cacheControl = text
        case "contentType": contentType = text
        case "metadata", "userMetadata": metadata = text
        default: break
        }
    }
}

extension MultipartReader {
    fileprivate mutating func next(in input: ByteBuffer, from offset: inout Int) throws(MultipartFault) -> Event? {
        var outcome: Result<Event?, MultipartFault> = .success(nil)
        input.withUnsafeReadableBytes { bytes in
            do throws(MultipartFault) { outcome = .success(try next(bytes, from: &offset)) } catch { outcome = .failure(error) }
        }
        return try outcome.get()
    }
}

extension DiskUpload {
    /// All the bytes, with a wait wherever the disk is behind.
    func write(_ part: ByteBuffer) async throws(StorageError) {
        var rest = part
        while rest.readableBytes > 0 {
            var outcome: Result<Int, StorageError> = .success(0)
            rest.withUnsafeReadableBytes { bytes in
                do throws(StorageError) { outcome = .success(try add(bytes)) } catch { outcome = .failure(error) }
            }
            rest.moveReaderIndex(forwardBy: try outcome.get())
            if isFull { try await flush() }
        }
    }
}

extension StorageError {
    init(_ fault: MultipartFault) { self.init(.invalidRequest, fault.message) }
}

extension ContentRefusal {
    var error: StorageError { StorageError(self == .typeNotAllowed ? .invalidMimeType : .contentMismatch, message) }
}
