import HTTPTypes
package import Swiftlet
import SwiftletJSON

/// Functions for tests, named after what they do. None of them ships.
@FunctionRegistry package var fixtureFunctions: [Registration] {
    HealthFixture.self
    Echo.self
    Mirror.self
    Slow.self
    Stream.self
    Events.self
    Status.self
    Refuses.self
    Throws.self
    BadHeader.self
    Typed.self
    Narrow.self
    Wide.self
    Screened.self
    Guarded.self
    Optional.self
    Upload.self
    Background.self
    Limited.self
    OwnCORS.self
    KeysAsBearer.self
    Strict.self
    Innocent.self
    Once.self
    OnMainThread.self
    Saves.self
    Speaks.self
    Reports.self
    Overreaches.self
    Reveals.self
    Traps.self
    Exits.self
    Loops.self
    Hangs.self
    Leaks.self
    FloodsStdout.self
    FloodsResponse.self
    NeverReads.self
    Forks.self
    ClosesSocket.self
    GarbageFrames.self
}

/// Takes little JSON; says whether it came as bytes.
struct Narrow: EdgeFunction {
    static let name: FunctionName = "narrow"
    static let policy = Policy(
        methods: [.post], rateLimit: .none,
        body: .json(upTo: .kib(64), limits: JSONLimits(depth: 3, members: 4, digits: 6, stringBytes: 20)))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> JSON {
        ["bytes": .init(request.body.count)]
    }
}

/// Takes more JSON than most, and answers with it.
struct Wide: EdgeFunction {
    static let name: FunctionName = "wide"
    static let policy = Policy(
        methods: [.post], rateLimit: .none,
        body: .json(upTo: .mib(1), limits: JSONLimits(depth: 200, digits: 500, duplicateNames: .lastWins)))
    func handle(_ request: Request<JSON>, from _: Anyone, in context: Context) async throws -> JSON { request.body }
}

/// Has a rule of every kind for its body; answers with what is left of it.
struct Screened: EdgeFunction {
    static let name: FunctionName = "screened"
    static let policy = Policy(
        methods: [.post], rateLimit: .none,
        body: .json(
            upTo: .kib(256),
            sanitize: [
                .text(["content"]), .html(["bio"]), .url(["link"]), .email(["contact.email"]), .message(["messages[].text"]),
                .fileName(["name"]),
            ],
            reject: .malicious(["comment"], in: .field), redact: .sensitive(["content", "messages[].text"]),
            report: .sensitive(["comment"])))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        .bytes(request.body.array, mediaType: "application/json")
    }
}

/// Refuses what looks like an attack or a secret, wherever it stands.
struct Guarded: EdgeFunction {
    static let name: FunctionName = "guarded"
    static let policy = Policy(methods: [.post], rateLimit: .none, body: .json(upTo: .mib(1), reject: [.malicious, .sensitive]))
    func handle(_ request: Request<JSON>, from _: Anyone, in context: Context) async throws -> JSON { ["ok": true] }
}

/// `/health` for raw HTTP rows: 200 to GET and POST, the body is read and forgotten.
struct HealthFixture: EdgeFunction {
    static let name: FunctionName = "health"
    static let policy = Policy(methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .mib(1)))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> JSON { ["status": "pass"] }
}

/// The benchmark's function: authenticated, JSON in, JSON out.
struct Echo: EdgeFunction {
    static let name: FunctionName = "echo"
    static let policy = Policy(methods: [.get, .post], rateLimit: .perCaller(100_000_000, every: .minutes(1)))
    func handle(_ request: Request<JSON>, from user: User, in context: Context) async throws -> JSON {
        ["ok": true, "sub": user.subject.map { .string($0) } ?? .null, "echo": request.body]
    }
}

