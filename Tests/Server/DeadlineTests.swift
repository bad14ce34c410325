import Foundation
import NIOCore
import SwiftletHTTP
import SwiftletServer
import Testing

@Suite(.serialized) struct `Deadlines` {
    /// Connects and sends, and waits until the server has read it.
    private func connect(_ server: TestServer, _ text: String = "") async throws -> Client {
        let client = try await server.connect()
        try await server.send(text, from: client)
        return client
    }

    @Test func `a connection that asks nothing is closed without a word`() async throws {
        try await TestServer.run(TestHandler.plain(), clock: ManualClock()) { server in
            let client = try await connect(server)
            await server.advance(.milliseconds(9_999))
            #expect(server.server.counters.open >= 1)
            await server.advance(.milliseconds(1))
            #expect(try !client.receive())
            #expect(client.received.isEmpty)
        }
    }

    @Test func `a slow head gets 408, and its bytes win no time`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler, clock: ManualClock()) { server in
            let client = try await connect(server, "GET /health HTTP/1.1\r\n")
            for _ in 0..<9 {
                await server.advance(.seconds(1))
                try await server.send("X: y\r\n", from: client)
            }
            await server.advance(.milliseconds(999))
            #expect(handler.seen.refusals.isEmpty)
            await server.advance(.milliseconds(1))
            try client.receiveAll()
            #expect(client.statuses() == [408])
            #expect(handler.seen.refusals.map(\.kind) == [.headTimeout])
        }
    }

    @Test func `an idle connection is closed after the keep-alive time, a late head gets its own`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler, clock: ManualClock()) { server in
            let idle = try await connect(server, get)
            #expect(try idle.response()?.status == 200)
            let late = try await connect(server, get)
            #expect(try late.response()?.status == 200)
            await server.advance(.seconds(59))
            try await server.send("GET /health HTTP/1.1\r\n", from: late)
            await server.advance(.seconds(1))
            #expect(try !idle.receive())
            #expect(idle.received.isEmpty)
            await server.advance(.milliseconds(8_999))
            #expect(handler.seen.refusals.isEmpty)
            await server.advance(.seconds(1))
            try late.receiveAll()
            #expect(late.statuses() == [408])
        }
    }

    @Test func `a body that stands still gets 408`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler, clock: ManualClock(), configure: { $0.bodyPace = 0 }) { server in
            let client = try await connect(server, "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello")
            await server.advance(.zero)
            await server.advance(.milliseconds(14_999))
            #expect(client.statuses().isEmpty)
            await server.advance(.milliseconds(1))
            try client.receiveAll()
            #expect(client.statuses() == [408])
        }
    }

    @Test func `a body that trickles gets 408`() async throws {
        try await TestServer.run(TestHandler.plain(), clock: ManualClock()) { server in
            let client = try await connect(server, "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n")
            for _ in 0..<5 {
                try await server.send([UInt8](repeating: 0x61, count: 100), from: client)
                await server.advance(.seconds(1))
            }
            await server.advance(.seconds(2))
            try client.receiveAll()
            #expect(client.statuses() == [408])
        }
    }

    @Test func `a response that closes does not wait for the client for long`() async throws {
        try await TestServer.run(TestHandler.plain(), clock: ManualClock()) { server in
            let client = try Client(port: server.port)
            #expect(try client.ask("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?.status == 200)
            #expect(try !client.receive())
            await server.advance(.milliseconds(1_999))
            #expect(server.server.counters.open == 1)
            await server.advance(.milliseconds(1))
            try await server.until { server.server.counters.open == 0 }
        }
    }
}

@Suite(.serialized) struct `The sweep` {
    @Test func `closes a slow head by itself`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(
            handler,
            configure: {
                $0.headTimeout = .milliseconds(50)
                $0.sweepInterval = .milliseconds(10)
            }
        ) { server in
            let client = try Client(port: server.port)
            client.send("GET / HT")
            try client.receiveAll()
            #expect(client.statuses() == [408])
        }
    }
}
