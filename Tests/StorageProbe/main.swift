import Glibc
import SwiftletStorage

// Uploads in a loop until it is killed, and says on standard output what it was told is stored: `done <key> <bytes> <seed>`.
// Content is made from the seed, so that whoever reads the folder afterwards knows what must be there.

/// One line, written at once: a kill takes nothing back.
@Sendable func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

guard CommandLine.arguments.count == 3, let round = Int(CommandLine.arguments[2]) else {
    say("usage: storage-probe FOLDER ROUND")
    exit(2)
}

let bucket = Bucket(id: "b", maxBytes: 8 << 20)
let store: DiskStore
do {
    store = try DiskStore(directory: CommandLine.arguments[1], buckets: [bucket], now: { Int64(time(nil)) * 1000 })
} catch {
    say("failed \(error)")
    exit(1)
}
say("open")

@Sendable func content(_ seed: Int, _ bytes: Int) -> [UInt8] {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 | 1
    let block = (0..<251).map { (_: Int) -> UInt8 in
        state ^= state &<< 13
        state ^= state &>> 7
        state ^= state &<< 17
        return UInt8(truncatingIfNeeded: state)
    }
    var content: [UInt8] = []
    content.reserveCapacity(bytes + block.count)
    while content.count < bytes { content += block }
    content.removeLast(content.count - bytes)
    return content
}

@Sendable func uploads(_ worker: Int) async {
    for number in 0..<1_000_000 {
        let seed = round &* 1_000_003 &+ worker &* 10_007 &+ number
        // Small ones, ones of many writes, and ones that overwrite.
        let bytes = number % 4 == 3 ? 700_000 + worker : 100 + number
        let key = number % 3 == 0 ? "w\(worker)/same" : "w\(worker)/r\(round)/n\(number)"
        do {
            let upload = try await store.begin(
                UploadIntent(
                    path: ObjectPath(bucket: "b", key: key), owner: "u\(worker)", contentType: "text/plain", maxBytes: 8 << 20,
                    upsert: true,
                    oneShot: UploadIntent.OneShot(id: "t\(seed)", expiresAt: .max)))
            let bytesToWrite = content(seed, bytes)
            var offset = 0
            while offset < bytes {
                let end = min(offset + 65_536, bytes)
                try await upload.write(Array(bytesToWrite[offset..<end]))
                offset = end
            }
            say("begun \(key) \(bytes) \(seed)")
            _ = try await upload.finish()
            say("done \(key) \(bytes) \(seed)")
        } catch {
            say("failed \(error)")
            exit(1)
        }
    }
}

await withTaskGroup(of: Void.self) { group in
    for worker in 0..<4 { group.addTask { await uploads(worker) } }
}
