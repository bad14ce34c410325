import NIOCore
import Swiftlet
import SwiftletServer
import Synchronization

/// A request body as it arrives, counted against the function's limit.
final class ExchangeBody: BodySource {
    private let exchange: ExchangeHandle
    private let limit: Int
    private let read = Atomic<Int>(0)

    init(_ exchange: Exchange, limit: Int) {
        self.exchange = exchange.handle
        self.limit = limit
    }

    func next() async throws -> ByteBuffer? {
        try Task.checkCancellation()
        do throws(BodyFailure) {
            guard let part = try await exchange.nextBodyPart() else { return nil }
            let (_, total) = read.add(part.readableBytes, ordering: .relaxed)
            guard total <= limit else { throw BodyFailure.tooLarge }
            return part
        } catch {
            if error == .clientGone || error == .answered { throw CancellationError() }
            throw HTTPError(error, limit: limit)
        }
    }
}
