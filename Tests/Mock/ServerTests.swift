import SwiftletJSON
import Testing

@testable import SwiftletMock

@Suite struct ServerTests {
    private static let prompt = #"{"contents":[{"parts":[{"text":"Hello"}]}]}"#

    private func call(_ model: String, verb: String = "generateContent", body: String = prompt) -> String {
        "POST /v1beta/models/\(model):\(verb)?alt=sse HTTP/1.1\r\nHost: a\r\nx-goog-api-key: k\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func with(speed: Double = 1, _ body: (MockServer) async throws -> Void) async throws {
        let server = try await MockServer(speed: speed)
        do { try await body(server) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    private func log(_ server: MockServer) throws -> [JSON] {
        let client = try RawClient(port: server.port)
        client.send("GET /mock/log HTTP/1.1\r\nHost: a\r\n\r\n")
        return try JSON.parse(Array(client.response().body.utf8))["attempts"]?.array ?? []
    }

    @Test func `requests follow each other on one connection, pipelined ones too`() async throws {
        try await with { server in
            let client = try RawClient(port: server.port)
            client.send(call("ok"))
            #expect(try client.response().status == 200)
            client.send(call("500-once") + call("500-once") + call("404"))
            #expect(try [client.response().status, client.response().status, client.response().status] == [500, 200, 200])
            client.send("GET /mock/log HTTP/1.0\r\n\r\n")
            #expect(try JSON.parse(Array(client.response().body.utf8))["attempts"]?.array?.count == 4)
            try client.receiveAll()
            #expect(!client.wasReset && client.received.isEmpty)
        }
    }

    @Test func `a body may come in chunks and in pieces, and may wait to be asked for`() async throws {
        try await with { server in
            let client = try RawClient(port: server.port)
            let head = "POST /v1/models/ok:countTokens HTTP/1.1\r\nHost: a\r\nx-goog-api-key: k\r\n"
            client.send(head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"con\r\n")
            let rest = ServerTests.prompt.dropFirst(5)
            client.send("\(String(rest.utf8.count, radix: 16));x=y\r\n\(rest)\r\n0\r\nX-Trailer: 1\r\n\r\n")
            #expect(try client.response().body.contains(#""totalTokens":2"#))
            client.send(head + "Expect: 100-continue\r\nContent-Length: \(ServerTests.prompt.utf8.count)\r\n\r\n")
            #expect(try client.response().status == 100)
            client.send(ServerTests.prompt)
            #expect(try client.response().status == 200)
            client.send(head + "Transfer-Encoding: chunked\r\n\r\n5\nx")
            #expect(try client.response().status == 400)
            try client.receiveAll()
        }
    }

    @Test func `what is malformed or too large is refused, and the connection ends`() async throws {
        try await with { server in
            for (request, status) in [
                ("GET / HTTP/1.1\n\n", 400), ("GET / HTTP/1.1\r\n\r\n", 400),
                ("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n", 413),
            ] {
                let client = try RawClient(port: server.port)
                client.send(request)
                #expect(try client.response().status == status, "\(request)")
                try client.receiveAll()
            }
            let client = try RawClient(port: server.port)
            let text = String(repeating: "a", count: 3 << 20)
            client.send(call("ok", body: #"{"contents":[{"parts":[{"text":""# + text + #""}]}]}"#))
            #expect(try client.response().body.contains(#""promptTokenCount":786432"#))
        }
    }

    @Test func `a stream comes whole, and its connection lives on`() async throws {
        try await with { server in
            let client = try RawClient(port: server.port)
            client.send(
                call("ok", verb: "streamGenerateContent") + "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            try client.receiveAll()
            #expect(client.text.contains("0\r\n\r\nHTTP/1.1 404") && client.text.contains("goodbye."))
        }
    }

    @Test func `reset is a reset, before anything is said or in the middle`() async throws {
        try await with { server in
            let client = try RawClient(port: server.port)
            client.send(call("reset"))
            try client.receiveAll()
            #expect(client.wasReset && client.received.isEmpty)
            let half = try RawClient(port: server.port)
            half.send(call("half-error", verb: "streamGenerateContent"))
            try half.receiveAll()
            #expect(half.wasReset && half.text.components(of: "data: ") == 20)
            #expect(try log(server).map { $0["end"]?.string } == ["reset", "reset"] && log(server)[0]["status"]?.isNull == true)
        }
    }

    @Test func `cut ends with a FIN and without the end of the body`() async throws {
        try await with { server in
            let client = try RawClient(port: server.port)
            client.send(call("cut", verb: "streamGenerateContent"))
            try client.receiveAll()
            #expect(!client.wasReset && client.text.components(of: "data: ") == 40 && !client.text.hasSuffix("0\r\n\r\n"))
            #expect(try log(server)[0]["end"]?.string == "hung-up")
        }
    }

    @Test func `a client that leaves is seen, while the mock is silent and while it drips`() async throws {
        try await with { server in
            try {
                let silent = try RawClient(port: server.port)
                silent.send(call("silent"))
                let drip = try RawClient(port: server.port)
                drip.send(call("drip", verb: "streamGenerateContent"))
                try drip.receive(until: "data: ")
                while try log(server).count < 2 {}
            }()
            var attempts = try log(server)
            while attempts.contains(where: { $0["end"]?.isNull == true }) { attempts = try log(server) }
            #expect(attempts.map { $0["end"]?.string } == ["client-gone", "client-gone"])
            #expect(attempts.allSatisfy { $0["endMs"]?.double ?? 0 > 0 })
        }
    }

    @Test func `what is held goes on when it is let go`() async throws {
        try await with { server in
            let whole = try RawClient(port: server.port)
            whole.send(call("hold"))
            let stream = try RawClient(port: server.port)
            stream.send(call("hold.b", verb: "streamGenerateContent"))
            try stream.receive(until: "data: ")
            while try log(server).count < 2 {}
            #expect(stream.text.components(of: "data: ") == 1 && whole.received.isEmpty)
            let other = try RawClient(port: server.port)
            other.send("POST /mock/release HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            #expect(try other.response().body == #"{"released":2}"#)
            #expect(try whole.response().status == 200)
            try stream.receive(until: "\r\n0\r\n\r\n")
            #expect(stream.text.components(of: "data: ") == 61)
            other.send("POST /mock/release HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            #expect(try other.response().body == #"{"released":0}"#)
        }
    }

    @Test func `waits end, and the answer goes on`() async throws {
        try await with(speed: 1000) { server in
            let client = try RawClient(port: server.port)
            client.send(call("slow-first") + call("stall") + call("split-utf8") + call("silent"))
            for _ in 0..<3 { #expect(try client.response().body.contains("goodbye.")) }
            try client.receiveAll()
            #expect(client.received.isEmpty && !client.wasReset)
        }
    }

    @Test func `a large answer waits for a client that reads late`() async throws {
        try await with { server in
            let client = try RawClient(port: server.port)
            client.send(call("huge"))
            #expect(try log(server).isEmpty || log(server)[0]["status"]?.int == 200)
            #expect(try client.response().body.utf8.count > 8 << 20)
            #expect(try log(server)[0]["end"]?.string == "answered")
        }
    }

    @Test func `a port that is taken is said plainly`() async throws {
        try await with { server in
            let failure = await #expect(throws: MockServer.StartFailure.self) { _ = try await MockServer(port: server.port) }
            #expect(failure?.isPortTaken == true && failure?.description == "port \(server.port) of 127.0.0.1 is in use")
        }
    }

    @Test func `stopping ends what is under way`() async throws {
        let server = try await MockServer()
        let client = try RawClient(port: server.port)
        client.send(call("hold", verb: "streamGenerateContent"))
        try client.receive(until: "data: ")
        await server.stop()
        try client.receiveAll()
        #expect(client.isEnded)
    }
}

extension String {
    fileprivate func components(of mark: String) -> Int { ranges(of: mark).count }
}
