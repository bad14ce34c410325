import Fixtures
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import Testing

@Suite struct StreamTests {
    /// Writes until it is stopped, 64 KiB at a time.
    struct Torrent: EdgeFunction {
        static let name: FunctionName = "torrent"
        static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(60))
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
            let parts = Int(request.query["parts"] ?? "") ?? 0
            let name = request.query["as"] ?? "torrent"
            return Response(
                body: .stream { writer in
                    let part = [UInt8](repeating: 120, count: 65_536)
                    do {
                        for _ in 0..<parts {
                            try await writer.write(part)
                            Witness.note("\(name).part")
                        }
                    } catch {
                        Witness.note("\(name).stopped")
                        throw error
                    }
                })
        }
    }

    @Test func `a client that does not read makes the writer wait, and is cut off in the end`() async throws {
        let configuration = TestHost.settings { $0.server.writeStall = .milliseconds(300) }
        try await TestHost.run([Registration(Torrent.self)], configuration: configuration) { host async throws in
            let client = try RawClient(port: host.port, receiveBuffer: 16_384)
            await client.send("GET \(path("torrent"))?as=stalled&parts=8000 HTTP/1.1\r\nhost: x\r\n\r\n")
            await Witness.wait(for: "stalled.stopped", count: 1)
            // 8000 parts are 500 MiB; what the kernel and the host hold is far less.
            #expect(Witness.count("stalled.part") < 320)
            client.close()
        }
    }

    @Test func `a client that reads gets it all`() async throws {
        try await TestHost.run(fixtureFunctions + [Registration(Torrent.self)]) { host async throws in
            let answer = try await host.get(path("torrent?as=read&parts=100"))
            #expect(answer.isWhole)
            #expect(answer.body.count == 100 * 65_536)
            let known = try await host.get(path("stream?parts=10&size=100&length=1"))
            #expect(known.headers[.contentLength] == "1000")
            #expect(known.headers[.transferEncoding] == nil)
            #expect(known.body.count == 1000 && known.isWhole)
        }
    }

    @Test func `a stream that breaks is not whole, whether its length was known or not`() async throws {
        let log = try LogCapture()
        try await TestHost.run(fixtureFunctions, configuration: HostConfiguration(), sink: log.sink) { host async throws in
            for length in ["0", "1"] {
                let answer = try await host.get(path("stream?parts=10&fail=1&length=\(length)"))
                #expect(answer.status == 200)
                #expect(!answer.isWhole)
                #expect(!answer.text.contains("broken in the middle"))
            }
        }
        #expect(log.text.contains("a begun answer was cut"))
    }

    @Test func `a function that writes more or less than it said is cut, not joined to the next answer`() async throws {
        struct Liar: EdgeFunction {
            static let name: FunctionName = "liar"
            static let policy = Policy(methods: [.get], rateLimit: .none, body: .none)
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                let real = Int(request.query["real"] ?? "") ?? 0
                return Response(
                    body: .stream(length: 10) { writer in try await writer.write([UInt8](repeating: 120, count: real)) })
            }
        }
        try await TestHost.run([Registration(Liar.self)]) { host async throws in
            for real in [0, 5, 11, 5000] {
                let client = try RawClient(port: host.port)
                let request = "GET \(path("liar"))?real=\(real) HTTP/1.1\r\nhost: x\r\n\r\n"
                await client.send(request + request)
                let text = await client.readToEnd()
                #expect(text.components(of: "HTTP/1.1 ") <= 1, "\(real)")
                #expect(text.count { $0 == "x" } <= 10 + 40)
            }
            let right = try await host.get(path("liar?real=10"))
            #expect(right.isWhole && right.body.count == 10)
        }
    }

    @Test func `events arrive as they are written, in order, and unbuffered by proxies`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            let client = try RawClient(port: host.port)
            await client.send("GET \(path("events"))?gate=stream-tests-events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            let start = await client.read(until: "and more\n\n").lowercased()
            #expect(start.contains("content-type: text/event-stream"))
            #expect(start.contains("x-accel-buffering: no"))
            #expect(start.contains("cache-control: no-store"))
            #expect(!start.contains("id: 1\n"))
            Gatekeeper.shared.open("stream-tests-events")
            let rest = await client.readToEnd()
            #expect(!start.contains("id: 1\n"))
            #expect(rest.contains("id: 1\n") && rest.contains("id: 2\n"))
            let whole = try await host.get(path("events"))
            #expect(
                whole.text
                    == (0..<3).map { "event: tick\nid: \($0)\ndata: line \($0)\ndata: and more\n\n" }.joined())
        }
    }
}

extension String {
    func components(of text: String) -> Int {
        var count = 0
        var rest = utf8[...]
        let needle = Array(text.utf8)
        while rest.count >= needle.count {
            if rest.starts(with: needle) { count += 1 }
            rest = rest.dropFirst()
        }
        return count
    }
}
