import Foundation
import Glibc
import NIOCore
import SwiftletHTTP
import SwiftletServer
import Testing

@Suite(.serialized) struct `Connections` {
    @Test func `a client that leaves is noticed, and the server goes on`() async throws {
        let gone = Locked(0)
        let opened = Locked(0)
        let handler = TestHandler { exchange, _ in
            if exchange.head.path == "/wait" {
                exchange.onClientGone = { gone.withLock { $0 += 1 } }
                opened.withLock { $0 += 1 }
            } else {
                exchange.respond(status: 200, fields: EncodedFields())
            }
        }
        try await TestServer.run(handler) { server in
            do {
                let client = try Client(port: server.port)
                client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                try await server.until { opened.withLock { $0 } == 1 }
                withExtendedLifetime(client) {}
            }
            try await server.until { gone.withLock { $0 } == 1 }
            do {
                let client = try Client(port: server.port)
                client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
                try await server.until { opened.withLock { $0 } == 2 }
                var reset = linger(l_onoff: 1, l_linger: 0)
                setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
            }
            try await server.until { gone.withLock { $0 } == 2 }
            #expect(try Client(port: server.port).ask(get)?.status == 200)
        }
    }

    @Test func `nobody is told of a departure after the answer`() async throws {
        let gone = Locked(0)
        let handler = TestHandler { exchange, _ in
            exchange.onClientGone = { gone.withLock { $0 += 1 } }
            exchange.respond(status: 200, fields: EncodedFields())
        }
        try await TestServer.run(handler) { server in
            do { #expect(try Client(port: server.port).ask(get)?.status == 200) }
            try await server.until { server.server.counters.open == 0 }
            #expect(gone.withLock { $0 } == 0)
        }
    }

    @Test func `one client may have only so many`() async throws {
        try await TestServer.run(TestHandler.plain(), configure: { $0.maxConnectionsPerAddress = 3 }) { server in
            var clients = try (0..<3).map { _ in try Client(port: server.port) }
            for client in clients { #expect(try client.ask(get)?.status == 200) }
            #expect(try Client(port: server.port).ask(get) == nil)
            #expect(server.server.counters.refused == 1)
            clients.removeLast()
            try await server.until { server.server.counters.open == 2 }
            #expect(try Client(port: server.port).ask(get)?.status == 200)
        }
    }

    @Test func `a trusted proxy is not counted`() async throws {
        try await TestServer.run(
            TestHandler.plain(),
            configure: {
                $0.maxConnectionsPerAddress = 1
                $0.isTrustedProxy = { $0 == PeerAddress("127.0.0.1") }
            }
        ) { server in
            let clients = try (0..<3).map { _ in try Client(port: server.port) }
            for client in clients { #expect(try client.ask(get)?.status == 200) }
        }
    }

    @Test func `when it is full, a newcomer waits until the longest idle one is closed`() async throws {
        try await TestServer.run(
            TestHandler.plain(),
            configure: {
                $0.maxConnections = 2
                $0.sweepInterval = .milliseconds(10)
            }
        ) { server in
            let first = try Client(port: server.port)
            #expect(try first.ask(get)?.status == 200)
            let busy = try await server.connect()
            try await server.send("GET /health HTTP/1.1\r\n", from: busy)
            #expect(try Client(port: server.port).ask(get)?.status == 200)
            #expect(try !first.receive())
            #expect(try busy.ask("Host: a\r\n\r\n")?.status == 200)
        }
    }

    @Test func `peers that are no trusted proxy are closed when PROXY headers are required`() async throws {
        try await TestServer.run(TestHandler.plain(), configure: { $0.proxyProtocol = true }) { server in
            let client = try Client(port: server.port)
            client.send("PROXY TCP4 198.51.100.7 10.0.0.5 5000 80\r\n" + get)
            try client.receiveAll()
            #expect(client.received.isEmpty)
            #expect(server.server.counters.refused == 1)
        }
    }

    @Test func `clients behind a proxy are counted by their own address`() async throws {
        try await TestServer.run(
            TestHandler.plain(),
            configure: {
                $0.proxyProtocol = true
                $0.isTrustedProxy = { _ in true }
                $0.maxConnectionsPerAddress = 1
            }
        ) { server in
            let one = try Client(port: server.port)
            #expect(try one.ask("PROXY TCP4 198.51.100.7 10.0.0.5 5000 80\r\n" + get)?.status == 200)
            #expect(try Client(port: server.port).ask("PROXY TCP4 198.51.100.7 10.0.0.5 5000 80\r\n" + get) == nil)
            #expect(try Client(port: server.port).ask("PROXY TCP4 198.51.100.8 10.0.0.5 5000 80\r\n" + get)?.status == 200)
        }
    }

    @Test func `requests that wait behind an open one are not read without bound`() async throws {
        let held = Locked<ExchangeHandle?>(nil)
        let handler = TestHandler { exchange, handler in
            handler.note(exchange)
            if exchange.head.path == "/first" {
                held.withLock { $0 = exchange.handle }
            } else {
                exchange.respond(status: 200, fields: EncodedFields())
            }
        }
        try await TestServer.run(handler) { server in
            let sent = Locked(0)
            let total = 500_000
            let client = Task {
                try await onThread {
                    let box = UncheckedBox(try Client(port: server.port))
                    let client = box.value
                    client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
                    let piece = Array(String(repeating: get, count: 1000).utf8)
                    Thread.detachNewThread {
                        for _ in 0..<total / 1000 {
                            guard box.value.send(piece) else { break }
                            sent.withLock { $0 += 1000 }
                        }
                    }
                    var bytes = 0
                    while try client.receive() {
                        bytes += 1
                        if client.received.count > 30_000_000 { break }
                        if client.received.suffix(4) == ArraySlice("\r\n\r\n".utf8), sent.withLock({ $0 }) == total { break }
                    }
                    return client.received.count
                }
            }
            try await server.until { held.withLock { $0 != nil } }
            var before = -1
            while sent.withLock({ $0 }) != before {
                before = sent.withLock { $0 }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(before < total)
            #expect(handler.seen.handled == ["/first"])
            held.withLock { $0 }?.respond(status: 200, fields: EncodedFields())
            #expect(try await client.value > 0)
        }
    }

    @Test func `five thousand idle connections cost little memory`() async throws {
        var limit = rlimit(rlim_cur: 0, rlim_max: 0)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let wanted = 5000
        guard limit.rlim_max >= rlim_t(wanted * 2 + 600) else { return }
        try await TestServer.run(TestHandler.plain()) { server in
            // Clients are made on one thread in turn; each has one answered request behind it.
            let before = residentBytes()
            let clients = try await onThread {
                UncheckedBox(
                    try (0..<wanted).map { _ in
                        let client = try Client(port: server.port)
                        guard try client.ask(get)?.status == 200 else { throw Client.Failure(description: "no answer") }
                        return client
                    }
                )
            }
            #expect(server.server.counters.open == wanted)
            let each = (residentBytes() - before) / wanted
            print("an idle connection costs \(each) bytes, both ends and a debug build")
            // Both ends live in this process, in a debug build.
            #expect(each < 16 * 1024, "\(each) bytes each")
            #expect(try clients.value[17].ask(get)?.status == 200)
            #expect(try clients.value[4999].ask(get)?.status == 200)
        }
    }

    private func residentBytes() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 4096 } ?? 0
    }
}

struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}

@Suite(.serialized) struct `Shutting down` {
    @Test func `idle connections close, open ones finish, new ones are refused`() async throws {
        let held = Locked<ExchangeHandle?>(nil)
        let handler = TestHandler { exchange, _ in
            if exchange.head.path == "/slow" {
                held.withLock { $0 = exchange.handle }
            } else {
                exchange.respond(status: 200, fields: EncodedFields())
            }
        }
        try await TestServer.run(handler) { server in
            let idle = try Client(port: server.port)
            #expect(try idle.ask(get)?.status == 200)
            let slow = try Client(port: server.port)
            slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            try await server.until { held.withLock { $0 != nil } }
            let end = Task { await server.server.shutdown(drain: .seconds(20)) }
            #expect(try !idle.receive())
            #expect(throws: Client.Failure.self) { try Client(port: server.port) }
            held.withLock { $0 }?.respond(status: 200, fields: EncodedFields(), body: Array("done".utf8))
            let response = try #require(try slow.response())
            #expect(response.text == "done")
            #expect(response.field("Connection") == "close")
            #expect(try !slow.receive())
            await end.value
            #expect(server.server.counters.open == 0)
        }
    }

