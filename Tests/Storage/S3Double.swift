import SwiftletHTTP
import SwiftletCrypto
import SwiftletFiles
import Synchronization

@testable import SwiftletStorage

/// S3 in memory, as far as the seam and its clients go: it checks signatures and policies, ends links, compares keys by their bytes and lists in
/// pages. Like AWS it keeps checksums and `if-none-match`.
final class S3Double: RemoteTransport {
    private struct Object {
        var bytes: [UInt8]
        var type: String
        var marks: [(name: String, value: String)]
        var modified: Int64
        var etag: String { "\"\(SHA256.hash(bytes).hex.prefix(32))\"" }
    }

    private let clock: TestClock
    private let buckets: [String]
    /// The most that one page holds, whatever is asked for.
    private let pageSize: Int
    private let objects = Mutex<[ObjectPath: Object]>([:])
    private let count = Atomic(0)

    init(clock: TestClock, buckets: [String], pageSize: Int = 4) {
        self.clock = clock
        self.buckets = buckets
        self.pageSize = pageSize
    }

    var questions: Int { count.load(ordering: .relaxed) }

    struct TooLong: Error {}

    func send(_ request: RemoteRequest, limit: Int) async throws -> RemoteAnswer {
        count.add(1, ordering: .relaxed)
        let answer = serve(request.method, request.url, request.headers, request.body)
        guard answer.body.count <= limit else { throw TooLong() }
        return answer
    }

    func move(_ from: ObjectPath, to: ObjectPath) { objects.withLock { $0[to] = $0.removeValue(forKey: from) } }

