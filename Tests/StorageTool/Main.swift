import Glibc
import Synchronization
import SwiftletCrypto
import SwiftletJSON
import SwiftletStorage

/// Reads one JSON object a line from standard input and answers one a line. `op` says what is wanted:
///
/// - `put`, `get`, `head`, `form`, `delete`, `headers`, `listing`: what the presigner makes of it
/// - `verify`, `verify-form`: what the verifiers say: `{"fault": null}` or its name
/// - `backend`: runs `call` on an S3 backend. Requests it wants sent are written as lines with `send`; their answers are read as the
///   next lines.
@main
struct StorageTool {
    static func main() async {
        while let line = readLine() {
            guard let row = try? JSON.parse(Array(line.utf8), limits: Self.limits) else {
                say(["error": "not JSON"])
                continue
            }
            do {
                say(try await answer(row))
            } catch let error as StorageError {
                say([
                    "error": .string(error.code.rawValue), "message": .string(error.message), "cause": .string(error.cause ?? ""),
                ])
            } catch {
                say(["error": .string("\(error)")])
            }
        }
    }

    static let limits: JSONLimits = {
        var limits = JSONLimits.standard
        limits.stringBytes = 32 << 20
        return limits
    }()

    static func say(_ json: JSON) {
        print(json.description)
        fflush(nil)
    }

    struct Missing: Error {}

    static func text(_ row: JSON, _ name: String) throws -> String {
        guard let text = row[name]?.string else { throw Missing() }
        return text
    }

    static func pairs(_ json: JSON?) throws -> [(name: String, value: String)] {
        try (json?.array ?? []).map { part in
            guard let name = part[0]?.string, let value = part[1]?.string else { throw Missing() }
            return (name, value)
        }
    }

    static func json(_ pairs: [(name: String, value: String)]) -> JSON {
        .array(pairs.map { [.string($0.name), .string($0.value)] })
    }

    static func presigner(_ row: JSON) throws -> S3Presigner {
        guard
            let endpoint = S3Endpoint(
                try text(row, "endpoint"), region: try text(row, "region"),
                addressing: row["virtual"]?.bool == true ? .virtualHost : .path)
        else { throw Missing() }
        return S3Presigner(endpoint: endpoint, credentials: try credentials(row))
    }

    static func credentials(_ row: JSON) throws -> S3Credentials {
        S3Credentials(
            accessKey: try text(row, "access"), secret: SecretBytes(utf8: try text(row, "secret")),
            sessionToken: row["session"]?.string.map { SecretBytes(utf8: $0) })
    }

    static func upload(_ signed: StoreUpload) -> JSON {
        [
            "url": .string(signed.url), "method": .string(signed.method), "headers": json(signed.headers),
            "fields": json(signed.fields), "expiresAt": JSON(signed.expiresAt),
        ]
    }

    static func request(_ request: RemoteRequest) -> JSON {
        ["url": .string(request.url), "method": .string(request.method), "headers": json(request.headers)]
    }

    static func answer(_ row: JSON) async throws -> JSON {
        let now = Int64(row["now"]?.int ?? 0) * 1000
        let expires = row["expires"]?.int ?? 60
        let path = ObjectPath(bucket: row["bucket"]?.string ?? "", key: row["key"]?.string ?? "")
        let metadata = try pairs(row["metadata"])
        let sha256 = row["sha256"]?.string.flatMap { Hex.decode($0) }
        switch try text(row, "op") {
        case "put":
            let put = S3Presigner.Put(
                path: path, contentLength: row["length"]?.int ?? 0, contentType: try text(row, "contentType"), sha256: sha256,
                createOnce: row["createOnce"]?.bool ?? false, metadata: metadata)
            return upload(try presigner(row).put(put, expires: expires, now: now))
        case "get", "head":
            let link = try presigner(row).get(
                path, method: try text(row, "op").uppercased(), contentDisposition: row["disposition"]?.string,
                contentType: row["contentType"]?.string, expires: expires, now: now)
            return ["url": .string(link.url)]
        case "form":
            let form = S3Presigner.Form(
                path: path, contentType: try text(row, "contentType"), size: 0...(row["length"]?.int ?? 0), sha256: sha256,
                metadata: metadata)
            return upload(try presigner(row).post(form, expires: expires, now: now))
        case "delete": return request(try presigner(row).delete(path, now: now))
        case "headers": return request(try presigner(row).head(path, now: now))
        case "listing":
            return request(
                try presigner(row).list(bucket: path.bucket, prefix: path.key, limit: row["length"]?.int ?? 1000, now: now))
        case "verify", "verify-form":
            let signer = SigV4Signer(credentials: try credentials(row), options: .s3(region: try text(row, "region")))
            do {
                if row["op"]?.string == "verify" {
                    let incoming = SigV4Verifier.Incoming(
                        method: try text(row, "method"), target: try text(row, "target"), headers: try pairs(row["headers"]))
                    try SigV4Verifier(signer).verify(incoming, .unsigned, now: now / 1000)
                } else {
                    try PostPolicyVerifier(signer).verify(
                        bucket: path.bucket, fields: try pairs(row["fields"]), fileBytes: row["length"]?.int ?? 0, now: now / 1000
                    )
                }
                return ["fault": nil]
            } catch let fault as SigV4Verifier.Fault {
                return ["fault": .string("\(fault)")]
            } catch let fault as PostPolicyVerifier.Fault {
                return ["fault": .string("\(fault)")]
            }
        case "backend": return try await backend(row, path, now)
        default: throw Missing()
        }
    }

