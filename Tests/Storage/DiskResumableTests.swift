import Foundation
import SwiftletCrypto
import Testing

@testable import SwiftletStorage

@Suite struct `Resumable uploads on disk` {
    let scratch = Scratch()

    private func append(_ store: DiskStore, _ id: String, at offset: Int, _ bytes: [UInt8]) async throws -> Int {
        let writer = try await store.appendResumable(id, at: offset)
        try await writer.write(bytes)
        return try await writer.close()
    }

    @Test func `an upload in parts survives a restart of the host`() async throws {
        let content = pattern(1_500_000)
        let digest = SHA256.hash(content).bytes
        var store = try openStore(scratch)
        let wanted = intent("k", exact: content.count, sha256: digest, oneShot: "t")
        let begun = try await store.createResumable(wanted, length: content.count)
        #expect(begun.offset == 0)
        #expect(begun.expiresAt == 1_800_086_400_000)
        #expect(Base64URL.decode(begun.id)?.count == 32)
        #expect(try await append(store, begun.id, at: 0, Array(content[..<700_001])) == 700_001)
        await store.close()

        store = try openStore(scratch)
        #expect(store.sweepReport == SweepReport())
        let found = try await store.resumable(begun.id)
        #expect(found.offset == 700_001)
        #expect(found.intent == wanted)
        #expect(found.length == content.count)
        let writer = try await store.appendResumable(begun.id, at: 700_001)
        try await writer.write(Array(content[700_001...]))
        let info = try await writer.finish()
        #expect(info.size == content.count)
        #expect(try await read(store, "k") == content)
        #expect(try store.isSpent("t"))
        #expect(await refusal { try await store.resumable(begun.id) } == .uploadGone)
        #expect(scratch.files("staging") == [])
        #expect(try store.usage(of: "u1") == content.count)
        #expect(store.claims.pending(of: "u1") == 0)
        await store.close()
    }

    @Test func `a wrong offset is told from a bad request, and a second writer is locked out`() async throws {
        let store = try openStore(scratch)
        let begun = try await store.createResumable(intent("k"), length: 10)
        let writer = try await store.appendResumable(begun.id, at: 0)
        #expect(await refusal { try await store.appendResumable(begun.id, at: 0) } == .resourceLocked)
        try await writer.write([1, 2, 3])
        #expect(try await writer.close() == 3)
        #expect(try await writer.close() == 3)
        do {
            _ = try await store.appendResumable(begun.id, at: 0)
            Issue.record("taken")
        } catch {
            #expect(error.isWrongOffset)
            #expect(error.message.contains("3"))
        }
        #expect(await refusal { try await store.appendResumable("none", at: 0) } == .noSuchKey)
        let last = try await store.appendResumable(begun.id, at: 3)
        #expect(await refusal { try await last.write(pattern(8)) } == .entityTooLarge)
        #expect(await refusal { try await last.finish() } == .invalidRequest)
        try await last.write(pattern(7))
        _ = try await last.finish()
        #expect(try await read(store, "k") == [1, 2, 3] + pattern(7))
    }

    @Test func `what was written and not saved is cut off`() async throws {
        let store = try openStore(scratch)
        let begun = try await store.createResumable(intent("k"), length: 600_000)
        do {
            let lost = try await store.appendResumable(begun.id, at: 0)
            try await lost.write(pattern(300_000, 9))
        }
        let writer = try await store.appendResumable(begun.id, at: 0)
        try await writer.write(pattern(600_000))
        _ = try await writer.finish()
        #expect(try await read(store, "k") == pattern(600_000))
        #expect(store.claims.pending(of: "u1") == 0)
    }

    @Test func `an upload that cannot be an object is given up`() async throws {
        let store = try openStore(scratch)
        try await put(store, intent("other", oneShot: "t"), [1])
        #expect(await refusal { try await store.createResumable(intent("other"), length: 1) } == .keyAlreadyExists)
        #expect(await refusal { try await store.createResumable(intent("k", oneShot: "t"), length: 1) } == .tokenSpent)
        #expect(await refusal { try await store.createResumable(intent("k", max: 10), length: 11) } == .entityTooLarge)
        #expect(await refusal { try await store.createResumable(intent("k", exact: 9), length: 10) } == .contentChanged)
        #expect(await refusal { try await store.createResumable(intent("k"), length: -1) } == .invalidParameter)
        let begun = try await store.createResumable(intent("k", sha256: [UInt8](repeating: 0, count: 32)), length: 3)
        let writer = try await store.appendResumable(begun.id, at: 0)
        try await writer.write([1, 2, 3])
        #expect(await refusal { try await writer.finish() } == .contentChanged)
        #expect(await refusal { try await store.resumable(begun.id) } == .uploadGone)
        #expect(scratch.files("staging") == [])
        #expect(store.claims.pending(of: "u1") == 0)
    }

