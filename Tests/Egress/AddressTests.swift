import Corpus
import TestSupport
import HTTPTypes
import SwiftletEgress
import SwiftletNet
import Testing

/// Names, addresses and pools, with a resolver made for the test and a loopback server in the place of public addresses.
@Suite struct AddressTests {
    private func server() throws -> LoopbackUpstream {
        try LoopbackUpstream { connection in
            while connection.readHead() != nil { connection.answer(200, "\(connection.number)") }
        }
    }

    @Test(arguments: [
        (["203.0.114.10", "10.0.0.1"], "private"), (["203.0.114.10", "::ffff:127.0.0.1"], "loopback"),
        (["127.0.0.1"], "loopback"),
        (["169.254.169.254"], "metadata"), (["::1"], "loopback"), (["fe80::1"], "link_local"), (["64:ff9b::a00:1"], "transition"),
        (["224.0.0.251"], "multicast"), (["100.64.0.1"], "carrier"), (["0.0.0.0"], "unspecified"),
    ])
    func `a name with any denied address is refused as a whole and nothing is connected`(answer: [String], label: String)
        async throws
    {
        let upstream = try server()
        defer { upstream.stop() }
        let detours = Detours(otherwise: upstream.port)
        let client = try makeClient(resolver: TableResolver(["m.test": [answer]]), detours: detours)
        let policy = try EgressPolicy(hosts: ["http://m.test"])
        do {
            _ = try await client.send(EgressRequest(url: "http://m.test/"), policy: policy)
            Issue.record("sent")
        } catch {
            #expect(error.code == .denied)
            #expect(error.denial?.label == label)
        }
        #expect(detours.connected.all.isEmpty)
        #expect(upstream.accepted == 0)
        #expect(client.metrics.denied == [label: 1])
        await client.shutdown()
    }

    @Test func `rebinding cannot win: the answer that was judged is the one connected to`() async throws {
        let upstream = try server()
        defer { upstream.stop() }
        let resolver = TableResolver(["rebind.test": [["203.0.114.10"], ["127.0.0.1"]]])
        let detours = Detours(["203.0.114.10": upstream.port])
        let client = try makeClient(resolver: resolver, detours: detours)
        let policy = try EgressPolicy(hosts: ["http://rebind.test"])
        let response = try await client.send(EgressRequest(url: "http://rebind.test/"), policy: policy)
        #expect(text(try await response.collect()) == "1")
        #expect(detours.connected.all == ["203.0.114.10"])
        #expect(resolver.calls("rebind.test") == 1)
        // The next request asks again, gets the private answer, and may not fall back on the kept connection.
        #expect(await code { _ = try await client.send(EgressRequest(url: "http://rebind.test/"), policy: policy) } == .denied)
        #expect(resolver.calls("rebind.test") == 2)
        #expect(upstream.accepted == 1)
        await client.shutdown()
    }

    @Test func `a name that is never answered ends at the connect deadline`() async throws {
        let client = try makeClient(resolver: TableResolver([:]))
        let policy = try EgressPolicy(hosts: ["http://slow.test"])
        let result = await code {
            _ = try await client.send(
                EgressRequest(url: "http://slow.test/", timeouts: .quick(connect: .milliseconds(50))), policy: policy)
        }
        #expect(result == .connectTimeout)
        await client.shutdown()
    }