    static func backend(_ row: JSON, _ path: ObjectPath, _ now: Int64) async throws -> JSON {
        let storage = S3Storage(presigner: try presigner(row), transport: Pipe(), now: { now })
        switch try text(row, "call") {
        case "info": return json(try await storage.info(path))
        case "remove":
            let keys = (row["keys"]?.array ?? []).compactMap(\.string)
            return .array(try await storage.remove(bucket: path.bucket, keys: keys).map(json))
        case "list":
            let query = ListQuery(
                bucket: path.bucket, prefix: row["prefix"]?.string ?? "", search: row["search"]?.string,
                limit: row["limit"]?.int ?? 100,
                offset: row["offset"]?.int ?? 0, ascending: row["ascending"]?.bool ?? true)
            return .array(
                try await storage.list(query).map { entry in
                    switch entry {
                    case .folder(let name): ["folder": .string(name)]
                    case .object(let name, let info): ["object": .string(name), "info": json(info)]
                    }
                })
        case "upload":
            let grant = UploadGrant(
                path: path, owner: row["owner"]?.string, contentType: try text(row, "contentType"),
                size: .exactly(row["length"]?.int ?? 0), upsert: row["upsert"]?.bool ?? false,
                metadata: row["userMetadata"]?.string,
                displayName: row["name"]?.string, expiresInSeconds: 60)
            return upload(try await storage.signUpload(grant))
        case "download":
            let keys = (row["keys"]?.array ?? []).compactMap(\.string).map { ObjectPath(bucket: path.bucket, key: $0) }
            return .array(
                try await storage.signDownloads(keys, DownloadOptions(expiresInSeconds: 60)).map { result in
                    switch result {
                    case .success(let link): ["url": .string(link.url)]
                    case .failure(let error): ["error": .string(error.code.rawValue)]
                    }
                })
        default: throw Missing()
        }
    }

    static func json(_ info: ObjectInfo) -> JSON {
        [
            "key": .string(info.path.key), "size": JSON(info.size), "type": .string(info.contentType), "etag": .string(info.etag),
            "owner": .string(info.owner ?? ""), "metadata": .string(info.metadata ?? ""), "name": .string(info.displayName ?? ""),
            "updatedAt": JSON(info.updatedAt),
        ]
    }

    /// Has the other side of the pipe send requests; one at a time.
    struct Pipe: RemoteTransport {
        private static let turn = Mutex(())

        func send(_ request: RemoteRequest, limit: Int) async throws -> RemoteAnswer {
            let line = Pipe.turn.withLock { _ -> String? in
                StorageTool.say([
                    "send": .string(request.method), "url": .string(request.url), "headers": StorageTool.json(request.headers),
                ])
                return readLine()
            }
            guard let line, let json = try? JSON.parse(Array(line.utf8), limits: StorageTool.limits),
                let status = json["status"]?.int,
                let body = json["body"]?.string
            else { throw Missing() }
            guard body.utf8.count <= limit else { throw Missing() }
            return RemoteAnswer(status: status, headers: try StorageTool.pairs(json["headers"]), body: Array(body.utf8))
        }
    }
}
