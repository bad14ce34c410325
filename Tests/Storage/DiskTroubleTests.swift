import Foundation
import Glibc
import Testing

@testable import SwiftletStorage

/// What mounting needs.
private let isRoot = geteuid() == 0

@Suite struct `A disk in trouble` {
    let scratch = Scratch()

    @Test(arguments: DiskStep.allCases, [(ENOSPC, StorageError.Code.storageFull), (EDQUOT, .storageFull), (EIO, .internalError)])
    func `a step that fails leaves nothing, says why, and the next upload works`(
        _ step: DiskStep, _ failure: (Int32, StorageError.Code)
    ) async throws {
        let faults = Faults()
        var store = try openStore(scratch, faults: faults)
        let before = try await put(store, intent("there"), pattern(10))
        faults.set(step, failure.0)
        for key in ["new", "there"] {
            do {
                try await put(store, intent(key, upsert: true, oneShot: "t"), pattern(300_000))
                Issue.record("stored")
            } catch let error as StorageError {
                #expect(error.code == failure.1)
                #expect(error.cause != nil)
            }
        }
        faults.clear()
        #expect(scratch.files("staging") == [])
        #expect(scratch.files("content").map { $0.suffix(36) } == [before.version.suffix(36)])
        #expect(try await store.info(before.path) == before)
        #expect(try !store.isSpent("t"))
        #expect(try store.usage(of: "u1") == 10)
        try await put(store, intent("new", oneShot: "t"), pattern(300_000))
        await store.close()
        store = try openStore(scratch)
        #expect(store.sweepReport == SweepReport())
        #expect(try await read(store, "new") == pattern(300_000))
        await store.close()
    }

