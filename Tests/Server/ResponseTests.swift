import Foundation
import NIOCore
import SwiftletHTTP
import SwiftletServer
import Testing

let get = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"

private func fields(_ pairs: (String, String)...) -> EncodedFields {
    var fields = EncodedFields()
    for (name, value) in pairs { try? fields.append(name, value) }
    return fields
}

@Suite(.serialized) struct `Whole responses` {
    @Test func `carry date and length, and no server name`() async throws {
        let clock = ManualClock()
        let handler = TestHandler { exchange, _ in
            exchange.respond(status: 200, fields: fields(("X-A", "1")), body: Array("hello".utf8))
        }
        try await TestServer.run(handler, clock: clock) { server in
            let client = try Client(port: server.port)
            let response = try #require(try client.ask(get))
            #expect(response.text == "hello")
            #expect(response.field("Date") == "Sun, 06 Nov 1994 08:49:37 GMT")
            #expect(response.field("Content-Length") == "5")
            #expect(response.field("X-A") == "1")
            #expect(response.field("Server") == nil)
            #expect(response.field("Connection") == nil)
            await server.advance(.seconds(3))
            #expect(try client.ask(get)?.field("Date") == "Sun, 06 Nov 1994 08:49:40 GMT")
        }
    }

    @Test func `to HEAD and of status 204 and 304 have no body`() async throws {
        let handler = TestHandler { exchange, _ in
            let status = exchange.head.query.flatMap { Int($0) } ?? 0
            exchange.respond(status: status, fields: EncodedFields(), body: Array("hello".utf8))
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send("HEAD /?200 HTTP/1.1\r\nHost: a\r\n\r\n")
            let response = try #require(try client.response(toHead: true))
            #expect(response.field("Content-Length") == "5")
            for status in [204, 304] {
                let response = try #require(try client.ask("GET /?\(status) HTTP/1.1\r\nHost: a\r\n\r\n"))
                #expect(response.status == status)
                #expect(response.field("Content-Length") == nil)
            }
            // Nothing was left over: the next answer is found where it should be.
            #expect(try client.ask("GET /?200 HTTP/1.1\r\nHost: a\r\n\r\n")?.text == "hello")
        }
    }

    @Test(arguments: [0, 100, 101, 199, 600, 999, -1, .max]) func `of an impossible status are an empty 500`(status: Int)
        async throws
    {
        let handler = TestHandler { exchange, _ in
            exchange.respond(status: status, fields: fields(("X-A", "1")), body: Array("secret".utf8))
        }
        try await TestServer.run(handler) { server in
            let response = try #require(try Client(port: server.port).ask(get))
            #expect(response.status == 500)
            #expect(response.body.isEmpty)
            #expect(response.field("X-A") == nil)
        }
    }

    @Test func `of many megabytes arrive whole`() async throws {
        let body = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let handler = TestHandler { exchange, _ in exchange.respond(status: 200, fields: EncodedFields(), body: body) }
        try await TestServer.run(handler) { server in
            try await onThread {
                let client = try Client(port: server.port)
                #expect(try client.ask(get)?.body == body)
                #expect(try client.ask(get)?.body.count == body.count)
            }
        }
    }

