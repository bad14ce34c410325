import Foundation
import NIOCore
import SwiftletHTTP
import SwiftletServer
import SwiftletWebSocket
import TestSupport
import Testing

/// Echoes, and remembers what it was told.
private final class EchoListener: WebSocketListener, @unchecked Sendable {
    struct Seen {
        var messages: [[UInt8]] = []
        var marks = 0
        var confirmed = 0
        var ticks = 0
        var writable = 0
        var end: WebSocketEnd?
    }
    let seen = Locked(Seen())
    let socket: WebSocketConnection
    let echoes: Bool

    init(_ socket: WebSocketConnection, echoes: Bool) {
        self.socket = socket
        self.echoes = echoes
    }

    func received(text: UnsafeRawBufferPointer) {
        seen.withLock { $0.messages.append(Array(text)) }
        if echoes { socket.send(ByteBuffer(bytes: WebSocketFrames.frame(text: text))) }
    }
    func received(binary: UnsafeRawBufferPointer) {
        seen.withLock { $0.messages.append(Array(binary)) }
        if echoes { socket.send(ByteBuffer(bytes: WebSocketFrames.frame(binary: binary))) }
    }
    func marked() { seen.withLock { $0.marks += 1 } }
    func confirmed() { seen.withLock { $0.confirmed += 1 } }
    func writable() { seen.withLock { $0.writable += 1 } }
    func tick() { seen.withLock { $0.ticks += 1 } }
    func ended(_ end: WebSocketEnd) { seen.withLock { $0.end = end } }
}

private final class Listeners: Sendable {
    let all = Locked<[EchoListener]>([])
    /// A client may see the answer to its handshake a moment before its listener is written down.
    subscript(index: Int) -> EchoListener {
        get throws {
            for _ in 0..<10_000 where count <= index { usleep(1000) }
            return try all.withLock { try #require($0.count > index ? $0[index] : nil, "no such connection became a socket") }
        }
    }
    var count: Int { all.withLock { $0.count } }

    func handler(echoes: Bool = true, limits: WebSocketLimits = WebSocketLimits()) -> TestHandler {
        TestHandler { exchange, _ in
            switch WebSocketHandshake.judge(exchange.head) {
            case .refuse(let status, let message, _):
                exchange.respond(status: status, fields: EncodedFields(), body: Array(message.utf8))
            case .accept(let key):
                let isOpen = exchange.upgrade(accept: key, fields: EncodedFields(), limits: limits) { socket in
                    let listener = EchoListener(socket, echoes: echoes)
                    self.all.withLock { $0.append(listener) }
                    return listener
                }
                if !isOpen { exchange.respond(status: 503, fields: EncodedFields()) }
            }
        }
    }
}

private let handshake = """
    GET /socket HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n
    """

/// A masked frame as clients send it.
private func frame(_ opcode: UInt8, _ payload: [UInt8], fin: Bool = true) -> [UInt8] {
    let mask: [UInt8] = [1, 2, 3, 4]
    var bytes: [UInt8] = [(fin ? 0x80 : 0) | opcode]
    if payload.count < 126 {
        bytes.append(0x80 | UInt8(payload.count))
    } else {
        bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    }
    return bytes + mask + payload.enumerated().map { $0.element ^ mask[$0.offset % 4] }
}

private struct ServerFrame: Equatable {
    let opcode: UInt8
    let payload: [UInt8]
}

extension Client {
    /// The frames that lie complete in what came after the handshake.
    fileprivate func frames() -> [ServerFrame] {
        var rest = received[...]
        if let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) { rest = rest[end.upperBound...] }
        var frames: [ServerFrame] = []
        while rest.count >= 2 {
            let start = rest.startIndex
            var length = Int(rest[start + 1])
            var head = 2
            if length == 126, rest.count >= 4 {
                length = Int(rest[start + 2]) << 8 | Int(rest[start + 3])
                head = 4
            } else if length == 127, rest.count >= 10 {
                length = rest[(start + 2)..<(start + 10)].reduce(0) { $0 << 8 | Int($1) }
                head = 10
            }
            guard rest.count >= head + length else { break }
            frames.append(ServerFrame(opcode: rest[start] & 15, payload: Array(rest[(start + head)..<(start + head + length)])))
            rest = rest[(start + head + length)...]
        }
        return frames
    }

