import SwiftletWebSocket
import Testing

@Suite struct `Limits of a reader` {
    @Test func `a message may be as large as the limit, and no larger`() {
        let limits = WebSocketLimits(messageBytes: 200)
        let full = [UInt8](repeating: 65, count: 200)
        for cut in [Cut.whole, .each(1)] {
            #expect(reading(ClientFrame(opcode: 1, payload: full).wire, cut: cut, limits: limits).fault == nil)
            #expect(
                reading(ClientFrame(opcode: 1, payload: full + [65]).wire, cut: cut, limits: limits)
                    == Reading(fault: .messageTooBig))
            let parts = ClientFrame(opcode: 1, payload: full, isFinal: false).wire
            #expect(reading(parts + ClientFrame.more(""), cut: cut, limits: limits) == Reading(seen: [.text(full)]))
            #expect(reading(parts + ClientFrame.more("x"), cut: cut, limits: limits) == Reading(fault: .messageTooBig))
            // The next message starts again.
            let twice = parts + ClientFrame.more("") + parts + ClientFrame.more("")
            #expect(reading(twice, cut: cut, limits: limits).seen.count == 2)
        }
    }

    @Test(arguments: [5_000_001, 1 << 32, 1 << 62, .max >> 1] as [UInt64])
    func `a large promise is refused before anything is held`(
        length: UInt64
    ) {
        var reader = WebSocketReader()
        var result = Reading()
        reader.read(ClientFrame(opcode: 1, length: .claimed(length)).wire, into: &result)
        #expect(result.fault == .messageTooBig)
        // Together with what is held already, too.
        reader = WebSocketReader()
        result = Reading()
        reader.read(ClientFrame.text("abc", isFinal: false), into: &result)
        reader.read(ClientFrame(opcode: 0, length: .claimed(length)).wire, into: &result)
        #expect(result.fault == .messageTooBig)
    }

    @Test func `memory follows the bytes that came`() {
        var reader = WebSocketReader()
        var result = Reading()
        reader.read(ClientFrame(opcode: 2, length: .claimed(4_000_000)).wire, into: &result)
        #expect(result.fault == nil && reader.bytesHeld == 0)
        reader.read([1, 2, 3], into: &result)
        #expect(reader.bytesHeld == 3)
        reader.read([UInt8](repeating: 0, count: 3_999_997), into: &result)
        #expect(result.seen.count == 1 && reader.bytesHeld == 0)
    }

    @Test func `empty fragments come to an end`() {
        let limits = WebSocketLimits(fragments: 10, bytesPerFragment: 4)
        let start = ClientFrame.text("", isFinal: false)
        func stream(_ count: Int, _ text: String = "") -> [UInt8] {
            start + (0..<count).flatMap { _ in ClientFrame.more(text, isFinal: false) } + ClientFrame.more(text)
        }
        #expect(reading(stream(8), limits: limits).seen == [.text([])])
        #expect(reading(stream(9), limits: limits) == Reading(seen: [], fault: .tooManyFragments))
        #expect(reading(stream(9), cut: .each(1), limits: limits).fault == .tooManyFragments)
        // Fragments that bring something buy the next ones.
        #expect(reading(stream(500, "abcd"), limits: limits).seen.count == 1)
        #expect(reading(stream(500, "abc"), limits: limits).fault == .tooManyFragments)
        // The next message has its own.
        #expect(reading(stream(8) + stream(8), limits: limits).seen.count == 2)
    }

    @Test func `pings come to an end unless messages or time allow more`() {
        let limits = WebSocketLimits(controlFrames: 5, controlFramesPerMessage: 2)
        func pings(_ count: Int) -> [UInt8] { (0..<count).flatMap { _ in ClientFrame.ping() } }
        #expect(reading(pings(5), limits: limits).fault == nil)
        #expect(reading(pings(6), limits: limits).fault == .tooManyControlFrames)
        #expect(reading(pings(6), cut: .each(1), limits: limits).seen.count == 5)
        #expect(reading(pings(5) + ClientFrame.text("a") + pings(2), limits: limits).fault == nil)
        #expect(reading(pings(5) + ClientFrame.text("a") + pings(3), limits: limits).fault == .tooManyControlFrames)
        // What is not used does not add up, and a close is always read.
        #expect(reading(ClientFrame.text("a") + pings(6), limits: limits).fault == .tooManyControlFrames)
        #expect(reading(pings(5) + ClientFrame.close(1000), limits: limits).seen.last == .close(1000, ""))

        var reader = WebSocketReader(limits: limits)
        var result = Reading()
        for _ in 0..<10 {
            reader.read(pings(5), into: &result)
            reader.renew()
        }
        #expect(result.fault == nil && result.seen.count == 50)
    }

    @Test func `limits without sense do no harm`() {
        let none = WebSocketLimits(
            messageBytes: -5, fragments: -1, bytesPerFragment: 0, controlFrames: -1, controlFramesPerMessage: -1)
        #expect(reading(ClientFrame.text(""), limits: none).seen == [.text([])])
        #expect(reading(ClientFrame.text("a"), limits: none).fault == .messageTooBig)
        #expect(reading(ClientFrame.ping(), limits: none).fault == .tooManyControlFrames)
        let all = WebSocketLimits(
            messageBytes: .max, fragments: .max, bytesPerFragment: .max, controlFrames: .max, controlFramesPerMessage: .max)
        #expect(reading(ClientFrame.text("a", isFinal: false) + ClientFrame.more("b"), limits: all).seen == [.text([97, 98])])
        #expect(reading(ClientFrame(opcode: 1, length: .claimed(1 << 62)).wire, limits: all).fault == .messageTooBig)
    }

    @Test func `a reader is small`() {
        #expect(MemoryLayout<WebSocketReader>.size <= 160)
    }
}
