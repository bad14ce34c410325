import TestSupport
import Glibc
import HTTPTypes
import SwiftletEgress
import SwiftletNet
import Testing

@Suite struct ExchangeTests {
    @Test func `a request and its answer travel whole`() async throws {
        let seen = Notes<UpstreamConnection.Head>()
        let bodies = Notes<[UInt8]>()
        let upstream = try LoopbackUpstream { connection in
            while let head = connection.readHead() {
                seen.add(head)
                bodies.add(connection.readBody(Int(head.value("content-length") ?? "0") ?? 0) ?? [])
                connection.answer(201, "made", fields: ["X-Two: a", "X-Two: b"])
            }
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        let response = try await client.send(
            EgressRequest(
                method: .post, url: upstream.origin + "/a/../b?q=%20#frag",
                fields: [
                    .contentType: "text/plain", .connection: "upgrade", .transferEncoding: "chunked", .expect: "100-continue",
                ],
                body: .bytes(Array("hello".utf8))),
            policy: policy)
        #expect(response.status == 201)
        #expect(response.version == .http1_1)
        #expect(response.fields[values: try #require(HTTPField.Name("x-two"))] == ["a", "b"])
        #expect(text(try await response.collect()) == "made")
        let head = try #require(seen.all.first)
        #expect(head.line == "POST /b?q=%20 HTTP/1.1")
        #expect(head.value("host") == "127.0.0.1:\(upstream.port)")
        #expect(head.value("content-type") == "text/plain")
        #expect(head.value("user-agent") == "swiftlet")
        for name in ["connection", "transfer-encoding", "expect"] { #expect(head.value(name) == nil, "\(name)") }
        #expect(text(bodies.all[0]) == "hello")
        await client.shutdown()
    }

    @Test func `bodies without a type get none, and each method announces what it should`() async throws {
        let seen = Notes<String>()
        let upstream = try LoopbackUpstream { connection in
            while let head = connection.readHead() {
                let length = head.value("content-length")
                _ = connection.readBody(Int(length ?? "0") ?? 0)
                seen.add("\(head.line.prefix { $0 != " " }) \(length ?? "-") \(head.value("content-type") ?? "-")")
                if head.line.hasPrefix("HEAD") {
                    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
                } else {
                    connection.answer()
                }
            }
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        for method in [HTTPRequest.Method.get, .head, .post, .put, .delete] {
            let response = try await client.send(EgressRequest(method: method, url: upstream.origin), policy: policy)
            #expect(try await response.collect().count == (method == .head ? 0 : 2))
        }
        let response = try await client.send(
            EgressRequest(method: .delete, url: upstream.origin, body: .bytes([1, 2])), policy: policy)
        _ = try await response.collect()
        #expect(seen.all == ["GET - -", "HEAD - -", "POST 0 -", "PUT 0 -", "DELETE - -", "DELETE 2 -"])
        await client.shutdown()
    }

    @Test func `a chunked answer streams piece by piece while the server still writes`() async throws {
        let taken = Happening()
        let upstream = try LoopbackUpstream { connection in
            _ = connection.readHead()
            connection.write(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n9\r\ndata: 1\n\n\r\n")
            taken.block()
            connection.write("9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let response = try await client.send(
            EgressRequest(url: upstream.origin), policy: EgressPolicy(origins: [upstream.origin]))
        var pieces: [String] = []
        for try await piece in response.body {
            pieces.append(text(piece))
            taken.happen()
        }
        #expect(pieces == ["data: 1\n\n", "data: 2\n\n"])
        await client.shutdown()
    }

    @Test func `a streamed body is sent as it is made, and the answer may come before its end`() async throws {
        let gotFirst = Happening()
        let gotHead = Happening()
        let chunks = Notes<String>()
        let upstream = try LoopbackUpstream { connection in
            guard let head = connection.readHead(), head.value("transfer-encoding") == "chunked" else { return }
            chunks.add(text(connection.readChunk() ?? []))
            gotFirst.happen()
            connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
            while let chunk = connection.readChunk(), !chunk.isEmpty { chunks.add(text(chunk)) }
            connection.write("4\r\nlate\r\n0\r\n\r\n")
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let step = Locked(0)
        let body = EgressRequest.Body.stream(length: nil) {
            let now = step.withLock { value in
                value += 1
                return value
            }
            switch now {
            case 1: return Array("one".utf8)
            case 2:
                await gotFirst.wait()
                await gotHead.wait()
                return Array("two".utf8)
            default: return nil
            }
        }
        let response = try await client.send(
            EgressRequest(method: .post, url: upstream.origin, body: body), policy: EgressPolicy(origins: [upstream.origin]))
        gotHead.happen()
        #expect(text(try await response.collect()) == "earlylate")
        #expect(chunks.all == ["one", "two"])
        await client.shutdown()
    }

    @Test func `a large streamed body arrives whole with its announced length`() async throws {
        let total = 3_000_000
        let sum = Notes<Int>()
        let upstream = try LoopbackUpstream { connection in
            guard let head = connection.readHead(), let length = Int(head.value("content-length") ?? "") else { return }
            sum.add(connection.readBody(length)?.count ?? -1)
            connection.answer()
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let left = Locked(total)
        let body = EgressRequest.Body.stream(length: total) {
            let count = left.withLock { left in
                let count = min(left, 70_001)
                left -= count
                return count
            }
            return count == 0 ? nil : [UInt8](repeating: 7, count: count)
        }
        let response = try await client.send(
            EgressRequest(method: .put, url: upstream.origin, body: body), policy: EgressPolicy(origins: [upstream.origin]))
        #expect(response.status == 200)
        #expect(sum.all == [total])
        await client.shutdown()
    }

    @Test func `a source that throws or breaks its promise of a length ends the transfer`() async throws {
        struct Broken: Error {}
        let upstream = try LoopbackUpstream { connection in connection.waitForClose() }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        let short = Locked(false)
        let bodies: [EgressRequest.Body] = [
            .stream(length: nil) { throw Broken() },
            .stream(length: 5) { [1, 2, 3, 4, 5, 6] },
            .stream(length: 5) {
                short.withLock { done in
                    defer { done = true }; return done ? nil : [1]
                }
            },
        ]
        for body in bodies {
            let result = await code {
                _ = try await client.send(EgressRequest(method: .post, url: upstream.origin, body: body), policy: policy)
            }
            #expect(result == .uploadFailed)
        }
        await client.shutdown()
    }

    @Test func `two hundred requests at once take one thread`() async throws {
        let arrived = Locked(0)
        let all = Happening()
        let upstream = try LoopbackUpstream { connection in
            while connection.readHead() != nil {
                let count = arrived.withLock { value in
                    value += 1
                    return value
                }
                if count == 200 { all.happen() }
                all.block()
                connection.answer()
            }
        }
        defer { upstream.stop() }
        let client = try makeClient(threadName: "egress-200")
        let policy = try EgressPolicy(origins: [upstream.origin])
        let statuses = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    let response = try? await client.send(EgressRequest(url: upstream.origin, timeouts: .quick()), policy: policy)
                    _ = try? await response?.collect()
                    return response?.status ?? 0
                }
            }
            var statuses: [Int] = []
            for await status in group { statuses.append(status) }
            return statuses
        }
        #expect(statuses == Array(repeating: 200, count: 200))
        // Threads it started inherit its name, so this counts them too; other clients run beside this one.
        #expect(threadNames().filter { $0 == "egress-200" }.count == 1)
        #expect(client.metrics.completed == 200)
        #expect(client.metrics.activeTransfers == 0)
        await client.shutdown()
        #expect(client.metrics.openConnections == 0)
    }

    @Test func `past the limit of transfers a request fails at once`() async throws {
        let upstream = try LoopbackUpstream { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            connection.waitForClose()
        }
        defer { upstream.stop() }
        let client = try makeClient(maxTransfers: 1)
        let policy = try EgressPolicy(origins: [upstream.origin])
        let held = try await client.send(EgressRequest(url: upstream.origin), policy: policy)
        #expect(await code { _ = try await client.send(EgressRequest(url: upstream.origin), policy: policy) } == .overloaded)
        held.body.cancel()
        await client.shutdown()
    }

    @Test func `a kept connection is used again`() async throws {
        let upstream = try LoopbackUpstream { connection in
            while connection.readHead() != nil { connection.answer(200, "\(connection.number)") }
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        for _ in 0..<3 {
            let response = try await client.send(EgressRequest(url: upstream.origin), policy: policy)
            #expect(text(try await response.collect()) == "1")
        }
        #expect(client.metrics.reusedConnections == 2)
        #expect(client.metrics.openConnections == 1)
        await client.shutdown()
    }

    @Test func `proxies in the environment are ignored`() async throws {
        let proxied = Notes<String>()
        let proxy = try LoopbackUpstream { connection in
            proxied.add(connection.readHead()?.line ?? "")
            connection.answer(500)
        }
        let upstream = try LoopbackUpstream { connection in
            while connection.readHead() != nil { connection.answer() }
        }
        defer {
            proxy.stop()
            upstream.stop()
        }
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] { setenv(name, proxy.origin, 1) }
        unsetenv("no_proxy")
        defer {
            for name in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] { unsetenv(name) }
        }
        let client = try makeClient()
        let response = try await client.send(
            EgressRequest(url: upstream.origin), policy: EgressPolicy(origins: [upstream.origin]))
        #expect(response.status == 200)
        #expect(proxied.all.isEmpty)
        await client.shutdown()
    }

    @Test func `shutdown ends what runs, refuses what comes, and closes every connection`() async throws {
        let closed = Happening()
        let upstream = try LoopbackUpstream { connection in
            _ = connection.readHead()
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            connection.waitForClose()
            closed.happen()
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        let response = try await client.send(EgressRequest(url: upstream.origin), policy: policy)
        await client.shutdown()
        await closed.wait()
        #expect(await code { _ = try await response.collect() } == .shutDown)
        #expect(await code { _ = try await client.send(EgressRequest(url: upstream.origin), policy: policy) } == .shutDown)
        #expect(client.metrics.openConnections == 0)
        await client.shutdown()
    }
}
