import Glibc
import SwiftletImages

/// Processes that begin like a thumbnail process and then do not behave like one. With a marker, only the first: later ones are proper.
enum Misbehaviour {
    static func run(_ kind: String, marker: String?) -> Never {
        if let marker {
            let file = open(marker, O_WRONLY | O_CREAT | O_EXCL, 0o600)
            if file < 0 { ThumbnailProgram.run() }
            close(file)
        }
        signal(SIGPIPE, SIG_IGN)
        if kind == "silent" { while true { pause() } }
        take(20)
        answer(0, count: 2, [0x68, 0x69])
        if kind == "unasked" {
            answer(0, count: 4, [1, 2, 3, 4])
            while true { pause() }
        }
        let head = take(40)
        let count = head[28..<32].reversed().reduce(0) { $0 << 8 | Int($1) }
        if kind == "deaf" { while true { pause() } }
        take(count)
        switch kind {
        case "stuck": while true { pause() }
        case "gone": _exit(0)
        case "huge": answer(0, count: 0xffff_ffff, [])
        case "empty": answer(0, count: 0, [])
        case "wrong": answer(0, count: 32, [UInt8](repeating: 0x41, count: 32))
        case "short": answer(0, count: 1000, [0xff, 0xd8, 0xff] + [UInt8](repeating: 0, count: 20))
        case "garbage": write([UInt8](repeating: 0x5a, count: 64))
        case "talkative": answer(4, count: 1 << 20, [UInt8](repeating: 0x41, count: 1 << 20))
        default: _exit(64)
        }
        if kind == "short" { _exit(0) }
        while true { pause() }
    }

    @discardableResult
    private static func take(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes { read(3, $0.baseAddress.map { $0 + filled }, count - filled) }
            if got <= 0 { _exit(0) }
            filled += got
        }
        return bytes
    }

    private static func answer(_ word: UInt32, count: UInt32, _ bytes: [UInt8]) {
        var all: [UInt8] = []
        for number in [0x3148_5453, word, count] {
            for shift in stride(from: UInt32(0), to: 32, by: 8) { all.append(UInt8(truncatingIfNeeded: number >> shift)) }
        }
        write(all + bytes)
    }

    private static func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(3, $0.baseAddress, $0.count) }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }
}
