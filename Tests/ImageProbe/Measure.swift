import Glibc
import SwiftletFiles
import SwiftletImages
import SwiftletStorage
import SwiftletWorkers

/// `image-probe measure FOLDER FILE TYPE QUERY TIMES`: what a thumbnail costs, in milliseconds and in memory of both processes.
enum Measure {
    static func run(_ words: [String]) -> Never {
        Task.detached {
            do { try await measure(words) } catch { print("\(error)") }
            exit(0)
        }
        while true { pause() }
    }

    private static func measure(_ words: [String]) async throws {
        guard words.count == 5, let times = Int(words[4]), let wanted = try ThumbnailRequest.parse(query: words[3]) else {
            exit(64)
        }
        var settings = ThumbnailSettings()
        settings.arguments = ["probe", "thumbnail"]
        settings.processes = 1
        let worker = try ThumbnailWorker(folder: words[0], settings: settings, environment: [:])
        let before = resident(getpid())
        for time in 0..<times {
            let descriptor = open(words[1], O_RDONLY | O_CLOEXEC)
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { exit(66) }
            let original = try StoredFile(
                ObjectInfo(
                    id: "id", path: ObjectPath(bucket: "b", key: "k"), version: "\(getpid())-\(time)", owner: nil,
                    size: Int(status.st_size), contentType: words[2], cacheControl: nil, etag: "", createdAt: 0, updatedAt: 0,
                    metadata: nil, displayName: nil), descriptor)
            let start = ContinuousClock.now
            do {
                let made = try await worker.thumbnail(of: original, wanted)
                let took = (ContinuousClock.now - start).components.attoseconds / 1_000_000_000_000_000
                let seconds = (ContinuousClock.now - start).components.seconds
                // It gives memory back after its answer.
                usleep(200_000)
                let child = worker.condition.processes.first ?? 0
                print(
                    "\(seconds) s \(took) ms, \(made.size) bytes \(made.info.contentType); process \(resident(child)), peak \(peak(child))"
                )
            } catch {
                print("\(ContinuousClock.now - start): \(error)")
            }
        }
        print("host before \(before), after \(resident(getpid()))")
    }

    private static func resident(_ process: Int32) -> String {
        (ProcessUsage(pid: process)?.residentBytes).map { "\($0 / 1024) KiB" } ?? "gone"
    }

    private static func peak(_ process: Int32) -> String {
        guard let file = fopen("/proc/\(process)/status", "r") else { return "gone" }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 255, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.hasPrefix("VmHWM") || text.hasPrefix("VmPeak") { return text.split(separator: "\n").joined() }
        }
        return ""
    }
}