    func serve(_ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8]) -> RemoteAnswer {
        let incoming = S3Sample.incoming(method, url, headers)
        do throws(SigV4Verifier.Fault) {
            try SigV4Verifier(S3Sample.signer).verify(incoming, .unsigned, now: clock.now / 1000)
        } catch { return Self.error(403, error == .expired ? "AccessDenied" : "SignatureDoesNotMatch") }
        let parts = incoming.target.split(separator: "?", maxSplits: 1)
        let query = S3Text.query(parts.count > 1 ? String(parts[1]) : "") ?? []
        let names = (S3Text.decoded(parts[0]) ?? "").dropFirst().split(separator: "/", maxSplits: 1).map(String.init)
        guard let bucket = names.first, buckets.contains(bucket) else {
            return method == "HEAD" ? RemoteAnswer(404, "") : Self.error(404, "NoSuchBucket")
        }
        guard names.count == 2 else { return list(bucket, query) }
        let path = ObjectPath(bucket: bucket, key: names[1])
        let request = RemoteAnswer(status: 0, headers: headers)
        switch method {
        case "PUT":
            guard request.header("content-length").flatMap({ Int($0) }) == body.count else {
                return Self.error(400, "IncompleteBody")
            }
            if let checksum = request.header("x-amz-checksum-sha256"), S3Base64.decode(checksum) != SHA256.hash(body).bytes {
                return Self.error(400, "BadDigest")
            }
            return keep(
                path, body, request.header("content-type") ?? "binary/octet-stream", headers,
                once: request.header("if-none-match") == "*")
        case "DELETE":
            objects.withLock { _ = $0.removeValue(forKey: path) }
            return RemoteAnswer(204, "")
        default:
            guard let object = objects.withLock({ $0[path] }) else {
                return method == "HEAD" ? RemoteAnswer(404, "") : Self.error(404, "NoSuchKey")
            }
            var answer = RemoteAnswer(
                status: 200,
                headers: [
                    ("Content-Length", String(object.bytes.count)), ("Content-Type", object.type), ("ETag", object.etag),
                    ("Last-Modified", HTTPDate.text(object.modified / 1000)),
                ] + object.marks)
            if let disposition = query.first(where: { $0.name == "response-content-disposition" })?.value {
                answer.headers.append(("Content-Disposition", disposition))
            }
            if method == "GET" { answer.body = object.bytes }
            return answer
        }
    }

    func serve(form fields: [(name: String, value: String)], _ url: String, _ file: [UInt8]) -> RemoteAnswer {
        let bucket = url.split(separator: "/").last.map(String.init) ?? ""
        do throws(PostPolicyVerifier.Fault) {
            try PostPolicyVerifier(S3Sample.signer).verify(
                bucket: bucket, fields: fields, fileBytes: file.count, now: clock.now / 1000)
        } catch { return Self.error(403, "AccessDenied") }
        let form = RemoteAnswer(status: 0, headers: fields)
        return keep(
            ObjectPath(bucket: bucket, key: form.header("key") ?? ""), file, form.header("content-type") ?? "", fields,
            once: false)
    }

    private func keep(
        _ path: ObjectPath, _ bytes: [UInt8], _ type: String, _ headers: [(name: String, value: String)], once: Bool
    ) -> RemoteAnswer {
        let object = Object(
            bytes: bytes, type: type, marks: headers.filter { $0.name.lowercased().hasPrefix("x-amz-meta-") }, modified: clock.now
        )
        return objects.withLock { objects in
            if once, objects[path] != nil { return Self.error(412, "PreconditionFailed") }
            objects[path] = object
            return RemoteAnswer(200, "", [("ETag", object.etag)])
        }
    }

    /// ListObjectsV2 with a delimiter; the continuation is the last thing of the page before.
    private func list(_ bucket: String, _ query: [(name: String, value: String)]) -> RemoteAnswer {
        func value(_ name: String) -> String? { query.first { $0.name == name }?.value }
        let prefix = Array((value("prefix") ?? "").utf8)
        let after = value("continuation-token").map { Array($0.utf8) } ?? []
        let most = min(value("max-keys").flatMap { Int($0) } ?? 1000, pageSize)
        var lines: [(name: [UInt8], object: Object?)] = []
        for (path, object) in objects.withLock({ $0 }) where path.bucket == bucket && path.key.utf8.starts(with: prefix) {
            let key = Array(path.key.utf8)
            if let slash = key[prefix.count...].firstIndex(of: UInt8(ascii: "/")) {
                let folder = Array(key[...slash])
                if !lines.contains(where: { $0.name == folder }) { lines.append((folder, nil)) }
            } else {
                lines.append((key, object))
            }
        }
        lines.sort { $0.name.lexicographicallyPrecedes($1.name) }
        let rest = lines.filter { after.isEmpty || after.lexicographicallyPrecedes($0.name) }
        var text = "<ListBucketResult><EncodingType>url</EncodingType>"
        for (name, object) in rest.prefix(most) {
            let name = S3Text.encoded(String(decoding: name, as: UTF8.self), keepingSlash: true).replacing("%20", with: "+")
            if let object {
                text += "<Contents><Key>\(name)</Key><LastModified>\(S3Time.extended(object.modified / 1000))</LastModified>"
                text +=
                    "<ETag>&quot;\(object.etag.dropFirst().dropLast())&quot;</ETag><Size>\(object.bytes.count)</Size></Contents>"
            } else {
                text += "<CommonPrefixes><Prefix>\(name)</Prefix></CommonPrefixes>"
            }
        }
        if rest.count > most, let last = rest.prefix(most).last {
            text += "<IsTruncated>true</IsTruncated>"
            text += "<NextContinuationToken>\(String(decoding: last.name, as: UTF8.self))</NextContinuationToken>"
        }
        return RemoteAnswer(200, text + "</ListBucketResult>")
    }

    private static func error(_ status: Int, _ code: String) -> RemoteAnswer {
        RemoteAnswer(status, "<Error><Code>\(code)</Code><Message>no</Message></Error>")
    }
}

struct S3UnderTest: StoreUnderTest {
    let clock = TestClock()
    let storage: any StorageBackend
    private let double: S3Double

    init() throws {
        let clock = clock
        double = S3Double(clock: clock, buckets: Store.buckets.map(\.id))
        storage = S3Storage(
            presigner: try S3Sample.presigner("https://store.example"), transport: double, now: { clock.now })
    }

    var questions: Int { double.questions }

    func send(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)], _ body: [UInt8],
        form: [(name: String, value: String)]
    ) async throws -> ClientAnswer {
        let answer = form.isEmpty ? double.serve(method, url, headers, body) : double.serve(form: form, url, body)
        return ClientAnswer(status: answer.status, headers: answer.headers, body: answer.body)
    }

    func move(_ from: String, to: String) async throws { double.move(Self.at(from), to: Self.at(to)) }
}
