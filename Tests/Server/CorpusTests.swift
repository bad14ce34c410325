import Foundation
import SwiftletHTTP
import SwiftletServer
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: CorpusFiles.areHere, "the shared corpora are not here"))
struct `Corpus rows against a live server` {
    @Test func `crafted requests`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler) { server in
            let wrong = try await onThread {
                var wrong: [String] = []
                for row in try CorpusFiles.rows("http/crafted_raw.jsonl") {
                    let id = row["id"] as? String ?? "?"
                    if let fault = try judgeCrafted(row, server.port, handler) { wrong.append("\(id): \(fault)") }
                    if let fault = try judgeAlive(server.port) { wrong.append("\(id): \(fault)") }
                }
                return wrong
            }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
        }
    }

    @Test func `requests that other parsers are tested with`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler) { server in
            let wrong = try await onThread {
                var wrong: [String] = []
                for row in try CorpusFiles.rows("http/llhttp_requests.jsonl") {
                    let id = row["id"] as? String ?? "?"
                    if let fault = try judgeParser(row, server.port, handler) { wrong.append("\(id): \(fault)") }
                    if let fault = try judgeAlive(server.port) { wrong.append("\(id): \(fault)") }
                }
                return wrong
            }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
        }
    }

    @Test func `requests that firewalls are tested with`() async throws {
        let handler = TestHandler.plain()
        try await TestServer.run(handler) { server in
            let wrong = try await onThread {
                var wrong: [String] = []
                for row in try CorpusFiles.rows("http/crs_protocol.jsonl") {
                    let id = row["id"] as? String ?? "?"
                    let client = try Client(port: server.port)
                    client.send(try CorpusFiles.bytes(row) ?? [])
                    client.endSending()
                    try client.receiveAll()
                    let statuses = client.statuses()
                    if statuses.contains(where: { $0 >= 500 && $0 != 501 && $0 != 505 }) { wrong.append("\(id): \(statuses)") }
                    if row["expect_error"] as? Bool == true, statuses.contains(where: { $0 < 400 }) {
                        wrong.append("\(id): \(statuses)")
                    }
                    if let fault = try judgeAlive(server.port) { wrong.append("\(id): \(fault)") }
                }
                return wrong
            }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
        }
    }

    @Test func `PROXY headers`() async throws {
        let handler = TestHandler.plain()
        let clock = ManualClock()
        try await TestServer.run(
            handler, clock: clock,
            configure: {
                $0.proxyProtocol = true
                $0.isTrustedProxy = { $0 == PeerAddress("127.0.0.1") }
            }
        ) { server in
            var wrong: [String] = []
            for row in try CorpusFiles.rows("proxy/cases.jsonl") {
                guard let id = row["id"] as? String, id.hasPrefix("proxy-protocol/"), !id.hasSuffix("untrusted") else { continue }
                handler.reset()
                let bytes = try CorpusFiles.bytes(row) ?? []
                let expected = row["expect_client"] as? String ?? ""
                let client = try await server.connect()
                client.send(bytes)
                var actual = "timeout"
                if expected == "timeout" {
                    await server.advance(.seconds(9))
                    let early = server.server.counters.open
                    await server.advance(.seconds(1))
                    try client.receiveAll()
                    if early < 1 || !client.statuses().isEmpty { actual = "answered" }
                } else {
                    client.endSending()
                    try client.receiveAll()
                    if client.statuses() == [200] {
                        actual =
                            handler.seen.peers.first.map { $0 == PeerAddress("127.0.0.1") ? "10.0.0.1" : $0.description }
                            ?? "none"
                    } else {
                        actual = client.statuses().isEmpty ? "close" : "\(client.statuses())"
                    }
                }
                if !expected.components(separatedBy: " or ").contains(actual) { wrong.append("\(id): \(actual)") }
            }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
        }
    }
}

/// A good request on a fresh connection is answered.
private func judgeAlive(_ port: Int) throws -> String? {
    let response = try Client(port: port).ask("GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
    return response?.status == 200 ? nil : "the next request was not answered"
}

private func judgeCrafted(_ row: [String: Any], _ port: Int, _ handler: TestHandler) throws -> String? {
    let bytes = try CorpusFiles.bytes(row) ?? []
    let expected = row["expect_status"] as? [Int] ?? []
    let toHead = bytes.starts(with: Array("HEAD ".utf8))
    handler.reset()
    let client = try Client(port: port)
    client.send(bytes)
    if row["expect_close"] as? Bool == false {
        // That it stays open shows in that it answers once more.
        client.send("GET /once-more HTTP/1.1\r\nHost: a\r\n\r\n")
    }
    if row["expect_close"] as? Bool != true { client.endSending() }
    try client.receiveAll()
    var statuses: [Int] = []
    if toHead {
        if let first = Client.parse(client.received, toHead: true, ended: true) {
            statuses = [first.0.status]
            if let next = Client.parse(Array(client.received[first.1...]), toHead: false, ended: true) {
                statuses.append(next.0.status)
            }
        }
    } else {
        statuses = client.statuses()
    }
    let handled = handler.seen.handled
    if handled.contains("/smuggled") { return "a smuggled request was handled" }
    if statuses.contains(where: { $0 >= 500 && $0 != 501 && $0 != 505 }) { return "\(statuses)" }
    if row["expect_close"] as? Bool == false {
        guard handled.last == "/once-more", statuses.popLast() == 404 else { return "closed: \(statuses)" }
    }
    guard let last = statuses.last, expected.contains(last) else { return "\(statuses)" }
    if let calls = row["handler_calls"] as? Int, handled.filter({ $0 != "/once-more" }).count != calls {
        return "handled \(handled)"
    }
    return nil
}

private func judgeParser(_ row: [String: Any], _ port: Int, _ handler: TestHandler) throws -> String? {
    let bytes = try CorpusFiles.bytes(row) ?? []
    let text = String(decoding: bytes, as: UTF8.self)
    let mode = row["mode"] as? String ?? ""
    // There the parser stops to let somebody else speak another protocol: not an error.
    let pauses = (row["reason"] as? String ?? "").hasPrefix("Pause on")
    let mustFail = row["llhttp"] as? String == "error" && !pauses
    handler.reset()
    let client = try Client(port: port)
    client.send(bytes)
    if !mustFail || !mode.hasPrefix("request") || mode.contains("lenient") { client.endSending() }
    try client.receiveAll()
    let statuses = client.statuses()
    if statuses.contains(where: { $0 >= 500 && $0 != 501 && $0 != 505 }) { return "\(statuses)" }
    guard mode == "request" || mode == "request-finish" else { return nil }
    if mustFail { return client.isEnded && !statuses.contains(where: { $0 < 400 }) ? nil : "\(statuses)" }
    // A readable request may still lack its host, or speak another protocol.
    let line = text.components(separatedBy: "\r\n").first { !$0.isEmpty } ?? ""
    let isReadable = text.lowercased().contains("\r\nhost:") && (line.hasSuffix("HTTP/1.1") || line.hasSuffix("HTTP/1.0"))
    if isReadable, !pauses, statuses.last == 400 { return "refused: \(handler.seen.refusals)" }
    return nil
}