/// Says what it saw: method, path, query, headers, body.
struct Mirror: EdgeFunction {
    static let name: FunctionName = "mirror"
    static let policy = Policy(
        methods: [.get, .post, .put, .patch, .delete], rateLimit: .none, body: .bytes(upTo: .mib(16)), deadline: .seconds(20))
    func handle(_ request: Request<Bytes>, from visitor: Visitor, in context: Context) async throws -> Response {
        if request.query["raw"] == "1" {
            return .bytes(request.body.array, mediaType: request.header("content-type") ?? "application/octet-stream")
        }
        if let type = request.query["type"] { return .bytes(request.body.array, mediaType: type) }
        var headers: [String: String] = [:]
        for field in request.headers { headers[field.name.canonicalName] = field.value }
        let seen: JSON = [
            "method": .string(request.method.rawValue), "path": .string(request.path), "subpath": .string(request.subpath),
            "query": request.queryText.map { .string($0) } ?? .null, "headers": try JSON(encoding: headers),
            "text": request.body.text.map { .string($0) } ?? .null, "bytes": .init(request.body.count),
            "client": .string(request.clientAddress), "scheme": .string(request.scheme),
            "region": request.region.map { .string($0) } ?? .null,
            "subject": visitor.user?.subject.map { .string($0) } ?? .null, "role": visitor.user.map { .string($0.role) } ?? .null,
            "id": .string(request.id),
        ]
        return try .json(seen)
    }
}

/// Answers after `?ms=` milliseconds, and counts how it ended.
struct Slow: EdgeFunction {
    static let name: FunctionName = "slow"
    static let policy = Policy(
        methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .mib(1)), deadline: .seconds(10), concurrency: 64)
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        Witness.note("slow.started")
        do {
            try await Task.sleep(for: .milliseconds(Int(request.query["ms"] ?? "3000") ?? 3000))
        } catch {
            Witness.note("slow.cancelled")
            throw error
        }
        Witness.note("slow.finished")
        return .text("slept")
    }
}

/// Streams `?parts=` parts of `?size=` bytes, `?ms=` apart; `?fail=1` throws after half of them.
struct Stream: EdgeFunction {
    static let name: FunctionName = "stream"
    // Millions of parts in a debug build cost more processor time than a request has by default.
    static let policy = Policy(
        methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(60),
        limits: WorkerLimits(cpuSoft: .seconds(30), cpuHard: .seconds(60)))
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        let parts = Int(request.query["parts"] ?? "10") ?? 10
        let size = Int(request.query["size"] ?? "16") ?? 16
        let pause = Int(request.query["ms"] ?? "0") ?? 0
        let fails = request.query["fail"] == "1"
        let length = request.query["length"] == "1" ? parts * size : nil
        return Response(
            headers: [.contentType: "application/octet-stream"],
            body: .stream(length: length) { writer in
                defer { Witness.note("stream.ended") }
                let part = [UInt8](repeating: UInt8(ascii: "x"), count: size)
                for index in 0..<parts {
                    if fails, index == parts / 2 { throw HTTPError(500, .edgeFunctionError, "broken in the middle") }
                    try await writer.write(part)
                    Witness.note("stream.part")
                    if pause > 0 { try await Task.sleep(for: .milliseconds(pause)) }
                }
            })
    }
}

/// Server-sent events: `?count=` of them.
struct Events: EdgeFunction {
    static let name: FunctionName = "events"
    static let policy = Policy(methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> EventStream {
        let count = Int(request.query["count"] ?? "3") ?? 3
        return EventStream { writer in
            for index in 0..<count {
                try await writer.send("line \(index)\nand more", event: "tick", id: String(index))
                if index == 0 { try await Gatekeeper.shared.waitIfAsked(request.query["gate"]) }
            }
        }
    }
}

/// Answers with the status in `?code=`, with a body but for 204 and 304.
struct Status: EdgeFunction {
    static let name: FunctionName = "status"
    static let policy = Policy(methods: [.get, .post, .delete], rateLimit: .none, body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        let code = Int(request.query["code"] ?? "200") ?? 200
        var response = Response(status: code)
        if let location = request.query["location"] { response.headers[.location] = location }
        if request.query["empty"] != "1", code != 204, code != 304 { response.body = .bytes(Bytes(Array("status \(code)".utf8))) }
        return response
    }
}

/// Refuses with its own code.
struct Refuses: EdgeFunction {
    static let name: FunctionName = "refuses"
    static let policy = Policy(methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        throw HTTPError(
            422, "NOT_TODAY", "not today: \(request.body.text ?? "")", cause: "private words",
            problems: [.init(field: "day", message: "is today")])
    }
}

/// Throws what is no HTTPError.
struct Throws: EdgeFunction {
    static let name: FunctionName = "throws"
    static let policy = Policy(methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .kib(64)))
    struct Boom: Error { let secret = "internal-detail-9f3a" }
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response { throw Boom() }
}

