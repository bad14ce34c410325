import Glibc
import NIOCore
import NIOPosix

/// The sending half of the hop's socket, at the host's end.
///
/// What the socket takes at once goes out with one system call; what it does not take waits in the channel, and so does all that comes after.
/// It lives on the channel's loop.
final class FrameOutlet {
    private let channel: any Channel
    /// The channel's; open as long as that is active.
    private let socket: Int32
    /// Writes the channel still holds.
    private var waiting = 0

    /// More room than this is not kept for the next frames.
    private static let kept = 64 * 1024

    /// Makes a channel of the hop's socket.
    static func connect(_ socket: Int32, on loop: any EventLoop, _ handler: some ChannelHandler) -> EventLoopFuture<any Channel> {
        let handler = NIOLoopBound(handler, eventLoop: loop)
        return ClientBootstrap(group: loop)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 16 * 1024, maximum: 128 * 1024)
            )
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
            }
            .withConnectedSocket(socket)
    }

    init(_ channel: any Channel, socket: Int32) {
        self.channel = channel
        self.socket = socket
    }

    /// Sends all of `bytes` and empties them. Nothing happens while the channel is closed.
    ///
    /// - Parameter taken: called when the socket has taken them; never, when the channel ends before.
    func send(_ bytes: inout ByteBuffer, taken: (@Sendable () -> Void)? = nil) {
        guard channel.isActive, bytes.readableBytes > 0 else { return }
        if waiting == 0 { sendNow(&bytes) }
        guard bytes.readableBytes > 0 else {
            if bytes.storageCapacity > FrameOutlet.kept {
                bytes = channel.allocator.buffer(capacity: FrameOutlet.kept)
            } else {
                bytes.clear()
            }
            taken?()
            return
        }
        let rest = bytes
        bytes = channel.allocator.buffer(capacity: min(rest.readableBytes, FrameOutlet.kept))
        waiting += 1
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.waiting -= 1
            if case .success = result { taken?() }
        }
        channel.writeAndFlush(rest, promise: promise)
    }

    /// What is left in `bytes` the socket did not take. An error shows itself again to the channel, whose business it is.
    private func sendNow(_ bytes: inout ByteBuffer) {
        let count = bytes.withUnsafeReadableBytes {
            Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        }
        if count > 0 { bytes.moveReaderIndex(forwardBy: count) }
    }
}
