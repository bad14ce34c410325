import Glibc
import SwiftletWebSocket

// SWIFTLET_BENCH=1 swift build -c release --product bench-websocket && .build/release/bench-websocket
//
// What a reader makes of one large message, and of many small ones, on one thread; best of
// fifteen by processor time.

func seconds(_ body: () -> Void) -> Double {
    var best = Double.infinity
    for _ in 0..<15 {
        var start = timespec()
        var end = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
        body()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        best = min(best, Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9)
    }
    return best
}

func frame(_ opcode: UInt8, _ payload: [UInt8]) -> [UInt8] {
    let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    var bytes: [UInt8] = [0x80 | opcode]
    switch payload.count {
    case ..<126: bytes.append(0x80 | UInt8(payload.count))
    case ..<65536: bytes += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
    default: bytes += [0xFF] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: payload.count >> (8 * $0)) }
    }
    bytes += mask
    for (index, byte) in payload.enumerated() { bytes.append(byte ^ mask[index & 3]) }
    return bytes
}

func repeated(_ text: String, _ count: Int) -> [UInt8] {
    let bytes = Array(text.utf8)
    return (0..<(count / bytes.count)).flatMap { _ in bytes }
}

func report(_ name: String, _ bytes: [UInt8], rounds: Int, messages: Int, piece: Int = .max) {
    var reader = WebSocketReader()
    var sum = 0
    let time = seconds {
        for _ in 0..<rounds {
            bytes.withUnsafeBytes { all in
                var at = 0
                while at < all.count {
                    let end = at + min(piece, all.count - at)
                    _ = reader.read(UnsafeRawBufferPointer(rebasing: all[at..<end])) { event in
                        switch event {
                        case .text(let bytes), .binary(let bytes): sum &+= bytes.count
                        default: break
                        }
                    }
                    at = end
                }
            }
        }
    }
    let total = Double(rounds * messages)
    func two(_ value: Double) -> Double { (value * 100).rounded() / 100 }
    print(
        "\(name): \(two(Double(bytes.count * rounds) / time / 1e9)) GB/s, \(two(time / total * 1e9)) ns a message",
        sum > 0 ? "" : "?")
}

let large = 64_000
report("binary 64 kB", frame(2, [UInt8](repeating: 7, count: large)), rounds: 2_000, messages: 1)
report("ASCII 64 kB", frame(1, repeated("{\"type\":\"broadcast\"}", large)), rounds: 2_000, messages: 1)
report("mixed UTF-8 64 kB", frame(1, repeated("naïve café, ", large)), rounds: 300, messages: 1)
report("Chinese 64 kB", frame(1, repeated("语言文字", large)), rounds: 300, messages: 1)
report("binary 4 MB", frame(2, [UInt8](repeating: 7, count: 4_000_000)), rounds: 20, messages: 1)
report("binary 4 MB in 64 KiB pieces", frame(2, [UInt8](repeating: 7, count: 4_000_000)), rounds: 20, messages: 1, piece: 65_536)
for size in [20, 50, 200, 1_000] {
    let one = frame(1, Array(repeated("{\"type\":\"broadcast\"}", 1_000).prefix(size)))
    let many = (0..<64).flatMap { _ in one }
    report("\(size) bytes of text, 64 in a read", many, rounds: 10_000, messages: 64)
    report("\(size) bytes of text, one a read", one, rounds: 300_000, messages: 1)
    report("\(size) bytes of text, cut in two", one, rounds: 100_000, messages: 1, piece: size / 2 + 6)
}
let pings = (0..<64).flatMap { _ in frame(9, [1, 2, 3, 4]) }
var reader = WebSocketReader(limits: WebSocketLimits(controlFrames: .max))
let time = seconds { for _ in 0..<10_000 { pings.withUnsafeBytes { _ = reader.read($0) { _ in } } } }
print("ping: \(time / 640_000 * 1e9) ns")
var sink = 0
let writing = seconds {
    for _ in 0..<1_000_000 { sink &+= WebSocketFrames.head(.text, count: 200).withUnsafeBytes { Int($0[1]) } }
}
print("head: \(writing / 1_000_000 * 1e9) ns", sink > 0 ? "" : "?")
print("a reader: \(MemoryLayout<WebSocketReader>.size) bytes")
