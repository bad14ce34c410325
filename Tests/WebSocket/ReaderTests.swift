import SwiftletWebSocket
import Testing

@Suite struct `Reading frames` {
    @Test(arguments: [0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 125, 126, 127, 1_000, 65_535, 65_536, 70_001])
    func `a message of any length comes out as it went in`(length: Int) {
        let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let wire = ClientFrame(opcode: 2, payload: payload, mask: [1, 200, 3, 255]).wire
        var cuts = [Cut.whole, .random(seed: UInt64(length), upTo: 50_000), .each(4_093)]
        if length < 2_000 { cuts += [.each(1), .each(3), .each(6)] }
        for cut in cuts {
            #expect(reading(wire, cut: cut) == Reading(seen: [.binary(payload)]))
        }
    }

    @Test func `frames that come together come out in order`() {
        let wire =
            ClientFrame.text("a") + ClientFrame.ping("p") + ClientFrame.text("b", isFinal: false)
            + ClientFrame(opcode: 10, payload: [1]).wire + ClientFrame.more("", isFinal: false) + ClientFrame.more("c")
            + ClientFrame(opcode: 2).wire + ClientFrame.close(1000, "bye")
        let expected = Reading(seen: [
            .text([97]), .ping([112]), .pong([1]), .text([98, 99]), .binary([]), .close(1000, "bye"),
        ])
        for cut in [Cut.whole, .each(1), .each(2), .each(5), .each(13)] { #expect(reading(wire, cut: cut) == expected) }
    }

    @Test func `nothing is read after a close`() {
        let wire = ClientFrame.close(1001) + ClientFrame.text("late") + [0xFF, 0xFF]
        for cut in [Cut.whole, .each(1)] { #expect(reading(wire, cut: cut) == Reading(seen: [.close(1001, "")])) }
        var reader = WebSocketReader()
        var result = Reading()
        reader.read(wire, into: &result)
        #expect(reader.hasEnded && reader.fault == nil && !reader.isMidFrame)
    }

    @Test func `a fault stays, and nothing is read after it`() {
        var reader = WebSocketReader()
        var result = Reading()
        reader.read(ClientFrame.text("a") + [0x83], into: &result)
        #expect(result == Reading(seen: [.text([97])], fault: .opcode))
        reader.read(ClientFrame.text("b"), into: &result)
        #expect(result == Reading(seen: [.text([97])], fault: .opcode))
        #expect(reader.hasEnded && reader.fault == .opcode && !reader.isMidFrame && !reader.isMidMessage)
    }

    @Test func `a fault is found with the byte that makes it certain`() {
        func bytesNeeded(_ wire: [UInt8]) -> (Int, WebSocketFault?) {
            var reader = WebSocketReader()
            var result = Reading()
            for (index, byte) in wire.enumerated() {
                reader.read([byte], into: &result)
                if result.fault != nil { return (index + 1, result.fault) }
            }
            return (0, nil)
        }
        #expect(bytesNeeded([0xC1]) == (1, .reservedBits))
        #expect(bytesNeeded([0x83]) == (1, .opcode))
        #expect(bytesNeeded([0x80]) == (1, .continuationAlone))
        #expect(bytesNeeded([0x09]) == (1, .controlFragmented))
        #expect(bytesNeeded(ClientFrame.text("ab", isFinal: false) + [0x81]) == (9, .messageInsideMessage))
        #expect(bytesNeeded([0x81, 0x02]) == (2, .unmasked))
        #expect(bytesNeeded([0x89, 0xFE]) == (2, .controlTooLong))
        // Text: the second byte of a character that cannot go on.
        #expect(bytesNeeded(ClientFrame(opcode: 1, payload: [0x61, 0xE0, 0x80, 0x80, 0x61]).wire) == (9, .text))
        #expect(bytesNeeded(ClientFrame(opcode: 1, payload: [0x61, 0xF4, 0x90], isFinal: false).wire) == (9, .text))
        #expect(bytesNeeded(ClientFrame(opcode: 1, payload: [0xC3]).wire) == (7, .text))
        // Plain ASCII where a character should go on.
        #expect(bytesNeeded(ClientFrame(opcode: 1, payload: [0xC3, 0x41, 0xA9]).wire) == (8, .text))
    }

    @Test func `lengths are written in as few bytes as they need`() {
        #expect(reading(ClientFrame(opcode: 2, payload: [1], length: .twoBytes).wire).fault == .lengthNotShortest)
        #expect(reading(ClientFrame(opcode: 2, payload: [1], length: .eightBytes).wire).fault == .lengthNotShortest)
        let long = [UInt8](repeating: 1, count: 200)
        #expect(reading(ClientFrame(opcode: 2, payload: long, length: .eightBytes).wire).fault == .lengthNotShortest)
        #expect(reading(ClientFrame(opcode: 2, payload: [], length: .claimed(65_535)).wire).fault == .lengthNotShortest)
    }

    @Test(arguments: [.max, 1 << 63, (1 << 63) + 5] as [UInt64]) func `a length of 2^63 and above is invalid`(length: UInt64) {
        let wire = ClientFrame(opcode: 2, length: .claimed(length)).wire
        for cut in [Cut.whole, .each(1)] { #expect(reading(wire + [1, 2, 3], cut: cut).fault == .lengthInvalid) }
    }

    @Test(
        arguments: [
            (1000, true), (1001, true), (1003, true), (1004, false), (1005, false), (1006, false), (1007, true), (1014, true),
            (1015, false),
            (0, false), (999, false), (1016, false), (2999, false), (3000, true), (4999, true), (5000, false), (65535, false),
        ] as [(UInt16, Bool)]) func `only codes with a meaning may close`(code: UInt16, isGood: Bool)
    {
        let found = reading(ClientFrame.close(code, "é"))
        #expect(found == (isGood ? Reading(seen: [.close(code, "é")]) : Reading(fault: .closeCode)))
        #expect(WebSocketClose.isCode(code) == isGood)
    }

    @Test func `a close has no payload, or a code and a reason in UTF-8`() {
        #expect(reading(ClientFrame(opcode: 8).wire) == Reading(seen: [.close(nil, "")]))
        #expect(reading(ClientFrame(opcode: 8, payload: [3]).wire) == Reading(fault: .closeLength))
        #expect(reading(ClientFrame(opcode: 8, payload: [3, 232, 0xC3]).wire) == Reading(fault: .closeReason))
        #expect(reading(ClientFrame(opcode: 8, payload: [3, 232, 0xFF]).wire, cut: .each(1)) == Reading(fault: .closeReason))
    }

    @Test func `a caller sees what it waits for`() {
        var reader = WebSocketReader()
        var result = Reading()
        func feed(_ bytes: some Sequence<UInt8>) -> [Bool] {
            reader.read(bytes, into: &result)
            return [reader.isMidFrame, reader.isMidMessage]
        }
        #expect(feed([0x81]) == [true, false])
        #expect(feed(ClientFrame.text("abc").dropFirst().prefix(6)) == [true, true])
        #expect(reader.bytesHeld == 1)
        #expect(feed(ClientFrame.text("abc").dropFirst(7)) == [false, false])
        #expect(feed(ClientFrame.text("abc", isFinal: false)) == [false, true])
        #expect(feed(ClientFrame.ping("abc").prefix(7)) == [true, true])
        #expect(reader.bytesHeld == 4)
        #expect(feed(ClientFrame.ping("abc").dropFirst(7)) == [false, true])
        #expect(feed(ClientFrame.more("")) == [false, false])
        #expect(reader.bytesHeld == 0)
        #expect(result == Reading(seen: [.text([97, 98, 99]), .ping([97, 98, 99]), .text([97, 98, 99])]))
    }

    @Test func `empty input changes nothing`() {
        var reader = WebSocketReader()
        var result = Reading()
        reader.read([], into: &result)
        reader.read(ClientFrame.text("").prefix(3), into: &result)
        reader.read([], into: &result)
        #expect(reader.isMidFrame)
        reader.read(ClientFrame.text("").dropFirst(3), into: &result)
        #expect(result == Reading(seen: [.text([])]))
    }

    @Test func `every fault has a name of its own and closes with the right code`() {
        #expect(Set(WebSocketFault.allCases.map(\.rawValue)).count == WebSocketFault.allCases.count)
        #expect(WebSocketFault.unmasked.close.code == 1002)
        #expect(WebSocketFault.text.close.code == 1007)
        #expect(WebSocketFault.closeReason.close.code == 1007)
        #expect(WebSocketFault.messageTooBig.close.code == 1009)
        #expect(WebSocketFault.tooManyFragments.close.code == 1008)
    }
}
