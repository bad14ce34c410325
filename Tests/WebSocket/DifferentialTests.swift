import SwiftletWebSocket
import Testing

@Suite struct `Against a plain decoder` {
    /// Frames mostly as a client would send them, now and then broken in one place.
    private func stream(_ random: inout Random) -> [UInt8] {
        var bytes: [UInt8] = []
        var isInMessage = false
        for _ in 0..<(1 + random.below(12)) {
            var frame = ClientFrame(opcode: 0)
            frame.mask = (0..<4).map { _ in UInt8(random.below(256)) }
            let isControl = random.chance(25)
            if isControl {
                frame.opcode = random.chance(8) ? 8 : UInt8(9 + random.below(2))
                frame.payload = text(&random, random.below(30))
                if frame.opcode == 8 { frame.payload = [UInt8(random.below(20)), UInt8(random.below(256))] + frame.payload }
            } else {
                frame.opcode = isInMessage ? 0 : random.chance(75) ? 1 : 2
                frame.isFinal = random.chance(60)
                isInMessage = !frame.isFinal
                let length = random.chance(5) ? random.below(70_000) : random.below(random.chance(20) ? 400 : 60)
                frame.payload = text(&random, length)
            }
            if random.chance(2) {
                switch random.below(6) {
                case 0: frame.opcode = UInt8(random.below(16))
                case 1: frame.reserved = UInt8(random.below(8))
                case 2: frame.mask = nil
                case 3: frame.isFinal.toggle()
                case 4: frame.length = .eightBytes
                default: frame.length = .twoBytes
                }
            }
            bytes += frame.wire
        }
        if random.chance(20), !bytes.isEmpty { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
        if random.chance(30) { bytes.removeLast(random.below(min(bytes.count, 50))) }
        return bytes
    }

    /// UTF-8 with characters of every length, which frames then cut anywhere.
    private func text(_ random: inout Random, _ length: Int) -> [UInt8] {
        let alphabet = [
            "a", "text ", "\u{7F}", "\u{80}", "é", "\u{7FF}", "\u{800}", "語", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "😀",
            "\u{10FFFF}",
        ]
        var bytes: [UInt8] = []
        let isPlain = random.chance(50)
        while bytes.count < length { bytes += Array(alphabet[isPlain ? 1 : random.below(alphabet.count)].utf8) }
        if random.chance(5) { bytes = Array(bytes.prefix(length)) }
        if random.chance(1), !bytes.isEmpty { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
        return bytes
    }

    @Test(arguments: 0..<8) func `every random stream reads the same, however it is cut`(part: Int) {
        let limits = WebSocketLimits(messageBytes: 66_000)
        let reference = ReferenceDecoder(limit: 66_000)
        var random = Random(seed: UInt64(part) + 1)
        var (faults, messages) = (0, 0)
        for number in 0..<60 {
            let bytes = stream(&random)
            let expected = reference.read(bytes)
            if expected.fault != nil { faults += 1 }
            messages += expected.seen.count
            var cuts: [Cut] = [.whole, .random(seed: UInt64(number), upTo: 40), .random(seed: UInt64(number), upTo: 2_000)]
            if bytes.count < 3_000 { cuts.append(.each(1)) }
            for cut in cuts {
                let found = reading(bytes, cut: cut, limits: limits)
                #expect(found == expected, "part \(part), stream \(number), \(cut)")
            }
        }
        // The streams are worth reading: some break, and most hold something.
        #expect(faults > 3 && messages > 60)
    }

    @Test func `every short run of bytes is judged as UTF-8 like the standard library does`() {
        let edges: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
            0xF0,
            0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        var wrong: [[UInt8]] = []
        func check(_ text: [UInt8]) {
            let isText = String(validating: text, as: UTF8.self) != nil
            let expected = isText ? Reading(seen: [.text(text)]) : Reading(fault: .text)
            let wire = ClientFrame(opcode: 1, payload: text).wire
            if reading(wire) != expected { wrong.append(text) }
            // With enough behind it for looking at several bytes at once.
            let longer = text + Array("tail".utf8)
            let whole = isText ? Reading(seen: [.text(longer)]) : Reading(fault: .text)
            if reading(ClientFrame(opcode: 1, payload: longer).wire) != whole { wrong.append(longer) }
            // Where ASCII stands among other bytes, a piece for each: the quick way for ASCII must not skip a broken character.
            if text.count > 1, text.contains(where: { $0 < 0x80 }), reading(wire, cut: .each(1)) != expected {
                wrong.append(text)
            }
        }
        for a in UInt8.min...UInt8.max { check([a]) }
        for a in edges { for b in edges { check([a, b]) } }
        for a in edges where a > 0x7F { for b in edges { for c in edges { check([a, b, c]) } } }
        for a in edges where a > 0xEF {
            for b in edges where b > 0x7F { for c in edges { for d in edges { check([a, b, c, d]) } } }
        }
        #expect(wrong.isEmpty)
    }
}
