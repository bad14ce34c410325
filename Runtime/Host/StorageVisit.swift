import NIOCore
import Swiftlet
import SwiftletHTTP
import SwiftletServer
import SwiftletStorage

/// Requests for `/storage/v1`: they walk the first steps of every request, then the storage answers instead of a function.
extension Host {
    static let storagePrefix = "/storage/v1"

    /// Credentials are optional here: signed links need none. What is wrong with them is told by the routes that ask for some.
    func serveStorage(_ passage: Passage) {
        let head = passage.exchange.head
        var caller = StorageCaller.nobody
        var fault: StorageError?
        switch credentials.read(head, keys: .apiKeyHeaderOrBearer, now: instant) {
        case .identity(let identity, _, let subjectHash):
            passage.identified(as: identity, subjectHash: subjectHash)
            caller = StorageCaller(identity)
        case .none: break
        case .refused(let refusal): fault = StorageError(.accessDenied, HTTPError(refusal).message)
        case .needsKeys(let refusal):
            if passage.mayWaitForKeys { return passage.waitForKeys(otherwise: HTTPError(refusal)) }
            fault = StorageError(.accessDenied, HTTPError(refusal).message)
        }
        let open: HostStorage.Open
        do throws(StorageError) { open = try storage.open() } catch { return passage.answer(StorageAPI.refusal(error)) }
        guard let api = open.api else {
            return passage.answer(
                StorageAPI.refusal(StorageError(.noRoute, "Files of this host lie elsewhere; ask upload-sign where to send them"))
            )
        }
        let path = head.withPath { String(decoding: $0.dropFirst(Host.storagePrefix.utf8.count), as: UTF8.self) }
        let client = passage.client
        let origin = storage.origin(of: client, host: head.fields.string("host"))
        let request = StorageRequest(
            method: "\(head.method.token)", path: path, query: head.query, fields: head.fields, caller: caller,
            credentialFault: fault, origin: origin, body: StorageExchangeBody(passage))
        let loop = passage.exchange.eventLoop
        Task {
            let reply = await api.answer(request)
            loop.execute { passage.answer(reply) }
        }
    }
}

/// The body of a storage request as it comes.
private final class StorageExchangeBody: StorageBody {
    private let exchange: ExchangeHandle
    private let passage: Passage
    let length: Int?

    init(_ passage: Passage) {
        self.passage = passage
        exchange = passage.exchange.handle
        switch passage.exchange.head.framing {
        case .none: length = 0
        case .length(let count): length = count
        case .chunked: length = nil
        }
    }

    func next() async throws(StorageError) -> ByteBuffer? {
        do throws(BodyFailure) {
            guard let part = try await exchange.nextBodyPart() else { return nil }
            passage.received(part.readableBytes)
            return part
        } catch {
            switch error {
            case .timedOut: throw StorageError(.requestTimeout, "The body did not arrive in time")
            case .tooLarge: throw StorageError(.entityTooLarge, "The body is too large")
            case .malformed: throw StorageError(.invalidRequest, "The body's framing is malformed")
            case .refused, .clientGone, .answered: throw StorageError(.clientGone, "The client went away")
            }
        }
    }
}