    @Test func `come in the order of the requests, even when they are answered late`() async throws {
        let held = Locked<[ExchangeHandle]>([])
        let handler = TestHandler { exchange, handler in
            handler.note(exchange)
            held.withLock { $0.append(exchange.handle) }
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send((1...5).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
            for index in 1...5 {
                try await server.until { handler.seen.handled.count == index }
                // One at a time: the next one is not opened before this one is answered.
                #expect(handler.seen.handled.last == "/\(index)")
                held.withLock { $0.removeFirst() }.respond(status: 200, fields: EncodedFields(), body: Array("\(index)".utf8))
                #expect(try client.response()?.text == "\(index)")
            }
        }
    }

    @Test func `given late never reach the next request`() async throws {
        let first = Locked<ExchangeHandle?>(nil)
        let handler = TestHandler { exchange, _ in
            if exchange.head.path == "/1" {
                exchange.respond(status: 200, fields: EncodedFields(), body: Array("one".utf8))
                first.withLock { $0 = exchange.handle }
            } else {
                first.withLock { $0 }?.respond(status: 200, fields: EncodedFields(), body: Array("late".utf8))
                exchange.respond(status: 200, fields: EncodedFields(), body: Array("two".utf8))
                exchange.respond(status: 200, fields: EncodedFields(), body: Array("again".utf8))
            }
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            #expect(try client.ask("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")?.text == "one")
            #expect(try client.ask("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")?.text == "two")
            #expect(try client.ask("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")?.text == "two")
        }
    }

    @Test func `to thousands of pipelined requests are all sent, to a client that reads late`() async throws {
        let body = [UInt8](repeating: 0x61, count: 1000)
        let handler = TestHandler { exchange, _ in exchange.respond(status: 200, fields: EncodedFields(), body: body) }
        try await TestServer.run(handler) { server in
            let (received, expected) = try await onThread {
                let box = UncheckedBox(try Client(port: server.port))
                Thread.detachNewThread { box.value.send(String(repeating: get, count: 9_000)) }
                var size: Int?
                while size == nil || box.value.received.count < (size ?? 0) * 9_000, try box.value.receive() {
                    if size == nil { size = Client.parse(box.value.received, toHead: false, ended: false)?.1 }
                }
                return (box.value.received.count, (size ?? 0) * 9_000)
            }
            // All answers are alike, so that their number follows from their length.
            #expect(received == expected)
        }
    }

    /// The memory of small answers is used again: not that of an answer which the socket has not taken yet.
    @Test func `that wait for a slow client stay as they were, whatever others are answered meanwhile`() async throws {
        let handler = TestHandler { exchange, _ in
            let path = exchange.head.path
            exchange.respond(
                status: 200, fields: fields(("X-Path", path)),
                body: Array(String(repeating: path, count: 1 + path.utf8.count % 150).utf8))
        }
        try await TestServer.run(handler) { server in
            let wrong = try await onThread {
                @Sendable func ask(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" }
                func isRight(_ response: Client.Response?, _ path: String) -> Bool {
                    response?.field("X-Path") == path
                        && response?.text == String(repeating: path, count: 1 + path.utf8.count % 150)
                }
                let slow = UncheckedBox(try Client(port: server.port))
                let paths = (0..<6_000).map { "/slow/\($0)/" + String(repeating: "s", count: $0 % 140) }
                Thread.detachNewThread { for path in paths { slow.value.send(ask(path)) } }
                let quick = try Client(port: server.port)
                var wrong = 0
                for number in 0..<500 where !isRight(try quick.ask(ask("/quick/\(number)")), "/quick/\(number)") { wrong += 1 }
                for path in paths where !isRight(try slow.value.response(), path) { wrong += 1 }
                return wrong
            }
            #expect(wrong == 0)
        }
    }
}

@Suite(.serialized) struct `Keeping connections` {
    private func exchange(_ request: String, configure: (inout ServerConfiguration) -> Void = { _ in }) async throws -> (
        Client.Response?, closed: Bool
    ) {
        var result: (Client.Response?, Bool) = (nil, false)
        try await TestServer.run(TestHandler.plain(), configure: configure) { server in
            let client = try Client(port: server.port)
            let response = try client.ask(request)
            if response?.field("Connection") == "close" {
                result = (response, try !client.receive())
            } else {
                result = (response, try client.ask(get) == nil)
            }
        }
        return result
    }

    @Test func `HTTP/1.1 stays open unless told otherwise`() async throws {
        #expect(try await exchange(get).closed == false)
        let (response, closed) = try await exchange("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        #expect(response?.field("Connection") == "close")
        #expect(closed)
    }

    @Test func `HTTP/1.0 closes unless told otherwise`() async throws {
        #expect(try await exchange("GET /health HTTP/1.0\r\n\r\n").closed)
        let (response, closed) = try await exchange("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        #expect(response?.field("Connection") == "keep-alive")
        #expect(!closed)
    }

    @Test func `the last request that a connection may carry is answered with a close`() async throws {
        try await TestServer.run(TestHandler.plain(), configure: { $0.maxRequestsPerConnection = 2 }) { server in
            let client = try Client(port: server.port)
            #expect(try client.ask(get)?.field("Connection") == nil)
            #expect(try client.ask(get)?.field("Connection") == "close")
            #expect(try !client.receive())
        }
    }

    @Test func `a malformed request is answered and closes, what came before is answered first`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send(get + "BAD\r\n\r\n" + get)
            try client.receiveAll()
            #expect(client.statuses() == [200, 400])
            #expect(handler.seen.refusals.map(\.kind) == [.bareCarriageReturn])
            #expect(!client.wasReset)
        }
    }

    @Test func `a request byte by byte is answered like a whole one`() async throws {
        try await TestServer.run(TestHandler.plain()) { server in
            let client = try Client(port: server.port)
            let text =
                "\r\nPOST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"
            for byte in text.utf8 { client.send([byte]) }
            #expect(try client.response()?.text == "ok 5")
            #expect(try client.ask(get)?.status == 200)
        }
    }

    @Test func `a client that closes its side after sending gets all answers`() async throws {
        try await TestServer.run(TestHandler.plain()) { server in
            let client = try Client(port: server.port)
            client.send(get + get + get)
            client.endSending()
            try client.receiveAll()
            #expect(client.statuses() == [200, 200, 200])
        }
    }
}

@Suite(.serialized) struct `Streamed responses` {
    @Test func `are chunked, and the connection lives on`() async throws {
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields())
            exchange.write(ByteBuffer(string: "hello "))
            exchange.write(ByteBuffer())
            exchange.write(ByteBuffer(repeating: 0x61, count: 10_000))
            exchange.end()
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            for _ in 0..<3 {
                let response = try #require(try client.ask(get))
                #expect(response.field("Transfer-Encoding") == "chunked")
                #expect(response.field("Content-Length") == nil)
                #expect(response.text == "hello " + String(repeating: "a", count: 10_000))
            }
        }
    }

