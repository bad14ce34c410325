import Fixtures
import Foundation
import HTTPTypes
import Swiftlet
import SwiftletHost
import SwiftletJSON
import SwiftletNet
import SwiftletRateLimit
import SwiftletTesting
import Testing

@testable import SwiftletHost

@Suite struct LimitTests {
    private static func clock() -> ManualClock { ManualClock(wall: Int64(Date().timeIntervalSince1970)) }

    /// `"default";r=2;t=20` → (2, 20)
    private static func parse(_ field: String?, _ first: String, _ second: String) -> (Int, Int)? {
        guard let parts = field?.split(separator: ";"), parts.count == 3, parts[0] == "\"default\"",
            parts[1].hasPrefix("\(first)="),
            parts[2].hasPrefix("\(second)="), let a = Int(parts[1].dropFirst(2)), let b = Int(parts[2].dropFirst(2))
        else { return nil }
        return (a, b)
    }

    @Test func `a caller is told what is left, refused when nothing is, and let in again later`() async throws {
        let clock = LimitTests.clock()
        let configuration = TestHost.settings { $0.clock = clock.hostClock }
        try await TestHost.run([Registration(Counted.self)], configuration: configuration) { host async throws in
            for left in [1, 0] {
                let answer = try await host.get(path("counted?as=recovery"))
                #expect(answer.status == 200)
                let policy = try #require(LimitTests.parse(answer.headers[.rateLimitPolicy], "q", "w"))
                #expect(policy == (2, 60))
                let state = try #require(LimitTests.parse(answer.headers[.rateLimit], "r", "t"))
                #expect(state.0 == left)
                #expect((1...60).contains(state.1))
                #expect(answer.headers[.retryAfter] == nil)
            }
            let refused = try await host.get(path("counted?as=recovery"))
            #expect(refused.status == 429)
            #expect(refused.code == "RATE_LIMIT_EXCEEDED")
            #expect(refused.headers[.relayError] == "true")
            #expect(refused.headers[.retryAfter] == "30")
            #expect(try #require(LimitTests.parse(refused.headers[.rateLimit], "r", "t")) == (0, 30))
            #expect(Witness.count("recovery.called") == 2)
            clock.advance(by: .seconds(29))
            #expect(try await host.get(path("counted?as=recovery")).status == 429)
            clock.advance(by: .seconds(1))
            #expect(try await host.get(path("counted?as=recovery")).status == 200)
            #expect(try await host.get(path("counted?as=recovery")).status == 429)
            clock.advance(by: .seconds(3600))
            let fresh = try await host.get(path("counted?as=recovery"))
            #expect(try #require(LimitTests.parse(fresh.headers[.rateLimit], "r", "t")).0 == 1)
        }
    }

