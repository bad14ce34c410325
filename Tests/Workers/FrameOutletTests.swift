import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@testable import SwiftletWorkers

@Suite struct FrameOutletTests {
    /// A channel on one end of a pair of sockets; the other end blocks.
    private func pair() async throws -> (channel: any Channel, socket: Int32, other: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let socket = ends[0]
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).withConnectedSocket(socket).get()
        return (channel, socket, ends[1])
    }

    private func readAll(_ socket: Int32, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < count {
            let got = read(socket, &chunk, chunk.count)
            guard got > 0 else { break }
            bytes += chunk[0..<got]
        }
        return bytes
    }

    @Test func `what the socket does not take at once comes later, in order, and nothing is told before`() async throws {
        let (channel, socket, other) = try await pair()
        defer { close(other) }
        let taken = NIOLockedValueBox(0)
        let parts = (0..<400).map { part in (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ part) } }
        // Kept by what it sends, and by nobody else.
        try await channel.eventLoop.submit {
            let outlet = FrameOutlet(channel, socket: socket)
            for part in parts {
                var bytes = ByteBuffer(bytes: part)
                outlet.send(&bytes) { taken.withLockedValue { $0 += 1 } }
                #expect(bytes.readableBytes == 0)
            }
        }.get()
        // A socket takes some, and never four million bytes that nobody reads.
        #expect((1..<400).contains(taken.withLockedValue { $0 }))
        let bytes = await Task.detached { self.readAll(other, 4_000_000) }.value
        #expect(bytes == parts.flatMap { $0 })
        // Whatever was still to be told was told on the loop before this.
        try await channel.eventLoop.submit {}.get()
        try await channel.close()
        #expect(taken.withLockedValue { $0 } == 400)
    }

    @Test func `a buffer is used again, and a huge one is let go`() async throws {
        let (channel, socket, other) = try await pair()
        defer { close(other) }
        try await channel.eventLoop.submit {
            let outlet = FrameOutlet(channel, socket: socket)
            var bytes = ByteBuffer(repeating: 1, count: 100)
            let room = bytes.storageCapacity
            outlet.send(&bytes)
            #expect(bytes.readableBytes == 0 && bytes.storageCapacity == room)
            bytes.writeRepeatingByte(2, count: 100_000)
            outlet.send(&bytes)
            #expect(bytes.readableBytes == 0 && bytes.storageCapacity <= 65_536)
        }.get()
        #expect(await Task.detached { self.readAll(other, 100_100) }.value.count == 100_100)
        try await channel.close()
    }

    @Test func `nothing is sent into a socket that was closed`() async throws {
        let (channel, socket, other) = try await pair()
        defer { close(other) }
        try await channel.close()
        // The number may belong to somebody else by now.
        let told = NIOLockedValueBox(false)
        try await channel.eventLoop.submit {
            var bytes = ByteBuffer(repeating: 1, count: 10)
            FrameOutlet(channel, socket: socket).send(&bytes) { told.withLockedValue { $0 = true } }
            #expect(bytes.readableBytes == 10)
        }.get()
        #expect(!told.withLockedValue { $0 })
        #expect(readAll(other, 1).isEmpty)
    }

    @Test func `a socket whose other end is gone ends the channel`() async throws {
        let (channel, socket, other) = try await pair()
        try await channel.setOption(.autoRead, value: false).get()
        close(other)
        try await channel.eventLoop.submit {
            var bytes = ByteBuffer(repeating: 1, count: 10)
            FrameOutlet(channel, socket: socket).send(&bytes)
        }.get()
        try await channel.closeFuture.get()
    }
}