    @Test func `of a known length are not chunked`() async throws {
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields(), length: 6)
            exchange.write(ByteBuffer(string: "abc"))
            exchange.write(ByteBuffer(string: "def"))
            exchange.end()
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            #expect(try client.ask(get)?.text == "abcdef")
            #expect(try client.ask(get)?.field("Content-Length") == "6")
        }
    }

    @Test func `reach the client part by part`() async throws {
        let held = Locked<ExchangeHandle?>(nil)
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields())
            held.withLock { $0 = exchange.handle }
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send(get)
            try await server.until { held.withLock { $0 != nil } }
            while !String(decoding: client.received, as: UTF8.self).contains("\r\n\r\n") { try client.receive() }
            let handle = try #require(held.withLock { $0 })
            for part in ["one", "two"] {
                #expect(await handle.write(ByteBuffer(string: part)))
                while !String(decoding: client.received, as: UTF8.self).hasSuffix(part + "\r\n") { try client.receive() }
            }
            handle.end()
            #expect(try client.response()?.text == "onetwo")
        }
    }

    @Test func `end with the connection for HTTP/1.0`() async throws {
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields())
            exchange.write(ByteBuffer(string: "hello"))
            exchange.end()
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            let response = try #require(try client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))
            #expect(response.field("Transfer-Encoding") == nil)
            #expect(response.field("Connection") == "close")
            #expect(response.text == "hello")
            #expect(!client.wasReset)
        }
    }

    @Test(arguments: ["1.0", "1.1"]) func `that are aborted never look whole`(version: String) async throws {
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields())
            exchange.write(ByteBuffer(string: "hello"))
            let handle = exchange.handle
            exchange.eventLoop.execute { handle.abort() }
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send("GET / HTTP/\(version)\r\nHost: a\r\n\r\n")
            try client.receiveAll()
            #expect(!String(decoding: client.received, as: UTF8.self).hasSuffix("0\r\n\r\n"))
            #expect(version == "1.1" || client.wasReset)
        }
    }

    @Test func `that break their declared length are cut`() async throws {
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields(), length: 5)
            exchange.write(ByteBuffer(string: "abc"))
            if exchange.head.path == "/more" { exchange.write(ByteBuffer(string: "defgh")) }
            exchange.end()
        }
        try await TestServer.run(handler) { server in
            for path in ["/less", "/more"] {
                let client = try Client(port: server.port)
                client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" + get)
                try client.receiveAll()
                #expect(client.statuses().isEmpty)
            }
        }
    }

    @Test func `to HEAD send only their head`() async throws {
        let handler = TestHandler { exchange, _ in
            exchange.begin(status: 200, fields: EncodedFields())
            exchange.write(ByteBuffer(string: "hello"))
            exchange.end()
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.response(toHead: true)?.status == 200)
            #expect(try client.ask(get)?.text == "hello")
        }
    }

    @Test func `can be given from a task`() async throws {
        let handler = TestHandler { exchange, _ in
            let handle = exchange.handle
            Task {
                let body = try? await handle.collectBody(upTo: 100)
                handle.begin(status: 200, fields: EncodedFields())
                var sent = 0
                for _ in 0..<200 {
                    guard await handle.write(ByteBuffer(repeating: 0x62, count: 10_000)) else { return }
                    sent += 1
                }
                _ = await handle.write(body ?? ByteBuffer())
                handle.end()
            }
        }
        try await TestServer.run(handler) { server in
            let response = try await onThread {
                try Client(port: server.port).ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz")?.body
            }
            #expect(response?.count == 2_000_003)
            #expect(response?.suffix(3) == ArraySlice("xyz".utf8))
        }
    }

    @Test func `to a client that does not read stay bounded, and are cut in the end`() async throws {
        let clock = ManualClock()
        let gone = Locked(0)
        let told = Locked<[Bool]>([])
        let written = Locked(0)
        // Writes for ever, and waits whenever it is told to.
        @Sendable func pump(_ exchange: Exchange) {
            while exchange.write(ByteBuffer(repeating: 0x61, count: 16 * 1024)) { written.withLock { $0 += 16 * 1024 } }
            exchange.whenWritable { isWritable in
                told.withLock { $0.append(isWritable) }
                if isWritable { pump(exchange) }
            }
        }
        let handler = TestHandler { exchange, _ in
            exchange.onClientGone = { gone.withLock { $0 += 1 } }
            exchange.begin(status: 200, fields: EncodedFields())
            pump(exchange)
        }
        try await TestServer.run(handler, clock: clock, configure: { $0.writeStall = .seconds(30) }) { server in
            let client = try Client(port: server.port, receiveBuffer: 4096)
            client.send(get)
            try await server.until { written.withLock { $0 } > 0 }
            // The system takes what it can hold; then the clock finds that nothing moves.
            var rounds = 0
            while server.server.counters.open == 1, rounds < 1000 {
                await server.advance(.seconds(10))
                rounds += 1
                await Task.yield()
            }
            try await server.until { server.server.counters.open == 0 }
            #expect(gone.withLock { $0 } == 1)
            #expect(told.withLock { $0.last } == false)
            // What the system holds for one socket, and not more.
            #expect(written.withLock { $0 } < 16 * 1024 * 1024)
            // Not before its time: three windows of the clock, and the first only starts to look.
            #expect(rounds >= 3)
        }
    }

    @Test func `of a handler that ignores the limit are cut`() async throws {
        let gone = Locked(0)
        let handler = TestHandler { exchange, _ in
            exchange.onClientGone = { gone.withLock { $0 += 1 } }
            exchange.begin(status: 200, fields: EncodedFields())
            for _ in 0..<4096 { exchange.write(ByteBuffer(repeating: 0x61, count: 16 * 1024)) }
        }
        try await TestServer.run(handler, configure: { $0.maxUnsent = 256 * 1024 }) { server in
            let client = try Client(port: server.port, receiveBuffer: 4096)
            client.send(get)
            try await server.until { gone.withLock { $0 } == 1 }
            try await server.until { server.server.counters.open == 0 }
        }
    }
}
