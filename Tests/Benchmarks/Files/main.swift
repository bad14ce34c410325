import Glibc
import SwiftletSanitize
import SwiftletFiles

// Gigabytes a second of the multipart reader and of the content judge, fed in pieces of 64 KiB as a socket gives them.

let size = 64 << 20
let piece = 64 << 10

/// CPU time, not wall time: the machine may be busy with other things.
func report(_ name: String, _ bytes: [UInt8], _ work: ([UInt8]) -> Int) {
    var best = Double.infinity
    var result = 0
    for _ in 0..<5 {
        let start = clock()
        result = work(bytes)
        best = min(best, Double(clock() - start) / Double(CLOCKS_PER_SEC))
    }
    let speed = Double(bytes.count) / 1e9 / best
    print("\(name): \(Double(Int(speed * 100)) / 100) GB/s (\(result))")
}

func pieces(_ bytes: [UInt8], _ use: (UnsafeRawBufferPointer) -> Void) {
    bytes.withUnsafeBytes { all in
        var start = 0
        while start < all.count {
            let end = min(all.count, start + piece)
            use(UnsafeRawBufferPointer(rebasing: all[start..<end]))
            start = end
        }
    }
}

func form(_ content: [UInt8]) -> [UInt8] {
    Array("------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"\"; filename=\"a\"\r\n\r\n".utf8)
        + content
        + Array("\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n".utf8)
}

func read(_ body: [UInt8]) -> Int {
    guard var reader = try? MultipartReader(contentType: "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW")
    else {
        return -1
    }
    var count = 0
    pieces(body) { input in
        try? reader.feed(input) { event in
            switch event {
            case .body(let range): count += range.count
            case .held(let held): count += held.count
            default: break
            }
        }
    }
    return reader.isComplete ? count : -1
}

func judge(_ type: String, _ ending: String, _ bytes: [UInt8]) -> Int {
    var judge = ContentJudge(declared: type, fileExtension: ending)
    pieces(bytes) { _ = judge.feed($0) }
    if case .accepted = judge.finish() { return 1 }
    print(judge.finish())
    return 0
}

func random(_ count: Int) -> [UInt8] {
    var seed: UInt64 = 88_172_645_463_325_252
    return (0..<count).map { _ in
        seed ^= seed << 13
        seed ^= seed >> 7
        seed ^= seed << 17
        return UInt8(truncatingIfNeeded: seed >> 32)
    }
}
func fill(_ text: String) -> [UInt8] { Array(String(repeating: text, count: size / text.utf8.count).utf8) }
func be(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

let noise = random(size)
report("multipart, binary", form(noise), read)
report("multipart, zeros", form([UInt8](repeating: 0, count: size)), read)
report("multipart, lines of text", form(fill("The quick brown fox jumps over the lazy dog, and over the fence.\r\n")), read)
report("multipart, near boundaries", form(fill("\r\n------WebKitFormBoundary7MA4YWxkTrZu0g")), read)
report("multipart, CR LF dashes", form(fill("\r\n--")), read)
report("multipart, CR alone", form(fill("\r")), read)

func crc(_ bytes: [UInt8]) -> [UInt8] {
    var table = [UInt32](repeating: 0, count: 256)
    for index in 0..<256 {
        table[index] = (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
    return be(Int(~bytes.reduce(~UInt32(0)) { table[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 }))
}
func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return be(data.count) + body + crc(body)
}
var png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + chunk("IHDR", be(100) + be(100) + [8, 2, 0, 0, 0])
let data = chunk("IDAT", Array(noise.prefix(32 << 10)))
while png.count < size { png += data }
png += chunk("IEND", [])
report("judge, PNG", png) { judge("image/png", "png", $0) }

var scan: [UInt8] = []
scan.reserveCapacity(size)
for byte in noise {
    scan.append(byte)
    if byte == 0xFF { scan.append(0) }
}
let jpegHead: [UInt8] = [
    0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0, 0, 0xFF, 0xC0, 0, 11, 8, 0, 100, 0, 100, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0x3F,
    0,
]
report("judge, JPEG", jpegHead + scan + [0xFF, 0xD9]) { judge("image/jpeg", "jpg", $0) }
report(
    "judge, JPEG of FF 00",
    jpegHead + [UInt8](repeating: 0, count: size).enumerated().map { $0.offset & 1 == 0 ? 0xFF : 0 } + [0xFF, 0xD9]
) {
    judge("image/jpeg", "jpg", $0)
}
let mp4 =
    be(24) + Array("ftypisom".utf8) + be(512) + Array("isommp41".utf8) + be(size + 8) + Array("mdat".utf8) + noise + be(8)
    + Array("moov".utf8)
report("judge, MP4", mp4) { judge("video/mp4", "mp4", $0) }
report("judge, MP4 of P", Array(mp4.prefix(32)) + fill("P") + be(8) + Array("moov".utf8)) { judge("video/mp4", "mp4", $0) }
report("judge, MP4 of PK", Array(mp4.prefix(32)) + fill("PK") + be(8) + Array("moov".utf8)) { judge("video/mp4", "mp4", $0) }
var gif: [UInt8] = Array("GIF89a".utf8) + [10, 0, 10, 0, 0, 0, 0, 0x2C, 0, 0, 0, 0, 10, 0, 10, 0, 0, 8]
while gif.count < size { gif += [255] + noise.prefix(255) }
report("judge, GIF", gif + [0, 0x3B]) { judge("image/gif", "gif", $0) }
report("judge, text", fill("The quick brown fox jumps over the lazy dog, and over the fence.\r\n")) {
    judge("text/plain", "txt", $0)
}
report("judge, German text", fill("Die Gäste aßen gemütlich Käsespätzle, während draußen Schnee fiel.\n")) {
    judge("text/plain", "txt", $0)
}
report("judge, Japanese text", fill("吾輩は猫である。名前はまだ無い。")) { judge("text/plain", "txt", $0) }
let noPK = noise.prefix(size)
let name = Array("a".utf8)
let local: [UInt8] =
    [0x50, 0x4B, 3, 4, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0] + be(0) + be(size).reversed() + be(size).reversed() + [1, 0, 0, 0] + name
    + noPK
let directory: [UInt8] =
    [0x50, 0x4B, 1, 2, 20, 0, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0] + be(0) + be(size).reversed() + be(size).reversed() + [
        1, 0, 0, 0, 0, 0,
    ]
    + [0, 0, 0, 0] + be(0) + be(0) + name
let end: [UInt8] =
    [0x50, 0x4B, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0] + be(directory.count).reversed() + be(local.count).reversed() + [0, 0]
let zipRules = FileRules(allowedTypes: ["application/zip"])
report("judge, zip", local + directory + end) { bytes in
    var judge = ContentJudge(declared: "application/zip", fileExtension: "zip", rules: zipRules)
    pieces(bytes) { _ = judge.feed($0) }
    if case .accepted = judge.finish() { return 1 }
    return 0
}
