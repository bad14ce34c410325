import Glibc
import NIOCore
import NIOPosix

/// A stand-in for Gemini (and for OpenAI's chat completions) on loopback, whose models misbehave as their names say. See ``Fault``.
///
/// It answers without asking anyone and says so in its first words. It serves development and tests: nothing of it is meant to be reached
/// from another machine.
package final class MockServer: Sendable {
    /// Why it does not start.
    package struct StartFailure: Error, Sendable, CustomStringConvertible {
        package let port: Int
        package let isPortTaken: Bool
        package let description: String
    }

    /// The port it listens on.
    package let port: Int
    private let group: MultiThreadedEventLoopGroup

    /// Listens on 127.0.0.1.
    ///
    /// - Parameters:
    ///   - port: 0 takes a free one.
    ///   - key: the key that callers must send; any when `nil`.
    ///   - speed: divides every wait and every hinted delay; more than 0.
    /// - Throws: ``StartFailure``.
    package init(port: Int = 0, key: String? = nil, speed: Double = 1) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = MockLoop(eventLoop: group.next(), desk: MockDesk(key: key, speed: speed > 0 ? speed : 1))
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 1024)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(MockConnection(loop: loop))
                    }
                }
                .bind(host: "127.0.0.1", port: port).get()
            self.port = channel.localAddress?.port ?? port
            self.group = group
        } catch {
            try? await group.shutdownGracefully()
            let isTaken = (error as? IOError)?.errnoCode == EADDRINUSE
            throw StartFailure(
                port: port, isPortTaken: isTaken, description: isTaken ? "port \(port) of 127.0.0.1 is in use" : "\(error)")
        }
    }

    /// Closes everything, answers under way included.
    package func stop() async { try? await group.shutdownGracefully() }
}
