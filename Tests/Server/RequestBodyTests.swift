import Foundation
import NIOCore
import SwiftletHTTP
import SwiftletServer
import Testing

@Suite(.serialized) struct `Request bodies` {
    @Test func `a small body is there when the head is`() async throws {
        let complete = Locked<[Bool]>([])
        let handler = TestHandler { exchange, _ in
            complete.withLock { $0.append(exchange.isBodyComplete) }
            var isCalledBack = false
            exchange.collectBody(upTo: 100) { result in
                isCalledBack = true
                exchange.respond(status: 200, fields: EncodedFields(), body: (try? result.get()) ?? ByteBuffer())
            }
            #expect(isCalledBack)
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            #expect(try client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")?.text == "hello")
            #expect(
                try client.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")?.text
                    == "hi"
            )
            #expect(try client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")?.text == "")
            #expect(complete.withLock { $0 } == [true, true, true])
        }
    }

    @Test(arguments: [true, false]) func `the limit is exact`(isChunked: Bool) async throws {
        let handler = TestHandler { exchange, _ in
            exchange.collectBody(upTo: 1000) { result in
                switch result {
                case .success(let body): exchange.respond(status: 200, fields: EncodedFields(), body: body)
                case .failure(let failure): exchange.respond(status: failure == .tooLarge ? 413 : 400, fields: EncodedFields())
                }
            }
        }
        try await TestServer.run(handler) { server in
            for (size, status) in [(999, 200), (1000, 200), (1001, 413), (200_000, 413)] {
                let client = try Client(port: server.port)
                let body = String(repeating: "x", count: size)
                let framing = isChunked ? "Transfer-Encoding: chunked" : "Content-Length: \(size)"
                client.send("POST / HTTP/1.1\r\nHost: a\r\n\(framing)\r\n\r\n")
                client.send(isChunked ? String(size, radix: 16) + "\r\n" + body + "\r\n0\r\n\r\n" : body)
                #expect(try client.response()?.status == status)
            }
        }
    }

    @Test func `a client is told to continue only when the body is wanted`() async throws {
        try await TestServer.run(TestHandler.plain()) { server in
            let client = try Client(port: server.port)
            client.send("POST /health HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            while client.statuses() != [100] { try client.receive() }
            client.send("hello")
            #expect(try client.response()?.text == "ok 5")
            // Refused by its length: the answer is final at once, and nothing else came before it.
            let other = try Client(port: server.port)
            other.send("POST /health HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n")
            try other.receiveAll()
            #expect(other.statuses() == [413])
            #expect(String(decoding: other.received, as: UTF8.self).contains("Connection: close\r\n"))
        }
    }

    @Test func `a client that does not wait is not told to continue`() async throws {
        try await TestServer.run(TestHandler.plain()) { server in
            let client = try Client(port: server.port)
            client.send("POST /health HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            while client.statuses().isEmpty { try client.receive() }
            #expect(client.statuses() == [200])
        }
    }

    @Test func `a refusal reaches a client that is still uploading`() async throws {
        let handler = TestHandler { exchange, _ in exchange.respond(status: 413, fields: EncodedFields()) }
        try await TestServer.run(handler) { server in
            try await onThread {
                // Sends three megabytes without looking for an answer, then looks.
                let client = try Client(port: server.port)
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
                client.send([UInt8](repeating: 0x61, count: 3_000_000))
                let response = try client.response()
                #expect(response?.status == 413)
                #expect(response?.field("Connection") == "close")
            }
        }
    }

    @Test func `a small rest that nobody read is skipped`() async throws {
        let handler = TestHandler { exchange, _ in exchange.respond(status: 200, fields: EncodedFields()) }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n")
            let response = try #require(try client.response())
            #expect(response.field("Connection") == nil)
            client.send([UInt8](repeating: 0x47, count: 40_000))
            #expect(try client.ask(get)?.status == 200)
        }
    }

    @Test func `a rest that does not come in time closes the connection`() async throws {
        let clock = ManualClock()
        let handler = TestHandler { exchange, _ in exchange.respond(status: 200, fields: EncodedFields()) }
        try await TestServer.run(handler, clock: clock) { server in
            let client = try Client(port: server.port)
            #expect(try client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n")?.status == 200)
            await server.advance(.milliseconds(999))
            client.send([UInt8](repeating: 0x47, count: 100))
            #expect(server.server.counters.open == 1)
            await server.advance(.milliseconds(1))
            #expect(try !client.receive())
        }
    }

    @Test func `a body in parts holds the client back until somebody pulls`() async throws {
        let held = Locked<ExchangeHandle?>(nil)
        let handler = TestHandler { exchange, _ in held.withLock { $0 = exchange.handle } }
        let size = 24_000_000
        try await TestServer.run(handler) { server in
            let sent = Locked(0)
            let upload = Task {
                try await onThread {
                    let client = try Client(port: server.port)
                    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
                    let piece = [UInt8](repeating: 0x61, count: 100_000)
                    for _ in 0..<size / piece.count {
                        guard client.send(piece) else { break }
                        sent.withLock { $0 += piece.count }
                    }
                    return try client.response()?.text
                }
            }
            try await server.until { held.withLock { $0 != nil } }
            // Until it stands still, the client fills what the system holds; all of it never fits.
            var before = -1
            while sent.withLock({ $0 }) != before {
                before = sent.withLock { $0 }
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(before < size)
            let handle = try #require(held.withLock { $0 })
            var total = 0
            var largest = 0
            while let part = try await handle.nextBodyPart() {
                total += part.readableBytes
                largest = max(largest, part.readableBytes)
            }
            #expect(total == size)
            #expect(largest <= 256 * 1024)
            handle.respond(status: 200, fields: EncodedFields(), body: Array("got \(total)".utf8))
            #expect(try await upload.value == "got \(size)")
        }
    }

    @Test func `a chunked body in parts ends with nil`() async throws {
        let handler = TestHandler { exchange, _ in
            let handle = exchange.handle
            Task {
                var text = ""
                while let part = try await handle.nextBodyPart() { text += String(buffer: part) }
                handle.respond(status: 200, fields: EncodedFields(), body: Array(text.utf8))
            }
        }
        try await TestServer.run(handler) { server in
            let response = try await onThread {
                let client = try Client(port: server.port)
                client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                client.send("3\r\nde")
                client.send("f\r\n0\r\n\r\n")
                let text = try client.response()?.text
                return (text, try client.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")?.text)
            }
            #expect(response.0 == "abcdef")
            #expect(response.1 == "")
        }
    }

    @Test func `a chunk that breaks late is malformed, and closes`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send("POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            client.send("Z\r\n" + get)
            try client.receiveAll()
            #expect(client.statuses() == [400])
            #expect(handler.seen.handled.isEmpty)
        }
    }

    @Test func `a client that leaves in the middle of its body is reported`() async throws {
        let failure = Locked<BodyFailure?>(nil)
        let gone = Locked(0)
        let handler = TestHandler { exchange, _ in
            exchange.onClientGone = { gone.withLock { $0 += 1 } }
            exchange.collectBody(upTo: 100) { result in
                if case .failure(let reason) = result { failure.withLock { $0 = reason } }
            }
        }
        try await TestServer.run(handler) { server in
            let client = try Client(port: server.port)
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello")
            client.endSending()
            try await server.until { gone.withLock { $0 } == 1 }
            #expect(failure.withLock { $0 } == .clientGone)
        }
    }

    @Test func `asking twice, or after the answer, fails`() async throws {
        let failures = Locked<[BodyFailure]>([])
        let handler = TestHandler { exchange, _ in
            func note(_ result: Result<ByteBuffer, BodyFailure>) {
                if case .failure(let failure) = result { failures.withLock { $0.append(failure) } }
            }
            exchange.collectBody(upTo: 100, note)
            exchange.collectBody(upTo: 100, note)
            exchange.respond(status: 200, fields: EncodedFields())
            exchange.collectBody(upTo: 100, note)
        }
        try await TestServer.run(handler) { server in
            let response = try Client(port: server.port).ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
            #expect(response?.status == 200)
            #expect(failures.withLock { $0 } == [.answered, .answered, .answered])
        }
    }
}
