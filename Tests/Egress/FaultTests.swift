import CZlib
import TestSupport
import Glibc
import HTTPTypes
import SwiftletEgress
import SwiftletNet
import Testing

/// Upstreams that answer badly.
@Suite struct FaultTests {
    /// Starts a server whose connection does one thing after the request head, and collects what comes.
    private func result(
        timeouts: EgressTimeouts = .quick(), maxBytes: Int = 8 << 20, method: HTTPRequest.Method = .get,
        _ behave: @escaping @Sendable (UpstreamConnection) -> Void
    ) async throws -> EgressError.Code? {
        let upstream = try LoopbackUpstream { connection in
            guard connection.readHead() != nil else { return }
            behave(connection)
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        let request = EgressRequest(method: method, url: upstream.origin, timeouts: timeouts, maxResponseBytes: maxBytes)
        let found = await code { _ = try await client.send(request, policy: policy).collect() }
        #expect(client.metrics.activeTransfers == 0 || found == .tooLarge || found == .protocolError)
        await client.shutdown()
        return found
    }

    @Test func `silence before the head is a first byte timeout`() async throws {
        #expect(try await result(timeouts: .quick(firstByte: .milliseconds(80))) { $0.waitForClose() } == .firstByteTimeout)
    }

    @Test func `silence inside the head or the body is an idle timeout`() async throws {
        let short = EgressTimeouts.quick(idle: .milliseconds(80))
        #expect(
            try await result(timeouts: short) {
                $0.write("HTTP/1.1 200 OK\r\nContent-Le")
                $0.waitForClose()
            } == .idleTimeout)
        #expect(
            try await result(timeouts: short) {
                $0.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                $0.waitForClose()
            } == .idleTimeout)
    }

    @Test func `a body that trickles forever meets the total timeout`() async throws {
        let found = try await result(timeouts: .quick(total: .milliseconds(200))) { connection in
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while connection.write("x") { usleep(5_000) }
        }
        #expect(found == .totalTimeout)
    }

    @Test func `a peer that accepts and never speaks TLS meets the connect timeout`() async throws {
        let upstream = try LoopbackUpstream { $0.waitForClose() }
        defer { upstream.stop() }
        let client = try makeClient()
        let url = "https://127.0.0.1:\(upstream.port)"
        let result = await code {
            _ = try await client.send(
                EgressRequest(url: url, timeouts: .quick(connect: .milliseconds(80))), policy: EgressPolicy(origins: [url]))
        }
        #expect(result == .connectTimeout)
        await client.shutdown()
    }

    @Test func `a reset, an early end and a broken frame each have their name`() async throws {
        #expect(try await result { $0.reset() } == .connectionReset)
        #expect(try await result { _ in } == .connectionReset)
        #expect(
            try await result {
                $0.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            } == .truncated)
        #expect(
            try await result {
                $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
            } == .truncated)
        #expect(
            try await result {
                $0.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
            } == .connectionReset)
        #expect(try await result { $0.write("SSH-2.0-OpenSSH\r\n") } == .protocolError)
        #expect(try await result { $0.write("HTTP/1.1 999 Odd\r\n\r\n") } == .protocolError)
        #expect(try await result { $0.write("HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n") } == .protocolError)
    }

    @Test func `an oversized head is cut`() async throws {
        let big = String(repeating: "x", count: 60_000)
        #expect(
            try await result { $0.write("HTTP/1.1 200 OK\r\nA: \(big)\r\nB: \(big)\r\nContent-Length: 0\r\n\r\n") } == .tooLarge)
        let many = (0..<300).map { "X-\($0): y\r\n" }.joined()
        #expect(try await result { $0.write("HTTP/1.1 200 OK\r\n\(many)\r\n") } == .tooLarge)
    }

    @Test func `a body is taken up to its limit and not one byte further`() async throws {
        for (size, expected) in [(999, nil), (1_000, nil), (1_001, EgressError.Code.tooLarge)] {
            let body = String(repeating: "b", count: size)
            #expect(try await result(maxBytes: 1_000) { $0.answer(200, body) } == expected)
            #expect(
                try await result(maxBytes: 1_000) {
                    $0.write(
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(size, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
                } == expected)
            #expect(try await result(maxBytes: 1_000) { $0.write("HTTP/1.0 200 OK\r\n\r\n\(body)") } == expected)
            let packed = deflated(Array(body.utf8), bits: 31)
            #expect(
                try await result(maxBytes: 1_000) {
                    $0.write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(packed.count)\r\n\r\n")
                    $0.write(packed)
                } == expected)
        }
    }

    @Test func `an endless body is cut, and no more of it is taken than the limit and the socket buffers`() async throws {
        let sent = Locked(0)
        let found = try await result { connection in
            connection.write("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n")
            let piece = [UInt8](repeating: 65, count: 1 << 16)
            while connection.write(piece) { sent.withLock { $0 += piece.count } }
        }
        #expect(found == .tooLarge)
        #expect(sent.withLock { $0 } < 32 << 20)
    }

    @Test(arguments: [31, 15, -15])
    func `a compression bomb is cut at the decoded limit, and never unfolds further than one step`(bits: Int32) async throws {
        // 256 MiB of zeros in about 256 KiB.
        let bomb = deflated([UInt8](repeating: 0, count: 4 << 20), bits: bits, times: 64)
        #expect(bomb.count < 1 << 20)
        let upstream = try LoopbackUpstream { connection in
            guard connection.readHead() != nil else { return }
            connection.write(
                "HTTP/1.1 200 OK\r\nContent-Encoding: \(bits == 31 ? "gzip" : "deflate")\r\nContent-Length: \(bomb.count)\r\n\r\n"
            )
            connection.write(bomb)
            connection.waitForClose()
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let response = try await client.send(
            EgressRequest(url: upstream.origin), policy: EgressPolicy(origins: [upstream.origin]))
        var total = 0
        var largest = 0
        let found = await code {
            for try await piece in response.body {
                total += piece.count
                largest = max(largest, piece.count)
            }
        }
        #expect(found == .tooLarge)
        #expect(total <= 8 << 20)
        #expect(largest <= 64 << 10)
        await client.shutdown()
    }

    @Test func `compressed answers decode, and broken ones are named`() async throws {
        let plain = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
        let upstream = try LoopbackUpstream { connection in
            while let head = connection.readHead() {
                let bits: Int32 = head.target == "/gzip" ? 31 : head.target == "/zlib" ? 15 : -15
                var packed = deflated(plain, bits: bits)
                if head.target == "/members" {
                    packed = deflated(Array(plain[..<100_000]), bits: 31) + deflated(Array(plain[100_000...]), bits: 31)
                }
                if head.target == "/cut" { packed = Array(deflated(plain, bits: 31).dropLast(2_000)) }
                if head.target == "/bad" { packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff] }
                let coding = ["/zlib", "/raw"].contains(head.target) ? "deflate" : "gzip"
                #expect(head.value("accept-encoding") == "gzip, deflate")
                connection.write("HTTP/1.1 200 OK\r\nContent-Encoding: \(coding)\r\nContent-Length: \(packed.count)\r\n\r\n")
                connection.write(packed)
            }
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        for path in ["/gzip", "/zlib", "/raw", "/members"] {
            let response = try await client.send(EgressRequest(url: upstream.origin + path), policy: policy)
            #expect(response.fields[.contentEncoding] == nil)
            #expect(response.fields[.contentLength] == nil)
            #expect(try await response.collect() == plain, "\(path)")
        }
        for (path, expected) in [("/cut", EgressError.Code.truncated), ("/bad", .protocolError)] {
            let found = await code {
                _ = try await client.send(EgressRequest(url: upstream.origin + path), policy: policy).collect()
            }
            #expect(found == expected, "\(path)")
        }
        await client.shutdown()
    }

    @Test func `a slow reader holds the peer back instead of filling memory`() async throws {
        let sent = Locked(0)
        let stalled = Happening()
        let upstream = try LoopbackUpstream { connection in
            guard connection.readHead() != nil else { return }
            let total = 64 << 20
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let piece = [UInt8](repeating: 66, count: 1 << 16)
            for round in 0..<(total >> 16) {
                guard connection.write(piece) else { return }
                sent.withLock { $0 += piece.count }
                if round == 8 { stalled.happen() }
            }
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let response = try await client.send(
            EgressRequest(url: upstream.origin, timeouts: .quick(idle: .seconds(20)), maxResponseBytes: 128 << 20),
            policy: EgressPolicy(origins: [upstream.origin]))
        await stalled.wait()
        var count = 0
        var furthest = 0
        for try await piece in response.body {
            count += piece.count
            furthest = max(furthest, sent.withLock { $0 } - count)
        }
        #expect(count == 64 << 20)
        // What is underway fits the buffers of two sockets and ours; the rest had to wait.
        #expect(furthest < 24 << 20)
        await client.shutdown()
    }

    @Test func `cancelling the task closes the connection, before the head and inside the body`() async throws {
        for sendsHead in [false, true] {
            let closed = Happening()
            let asked = Happening()
            let upstream = try LoopbackUpstream { connection in
                guard connection.readHead() != nil else { return }
                if sendsHead { connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }
                asked.happen()
                connection.waitForClose()
                closed.happen()
            }
            defer { upstream.stop() }
            let client = try makeClient()
            let policy = try EgressPolicy(origins: [upstream.origin])
            let task = Task {
                await code { _ = try await client.send(EgressRequest(url: upstream.origin), policy: policy).collect() }
            }
            await asked.wait()
            task.cancel()
            #expect(await task.value == .cancelled)
            await closed.wait()
            await client.shutdown()
        }
    }

    @Test func `letting go of a response closes its connection`() async throws {
        let closed = Happening()
        let upstream = try LoopbackUpstream { connection in
            guard connection.readHead() != nil else { return }
            connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            connection.waitForClose()
            closed.happen()
        }
        defer { upstream.stop() }
        let client = try makeClient()
        let policy = try EgressPolicy(origins: [upstream.origin])
        func drop() async throws {
            let response = try await client.send(EgressRequest(url: upstream.origin), policy: policy)
            #expect(response.status == 200)
        }
        try await drop()
        await closed.wait()
        await client.shutdown()
    }

    @Test func `letting go of the client ends its thread and its transfers`() async throws {
        let closed = Happening()
        let upstream = try LoopbackUpstream { connection in
            while connection.readHead() != nil { connection.answer() }
            closed.happen()
        }
        defer { upstream.stop() }
        func use() async throws {
            let client = try makeClient()
            _ = try await client.send(EgressRequest(url: upstream.origin), policy: EgressPolicy(origins: [upstream.origin]))
                .collect()
        }
        try await use()
        await closed.wait()
    }
}

/// Compresses: 31 for gzip, 15 for zlib, -15 for raw deflate. `times` repeats the input without holding it that often.
func deflated(_ bytes: [UInt8], bits: Int32, times: Int = 1) -> [UInt8] {
    var stream = z_stream()
    guard
        deflateInit2_(&stream, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            == Z_OK
    else {
        return []
    }
    defer { deflateEnd(&stream) }
    var out: [UInt8] = []
    var source = bytes
    var piece = [UInt8](repeating: 0, count: 65_536)
    for round in 0..<times {
        source.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            repeat {
                let room = piece.count
                piece.withUnsafeMutableBufferPointer { output in
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(room)
                    _ = deflate(&stream, round == times - 1 ? Z_FINISH : Z_NO_FLUSH)
                }
                out.append(contentsOf: piece[..<(room - Int(stream.avail_out))])
            } while stream.avail_out == 0
        }
    }
    return out
}
