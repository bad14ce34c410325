import Glibc
import SwiftletStorage

// How fast the disk backend is. Figures depend on the disk: compare them with `dd bs=256k conv=fsync` in the same folder.

let clock = ContinuousClock()
func micros(_ duration: Duration, _ count: Int) -> Double {
    let (seconds, attoseconds) = duration.components
    return (Double(seconds) * 1e6 + Double(attoseconds) / 1e12) / Double(count)
}
func round1(_ value: Double) -> Double { (value * 10).rounded() / 10 }
func residentKiB() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (Int(text.split(separator: " ").dropFirst().first ?? "0") ?? 0) * 4
}

func upload(_ store: DiskStore, _ key: String, _ chunk: [UInt8], _ times: Int, sha256: [UInt8]? = nil) async throws {
    let upload = try await store.begin(
        UploadIntent(
            path: ObjectPath(bucket: "b", key: key), owner: "u1", contentType: "image/png", maxBytes: 1 << 30, sha256: sha256,
            upsert: true))
    for _ in 0..<times { try await upload.write(chunk) }
    // With a digest it ends here, for it is not the content's.
    if sha256 == nil { _ = try await upload.finish() } else { _ = try? await upload.finish() }
}

/// Uploads by several tasks; the most memory that was seen.
func many(_ store: DiskStore, _ prefix: String, _ chunk: [UInt8], _ times: Int, tasks: Int, each: Int) async -> Int {
    await withTaskGroup(of: Int.self) { group in
        for task in 0..<tasks {
            group.addTask {
                for number in 0..<each {
                    do {
                        try await upload(store, "\(prefix)\(task)-\(number)", chunk, times)
                    } catch {
                        print("failed: \(error)")
                    }
                }
                return residentKiB()
            }
        }
        return await group.reduce(0) { max($0, $1) }
    }
}

func run() async throws {
    let directory = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "/var/tmp/swiftlet-bench-disk-\(getpid())"
    let store = try DiskStore(
        directory: directory, buckets: [Bucket(id: "b", maxBytes: 1 << 30)], limits: StorageLimits(ownerQuotaBytes: 1 << 40),
        now: { Int64(time(nil)) * 1000 })

    let chunk = [UInt8](repeating: 7, count: 65_536)
    print("idle \(residentKiB()) KiB")
    for hashing in [false, true] {
        var best = Duration.seconds(1000)
        for round in 0..<3 {
            let start = clock.now
            try await upload(store, "big/\(round)", chunk, 1600, sha256: hashing ? [UInt8](repeating: 0, count: 32) : nil)
            best = min(best, start.duration(to: clock.now))
        }
        print("100 MiB in 64 KiB chunks\(hashing ? ", hashed" : ""): \(round1(100 / (micros(best, 1) / 1e6))) MiB/s")
    }

    let small = [UInt8](repeating: 1, count: 1024)
    for tasks in [1, 8, 50] {
        let each = tasks == 1 ? 300 : 2000 / tasks
        let start = clock.now
        _ = await many(store, "small/\(tasks)/", small, 1, tasks: tasks, each: each)
        print("1 KiB upload, \(tasks) at once: \(round1(micros(start.duration(to: clock.now), each * tasks))) us each")
    }

    let before = residentKiB()
    let peak = await many(store, "wide/", chunk, 64, tasks: 50, each: 1)
    print("50 uploads of 4 MiB at once: \(before) KiB before, \(peak) KiB at most")

    let there = ObjectPath(bucket: "b", key: "small/1/0-7")
    let absent = ObjectPath(bucket: "b", key: "small/1/none")
    var count = 0
    var start = clock.now
    for _ in 0..<100_000 { if try store.exists(there) { count += 1 } }
    print("exists, there: \(round1(micros(start.duration(to: clock.now), 100_000))) us")
    start = clock.now
    for _ in 0..<100_000 { if try store.exists(absent) { count += 1 } }
    print("exists, not there: \(round1(micros(start.duration(to: clock.now), 100_000))) us")
    start = clock.now
    for _ in 0..<100_000 { count &+= try store.usage(of: "u1") }
    print("usage: \(micros(start.duration(to: clock.now), 100_000)) us")
    start = clock.now
    for _ in 0..<10_000 { count &+= try await store.info(there).size }
    print("info: \(round1(micros(start.duration(to: clock.now), 10_000))) us")
    start = clock.now
    for _ in 0..<5_000 { count &+= try await store.open(there).size }
    print("open: \(round1(micros(start.duration(to: clock.now), 5_000))) us")
    start = clock.now
    for _ in 0..<200 {
        count &+= try await store.list(ListQuery(bucket: "b", prefix: "small/50", limit: 100, offset: 1000)).count
    }
    print("list 100 of 2000 at offset 1000: \(round1(micros(start.duration(to: clock.now), 200))) us")
    await store.close()
    start = clock.now
    let again = try DiskStore(directory: directory, buckets: [], now: { 0 })
    print("opening again: \(round1(micros(start.duration(to: clock.now), 1))) us, \(again.sweepReport)")
    await again.close()
    print(count == 0 ? "" : "done")
}

try await run()