/// Tries to write header fields that would split the answer.
struct BadHeader: EdgeFunction {
    static let name: FunctionName = "bad-header"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        if request.query["how"] == "framing" {
            return Response(headers: [.contentLength: "5", .transferEncoding: "chunked"], body: .empty)
        }
        throw HTTPError(400, .badRequest, "no", fields: [.init("x-evil", "a\r\nset-cookie: b=c")])
    }
}

/// A typed body behind a token: what most functions are.
struct Typed: EdgeFunction {
    static let name: FunctionName = "typed"
    static let policy = Policy(methods: [.post], rateLimit: .none, body: .json(upTo: .mib(1)))
    struct Input: Decodable { let prompt: String }
    struct Output: Encodable { let length: Int }
    func handle(_ request: Request<Input>, from _: Anyone, in context: Context) async throws -> Output {
        Output(length: request.body.prompt.count)
    }
}

/// Says who came, if anyone.
struct Optional: EdgeFunction {
    static let name: FunctionName = "optional"
    static let policy = Policy(methods: [.get, .post], rateLimit: .none, body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from visitor: Visitor, in context: Context) async throws -> [String: String] {
        ["who": visitor.user?.subject ?? visitor.user?.role ?? "nobody"]
    }
}

/// Counts the bytes of a streamed body.
struct Upload: EdgeFunction {
    static let name: FunctionName = "upload"
    static let policy = Policy(methods: [.post, .put], rateLimit: .none, body: .stream(upTo: .mib(64)), deadline: .seconds(60))
    func handle(_ request: Request<BodyStream>, from _: Anyone, in context: Context) async throws -> [String: Int] {
        var count = 0
        var parts = 0
        for try await part in request.body {
            count += part.count
            parts += 1
        }
        return ["bytes": count, "parts": parts]
    }
}

/// Answers at once and works on.
struct Background: EdgeFunction {
    static let name: FunctionName = "background"
    static let policy = Policy(methods: [.post], rateLimit: .none, body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from _: Anyone, in context: Context) async throws -> Response {
        let gate = request.query["gate"]
        context.waitUntil {
            try await Gatekeeper.shared.waitIfAsked(gate)
            Witness.note("background.done")
        }
        return .noContent()
    }
}

/// Three requests a minute, and a counter of its own beside them.
struct Limited: EdgeFunction {
    static let name: FunctionName = "limited"
    static let policy = Policy(
        methods: [.get, .post], rateLimit: .perCaller(3, every: .minutes(1)), body: .bytes(upTo: .kib(64)))
    func handle(_ request: Request<Bytes>, from visitor: Visitor, in context: Context) async throws -> Response {
        Witness.note("limited.called")
        return .text("ok")
    }
}

/// Speaks CORS itself.
struct OwnCORS: EdgeFunction {
    static let name: FunctionName = "own-cors"
    static let policy = Policy(methods: [.get, .options], rateLimit: .none, body: .none, cors: .function)
    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        Response(status: request.method == .options ? 204 : 200, headers: [.accessControlAllowOrigin: "https://own.example"])
    }
}

struct KeysAsBearer: EdgeFunction {
    static let name: FunctionName = "keys-as-bearer"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, keys: .apiKeyHeaderOrBearer)
    func handle(_ request: Request<Void>, from user: User, in context: Context) async throws -> [String: String] {
        ["role": user.role]
    }
}

/// Takes tokens only, and reads a secret of its own, and another where there is one.
struct Strict: EdgeFunction {
    static let name: FunctionName = "strict"
    static let policy = Policy(
        methods: [.get], rateLimit: .none, body: .none, secrets: ["FIXTURE_SECRET"], optionalSecrets: ["FIXTURE_EXTRA"],
        keys: .refused)
    func handle(_ request: Request<Void>, from user: User, in context: Context) async throws -> [String: String] {
        let secret = try context.secret("FIXTURE_SECRET")
        return [
            "sub": user.subject ?? "", "secret_bytes": String(secret.count), "shown": "\(secret)",
            "extra_bytes": context.optionalSecret("FIXTURE_EXTRA").map { String($0.count) } ?? "none",
        ]
    }
}
