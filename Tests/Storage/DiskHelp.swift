import Foundation
import Glibc
import Synchronization

@testable import SwiftletStorage

/// A folder of its own for one test, removed afterwards.
final class Scratch: Sendable {
    let path: String

    init() {
        // In memory where that is possible: what is asked here is not how fast the disk is.
        let root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp"
        let name = "\(root)/swiftlet-disk-\(getpid())-\(UInt64.random(in: .min ... .max))"
        _ = mkdir(name, 0o700)
        path = name
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var store: String { path + "/store" }

    func files(_ folder: String) -> [String] {
        let root = store + "/" + folder
        guard let walk = FileManager.default.enumerator(atPath: root) else { return [] }
        return walk.compactMap { $0 as? String }.filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
    }
}

final class TestClock: Sendable {
    private let value = Atomic<Int64>(1_800_000_000_000)
    var now: Int64 { value.load(ordering: .relaxed) }
    func advance(_ milliseconds: Int64) { value.add(milliseconds, ordering: .relaxed) }
}

/// Fails the steps it is told to.
final class Faults: Sendable {
    private let codes = Mutex<[DiskStep: Int32]>([:])
    func set(_ step: DiskStep, _ code: Int32) { codes.withLock { $0[step] = code } }
    func clear() { codes.withLock { $0 = [:] } }
    var fault: DiskFault { { step in self.codes.withLock { $0[step] ?? 0 } } }
}

func openStore(
    _ scratch: Scratch, _ limits: StorageLimits = StorageLimits(), clock: TestClock = TestClock(), faults: Faults? = nil
) throws -> DiskStore {
    try DiskStore(
        directory: scratch.store,
        buckets: [Bucket(id: "b", maxBytes: 4 << 20), Bucket(id: "c", maxBytes: 1000), Bucket(id: "big", maxBytes: 1 << 30)],
        limits: limits, now: { clock.now }, fault: faults?.fault)
}

func intent(
    _ key: String, bucket: String = "b", owner: String? = "u1", max: Int = 4 << 20, exact: Int? = nil, sha256: [UInt8]? = nil,
    upsert: Bool = false, oneShot: String? = nil
) -> UploadIntent {
    UploadIntent(
        path: ObjectPath(bucket: bucket, key: key), owner: owner, contentType: "text/plain", maxBytes: max, exactBytes: exact,
        sha256: sha256, upsert: upsert, oneShot: oneShot.map { UploadIntent.OneShot(id: $0, expiresAt: 1_800_000_060_000) })
}

@discardableResult
func put(_ store: DiskStore, _ intent: UploadIntent, _ bytes: [UInt8]) async throws -> ObjectInfo {
    let upload = try await store.begin(intent)
    try await upload.write(bytes)
    return try await upload.finish()
}

func read(_ store: DiskStore, _ key: String, bucket: String = "b") async throws -> [UInt8] {
    let file = try await store.open(ObjectPath(bucket: bucket, key: key))
    return try bytes(of: file)
}

func bytes(of file: StoredFile) throws -> [UInt8] {
    var result = [UInt8](repeating: 0, count: file.size)
    var offset = 0
    while offset < result.count {
        let from = offset
        let count = try result.withUnsafeMutableBytes {
            try file.read(at: from, into: UnsafeMutableRawBufferPointer(rebasing: $0[from...]))
        }
        if count == 0 { break }
        offset += count
    }
    return result
}

/// The code something was refused with; nil when it was not.
func refusal(_ body: () async throws -> some Any) async -> StorageError.Code? {
    do {
        _ = try await body()
        return nil
    } catch let error as StorageError {
        return error.code
    } catch {
        return .notConfigured
    }
}

/// Bytes that differ by seed. What is repeated has an odd length, so that a piece in the wrong place shows; and it is cheap in a debug build.
func pattern(_ count: Int, _ seed: Int = 1) -> [UInt8] {
    let block = (0..<251).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ seed) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes += block }
    bytes.removeLast(bytes.count - count)
    return bytes
}

/// Until it is so, or a second of turns has gone by: for what a thread of the store does after it has answered.
func eventually(_ condition: () -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(5)
    while !condition() {
        if ContinuousClock.now > end { return false }
        await Task.yield()
    }
    return true
}
