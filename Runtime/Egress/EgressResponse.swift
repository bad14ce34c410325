package import HTTPTypes
package import SwiftletNet

/// The head of an answer, and its body still to be read.
package struct EgressResponse: Sendable {
    package let status: Int
    package let version: EgressHTTPVersion
    /// Without `Content-Encoding` and `Content-Length` when the body is decoded here.
    package let fields: HTTPFields
    /// The URL that answered, after redirects. It may hold secrets in its query.
    package let url: WebURL
    package let body: EgressBody

    /// The whole body, at most `limit` bytes of it (and never more than the request's own limit).
    package func collect(upTo limit: Int = .max) async throws(EgressError) -> [UInt8] {
        var all: [UInt8] = []
        while let piece = try await body.next() {
            guard piece.count <= limit - all.count else {
                body.cancel()
                throw EgressError(.tooLarge, host: url.hostname)
            }
            all.append(contentsOf: piece)
        }
        return all
    }
}

/// Body bytes as they come, decoded. Read by one task, once. The peer is held back while nobody reads; letting go of it
/// ends the transfer.
package final class EgressBody: AsyncSequence, Sendable {
    package typealias Element = [UInt8]

    private struct Decoder {
        var inflater: Inflater?
        var decoded = 0
        var failure: EgressError?
    }

    private let transfer: Transfer
    private let loop: TransferLoop
    private let pump: Task<Void, Never>?
    private let decoder = Guarded(Decoder())

    init(transfer: Transfer, loop: TransferLoop, pump: Task<Void, Never>?) {
        self.transfer = transfer
        self.loop = loop
        self.pump = pump
    }

    deinit {
        if !transfer.channel.isEnded { cancel() }
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        let body: EgressBody

        package mutating func next(isolation actor: isolated (any Actor)?) async throws(EgressError) -> [UInt8]? {
            try await body.next()
        }

        package mutating func next() async throws(EgressError) -> [UInt8]? {
            try await body.next()
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: self) }

    /// Ends the transfer; a reader gets `cancelled`.
    package func cancel() {
        pump?.cancel()
        loop.send(.cancel(transfer))
    }

    /// The next piece, never empty, or nil at the end.
    package func next() async throws(EgressError) -> [UInt8]? {
        while true {
            if let piece = try decoded() { return piece }
            let result = await withTaskCancellationHandler {
                await transfer.channel.next { loop.send(.resumeReceiving(transfer)) }
            } onCancel: {
                cancel()
            }
            guard let raw = try result.get() else {
                try checkComplete()
                return nil
            }
            let isCoded = decoder.withLock { decoder in
                decoder.inflater?.feed(raw)
                return decoder.inflater != nil
            }
            if !isCoded, !raw.isEmpty { return raw }
        }
    }

    /// Answers whether the body is coded in a way that is undone here.
    func startDecoding(_ fields: HTTPFields, of request: EgressRequest) -> Bool {
        guard request.acceptsCompressed, let text = fields[.contentEncoding]?.lowercased() else { return false }
        let coding: Inflater.Coding
        switch text {
        case "gzip", "x-gzip": coding = .gzip
        case "deflate": coding = .deflate
        default: return false
        }
        decoder.withLock { $0.inflater = Inflater(coding: coding) }
        return true
    }

    private func decoded() throws(EgressError) -> [UInt8]? {
        let limit = transfer.request.maxResponseBytes
        let result = decoder.withLock { decoder -> Result<[UInt8]?, EgressError> in
            if let failure = decoder.failure { return .failure(failure) }
            guard let inflater = decoder.inflater else { return .success(nil) }
            do throws(Inflater.Failure) {
                guard let piece = try inflater.next() else { return .success(nil) }
                guard piece.count <= limit - decoder.decoded else {
                    decoder.failure = transfer.error(.tooLarge)
                    return .failure(transfer.error(.tooLarge))
                }
                decoder.decoded += piece.count
                return .success(piece)
            } catch {
                decoder.failure = transfer.error(.protocolError)
                return .failure(transfer.error(.protocolError))
            }
        }
        if case .failure = result { cancel() }
        return try result.get()
    }

    private func checkComplete() throws(EgressError) {
        let isComplete = decoder.withLock { $0.inflater?.isComplete ?? true }
        if !isComplete { throw transfer.error(.truncated) }
    }
}
