import HTTPTypes
import Swiftlet
import SwiftletJSON
import SwiftletSanitize

/// Gives a signed-in user leave to upload a file straight to storage, and to read, list and remove the files that are the user's own.
///
/// `POST` `{"bucket", "name" and "folder", or "path", "contentType", "size", "sha256"?, "upsert"?, "metadata"?, "expiresIn"?}` →
/// `{"bucket", "path", "url", "token", "method", "headers", "expiresAt", …}`; with `{"files": [ … ]}` up to 100 at once, each with its own
/// answer. Further paths: `/download` (signed links), `/list`, `/info`, `/delete`. Sizes are bytes, `expiresIn` seconds, times ISO 8601.
///
/// The host's storage has the last word on all of it: which buckets there are, what they take, whose folder it is, how much is left.
struct UploadSign: EdgeFunction {
    static let name: FunctionName = "upload-sign"
    static let policy = Policy(
        methods: [.post, .delete],
        rateLimit: .perCaller(120, every: .minutes(1)),
        body: .json(upTo: .kib(256), limits: JSONLimits(depth: 8, members: 4096)),
        deadline: .seconds(30),
        capabilities: [.storage],
        example: #"{"bucket":"message-attachments","name":"hello.txt","contentType":"text/plain","size":5}"#
    )

    func handle(_ request: Request<JSON>, from user: User, in context: Context) async throws -> Response {
        if user.role != "service_role" { _ = try user.requireSubject() }
        let body = request.body
        guard body.object != nil else { throw HTTPError(400, .invalidInput, "The body is a JSON object") }
        let storage = context.storage
        switch (request.method, request.subpath) {
        case (.post, ""), (.post, "/"): return try await Self.sign(body, storage)
        case (.post, "/download"): return try await Self.download(body, storage)
        case (.post, "/list"): return try await Self.list(body, storage)
        case (.post, "/info"): return try await Self.info(body, storage)
        case (.post, "/delete"), (.delete, ""), (.delete, "/"): return try await Self.remove(body, storage)
        default:
            throw HTTPError(
                404, .notFound,
                "upload-sign has no path '\(sanitizeText(request.subpath))'; POST to /upload-sign, or to its /download, /list, /info, /delete"
            )
        }
    }

    // MARK: Uploads

    private static func sign(_ body: JSON, _ storage: StorageAccess) async throws -> Response {
        guard let files = body["files"] else {
            return try .json(Upload(try await storage.signUpload(try upload(body, default: nil))).json)
        }
        guard let files = files.array, (1...StorageAccess.batch).contains(files.count) else {
            throw Fields.problem("files", "a list of 1 to \(StorageAccess.batch) files")
        }
        // One bucket may be named for all.
        let bucket = body["bucket"]?.string
        var read: [Result<UploadRequest, HTTPError>] = []
        for (index, file) in files.enumerated() {
            do throws(HTTPError) { read.append(.success(try upload(file, default: bucket, at: "files[\(index)]."))) } catch {
                read.append(.failure(error))
            }
        }
        let asked = read.compactMap { try? $0.get() }
        var answers = asked.isEmpty ? [].makeIterator() : try await storage.signUploads(asked).makeIterator()
        let results = read.map { file -> Upload.Entry in
            if case .failure(let error) = file { return .refused(error) }
            return switch answers.next() {
            case .success(let signed): .signed(Upload(signed))
            case .failure(let error): .refused(error)
            case nil: .refused(HTTPError(500, .edgeFunctionError, "Internal Server Error"))
            }
        }
        return try .json(["files": results])
    }

    private static func upload(_ file: JSON, default bucket: String?, at root: String = "") throws(HTTPError) -> UploadRequest {
        let fields = Fields(file, root)
        let place: UploadRequest.Place
        if let path = try fields.text("path") {
            guard file["folder"] == nil, file["name"] == nil else {
                throw Fields.problem(root + "path", "either path, or name with an optional folder")
            }
            place = .path(path)
        } else {
            place = .folder(try fields.text("folder") ?? "", name: try fields.required("name"))
        }
        var metadata: String?
        if let json = file["metadata"], !json.isNull {
            guard json.object != nil else { throw Fields.problem(root + "metadata", "a JSON object") }
            metadata = json.description
        }
        guard let size = file["size"]?.int, size > 0 else {
            throw Fields.problem(root + "size", "the file's size in bytes, a whole number above 0")
        }
        guard let name = try fields.text("bucket") ?? bucket else {
            throw Fields.problem(root + "bucket", "the name of a bucket")
        }
        return UploadRequest(
            bucket: name, place: place, contentType: try fields.required("contentType"), size: size,
            sha256: try fields.text("sha256"), upsert: try fields.flag("upsert"), metadata: metadata,
            expiresIn: try fields.seconds("expiresIn"))
    }

    // MARK: What is there

    private static func download(_ body: JSON, _ storage: StorageAccess) async throws -> Response {
        let fields = Fields(body)
        let bucket = try fields.required("bucket")
        let seconds = try fields.seconds("expiresIn") ?? .seconds(3600)
        var name: DownloadName?
        switch body["download"] {
        case nil, .some(.null), .some(.bool(false)): break
        case .some(.bool(true)): name = .own
        case .some(.string(let text)): name = text.isEmpty ? .own : .named(text)
        default: throw Fields.problem("download", "true, or a file name")
        }
        guard body["paths"] != nil else {
            let path = try fields.required("path")
            return try .json(
                Download(try await storage.signDownload(bucket: bucket, path: path, expiresIn: seconds, download: name)))
        }
        let paths = try fields.texts("paths")
        let links = try await storage.signDownloads(bucket: bucket, paths: paths, expiresIn: seconds, download: name)
        let entries = zip(paths, links).map { path, link -> Download.Entry in
            switch link {
            case .success(let link): .signed(Download(link))
            case .failure(let error): .refused(path: path, error)
            }
        }
        return try .json(["files": entries])
    }

    private static func list(_ body: JSON, _ storage: StorageAccess) async throws -> Response {
        let fields = Fields(body)
        let files = try await storage.list(
            bucket: try fields.required("bucket"), folder: try fields.text("folder") ?? "", search: try fields.text("search"),
            limit: try fields.number("limit") ?? 100, offset: try fields.number("offset") ?? 0)
        return try .json(["files": files.map(File.init)])
    }

    private static func info(_ body: JSON, _ storage: StorageAccess) async throws -> Response {
        let fields = Fields(body)
        return try .json(File(try await storage.info(bucket: try fields.required("bucket"), path: try fields.required("path"))))
    }

    private static func remove(_ body: JSON, _ storage: StorageAccess) async throws -> Response {
        let fields = Fields(body)
        let bucket = try fields.required("bucket")
        let paths = body["paths"] == nil ? [try fields.required("path")] : try fields.texts("paths")
        return try .json(["removed": try await storage.remove(bucket: bucket, paths: paths)])
    }
}