    @Test func `what does not finish in time is cut`() async throws {
        let gone = Locked(0)
        let opened = Locked(0)
        let handler = TestHandler { exchange, _ in
            exchange.onClientGone = { gone.withLock { $0 += 1 } }
            opened.withLock { $0 += 1 }
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send(get)
            try await server.until { opened.withLock { $0 } == 1 }
            await server.server.shutdown(drain: .milliseconds(20))
            #expect(gone.withLock { $0 } == 1)
            #expect(server.server.counters.open == 0)
            #expect(try !client.receive())
        }
    }
}

@Suite(.serialized) struct `Unix sockets` {
    private func folder() -> String { "/tmp/swiftlet-\(getpid())-\(UInt32.random(in: 0...(.max)))" }

    private func run(_ path: String, _ body: (TestServer) async throws -> Void) async throws {
        try await TestServer.run(TestHandler.plain(), configure: { $0.addresses = [.unix(path: path)] }, body)
    }

    @Test func `serve requests, and are closed to strangers`() async throws {
        let folder = folder()
        defer { rmdir(folder) }
        let path = folder + "/s.sock"
        try await run(path) { server in
            let client = try Client(path: path)
            #expect(try client.ask(get)?.text == "ok 0")
            #expect(try client.ask(get)?.text == "ok 0")
            var info = stat()
            #expect(stat(path, &info) == 0 && info.st_mode & 0o7777 == 0o660)
            #expect(stat(folder, &info) == 0 && info.st_mode & 0o7777 == 0o750)
        }
        #expect(access(path, F_OK) != 0)
    }

