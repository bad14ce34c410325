import SwiftletWebSocket

/// An event that outlives its call.
enum Seen: Hashable, CustomStringConvertible {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, String)

    init(_ event: WebSocketEvent) {
        switch event {
        case .text(let bytes): self = .text(Array(bytes))
        case .binary(let bytes): self = .binary(Array(bytes))
        case .ping(let bytes): self = .ping(Array(bytes))
        case .pong(let bytes): self = .pong(Array(bytes))
        case .close(let code, let reason): self = .close(code, reason)
        }
    }

    var description: String {
        func short(_ bytes: [UInt8]) -> String { "\(bytes.count): \(String(decoding: bytes.prefix(40), as: UTF8.self))" }
        switch self {
        case .text(let bytes): return "text \(short(bytes))"
        case .binary(let bytes): return "binary \(bytes.count): \(bytes.prefix(20))"
        case .ping(let bytes): return "ping \(short(bytes))"
        case .pong(let bytes): return "pong \(short(bytes))"
        case .close(let code, let reason): return "close \(code.map(String.init) ?? "-") \(reason)"
        }
    }
}

/// What a reader made of a stream.
struct Reading: Hashable {
    var seen: [Seen] = []
    var fault: WebSocketFault?
}

extension WebSocketReader {
    mutating func read(_ bytes: some Sequence<UInt8>, into reading: inout Reading) {
        Array(bytes).withUnsafeBytes { all in
            reading.fault = read(all) { reading.seen.append(Seen($0)) }
        }
    }
}

func reading(_ bytes: [UInt8], cut: Cut = .whole, limits: WebSocketLimits = WebSocketLimits()) -> Reading {
    var reader = WebSocketReader(limits: limits)
    var reading = Reading()
    cut.pieces(bytes) { reader.read($0, into: &reading) }
    return reading
}

/// How a stream is cut into pieces.
enum Cut: Hashable {
    case whole
    case each(Int)
    case random(seed: UInt64, upTo: Int)

    func pieces(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
        var random = Random(seed: 0)
        if case .random(let seed, _) = self { random = Random(seed: seed) }
        var at = 0
        while at < bytes.count {
            let length =
                switch self {
                case .whole: bytes.count
                case .each(let length): length
                case .random(_, let longest): 1 + random.below(longest)
                }
            let end = min(bytes.count, at + length)
            body(bytes[at..<end])
            at = end
        }
    }
}

/// Random numbers that are the same for the same seed.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }

    mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % max(bound, 1) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
}

/// A frame of a client, good or bad.
struct ClientFrame {
    enum Length { case shortest, twoBytes, eightBytes, claimed(UInt64) }

    var opcode: UInt8
    var payload: [UInt8] = []
    var isFinal = true
    var reserved: UInt8 = 0
    var mask: [UInt8]? = [0x37, 0xFA, 0x21, 0x3D]
    var length = Length.shortest

    var wire: [UInt8] {
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | reserved << 4 | opcode]
        func big(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        let count = UInt64(payload.count)
        let flag: UInt8 = mask == nil ? 0 : 0x80
        switch length {
        case .shortest where count < 126: bytes.append(flag | UInt8(count))
        case .shortest where count < 65536, .twoBytes: bytes += [flag | 126] + big(count, 2)
        case .shortest, .eightBytes: bytes += [flag | 127] + big(count, 8)
        case .claimed(let claimed): bytes += [flag | 127] + big(claimed, 8)
        }
        guard let mask else { return bytes + payload }
        bytes += mask
        let start = bytes.count
        bytes += payload
        // Four bytes at a time: the large ones take long enough.
        var at = start
        bytes.withUnsafeMutableBytes { all in
            let word = mask.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            while at + 4 <= all.count {
                all.storeBytes(
                    of: all.loadUnaligned(fromByteOffset: at, as: UInt32.self) ^ word, toByteOffset: at, as: UInt32.self)
                at += 4
            }
        }
        for index in at..<bytes.count { bytes[index] ^= mask[(index - start) & 3] }
        return bytes
    }

    static func text(_ text: String, isFinal: Bool = true) -> [UInt8] {
        ClientFrame(opcode: 1, payload: Array(text.utf8), isFinal: isFinal).wire
    }

    static func more(_ text: String, isFinal: Bool = true) -> [UInt8] {
        ClientFrame(opcode: 0, payload: Array(text.utf8), isFinal: isFinal).wire
    }

    static func ping(_ text: String = "") -> [UInt8] { ClientFrame(opcode: 9, payload: Array(text.utf8)).wire }

    static func close(_ code: UInt16, _ reason: String = "") -> [UInt8] {
        ClientFrame(opcode: 8, payload: [UInt8(code >> 8), UInt8(code & 255)] + Array(reason.utf8)).wire
    }
}