    @Test func `one that was begun again with the same one-time id is given up`() async throws {
        let store = try openStore(scratch)
        let first = try await store.createResumable(intent("k", oneShot: "t"), length: 10)
        #expect(try await append(store, first.id, at: 0, [1, 2]) == 2)
        let second = try await store.createResumable(intent("k", oneShot: "t"), length: 10)
        #expect(await refusal { try await store.resumable(first.id) } == .uploadGone)
        #expect(scratch.files("staging") == [])
        #expect(store.claims.pending(of: "u1") == 0)
        let writer = try await store.appendResumable(second.id, at: 0)
        #expect(await refusal { try await store.createResumable(intent("k", oneShot: "t"), length: 10) } == .resourceLocked)
        _ = try await writer.close()
        await store.dropResumable(second.id)
        await store.dropResumable(second.id)
        #expect(await refusal { try await store.resumable(second.id) } == .uploadGone)
    }

    @Test func `what is too old goes, and what is not stays`() async throws {
        let clock = TestClock()
        let store = try openStore(scratch, StorageLimits(resumableLifetime: 100_000), clock: clock)
        let old = try await store.createResumable(intent("old"), length: 10)
        #expect(try await append(store, old.id, at: 0, [1]) == 1)
        try await put(store, intent("k", oneShot: "t"), [1])
        clock.advance(50_000)
        let young = try await store.createResumable(intent("young"), length: 10)
        #expect(try await append(store, young.id, at: 0, [1]) == 1)
        FileManager.default.createFile(atPath: scratch.store + "/staging/nobody", contents: nil)
        let upload = try await store.begin(intent("now"))
        try await upload.write(pattern(300_000))
        clock.advance(50_000)
        #expect(await refusal { try await store.resumable(old.id) } == .uploadGone)
        await store.maintain()
        #expect(scratch.files("staging").count == 2)
        #expect(try await store.resumable(young.id).offset == 1)
        #expect(try store.isSpent("t"))
        _ = try await upload.finish()
        clock.advance(60_000 + 600_001)
        await store.maintain()
        #expect(try !store.isSpent("t"))
        #expect(scratch.files("staging") == [])
        #expect(store.claims.pending(of: "u1") == 0)
    }

    @Test func `bytes on the disk count against the quota until they are given up`() async throws {
        let limits = StorageLimits(ownerQuotaBytes: 1000)
        var store = try openStore(scratch, limits)
        let begun = try await store.createResumable(intent("k"), length: 900)
        #expect(try await append(store, begun.id, at: 0, pattern(600)) == 600)
        #expect(await refusal { try await store.createResumable(intent("l"), length: 401) } == .quotaExceeded)
        #expect(await refusal { try await store.begin(intent("l", exact: 401)) } == .quotaExceeded)
        await store.close()
        store = try openStore(scratch, limits)
        #expect(await refusal { try await store.begin(intent("l", exact: 401)) } == .quotaExceeded)
        await store.dropResumable(begun.id)
        try await put(store, intent("l", exact: 401), pattern(401))
    }

    @Test func `only so many are begun`() async throws {
        let store = try openStore(scratch, StorageLimits(maxResumables: 2))
        _ = try await store.createResumable(intent("a"), length: 1)
        let second = try await store.createResumable(intent("b"), length: 1)
        #expect(await refusal { try await store.createResumable(intent("c"), length: 1) } == .slowDown)
        await store.dropResumable(second.id)
        _ = try await store.createResumable(intent("c"), length: 1)
    }

    @Test func `an upload of nothing is an object of nothing`() async throws {
        let store = try openStore(scratch)
        let begun = try await store.createResumable(intent("k"), length: 0)
        _ = try await store.appendResumable(begun.id, at: 0).finish()
        #expect(try await read(store, "k") == [])
    }

    @Test func `a disk that fails at the end leaves the upload where it was`() async throws {
        let faults = Faults()
        let store = try openStore(scratch, faults: faults)
        let begun = try await store.createResumable(intent("k"), length: 4)
        #expect(try await append(store, begun.id, at: 0, pattern(4)) == 4)
        for step in [DiskStep.rename, .syncFolder, .commit] {
            let writer = try await store.appendResumable(begun.id, at: 4)
            faults.set(step, ENOSPC)
            #expect(await refusal { try await writer.finish() } == .storageFull, "\(step)")
            faults.clear()
            #expect(try await store.resumable(begun.id).offset == 4)
            #expect(scratch.files("content") == [])
        }
        _ = try await store.appendResumable(begun.id, at: 4).finish()
        #expect(try await read(store, "k") == pattern(4))
        #expect(store.claims.pending(of: "u1") == 0)
    }
}