    @Test func `replace a stale file, but no live one and nothing else`() async throws {
        let folder = folder()
        defer { rmdir(folder) }
        let path = folder + "/s.sock"
        try await run(path) { _ in
            await #expect(throws: HTTPServer.StartFailure.self) { try await run(path) { _ in } }
            let response = try Client(path: path).ask(get)
            #expect(response?.status == 200)
        }
        // A socket that was bound by somebody who is gone.
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        close(descriptor)
        try await run(path) { _ in
            let response = try Client(path: path).ask(get)
            #expect(response?.status == 200)
        }
        // A file that is no socket stays as it is.
        _ = FileManager.default.createFile(atPath: path, contents: Data("keep".utf8))
        await #expect(throws: HTTPServer.StartFailure.self) { try await run(path) { _ in } }
        #expect(FileManager.default.contents(atPath: path) == Data("keep".utf8))
        unlink(path)
    }

    @Test func `refuse a folder in which anybody could put them`() async throws {
        let folder = folder()
        defer { rmdir(folder) }
        mkdir(folder, 0o777)
        chmod(folder, 0o777)
        await #expect(throws: HTTPServer.StartFailure.self) { try await run(folder + "/s.sock") { _ in } }
    }

    @Test func `a port that is taken is named in the error`() async throws {
        try await TestServer.run(TestHandler.plain()) { server in
            let port = server.port
            await #expect(throws: HTTPServer.StartFailure.self) {
                try await TestServer.run(TestHandler.plain(), configure: { $0.addresses = [.tcp(host: "127.0.0.1", port: port)] })
                { _ in }
            }
        }
    }
}
