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
        if waiting == 0 { bytes.sendNow(socket) }
        guard bytes.readableBytes > 0 else {
            bytes.makeRoom()
            taken?()
            return
        }
        let rest = bytes
        bytes = ByteBuffer()
        waiting += 1
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            self.waiting -= 1
            if case .success = result { taken?() }
        }
        channel.writeAndFlush(rest, promise: promise)
    }
}

// How both ends of the hop send.
extension ByteBuffer {
    /// Sends what the socket takes at once; the rest is left. An error shows itself again to who reads.
    mutating func sendNow(_ socket: Int32) {
        let count = withUnsafeReadableBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) }
        if count > 0 { moveReaderIndex(forwardBy: count) }
    }

    /// Empty, for the next frames. Much room is not kept for them.
    mutating func makeRoom() { if storageCapacity > 64 * 1024 { self = ByteBuffer() } else { clear() } }
}
