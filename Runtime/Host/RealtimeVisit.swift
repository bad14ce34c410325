import NIOCore
import Swiftlet
import SwiftletAuth
import SwiftletHTTP
import SwiftletRealtime
import SwiftletServer
import SwiftletWebSocket

/// Requests for `/realtime/v1`: they walk the first steps of every request; then a handshake becomes a socket, and a broadcast goes to the
/// hub instead of a function.
extension Host {
    /// `/realtime/v1/websocket`, and the path that clients of a bare server use.
    static let socketPaths: [StaticString] = ["/realtime/v1/websocket", "/socket/websocket"]
    private static let broadcastPath = "/realtime/v1/api/broadcast"

    func serveRealtime(_ passage: Passage) {
        guard let realtime = sockets else {
            return passage.answer(status: 404, error: "Realtime is not served here")
        }
        let head = passage.exchange.head
        if Host.socketPaths.contains(where: { head.pathEquals($0) }) { return shakeHands(passage, realtime) }
        let path = head.withPath { String(decoding: $0, as: UTF8.self) }
        guard path.utf8.starts(with: Host.broadcastPath.utf8) else {
            return passage.answer(status: 404, error: "There is no such path; sockets are at /realtime/v1/websocket")
        }
        guard head.method == .post else {
            return passage.answer(status: 405, error: "Broadcasts are sent with POST", fields: [("allow", "POST, OPTIONS")])
        }
        switch realtimeCaller(passage, query: nil) {
        case .waits: return
        case .nobody, .refused: return passage.answer(RESTBroadcast.Answer.unauthorized)
        case .facts(let facts): broadcast(passage, realtime, path: path, facts)
        }
    }

    private enum RealtimeCaller {
        case facts(TokenFacts)
        case nobody
        case refused(TokenFault)
        /// Keys are being fetched; it comes again.
        case waits
    }

    /// `x-api-key` first, then the query's `apikey`, then what every request may bring.
    private func realtimeCaller(_ passage: Passage, query: String?) -> RealtimeCaller {
        let head = passage.exchange.head
        let tokens = RealtimeTokens(authenticator: credentials.authenticator, clock: clock)
        let given = head.fields.string("x-api-key") ?? query
        let outcome: AuthOutcome
        var text = given ?? ""
        if given != nil {
            outcome = text.withUTF8 { bytes in
                credentials.authenticator.authenticate(
                    authorization: nil, authorizationCount: 0, apiKey: UnsafeRawBufferPointer(bytes), apiKeyCount: 1, now: instant
                )
            }
        } else {
            (outcome, text) = credentials.outcome(head, now: instant)
        }
        switch outcome {
        case .none: return .nobody
        case .needsKeys(let needed) where passage.mayWaitForKeys:
            passage.waitForKeys(otherwise: HTTPError(needed.refusal))
            return .waits
        default: break
        }
        switch tokens.facts(outcome, text) {
        case .success(let facts):
            var hash: UInt64?
            if case .token(let token) = outcome, token.subject != nil { hash = token.fingerprint.high }
            passage.identified(as: facts, subjectHash: hash)
            return .facts(facts)
        case .failure(let fault): return .refused(fault)
        }
    }

    // MARK: Sockets

    private func shakeHands(_ passage: Passage, _ realtime: HostSockets) {
        let head = passage.exchange.head
        let key: String
        switch WebSocketHandshake.judge(head) {
        case .refuse(let status, let message, let fields):
            // What belongs to the connection itself is not for an answer to say.
            let own = fields.map { ("\($0.name)".lowercased(), "\($0.value)") }
            return passage.answer(
                status: status, error: message, fields: own.filter { $0.0 != "connection" && $0.0 != "upgrade" })
        case .accept(let accepted): key = accepted
        }
        if let origin = head.fields.string("origin"), cors.allowed(origin) == nil {
            return passage.answer(status: 403, error: "Pages of this origin may not connect")
        }
        let query = RealtimeQuery(head.query)
        guard let serializer = Serializer(vsn: query.version) else {
            return passage.answer(status: 400, error: "This vsn is not spoken here; use 1.0.0 or 2.0.0")
        }
        let facts: TokenFacts
        switch realtimeCaller(passage, query: query.key) {
        case .waits: return
        case .nobody: return passage.answer(status: 401, error: "API key is missing")
        case .refused(let fault):
            return passage.answer(status: 401, error: fault.handshake)
        case .facts(let read): facts = read
        }
        guard !realtime.hub.isFull else {
            return passage.answer(status: 429, error: "Too many connected users", fields: [("retry-after", "5")])
        }
        guard let lane = realtime.lane(of: passage.exchange.eventLoop) else {
            return passage.answer(
                status: 503, error: "Realtime is starting; try again in a moment", fields: [("retry-after", "1")])
        }
        passage.upgrade(accept: key, limits: realtime.socketLimits) { socket in
            let client = RealtimeClient(socket, metrics: realtime.metrics)
            client.open(on: lane, serializer, facts)
            return client
        }
    }

    // MARK: Broadcasts

    private func broadcast(_ passage: Passage, _ realtime: HostSockets, path: String, _ facts: TokenFacts) {
        let head = passage.exchange.head
        let segments = path.utf8.dropFirst(Host.broadcastPath.utf8.count).split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let single: (topic: String, event: String)?
        switch segments.count {
        case 1 where segments[0].isEmpty: single = nil
        case 4 where segments[0].isEmpty && segments[2].elementsEqual("events".utf8):
            single = (String(decoding: segments[1], as: UTF8.self), String(decoding: segments[3], as: UTF8.self))
        default:
            return passage.answer(status: 404, error: "Broadcast to /api/broadcast, or to /api/broadcast/<topic>/events/<event>")
        }
        let (type, query) = (head.fields.string("content-type"), head.query)
        let limits = RealtimeLimits.standard
        passage.collect(upTo: single == nil ? limits.batchBytes : limits.messageBytes) { passage, body in
            let messages: [RESTBroadcast.Message]
            do throws(RESTBroadcast.Answer) {
                messages = try body.withUnsafeReadableBytes { bytes throws(RESTBroadcast.Answer) in
                    if let single {
                        return [
                            try RESTBroadcast.single(
                                topic: single.topic, event: single.event, query: query, contentType: type, body: bytes)
                        ]
                    }
                    return try RESTBroadcast.batch(bytes)
                }
            } catch { return passage.answer(error) }
            guard realtime.mayBroadcast(facts, messages.count, passage.client.address) else {
                return passage.answer(RESTBroadcast.Answer.rateLimited)
            }
            let loop = passage.exchange.eventLoop
            Task {
                let answer = await realtime.hub.broadcast(messages, by: facts, isSingle: single != nil)
                loop.execute { passage.answer(answer) }
            }
        }
    }
}

/// What a handshake says in its query.
struct RealtimeQuery {
    private(set) var key: String?
    private(set) var version: String?

    init(_ query: String?) {
        for pair in (query ?? "").utf8.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            if key == nil, parts[0].elementsEqual("apikey".utf8) { key = RealtimeQuery.decoded(parts[1]) }
            if version == nil, parts[0].elementsEqual("vsn".utf8) { version = RealtimeQuery.decoded(parts[1]) }
        }
    }

    /// Keys and versions need no encoding; what is encoded all the same is none.
    private static func decoded(_ text: Substring.UTF8View.SubSequence) -> String { String(decoding: text, as: UTF8.self) }
}

extension TokenFault {
    /// As a handshake's answer says it.
    var handshake: String {
        switch self {
        case .expired: "Token has expired"
        case .lacksClaims, .malformed, .signature: message
        }
    }
}
