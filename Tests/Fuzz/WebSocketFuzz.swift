import SwiftletHTTP
import SwiftletWebSocket

// Build and run: Tests/Fuzz/run 60 websocket
//
// The first byte of the input chooses what is tested, the second how it is cut into pieces.

func fuzzWebSocket(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
    guard size >= 2 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: data + 2, count: size - 2))
    switch data[0] % 8 {
    case 0: checkHandshake(input)
    case 1: checkClose(input)
    // Bytes as they come rarely pass for frames, so most inputs are made into some.
    case 2, 3: checkReading(input, seed: data[1])
    default: checkReading(frames(input), seed: data[1])
    }
    return 0
}

/// Small limits, so that short inputs reach them.
private let limits = WebSocketLimits(
    messageBytes: 700, fragments: 6, bytesPerFragment: 8, controlFrames: 6, controlFramesPerMessage: 2)

/// Makes masked frames of the input: a first byte, a length, a mask made of both, and as much payload as there is.
private func frames(_ input: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    var at = 0
    while at + 2 <= input.count {
        let first = input[at]
        // Of the reserved bits and opcodes a few are enough.
        let opcodes: [UInt8] = [0, 0, 1, 1, 1, 2, 8, 9, 9, 10, 1, 0, 2, 1, 0, first & 0x7F]
        let wanted = first & 0x40 != 0 ? Int(input[at + 1]) * 3 : Int(input[at + 1] % 24)
        let payload = input[(at + 2)..<min(input.count, at + 2 + wanted)]
        at += 2 + payload.count
        bytes.append(first & 0x80 | opcodes[Int(first & 15)])
        if payload.count < 126 {
            bytes.append(0x80 | UInt8(payload.count))
        } else {
            bytes += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        }
        let mask = [first, UInt8(payload.count & 255), first &* 31, 0]
        bytes += mask
        for (index, byte) in payload.enumerated() { bytes.append(byte ^ mask[index & 3]) }
    }
    return bytes + input[at...]
}

/// A stream read in pieces is the stream read whole.
private func checkReading(_ input: [UInt8], seed: UInt8) {
    let whole = read(input, seed: nil)
    let pieces = read(input, seed: seed)
    guard whole == pieces else { fatalError("pieces change the stream") }
}

private func read(_ input: [UInt8], seed: UInt8?) -> [String] {
    var reader = WebSocketReader(limits: limits)
    var state = UInt32(seed ?? 0) &* 2_654_435_761 | 1
    var seen: [String] = []
    var at = 0
    while at < input.count {
        state = state &* 1_664_525 &+ 1_013_904_223
        let length = seed == nil ? input.count : seed == 0 ? 1 : 1 + Int(state >> 24) % 23
        // A block of its own, so that reading beyond its end is seen.
        let piece = Array(input[at..<min(input.count, at + length)])
        at += piece.count
        let fault = piece.withUnsafeBytes { all in
            reader.read(all) { event in
                switch event {
                case .text(let bytes):
                    guard bytes.count <= limits.messageBytes else { fatalError("a message beyond its limit") }
                    guard let text = String(validating: bytes, as: UTF8.self) else { fatalError("a text that is none") }
                    seen.append("text \(text)")
                case .binary(let bytes):
                    guard bytes.count <= limits.messageBytes else { fatalError("a message beyond its limit") }
                    seen.append("binary \(Array(bytes))")
                case .ping(let bytes):
                    guard WebSocketFrames.pong(bytes).count == bytes.count + 2 else { fatalError("a pong of another length") }
                    seen.append("ping \(Array(bytes))")
                case .pong(let bytes): seen.append("pong \(Array(bytes))")
                case .close(let code, let reason):
                    guard code.map(WebSocketClose.isCode) ?? true else { fatalError("a code without a meaning") }
                    guard WebSocketFrames.close(answering: code).count == 4 else { fatalError("a close that cannot be answered") }
                    seen.append("close \(code ?? 0) \(reason)")
                }
            }
        }
        guard reader.bytesHeld <= limits.messageBytes + WebSocketFrames.longestControl else { fatalError("holds too much") }
        if let fault {
            guard reader.hasEnded, reader.bytesHeld == 0 else { fatalError("goes on after a fault") }
            return seen + [fault.rawValue]
        }
    }
    guard reader.isMidMessage || reader.isMidFrame || reader.bytesHeld == 0 else { fatalError("holds what nobody waits for") }
    return seen + ["\(reader.isMidFrame) \(reader.isMidMessage) \(reader.bytesHeld)"]
}

/// What is accepted has everything a WebSocket needs, and its answer is a head.
private func checkHandshake(_ input: [UInt8]) {
    var reader = RequestReader()
    guard case .head(let head) = input.withUnsafeBytes({ reader.read($0).outcome }) else { return }
    switch WebSocketHandshake.judge(head) {
    case .accept(let key):
        guard WebSocketHandshake.isUpgrade(head), head.method == .get, !head.hasBody, key.utf8.count == 28 else {
            fatalError("accepted what is no handshake")
        }
        guard WebSocketHandshake.response(accepting: key).suffix(4) == [13, 10, 13, 10] else { fatalError("an open answer") }
    case .refuse(let status, _, _):
        guard [400, 405, 426].contains(status) else { fatalError("another status") }
    }
}

/// A reason of any text makes a close frame that a reader takes.
private func checkClose(_ input: [UInt8]) {
    let frame = WebSocketFrames.close(1000, String(decoding: input, as: UTF8.self))
    guard frame.count <= 2 + WebSocketFrames.longestControl, Int(frame[1]) == frame.count - 2 else { fatalError("a bad close") }
    // With the mask of a client, which changes nothing when it is zero.
    let masked = [frame[0], frame[1] | 0x80, 0, 0, 0, 0] + frame[2...]
    guard read(masked, seed: nil).first?.hasPrefix("close 1000") == true else { fatalError("cannot read its own close") }
}
