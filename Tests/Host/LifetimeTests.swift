import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletTesting
import Testing

@testable import SwiftletHost

@Suite struct LifetimeTests {
    struct Later: EdgeFunction {
        static let name: FunctionName = "later"
        static let policy = Policy(methods: [.post], rateLimit: .none, body: .none)
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
            let name = request.query["as"] ?? "later"
            context.waitUntil {
                Witness.note("\(name).started")
                await Latches.named(name).wait()
                Witness.note("\(name).done")
                if request.query["fail"] == "1" { throw HTTPError(500, .edgeFunctionError, "failed later") }
            }
            return .noContent()
        }
    }

    @Test func `waitUntil goes on after the answer, and stopping waits for it`() async throws {
        try await TestHost.run([Registration(Later.self)]) { host async throws in
            let answer = try await host.request("POST", path("later?as=later-1"))
            #expect(answer.status == 204)
            await Witness.wait(for: "later-1.started", count: 1)
            #expect(Witness.count("later-1.done") == 0)
            host.host.stop()
            await LifetimeTests.untilRefused(host.port)
            #expect(host.host.background.count == 1)
            Latches.named("later-1").open()
        }
        #expect(Witness.count("later-1.done") == 1)
    }

    @Test func `work for later that throws is logged and hurts nobody`() async throws {
        let log = try LogCapture()
        Latches.named("later-2").open()
        try await TestHost.run([Registration(Later.self)], configuration: HostConfiguration(), sink: log.sink) {
            host async throws in
            #expect(try await host.request("POST", path("later?as=later-2&fail=1")).status == 204)
            await Witness.wait(for: "later-2.done", count: 1)
            #expect(try await host.request("POST", path("later?as=later-2")).status == 204)
        }
        #expect(log.text.contains("waitUntil work failed"))
    }

    @Test func `work for later goes on when the client has gone`() async throws {
        try await TestHost.run([Registration(Later.self)]) { host async throws in
            let client = try RawClient(port: host.port)
            await client.send("POST \(path("later"))?as=later-3 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            await Witness.wait(for: "later-3.started", count: 1)
            client.close()
            Latches.named("later-3").open()
            await Witness.wait(for: "later-3.done", count: 1)
        }
    }

    /// Returns once nobody listens on the port any more.
    static func untilRefused(_ port: Int) async {
        while let client = try? RawClient(port: port) {
            client.close()
            await Task.yield()
        }
    }

    @Test func `stopping answers what is in flight and refuses new connections`() async throws {
        try await TestHost.run([Registration(Held.self)]) { host async throws in
            async let answer = host.get(path("held?as=drain"))
            await Witness.wait(for: "drain.started", count: 1)
            host.host.stop()
            await LifetimeTests.untilRefused(host.port)
            Latches.named("drain").open()
            let held = try await answer
            #expect(held.status == 200)
            #expect(held.text == "held")
            #expect(held.isWhole)
        }
    }

    @Test func `a function that takes too long is a 504, and hears of it`() async throws {
        try await TestHost.run([Registration(ShortSleeper.self)]) { host async throws in
            let answer = try await host.get(path("short-sleeper?as=deadline"))
            #expect(answer.status == 504)
            #expect(answer.code == "IDLE_TIMEOUT")
            #expect(answer.headers[.relayError] == "true")
            await Witness.wait(for: "deadline.cancelled", count: 1)
        }
    }

    @Test func `a stream that takes too long is cut`() async throws {
        struct Drips: EdgeFunction {
            static let name: FunctionName = "drips"
            // Long enough to begin in, also for a machine that has much else to do.
            static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(5))
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
                Response(
                    body: .stream { writer in
                        try await writer.write("first")
                        try await Sleeper.sleep("drips")
                    })
            }
        }
        try await TestHost.run([Registration(Drips.self)]) { host async throws in
            let answer = try await host.get(path("drips"))
            #expect(answer.status == 200)
            #expect(answer.text == "first")
            #expect(!answer.isWhole)
            await Witness.wait(for: "drips.cancelled", count: 1)
        }
    }

    @Test func `a client that goes away cancels its handler, gives the permit back and leaves a 499 in the log`() async throws {
        let log = try LogCapture()
        try await TestHost.run([Registration(Sleeper.self)], configuration: HostConfiguration(), sink: log.sink) {
            host async throws in
            for round in 1...3 {
                let client = try RawClient(port: host.port)
                await client.send("GET \(path("sleeper"))?as=gone HTTP/1.1\r\nhost: x\r\n\r\n")
                await Witness.wait(for: "gone.started", count: round)
                client.close()
                await Witness.wait(for: "gone.cancelled", count: round)
            }
        }
        let requests = log.events.filter { $0["msg"]?.string == "request" }
        #expect(requests.map { $0["status"]?.int } == [499, 499, 499])
    }

    @Test func `a client that goes away in the middle of its body leaves the host as it was`() async throws {
        try await TestHost.run(fixtureFunctions) { host async throws in
            for name in ["refuses", "upload", "typed"] {
                let client = try RawClient(port: host.port)
                await client.send("POST \(path(name)) HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{\"prompt\":")
                client.close()
            }
            #expect(try await host.post(path("typed"), json: ["prompt": "x"]).status == 200)
        }
    }
}
