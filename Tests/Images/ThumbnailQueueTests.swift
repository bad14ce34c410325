import Foundation
import Glibc
import SwiftletFiles
import SwiftletImages
import SwiftletStorage
import Testing

/// Processes that are killed, misbehave, or are too few. None of these needs libvips unless it says so.
@Suite struct ThumbnailQueueTests {
    let folder = try! TestFolder()

    /// Waits for something that another thread does.
    func until(_ condition: () -> Bool) async throws {
        for _ in 0..<2000 where !condition() { try await Task.sleep(for: .milliseconds(5)) }
        try #require(condition())
    }

    func refusal(_ worker: ThumbnailWorker, _ query: String = "width=10") async throws -> StorageError? {
        let original = try folder.sample("plain.jpg")
        do {
            _ = try await worker.thumbnail(of: original, wanted(query))
            return nil
        } catch { return error as? StorageError }
    }

    @Test(arguments: ["gone", "huge", "empty", "wrong", "short", "garbage", "talkative"])
    func `a process that misbehaves costs its picture only`(_ kind: String) async throws {
        let worker = try folder.worker(["probe", "misbehave", kind])
        let error = try await refusal(worker)
        #expect(error?.code == .upstream, "\(kind)")
        #expect(worker.condition.processes.isEmpty)
        #expect(folder.names.isEmpty)
    }

    @Test(arguments: ["stuck", "deaf"])
    func `a process that hangs is killed at the end of its time`(_ kind: String) async throws {
        let worker = try folder.worker(["probe", "misbehave", kind]) { $0.pictureMilliseconds = 100 }
        let error = try await refusal(worker)
        #expect(error?.code == .upstream)
        #expect(error?.message == "The image takes too long to be changed")
        #expect(worker.condition.processes.isEmpty)
    }

    @Test func `a process that never begins is killed, and nobody tries again at once`() async throws {
        let worker = try folder.worker(["probe", "misbehave", "silent"]) {
            $0.startMilliseconds = 100
            $0.pauseMilliseconds = 60_000
        }
        #expect(try await refusal(worker)?.code == .upstream)
        #expect(try await refusal(worker)?.code == .upstream)
        #expect(worker.condition.processesStarted == 0)
    }

    @Test func `a program that cannot be started gives an error`() async throws {
        let worker = try folder.worker { $0.executable = "/nonexistent/program" }
        #expect(try await refusal(worker)?.code == .upstream)
    }

    @Test func `a process that speaks without being asked is replaced`() async throws {
        let worker = try folder.worker(["probe", "misbehave", "unasked"])
        #expect(try await refusal(worker)?.code == .upstream)
        #expect(worker.condition.processes.isEmpty)
    }

    @Test(.enabled(if: Pictures.areMade, "libvips.so.42 is not installed (Debian: libvips42)"))
    func `a process that is killed in the middle costs its picture, and the next one is made`() async throws {
        let worker = try folder.worker(["probe", "misbehave", "stuck", folder.path + "/marker"]) { $0.processes = 1 }
        async let first = refusal(worker)
        try await until { worker.condition.picturesBegun == 1 }
        for process in worker.condition.processes { kill(process, SIGKILL) }
        #expect(try await first?.code == .upstream)
        let made = try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=40"))
        #expect(PictureHead(made.bytes) == PictureHead("image/jpeg", 40, 30))
        #expect(worker.condition.processesStarted == 2)
    }

    @Test(.enabled(if: Pictures.areMade, "libvips.so.42 is not installed (Debian: libvips42)"))
    func `a process that died while it had nothing to do is replaced without an error`() async throws {
        let worker = try folder.worker()
        #expect(try await refusal(worker, "width=10") == nil)
        let process = try #require(worker.condition.processes.first)
        kill(process, SIGKILL)
        // Its entry stays until the worker looks at it.
        try await until {
            (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8))?.contains(") Z ") ?? true
        }
        #expect(try await refusal(worker, "width=11") == nil)
        #expect(worker.condition.processesStarted == 2)
    }

    @Test(.enabled(if: Pictures.areMade, "libvips.so.42 is not installed (Debian: libvips42)"))
    func `a process is replaced after its share of pictures, and ends when there is no work`() async throws {
        let worker = try folder.worker {
            $0.picturesPerProcess = 2
            $0.processes = 1
            $0.idleMilliseconds = 50
        }
        for width in 10..<14 { #expect(try await refusal(worker, "width=\(width)") == nil) }
        #expect(worker.condition.processesStarted >= 2)
        try await until { worker.condition.processes.isEmpty }
    }

    @Test func `forty at once are as many as there are places, and the rest is refused`() async throws {
        let worker = try folder.worker(["probe", "misbehave", "stuck"]) { $0.pictureMilliseconds = 60_000 }
        let codes = try await withThrowingTaskGroup(of: StorageError.Code?.self) { group in
            for _ in 0..<40 { group.addTask { try await refusal(worker)?.code } }
            var codes: [StorageError.Code?] = []
            while codes.count < 22, let code = try await group.next() { codes.append(code) }
            #expect(worker.condition.waiting + worker.condition.running == 18)
            try await until { worker.condition.running == 2 }
            #expect(worker.condition.waiting == 16)
            worker.stop()
            try await until { worker.condition.waiting == 0 }
            // The two that are being made would hang for a minute.
            try await until { worker.condition.picturesBegun == 2 }
            for process in worker.condition.processes { kill(process, SIGKILL) }
            while let code = try await group.next() { codes.append(code) }
            return codes
        }
        #expect(codes.count == 40)
        #expect(codes.count { $0 == .slowDown } == 38)
        #expect(codes.count { $0 == .upstream } == 2)
    }

    @Test(.enabled(if: Pictures.areMade, "libvips.so.42 is not installed (Debian: libvips42)"))
    func `forty at once for one picture make it once`() async throws {
        let worker = try folder.worker()
        let original = try folder.sample("plain.jpg")
        let etags = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    let made = try await worker.thumbnail(of: original, wanted("width=33"))
                    #expect(PictureHead(made.bytes) == PictureHead("image/jpeg", 33, 25))
                    return made.info.etag
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(etags.count == 1)
        #expect(worker.condition.picturesBegun == 1)
    }

    @Test func `who goes away does not wait, and what nobody wants is not made`() async throws {
        let worker = try folder.worker(["probe", "misbehave", "stuck"]) {
            $0.processes = 1
            $0.pictureMilliseconds = 60_000
        }
        let first = Task { try await refusal(worker) }
        try await until { worker.condition.picturesBegun == 1 }
        let second = Task { try await refusal(worker) }
        try await until { worker.condition.waiting == 1 }
        second.cancel()
        #expect(try await second.value?.code == .clientGone)
        #expect(worker.condition.waiting == 0)
        first.cancel()
        #expect(try await first.value?.code == .clientGone)
        for process in worker.condition.processes { kill(process, SIGKILL) }
    }
}