    fileprivate func wait(for count: Int) throws -> [ServerFrame] {
        while frames().count < count { guard try receive() else { break } }
        return frames()
    }

    fileprivate func shakeHands() throws {
        send(handshake)
        while received.firstRange(of: Array("\r\n\r\n".utf8)) == nil { guard try receive() else { break } }
    }
}

@Suite(.serialized) struct `WebSockets` {
    @Test func `a connection becomes a socket, and what was sent with the handshake is not lost`() async throws {
        let listeners = Listeners()
        try await TestServer.run(listeners.handler()) { server in
            let client = try await server.connect()
            client.send(Array(handshake.utf8) + frame(1, Array("early".utf8)))
            _ = try client.wait(for: 1)
            client.send(frame(2, [0, 255]) + frame(9, [7]))
            let frames = try client.wait(for: 3)
            let head = String(decoding: client.received.prefix(300), as: UTF8.self)
            #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
            #expect(
                frames == [
                    ServerFrame(opcode: 1, payload: Array("early".utf8)), ServerFrame(opcode: 2, payload: [0, 255]),
                    ServerFrame(opcode: 10, payload: [7]),
                ])
            client.send(frame(8, [3, 232]) + frame(1, Array("late".utf8)))
            try client.receiveAll()
            #expect(client.frames().last == ServerFrame(opcode: 8, payload: [3, 232]))
            #expect(try listeners[0].seen.withLock { $0.messages.count } == 2, "after the close nothing is heard")
            #expect(try listeners[0].seen.withLock { $0.end } == .closed)
        }
    }

    @Test func `a handshake that is none is refused, and the connection goes on as HTTP`() async throws {
        let listeners = Listeners()
        try await TestServer.run(listeners.handler()) { server in
            let client = try await server.connect()
            let bad = handshake.replacingOccurrences(of: "Version: 13", with: "Version: 12")
            #expect(try client.ask(bad)?.status == 426)
            #expect(listeners.count == 0)
            try client.shakeHands()
            #expect(try listeners[0].seen.withLock { $0.end } == nil)
        }
    }

    @Test(.enabled(if: CorpusFiles.has("websocket"), "the shared corpora are not here"))
    func `recorded frames get the recorded verdicts`() async throws {
        var wrong: [String] = []
        var count = 0
        for row in try CorpusFiles.rows("websocket/raw_cases.jsonl") {
            guard let id = row["id"] as? String, id.hasPrefix("ws-frame/"), row["needs"] == nil,
                let wire = try CorpusFiles.bytes(row)
            else { continue }
            count += 1
            let expected = row["expect_close"] as? [Any]
            let listeners = Listeners()
            try await TestServer.run(listeners.handler(), clock: ManualClock()) { server in
                let client = try await server.connect()
                try client.shakeHands()
                try await server.send(wire, from: client)
                if expected == nil {
                    // It stays open: what follows is answered.
                    client.send(frame(9, Array("still".utf8)))
                    while !client.frames().contains(where: { $0.opcode == 10 && $0.payload == Array("still".utf8) }) {
                        guard try client.receive() else { break }
                    }
                    if client.isEnded { wrong.append(id) }
                } else if expected?.first as? String == "timeout" {
                    for _ in 0..<31 { await server.advance(.seconds(1)) }
                    try client.receiveAll()
                    if try listeners[0].seen.withLock({ $0.end }) != .timedOut { wrong.append(id) }
                } else {
                    while !client.frames().contains(where: { $0.opcode == 8 }) { guard try client.receive() else { break } }
                    let close = client.frames().first { $0.opcode == 8 }
                    let code = close.map { $0.payload.count >= 2 ? Int($0.payload[0]) << 8 | Int($0.payload[1]) : 0 } ?? -1
                    if expected?.contains(where: { $0 as? Int == code }) != true { wrong.append("\(id): \(code)") }
                }
            }
        }
        #expect(count >= 36 && wrong.isEmpty, "\(wrong)")
    }

    @Test func `one who does not read is closed by name, and delays nobody`() async throws {
        let listeners = Listeners()
        try await TestServer.run(listeners.handler(echoes: false), configure: { $0.maxUnsent = 256 * 1024 }) { server in
            let slow = try Client(port: server.port, receiveBuffer: 4096)
            try slow.shakeHands()
            let fast = try await server.connect()
            try fast.shakeHands()
            let message = ByteBuffer(bytes: WebSocketFrames.frame(text: [UInt8](repeating: 120, count: 16 * 1024)))
            let count = 400
            let head = fast.received.count
            let (one, other) = try (listeners[0], listeners[1])
            for round in 1...(count / 4) {
                try await one.socket.eventLoop.submit {
                    for _ in 0..<4 {
                        one.socket.send(message)
                        other.socket.send(message)
                    }
                }.get()
                let bytes = head + round * 4 * message.readableBytes
                while fast.received.count < bytes { guard try fast.receive() else { break } }
            }
            #expect(fast.frames().count == count)
            #expect(one.seen.withLock { $0.end } == .slowConsumer)
            #expect(other.seen.withLock { $0.end } == nil)
            // Whatever it still reads ends with the reason.
            try slow.receiveAll()
            let last = try #require(slow.frames().last)
            #expect(last.opcode == 8 && String(decoding: last.payload.dropFirst(2), as: UTF8.self) == "slow consumer")
        }
    }

    @Test func `a quiet client is asked whether it is there, and ends when it does not answer`() async throws {
        let listeners = Listeners()
        try await TestServer.run(listeners.handler(), clock: ManualClock()) { server in
            let (alive, dead) = (try await server.connect(), try await server.connect())
            for client in [alive, dead] { try client.shakeHands() }
            for _ in 0..<20 { await server.advance(.seconds(1)) }
            let ping = try #require(try alive.wait(for: 1).first)
            #expect(ping.opcode == 9 && ping.payload.count == 8)
            try await server.send(frame(10, ping.payload), from: alive)
            for _ in 0..<10 { await server.advance(.seconds(1)) }
            try dead.receiveAll()
            #expect(try listeners[1].seen.withLock { $0.end } == .timedOut)
            #expect(try listeners[0].seen.withLock { $0.end } == nil)
            #expect(try listeners[0].seen.withLock { $0.confirmed } == 1)
            #expect(try listeners[0].seen.withLock { $0.ticks } >= 29)
        }
    }

    @Test func `what was written is confirmed by the client's own answer, not by another's number`() async throws {
        let listeners = Listeners()
        try await TestServer.run(listeners.handler(), clock: ManualClock()) { server in
            let client = try await server.connect()
            try client.shakeHands()
            try await server.send(frame(1, [104, 105]), from: client)
            await server.advance(.seconds(1))
            let frames = try client.wait(for: 2)
            #expect(frames.map(\.opcode) == [1, 9])
            #expect(try listeners[0].seen.withLock { $0.marks } == 1)
            try await server.send(frame(10, [1, 2, 3, 4, 5, 6, 7, 8]), from: client)
            #expect(try listeners[0].seen.withLock { $0.confirmed } == 0)
            try await server.send(frame(10, frames[1].payload), from: client)
            #expect(try listeners[0].seen.withLock { $0.confirmed } == 1)
        }
    }

    @Test func `however a socket ends, its place is given back`() async throws {
        let listeners = Listeners()
        var last: Client?
        try await TestServer.run(listeners.handler()) { server in
            do {
                let gone = try await server.connect()
                try gone.shakeHands()
                let half = try await server.connect()
                try half.shakeHands()
                half.endSending()
                let second = try listeners[1]
                try await server.until { second.seen.withLock { $0.end } == .lost }
            }
            let first = try listeners[0]
            try await server.until { first.seen.withLock { $0.end } == .lost }
            try await server.until { server.server.counters.open == 0 }
            last = try await server.connect()
            try last?.shakeHands()
        }
        #expect(try last != nil && listeners[2].seen.withLock { $0.end } == .ended, "the server's end is the socket's")
    }
}
