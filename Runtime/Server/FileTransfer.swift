import Glibc
import NIOCore

/// Sends part of an open file as the body of a response, piece by piece, without bringing its bytes into this process. Bound to the
/// connection's event loop.
final class FileTransfer {
    /// The others of the loop get their turn between pieces.
    static let piece = 512 * 1024

    private let exchange: Exchange
    private let handle: NIOFileHandle
    private var offset: Int
    private let end: Int
    /// Pieces the socket has not taken yet; the file stays open for them.
    private var pending = 0
    private var isOver = false
    private let done: (Bool) -> Void

    /// - Parameter descriptor: taken over.
    init(_ exchange: Exchange, descriptor: CInt, range: Range<Int>, done: @escaping (Bool) -> Void) {
        self.exchange = exchange
        handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
        offset = range.lowerBound
        end = range.upperBound
        self.done = done
    }

    func pump() {
        while offset < end {
            guard let connection = exchange.connection else { return finish(false) }
            let count = min(FileTransfer.piece, end - offset)
            let region = FileRegion(fileHandle: handle, readerIndex: offset, endIndex: offset + count)
            let sent = exchange.eventLoop.makePromise(of: Void.self)
            pending += 1
            sent.futureResult.assumeIsolated().whenComplete { _ in
                self.pending -= 1
                self.closeWhenDone()
            }
            offset += count
            guard connection.write(file: region, count: count, promise: sent) else {
                guard offset < end, exchange.connection != nil else { continue }
                return exchange.whenWritable { $0 ? self.pump() : self.finish(false) }
            }
        }
        guard exchange.connection != nil else { return finish(false) }
        exchange.end()
        finish(true)
    }

    private func finish(_ whole: Bool) {
        guard !isOver else { return }
        isOver = true
        closeWhenDone()
        done(whole)
    }

    private func closeWhenDone() {
        guard isOver, pending == 0, handle.isOpen else { return }
        try? handle.close()
    }
}