    @Test func `a name without addresses is a DNS failure, and a closed port a failed connect`() async throws {
        let client = try makeClient(resolver: TableResolver(["none.test": [[]]]))
        #expect(
            await code {
                _ = try await client.send(EgressRequest(url: "https://none.test/"), policy: EgressPolicy(hosts: ["none.test"]))
            }
                == .dnsFailed)
        let upstream = try server()
        let origin = upstream.origin
        upstream.stop()
        #expect(
            await code { _ = try await client.send(EgressRequest(url: origin), policy: EgressPolicy(origins: [origin])) }
                == .connectFailed)
        await client.shutdown()
    }

    @Test func `when one judged address does not answer the next one is tried, and remembered`() async throws {
        let upstream = try server()
        let gone = try server()
        gone.stop()
        defer { upstream.stop() }
        let detours = Detours(["203.0.114.10": gone.port, "203.0.114.11": upstream.port])
        let client = try makeClient(resolver: TableResolver(["two.test": [["203.0.114.10", "203.0.114.11"]]]), detours: detours)
        let policy = try EgressPolicy(hosts: ["http://two.test"])
        for _ in 0..<2 {
            let response = try await client.send(EgressRequest(url: "http://two.test/"), policy: policy)
            #expect(text(try await response.collect()) == "1")
        }
        #expect(detours.connected.all == ["203.0.114.10", "203.0.114.11"])
        #expect(client.metrics.reusedConnections == 1)
        await client.shutdown()
    }

    @Test func `a pooled private connection serves no policy that denies it`() async throws {
        let upstream = try server()
        defer { upstream.stop() }
        let url = "http://db.test:\(upstream.port)/"
        let resolver = TableResolver(["db.test": [["127.0.0.1"], ["127.0.0.1"], ["203.0.114.10"]]])
        let other = try server()
        defer { other.stop() }
        let detours = Detours(["203.0.114.10": other.port, "127.0.0.1": upstream.port])
        let client = try makeClient(resolver: resolver, detours: detours)
        let open = try EgressPolicy(hosts: ["http://db.test:\(upstream.port)"], allowsPrivate: true)
        let strict = try EgressPolicy(hosts: ["http://db.test:\(upstream.port)"])
        let first = try await client.send(EgressRequest(url: url), policy: open)
        #expect(text(try await first.collect()) == "1")
        #expect(await code { _ = try await client.send(EgressRequest(url: url), policy: strict) } == .denied)
        // The same host, now at a public address: the kept private connection to it must not be taken.
        let third = try await client.send(EgressRequest(url: url), policy: strict)
        _ = try await third.collect()
        #expect(upstream.accepted == 1)
        #expect(other.accepted == 1)
        #expect(client.metrics.reusedConnections == 0)
        await client.shutdown()
    }

    @Test(arguments: [
        "ws://127.0.0.1/", "ftp://a.test/", "http://u@a.test/", "http://a.test\\@b.test/", "file:///etc/passwd", "a.test", "",
    ])
    func `a URL that is none of ours is refused by its text`(url: String) async throws {
        let client = try makeClient()
        let policy = try EgressPolicy(hosts: ["http://a.test", "a.test"])
        #expect(await code { _ = try await client.send(EgressRequest(url: url), policy: policy) } == .denied)
        await client.shutdown()
    }

    @Test func `redirects are followed only when asked for, judged at each hop, and counted`() async throws {
        let seen = Notes<UpstreamConnection.Head>()
        let upstream = try LoopbackUpstream { connection in
            while let head = connection.readHead() {
                seen.add(head)
                switch head.target {
                case "/private": connection.answer(302, "", fields: ["Location: http://127.0.0.1:\(connection.number)/"])
                case "/name": connection.answer(307, "", fields: ["Location: http://inside.test/"])
                case "/file": connection.answer(302, "", fields: ["Location: file:///etc/passwd"])
                case "/unlisted": connection.answer(302, "", fields: ["Location: http://unlisted.test/"])
                case "/loop": connection.answer(302, "", fields: ["Location: /loop"])
                case "/across": connection.answer(302, "", fields: ["Location: http://q.test/landed"])
                default: connection.answer(200, "landed")
                }
            }
        }
        defer { upstream.stop() }
        let resolver = TableResolver(["p.test": [["203.0.114.10"]], "q.test": [["203.0.114.11"]], "inside.test": [["10.0.0.1"]]])
        let detours = Detours(["203.0.114.10": upstream.port, "203.0.114.11": upstream.port])
        let client = try makeClient(resolver: resolver, detours: detours)
        let hosts = ["http://p.test", "http://q.test", "http://inside.test"]
        let none = try EgressPolicy(hosts: hosts)
        let three = try EgressPolicy(hosts: hosts, maxRedirects: 3)

        let plain = try await client.send(EgressRequest(url: "http://p.test/across"), policy: none)
        #expect(plain.status == 302)
        for (path, expected) in [
            ("private", EgressError.Code.redirectDenied), ("name", .redirectDenied), ("file", .redirectDenied),
            ("unlisted", .redirectDenied),
            ("loop", .tooManyRedirects),
        ] {
            #expect(
                await code { _ = try await client.send(EgressRequest(url: "http://p.test/\(path)"), policy: three) } == expected,
                "\(path)")
        }
        #expect(seen.all.filter { $0.target == "/loop" }.count == 4)
        let landed = try await client.send(
            EgressRequest(
                url: "http://p.test/across",
                fields: [.authorization: "Bearer x", .cookie: "a=b", .apiKey: "k", .googleAPIKey: "g", .accept: "text/plain"]),
            policy: three)
        #expect(text(try await landed.collect()) == "landed")
        #expect(landed.url.href == "http://q.test/landed")
        let head = try #require(seen.all.last)
        #expect(head.value("host") == "q.test")
        #expect(head.value("accept") == "text/plain")
        for name in ["authorization", "cookie", "apikey", "x-goog-api-key"] { #expect(head.value(name) == nil, "\(name)") }
        #expect(detours.connected.all.allSatisfy { $0.hasPrefix("203.0.114.") })
        await client.shutdown()
    }

    @Test func `the system resolver answers loopback names, shares one lookup and judges each use`() async throws {
        let resolver = SystemResolver(maxThreads: 1)
        let answers = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        resolver.resolve("localhost") { continuation.resume(returning: (try? $0.get().count) ?? 0) }
                    }
                }
            }
            var answers: [Int] = []
            for await count in group { answers.append(count) }
            return answers
        }
        #expect(answers.allSatisfy { $0 > 0 })
        let client = try makeClient(resolver: resolver)
        let policy = try EgressPolicy(hosts: ["http://localhost:9"])
        #expect(await code { _ = try await client.send(EgressRequest(url: "http://localhost:9/"), policy: policy) } == .denied)
        await client.shutdown()
    }
}
