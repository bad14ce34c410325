package import SwiftletServer
import NIOCore
import Swiftlet
import SwiftletAuth
import SwiftletHTTP

/// The life of one request. It walks down once; the order of the checks is the security, so it stands here as a whole.
extension Host: ExchangeHandler {
    package func receive(_ exchange: Exchange) {  //                                      1  Server read the head
        let passage = Passage(exchange, host: self)  //                                   2  open the record
        do throws(HTTPError) {
            try checkUpgrade(exchange.head)
            guard try route(passage) else { return }  //                                  3  path → function
            guard try !answeredByCORS(passage) else { return }  //                        4  preflight, method
            try admitPeer(passage)  //                                                    5  coarse limit per address
            try authenticate(passage)  //                                                 6  token or key → identity
        } catch {
            passage.refuse(error)
        }
    }

    /// The second half, once it is known who calls: `authenticate` goes on here, at once or after fetching keys.
    func serve(_ passage: Passage, as identity: Identity, limiterKey: CallerKey) {
        do throws(HTTPError) {
            try admitCaller(passage, limiterKey)  //                                      7  one bucket per function and caller
            try passage.slot.checkBoot()
            try BodyCheck.admit(passage.exchange.head, form: passage.slot.body)  // 8  before a byte of it is read
        } catch {
            return passage.refuse(error)
        }
        passage.readBody { passage, body in  //                                           8  whole, counted, or as a stream
            passage.enterGate { passage in  //                                            9  a slot, a bounded wait
                passage.invoke(identity, body)  //                                    9–10  the function
            }
        }
    }  //                                                                             11–12  Passage answers and closes the record
}

extension Host {
    /// A WebSocket handshake that is none: refused by its form, whatever it is for. A good one goes on as the plain request it also is; realtime
    /// judges its own.
    func checkUpgrade(_ head: RequestHead) throws(HTTPError) {
        guard head.upgrade == .webSocket, head.withPath({ routes.match($0) }) != .realtime else { return }
        guard head.method == .get, head.fields.count(of: "sec-websocket-key") == 1,
            head.fields.string("sec-websocket-version") == "13"
        else { throw HTTPError(400, .badRequest, "The WebSocket handshake is malformed") }
    }

    /// False when the path is the host's own and has been answered.
    func route(_ passage: Passage) throws(HTTPError) -> Bool {
        let head = passage.exchange.head
        switch head.withPath({ routes.match($0) }) {
        case .function(let index, let nameStart):
            passage.enter(slots[index], pathOffset: nameStart - 1)
        case .mounted(let index):
            passage.enter(slots[index], pathOffset: 0)
        case .storage:
            guard hasStorage else { throw HTTPError(404, .notFound, "No function of this host uses its storage") }
            passage.enter(.storage)
        case .realtime:
            guard hasRealtime else { throw HTTPError(404, .notFound, "No function of this host uses its realtime") }
            passage.enter(.realtime)
        case .internalHealth:
            guard head.method == .get || head.method == .head else { throw .methodNotAllowed("GET, HEAD") }
            passage.answerHealth()
            return false
        case .unknownFunction:
            if head.method == .options { break }
            throw HTTPError(404, .notFound, "Requested function was not found")
        case .unknown:
            throw HTTPError(404, .notFound, "There is nothing at this path; functions live at /functions/v1/<name>")
        }
        return true
    }

    /// Answers preflights, also for functions that do not exist: the request that follows is then refused in words a page can read.
    func answeredByCORS(_ passage: Passage) throws(HTTPError) -> Bool {
        let head = passage.exchange.head
        if let api = passage.api {
            // Resumable uploads use OPTIONS themselves.
            guard head.method == .options, head.fields.firstIndex(of: "access-control-request-method") != nil else {
                return false
            }
            passage.answerPreflight(
                methods: api == .storage ? [.get, .post, .put, .patch, .delete, .head, .options] : [.get, .post, .options])
            return true
        }
        guard let slot = passage.enteredSlot else {
            passage.answerPreflight(methods: [])
            return true
        }
        if head.method == .options, slot.speaksHostCORS {
            passage.answerPreflight(methods: slot.policy.methods)
            return true
        }
        guard let method = Method(head.method), slot.answers(method) else { throw .methodNotAllowed(slot.allowed) }
        return false
    }

    func admitPeer(_ passage: Passage) throws(HTTPError) {
        guard let decision = limiter.checkDoor(passage.client.address, now: passage.startedAt), !decision.allowed else { return }
        throw .rateLimited("Too many requests from this address", decision, kind: "address")
    }

    func authenticate(_ passage: Passage) throws(HTTPError) {
        switch passage.api {
        case .storage: return serveStorage(passage)
        case .realtime: return serveRealtime(passage)
        case nil: break
        }
        let slot = passage.slot
        guard slot.requirement != .none else {
            return serve(passage, as: .anonymous, limiterKey: .address(passage.client.address))
        }
        switch credentials.read(passage.exchange.head, keys: slot.keys, now: instant) {
        case .identity(let identity, let key, let subjectHash):
            passage.identified(as: identity, subjectHash: subjectHash)
            serve(passage, as: identity, limiterKey: key ?? .address(passage.client.address))
        case .none where slot.requirement == .optional:
            serve(passage, as: .anonymous, limiterKey: .address(passage.client.address))
        case .none:
            throw .missingCredential
        case .refused(let refusal):
            throw HTTPError(refusal)
        case .needsKeys(let refusal):
            passage.waitForKeys(otherwise: HTTPError(refusal))
        }
    }

    func admitCaller(_ passage: Passage, _ key: CallerKey) throws(HTTPError) {
        guard let limit = passage.slot.limit else { return }
        let decision = limiter.check(passage.slot, key, limit, now: passage.startedAt)
        passage.limited(decision, by: limit)
        guard decision.allowed else { throw .rateLimited("Rate limit exceeded", decision, kind: key.kind) }
    }
}

extension Method {
    init?(_ method: HTTPMethod) {
        switch method {
        case .get: self = .get
        case .head: self = .head
        case .post: self = .post
        case .put: self = .put
        case .patch: self = .patch
        case .delete: self = .delete
        case .options: self = .options
        case .trace, .other: return nil
        }
    }
}