    @Test func `one upload that fails does not take down those it shares a transaction with`() async throws {
        let store = try openStore(scratch)
        let uploads = try await withThrowingTaskGroup(of: DiskUpload.self) { group in
            for number in 0..<20 {
                group.addTask {
                    let upload = try await store.begin(intent("k\(number)"))
                    try await upload.write(pattern(number))
                    return upload
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        // A copy gets in between and takes one of the keys.
        let stranger = stranger("k7")
        _ = try await store.line.commit { database in
            try CatalogueObjects.insert(stranger, in: database)
            return Change()
        }
        let codes = await withTaskGroup(of: StorageError.Code?.self) { group in
            for upload in uploads { group.addTask { await refusal { try await upload.finish() } } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == .keyAlreadyExists }.count == 1)
        #expect(codes.filter { $0 == nil }.count == 19)
        #expect(scratch.files("content").count == 19)
    }

    private func stranger(_ key: String) -> ObjectInfo {
        ObjectInfo(
            id: "i", path: ObjectPath(bucket: "b", key: key), version: "v-\(key)", owner: nil, size: 0, contentType: "t",
            cacheControl: nil,
            etag: "", createdAt: 0, updatedAt: 0, metadata: nil, displayName: nil)
    }

    @Test(.enabled(if: isRoot, "mounting a small tmpfs needs root"))
    func `a full disk refuses, leaks nothing, and is used again when there is room`() async throws {
        let mounted = try Mounted(scratch.path + "/small", "tmpfs", "-o", "size=4m,mode=700")
        let directory = mounted.path + "/store"
        func open() throws -> DiskStore {
            try DiskStore(directory: directory, buckets: [Bucket(id: "b", maxBytes: 64 << 20)], limits: limits, now: { 1 })
        }
        // Nothing is kept free, so that the disk itself says it.
        let limits = StorageLimits(reservedBytes: .min)
        var store = try open()
        try await put(store, intent("first"), pattern(100_000))
        #expect(
            await refusal { try await put(store, intent("large", max: 64 << 20), [UInt8](repeating: 1, count: 5 << 20)) }
                == .storageFull)
        try await put(store, intent("second"), pattern(100_000))

        // Full to the last page: neither content nor catalogue can grow.
        let filler = mounted.path + "/filler"
        fill(filler)
        var refused = 0
        for number in 0..<30 {
            // Content of nothing, so that it is the catalogue that has no room.
            do {
                try await put(store, intent("n\(number)", oneShot: "t\(number)"), [])
            } catch let error as StorageError {
                #expect(error.code == .storageFull, "\(error)")
                refused += 1
            }
        }
        #expect(refused > 0)
        #expect(await refusal { try await put(store, intent("one"), pattern(5000)) } == .storageFull)
        #expect(try await read(store, "first") == pattern(100_000))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/staging") == [])
        await store.close()

        unlink(filler)
        store = try open()
        #expect(store.sweepReport == SweepReport())
        #expect(try await read(store, "second") == pattern(100_000))
        try await put(store, intent("third"), pattern(100_000))
        await store.close()
        store = try open()
        #expect(try await read(store, "third") == pattern(100_000))
        await store.close()
    }

    @Test(.enabled(if: isRoot, "mounting a small tmpfs needs root"))
    func `room is kept for the catalogue`() async throws {
        let mounted = try Mounted(scratch.path + "/small", "tmpfs", "-o", "size=8m,mode=700")
        let store = try DiskStore(
            directory: mounted.path + "/store", buckets: [Bucket(id: "b", maxBytes: 64 << 20)],
            limits: StorageLimits(reservedBytes: 4 << 20), now: { 1 })
        #expect(
            await refusal { try await put(store, intent("large", max: 64 << 20), [UInt8](repeating: 1, count: 5 << 20)) }
                == .storageFull)
        #expect(await refusal { try await store.begin(intent("large", max: 64 << 20, exact: 5 << 20)) } == .storageFull)
        let one = try await store.begin(intent("one", exact: 2_500_000))
        #expect(await refusal { try await store.begin(intent("two", exact: 2_500_000)) } == .storageFull)
        one.discard()
        try await put(store, intent("two", exact: 2_500_000), pattern(2_500_000))
        await store.close()
    }

    @Test(.enabled(if: isRoot, "a read-only mount needs root"))
    func `a folder that has become read-only is named, and what is in it can be read`() async throws {
        var store = try openStore(scratch)
        try await put(store, intent("k"), [1, 2, 3])
        await store.close()
        do {
            let mounted = try Mounted(scratch.store, scratch.store, "--bind")
            try mounted.remount("remount,ro,bind")
            let error = #expect(throws: StorageError.self) { _ = try openStore(scratch) }
            #expect(error?.message.contains(scratch.store) ?? false)
        }
        store = try openStore(scratch)
        do {
            // The rest cannot be made read-only while the catalogue is open for writing.
            let mounted = try Mounted(scratch.store + "/staging", "tmpfs", "-o", "ro")
            defer { withExtendedLifetime(mounted) {} }
            #expect(await refusal { try await put(store, intent("l"), pattern(300_000)) } == .internalError)
            #expect(try await read(store, "k") == [1, 2, 3])
            #expect(try store.exists(ObjectPath(bucket: "b", key: "k")))
        }
        await store.close()
        store = try openStore(scratch)
        try await put(store, intent("l"), [4])
        await store.close()
    }

    @Test func `a folder that cannot be used is named, with what to do`() throws {
        let first = try openStore(scratch)
        var error = #expect(throws: StorageError.self) { _ = try openStore(scratch) }
        #expect(error?.message.contains("another host uses the storage folder \(scratch.store)") ?? false)
        withExtendedLifetime(first) {}
        let file = scratch.path + "/file"
        #expect(FileManager.default.createFile(atPath: file, contents: nil))
        func opened(_ path: String) throws { _ = try DiskStore(directory: path, buckets: [], now: { 0 }) }
        error = #expect(throws: StorageError.self) { try opened(file) }
        #expect(error?.message.contains(file) ?? false)
        #expect(throws: StorageError.self) { try opened(file + "/below") }
        #expect(throws: StorageError.self) { try opened("") }
        let open = scratch.path + "/open"
        mkdir(open, 0o700)
        chmod(open, 0o777)
        error = #expect(throws: StorageError.self) { try opened(open) }
        #expect(error?.message.contains("chmod 700") ?? false)
        chmod(open, 0o700)
        #expect(FileManager.default.createFile(atPath: open + "/catalogue.sqlite", contents: Data(repeating: 65, count: 10_000)))
        error = #expect(throws: StorageError.self) { try opened(open) }
        #expect(error?.message.contains(open) ?? false)
    }

    @Test func `what a crash left is cleared away, and what is missing is reported`() async throws {
        var store = try openStore(scratch)
        let kept = try await put(store, intent("kept"), [1])
        let gone = try await put(store, intent("gone"), [2])
        await store.close()
        let content = scratch.store + "/content"
        func place(_ version: String) -> String { "\(content)/\(version.prefix(1))/\(version.prefix(2).suffix(1))/\(version)" }
        unlink(place(gone.version))
        for name in ["00000000-0000-4000-8000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"] {
            #expect(FileManager.default.createFile(atPath: place(name), contents: nil))
        }
        #expect(FileManager.default.createFile(atPath: scratch.store + "/staging/x", contents: nil))
        store = try openStore(scratch)
        #expect(store.sweepReport.unnamedFiles == 2)
        #expect(store.sweepReport.stagedFiles == 1)
        #expect(store.sweepReport.missingFiles == 1)
        #expect(store.sweepReport.missingVersions == [gone.version])
        #expect(scratch.files("content").map { String($0.suffix(36)) } == [kept.version])
        #expect(await refusal { try await store.open(gone.path) } == .internalError)
        try await put(store, intent("gone", upsert: true), [3])
        #expect(try await read(store, "gone") == [3])
        // Cut short behind the store's back.
        truncate(place(kept.version), 0)
        #expect(await refusal { try await store.open(kept.path) } == .internalError)
        await store.close()
    }

    @Test func `content is not taken for rubbish because the catalogue is gone`() async throws {
        let store = try openStore(scratch)
        try await put(store, intent("k"), [1])
        await store.close()
        for name in scratch.files("").filter({ $0.hasPrefix("catalogue") }) { unlink(scratch.store + "/" + name) }
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) { _ = try openStore(scratch) }
            #expect(error?.message.contains("no catalogue") ?? false)
        }
        #expect(scratch.files("content").count == 1)
    }

    @Test func `a folder that was let go is free, though a process that is being started still has its lock open`() throws {
        var copies: [Int32] = []
        defer { for copy in copies { Glibc.close(copy) } }
        func hold() throws {
            let folder = try DiskFolder(path: scratch.store, fault: nil)
            for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
                guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/" + name),
                    link == folder.path + "/lock", let number = Int32(name)
                else { continue }
                return copies.append(dup(number))
            }
        }
        try hold()
        #expect(copies.count == 1)
        _ = try DiskFolder(path: scratch.store, fault: nil)
    }

    private func fill(_ path: String) {
        let file = Glibc.open(path, O_WRONLY | O_CREAT, 0o600)
        defer { Glibc.close(file) }
        let block = [UInt8](repeating: 0, count: 4096)
        while Glibc.write(file, block, block.count) > 0 {}
    }
}

/// Something mounted for one test.
private final class Mounted {
    let path: String

    init(_ path: String, _ source: String, _ options: String...) throws {
        self.path = path
        mkdir(path, 0o700)
        let kind = source == "tmpfs" ? ["-t", "tmpfs"] : []
        try Self.run("/usr/bin/mount", kind + options + [source, path])
    }

    deinit { try? Self.run("/usr/bin/umount", ["-l", path]) }

    func remount(_ options: String) throws { try Self.run("/usr/bin/mount", ["-o", options, path]) }

    private static func run(_ tool: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(tool) \(arguments)")
    }
}
