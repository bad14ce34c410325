import SwiftletWebSocket
import Testing

@Suite struct `Writing frames` {
    @Test(
        arguments: [
            (0, [0x82, 0]), (1, [0x82, 1]), (125, [0x82, 125]), (126, [0x82, 126, 0, 126]), (65_535, [0x82, 126, 255, 255]),
            (65_536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), (1 << 40, [0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]),
        ] as [(Int, [UInt8])]) func `a head says its length in as few bytes as it needs`(count: Int, expected: [UInt8])
    {
        let head = WebSocketFrames.head(.binary, count: count)
        #expect(head.count == expected.count)
        #expect(head.withUnsafeBytes { Array($0) } == expected)
    }

    @Test(arguments: [0, 5, 125, 126, 300, 65_535, 65_536]) func `a frame is its head and its payload`(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let head = WebSocketFrames.head(.binary, count: count).withUnsafeBytes { Array($0) }
        #expect(WebSocketFrames.frame(binary: payload) == head + payload)
        #expect(payload.withUnsafeBytes { WebSocketFrames.frame(binary: $0) } == head + payload)
    }

    @Test func `text, pings and pongs carry their bytes`() {
        #expect(WebSocketFrames.frame(text: "héllo") == [0x81, 6, 0x68, 0xC3, 0xA9, 0x6C, 0x6C, 0x6F])
        #expect(WebSocketFrames.frame(text: Array("a".utf8)) == [0x81, 1, 97])
        #expect(WebSocketFrames.ping() == [0x89, 0])
        #expect(WebSocketFrames.ping([1, 2]) == [0x89, 2, 1, 2])
        #expect(WebSocketFrames.pong([3]) == [0x8A, 1, 3])
        #expect(WebSocketFrames.pong([UInt8](repeating: 9, count: 400)) == [0x8A, 125] + [UInt8](repeating: 9, count: 125))
    }

    @Test func `a close carries its code, and as much of its reason as fits`() {
        #expect(WebSocketFrames.close(1000) == [0x88, 2, 3, 232])
        #expect(WebSocketFrames.close(.slowConsumer) == [0x88, 15, 3, 240] + Array("slow consumer".utf8))
        #expect(WebSocketFrames.close(nil, "nothing") == [0x88, 0])
        #expect(WebSocketFrames.close(1006, "never") == [0x88, 0])
        let long = WebSocketFrames.close(1008, String(repeating: "é", count: 100))
        #expect(long.count == 2 + 2 + 122)
        #expect(String(validating: long[4...], as: UTF8.self) == String(repeating: "é", count: 61))
    }

    @Test func `a close is answered with its own code`() {
        #expect(WebSocketFrames.close(answering: 1001) == [0x88, 2, 3, 233])
        #expect(WebSocketFrames.close(answering: 4999) == [0x88, 2, 0x13, 0x87])
        #expect(WebSocketFrames.close(answering: nil) == [0x88, 2, 3, 232])
    }

    @Test(arguments: WebSocketClose.allCases) func `every close can go on the wire`(close: WebSocketClose) {
        #expect(WebSocketClose.isCode(close.code) && close.code < 3000)
        #expect(WebSocketFrames.close(close).count == 4 + close.reason.utf8.count)
        // What a client sends back in answer is read again.
        var payload = Array(WebSocketFrames.close(close).dropFirst(2))
        payload.removeLast(close.reason.utf8.count)
        #expect(reading(ClientFrame(opcode: 8, payload: payload).wire) == Reading(seen: [.close(close.code, "")]))
    }

    @Test func `only some closes invite the client back`() {
        #expect(
            WebSocketClose.restarting.mayComeBack && WebSocketClose.slowConsumer.mayComeBack
                && WebSocketClose.tryLater.mayComeBack)
        #expect(
            !WebSocketClose.protocolError.mayComeBack && !WebSocketClose.tooBig.mayComeBack && !WebSocketClose.normal.mayComeBack)
    }
}