    @Test func `a refused request's body is not asked for, and its function not called`() async throws {
        try await TestHost.run([Registration(Counted.self)]) { host async throws in
            for _ in 0..<2 { _ = try await host.get(path("counted?as=unread")) }
            let client = try RawClient(port: host.port)
            await client.send(
                "POST \(path("counted"))?as=unread HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 60000\r\n\r\n")
            let answer = await client.read(until: "\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 429 "))
            #expect(Witness.count("unread.called") == 2)
            // The same request, allowed, is asked for its body.
            let other = try RawClient(port: host.port)
            let token = try DevelopmentToken.mint(.init(subject: "reader", expiresAt: Int64(Date().timeIntervalSince1970) + 60))
            await other.send(
                "POST \(path("counted"))?as=unread HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \(token)\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
            )
            #expect(await other.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 100 "))
            await other.send("{}")
            #expect(await other.readToEnd().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func `users have limits of their own, tokens of one user share one, and those without a user share the address's`()
        async throws
    {
        try await TestHost.run([Registration(Counted.self)]) { host async throws in
            func status(_ caller: TestHost.Caller?) async throws -> Int {
                try await host.get(path("counted?as=callers"), as: caller).status
            }
            for user in ["ada", "grace", "Ada"] {
                #expect(try await status(.user(user)) == 200)
                #expect(try await status(.claims(["sub": .string(user), "jti": "another"])) == 200)
                #expect(try await status(.user(user)) == 429)
            }
            #expect(try await status(nil) == 200)
            #expect(try await status(.claims(["role": "anon"])) == 200)
            #expect(try await status(nil) == 429)
            #expect(try await status(.claims(["role": "service_role"])) == 429)
            #expect(try await status(.user("alan")) == 200)
        }
    }

    @Test func `a user who is named like an address, or like a key, shares nothing with it`() async throws {
        let secrets = ["SUPABASE_SECRET_KEYS": #"{"default":"sb_secret_fedcba9876543210XYZabc"}"#]
        try await TestHost.run([Registration(Counted.self)], secrets: secrets) { host async throws in
            for _ in 0..<2 { #expect(try await host.get(path("counted?as=kinds"), as: .user("127.0.0.1")).status == 200) }
            for _ in 0..<2 { #expect(try await host.get(path("counted?as=kinds"), as: .user("default")).status == 200) }
            #expect(try await host.get(path("counted?as=kinds")).status == 200)
            #expect(
                try await host.get(path("counted?as=kinds"), headers: [.apiKeyField: "sb_secret_fedcba9876543210XYZabc"]).status
                    == 200)
        }
    }

    @Test func `the limit at the door counts every request of an address, before tokens are looked at`() async throws {
        let clock = LimitTests.clock()
        let configuration = TestHost.settings {
            $0.clock = clock.hostClock
            $0.addressLimit = (3, .minutes(1))
            $0.trustedProxies = ["127.0.0.1"]
        }
        try await TestHost.run(fixtureFunctions, configuration: configuration) { host async throws in
            func answer(_ address: String) async throws -> TestResponse {
                try await host.get(path("echo"), headers: [.named("x-forwarded-for"): address], as: .token("a.b.c"))
            }
            for _ in 0..<3 { #expect(try await answer("203.0.113.7").status == 401) }
            let refused = try await answer("203.0.113.7")
            #expect(refused.status == 429)
            #expect(refused.code == "RATE_LIMIT_EXCEEDED")
            #expect(refused.headers[.retryAfter] == "20")
            #expect(try await answer("203.0.113.8").status == 401)
            // One network of IPv6 is one client.
            for host in 1...3 { #expect(try await answer("2001:db8:1:2::\(host)").status == 401) }
            #expect(try await answer("2001:db8:1:2:ffff::9").status == 429)
            #expect(try await answer("2001:db8:1:3::1").status == 401)
            clock.advance(by: .seconds(20))
            #expect(try await answer("203.0.113.7").status == 401)
            #expect(try await answer("203.0.113.7").status == 429)
        }
    }

    @Test func `however many keys one function makes up, another's quotas are kept`() throws {
        let limiter = Limiter(
            store: MemoryRateLimitStore(), own: [MemoryRateLimitStore(capacity: 8), MemoryRateLimitStore(capacity: 8)],
            hasher: RateLimitHasher(seed: (1, 2)), addressLimit: nil)
        let time = QuotaTime(monotonic: 1_000_000_000, wall: 1_000_000_000)
        let mine = try limiter.buckets(of: [Quota(key: "u", limit: 10, window: .day)], function: 1)
        #expect(limiter.reserve(10, from: mine, function: 1, at: time).allowed)
        for number in 0..<1000 {
            let theirs = try limiter.buckets(of: [Quota(key: "\(number)", limit: 1, window: .rolling(.days(300)))], function: 0)
            #expect(limiter.reserve(1, from: theirs, function: 0, at: time).allowed)
        }
        #expect(!limiter.reserve(1, from: mine, function: 1, at: time).allowed)
    }

    @Test func `an IPv6 client is its 64, and a mapped IPv4 address is that IPv4 address`() throws {
        let limiter = Limiter(
            store: MemoryRateLimitStore(), own: [], hasher: RateLimitHasher(seed: (1, 2)),
            addressLimit: try RateLimit(requests: 1, window: .seconds(60)))
        func isAllowed(_ text: String) throws -> Bool? { limiter.checkDoor(IPAddress(text), now: 1)?.allowed }
        #expect(try isAllowed("2001:db8::1") == true)
        #expect(try isAllowed("2001:db8::2") == false)
        #expect(try isAllowed("2001:db8:0:0:ffff:ffff:ffff:ffff") == false)
        #expect(try isAllowed("2001:db8:0:1::1") == true)
        #expect(try isAllowed("192.0.2.1") == true)
        #expect(try isAllowed("::ffff:192.0.2.1") == false)
        #expect(try isAllowed("192.0.2.2") == true)
        #expect(limiter.checkDoor(nil, now: 1) == nil)
    }

    @Test func `an operator's limit takes the place of the policy's`() async throws {
        let configuration = TestHost.settings {
            $0.clock = LimitTests.clock().hostClock
            $0.rateLimits = ["counted": .perCaller(3, every: .hours(1)), "limited": .none]
        }
        try await TestHost.run(fixtureFunctions + [Registration(Counted.self)], configuration: configuration) {
            host async throws in
            for left in [2, 1, 0] {
                let answer = try await host.get(path("counted?as=operator"))
                #expect(try #require(LimitTests.parse(answer.headers[.rateLimitPolicy], "q", "w")) == (3, 3600))
                #expect(try #require(LimitTests.parse(answer.headers[.rateLimit], "r", "t")).0 == left)
            }
            #expect(try await host.get(path("counted?as=operator")).status == 429)
            for _ in 0..<5 {
                let answer = try await host.get(path("limited"))
                #expect(answer.status == 200 && answer.headers[.rateLimit] == nil)
            }
        }
    }

    @Test func `an operator's limit is for a function there is, and one that can be kept`() async throws {
        for (limits, words) in [
            (["nobody": RateLimitRule.none], "rate-limit: names 'nobody', and there is no such function; there are: counted"),
            (
                ["counted": .perCaller(0, every: .minutes(1))],
                "rate limit of counted: a rate limit of 0 requests: use 1 to 2147483648"
            ),
        ] {
            let configuration = TestHost.settings { $0.rateLimits = limits }
            let problem = await #expect(throws: ConfigurationProblem.self) {
                try await TestHost.run([Registration(Counted.self)], configuration: configuration) { _ in }
            }
            #expect(problem.map { "\($0)" } == words)
        }
    }

    /// Tells of a limit of its own, in an answer or, `?fail=1`, in an error.
    private struct TellsItsOwn: EdgeFunction {
        static let name: FunctionName = "tells-its-own"
        static let policy = Policy(methods: [.get], rateLimit: .perCaller(10, every: .minutes(1)), body: .none)
        func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
            let (policy, state) = (#""tokens";q=1000;w=60"#, #""tokens";r=400;t=36"#)
            guard request.query["fail"] == nil else {
                throw HTTPError(
                    429, "TOKEN_BUDGET_EXCEEDED", "later",
                    fields: [.init("RateLimit-Policy", policy), .init("RateLimit", state), .init("Retry-After", "36")])
            }
            return Response(headers: [.rateLimitPolicy: policy, .rateLimit: state], body: .empty)
        }
    }

    @Test(arguments: ["", "?fail=1"]) func `what a function tells of its own limits stands beside what the host tells`(
        query: String
    )
        async throws
    {
        let configuration = TestHost.settings { $0.clock = LimitTests.clock().hostClock }
        try await TestHost.run([Registration(TellsItsOwn.self)], configuration: configuration) { host async throws in
            let answer = try await host.get(path("tells-its-own\(query)"))
            #expect(answer.headers[values: .rateLimitPolicy].sorted() == [#""default";q=10;w=60"#, #""tokens";q=1000;w=60"#])
            #expect(answer.headers[values: .rateLimit].sorted() == [#""default";r=9;t=6"#, #""tokens";r=400;t=36"#])
            #expect(answer.status == (query.isEmpty ? 200 : 429))
            #expect(answer.headers[values: .retryAfter] == (query.isEmpty ? [] : ["36"]))
        }
    }

    @Test func `a function's own counters are its own, and can be reset`() async throws {
        struct Counter: EdgeFunction {
            static let name: FunctionName = "counter"
            static let policy = Policy(methods: [.get, .delete], rateLimit: .none, body: .none, capabilities: [.rateLimit])
            func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> [String: Int] {
                let key = request.query["key"] ?? ""
                if request.method == .delete { try await context.resetRateLimit(key, limit: 2, every: .minutes(1)) }
                let answer = try await context.checkRateLimit(
                    key, limit: Int(request.query["limit"] ?? "2") ?? 2, every: .minutes(1))
                return ["allowed": answer.allowed ? 1 : 0, "remaining": answer.remaining]
            }
        }
        let configuration = TestHost.settings { $0.clock = LimitTests.clock().hostClock }
        try await TestHost.run([Registration(Counter.self)], configuration: configuration) { host async throws in
            func remaining(_ method: String, _ key: String) async throws -> Int? {
                let json = try await host.request(method, path("counter?key=\(key)")).json
                return json?["allowed"]?.int == 1 ? json?["remaining"]?.int : nil
            }
            #expect(try await remaining("GET", "a") == 1)
            #expect(try await remaining("GET", "a") == 0)
            #expect(try await remaining("GET", "a") == nil)
            #expect(try await remaining("GET", "b") == 1)
            #expect(try await remaining("DELETE", "a") == 1)
            let odd = try await host.get(path("counter?limit=0"))
            #expect(odd.status == 500)
            #expect(odd.code == "EDGE_FUNCTION_ERROR")
        }
    }
}
