import Foundation
import Glibc
import SwiftletCrypto
import Testing

@testable import SwiftletStorage

@Suite struct `Objects on disk` {
    let scratch = Scratch()

    @Test func `what was uploaded can be read, and is there after a restart`() async throws {
        let content = pattern(700_001)
        var store = try openStore(scratch)
        let info = try await put(store, intent("a/b/c.txt"), content)
        #expect(info.size == content.count)
        #expect(info.etag == "\"\(info.version)\"")
        #expect(info.createdAt == 1_800_000_000_000)
        #expect(try await read(store, "a/b/c.txt") == content)
        await store.close()
        store = try openStore(scratch)
        #expect(store.sweepReport == SweepReport())
        #expect(try await store.info(info.path) == info)
        #expect(try await read(store, "a/b/c.txt") == content)
        #expect(try store.usage(of: "u1") == content.count)
        await store.close()
    }

    @Test func `all that is known of an object comes back`() async throws {
        let store = try openStore(scratch)
        var wanted = intent("ü/日本 %_'.txt", owner: "ö")
        wanted.cacheControl = "max-age=60"
        wanted.metadata = #"{"a":"é"}"#
        wanted.displayName = "Ürlaub 🏝.txt"
        let upload = try await store.begin(wanted)
        try await upload.write([])
        let made = try await upload.finish(contentType: "image/png")
        #expect(made.size == 0)
        let info = try await store.info(wanted.path)
        #expect(info == made)
        #expect(info.contentType == "image/png")
        #expect(info.cacheControl == "max-age=60")
        #expect(info.metadata == #"{"a":"é"}"#)
        #expect(info.displayName == "Ürlaub 🏝.txt")
        #expect(info.owner == "ö")
        #expect(try await read(store, wanted.path.key) == [])
    }

    @Test func `no text of a user names a file, and nobody else may read one`() async throws {
        let store = try openStore(scratch)
        try await put(store, intent("secret-name.exe", oneShot: "secret-token"), [1])
        let files = scratch.files("")
        #expect(files.filter { $0.contains("secret") || $0.contains(".exe") } == [])
        let names = files.filter { $0.hasPrefix("content/") }
        #expect(names.count == 1)
        #expect(names.first?.split(separator: "/").count == 4)
        for name in files {
            var status = stat()
            #expect(stat(scratch.store + "/" + name, &status) == 0)
            #expect(status.st_mode & 0o077 == 0, "\(name)")
        }
        var status = stat()
        #expect(stat(scratch.store, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
    }

    @Test func `an unknown bucket, object and key are refused`() async throws {
        let store = try openStore(scratch)
        #expect(await refusal { try await store.begin(intent("a", bucket: "none")) } == .noSuchBucket)
        #expect(await refusal { try await store.info(ObjectPath(bucket: "none", key: "a")) } == .noSuchBucket)
        #expect(await refusal { try await store.info(ObjectPath(bucket: "b", key: "a")) } == .noSuchKey)
        #expect(await refusal { try await store.open(ObjectPath(bucket: "b", key: "a")) } == .noSuchKey)
        for key in ["", "/", "/a", "a/", "a//b", "a\u{0}b", "a\u{1}b", "a\nb", String(repeating: "x", count: 1025)] {
            #expect(await refusal { try await store.begin(intent(key)) } == .invalidKey, "\(key.debugDescription)")
            #expect(try !store.exists(ObjectPath(bucket: "b", key: key)))
        }
        #expect(await refusal { try await store.begin(intent("a", owner: "u\u{0}1")) } == .invalidRequest)
    }

    @Test func `a key is taken once without upsert, and overwriting keeps the id alone`() async throws {
        let clock = TestClock()
        let store = try openStore(scratch, clock: clock)
        let first = try await put(store, intent("k"), [1, 2, 3])
        #expect(await refusal { try await store.begin(intent("k")) } == .keyAlreadyExists)
        clock.advance(5)
        let second = try await put(store, intent("k", upsert: true), [4, 5])
        #expect(second.id == first.id)
        #expect(second.createdAt == first.createdAt)
        #expect(second.updatedAt == first.updatedAt + 5)
        #expect(second.version != first.version)
        #expect(try await read(store, "k") == [4, 5])
        #expect(scratch.files("content").count == 1)
        #expect(try store.usage(of: "u1") == 2)
    }

    @Test func `a reader keeps what it opened when the object is overwritten and deleted`() async throws {
        let store = try openStore(scratch)
        try await put(store, intent("k"), [1, 2, 3])
        let file = try await store.open(ObjectPath(bucket: "b", key: "k"))
        try await put(store, intent("k", upsert: true), [9])
        #expect(try bytes(of: file) == [1, 2, 3])
        let removed = try await store.remove(bucket: "b", keys: ["k", "none"])
        #expect(removed.map(\.path.key) == ["k"])
        #expect(try bytes(of: file) == [1, 2, 3])
        #expect(scratch.files("content") == [])
        #expect(await refusal { try await store.open(ObjectPath(bucket: "b", key: "k")) } == .noSuchKey)
    }

    @Test func `a byte too many is refused before it is taken`() async throws {
        let store = try openStore(scratch)
        let upload = try await store.begin(intent("k", max: 300_000))
        try await upload.write(pattern(300_000))
        #expect(await refusal { try await upload.write([1]) } == .entityTooLarge)
        #expect(await refusal { try await upload.write([]) } == .entityTooLarge)
        #expect(await refusal { try await upload.finish() } == .entityTooLarge)
        #expect(scratch.files("staging") == [])
        // The bucket's limit counts too.
        let small = try await store.begin(intent("k", bucket: "c"))
        #expect(await refusal { try await small.write(pattern(1001)) } == .entityTooLarge)
        #expect(await refusal { try await store.begin(intent("k", bucket: "c", exact: 1001)) } == .entityTooLarge)
        #expect(await refusal { try await store.begin(intent("k", exact: -1)) } == .invalidParameter)
        #expect(try await put(store, intent("k", bucket: "c", exact: 1000), pattern(1000)).size == 1000)
    }

    @Test func `another size or digest than signed is refused`() async throws {
        let store = try openStore(scratch)
        let content = pattern(600_000)
        let digest = SHA256.hash(content).bytes
        #expect(await refusal { try await put(store, intent("k", exact: 600_001), content) } == .contentChanged)
        #expect(await refusal { try await put(store, intent("k", exact: 599_999), content) } == .contentChanged)
        var other = content
        other[599_999] ^= 1
        #expect(await refusal { try await put(store, intent("k", sha256: digest), other) } == .contentChanged)
        #expect(await refusal { try await store.begin(intent("k", sha256: [1])) } == .invalidParameter)
        #expect(scratch.files("staging") == [])
        #expect(scratch.files("content") == [])
        #expect(try await put(store, intent("k", exact: 600_000, sha256: digest), content).size == 600_000)
        #expect(try await put(store, intent("empty", exact: 0, sha256: SHA256.hash([]).bytes), []).size == 0)
    }

    @Test func `bytes given without waiting arrive as well`() async throws {
        let store = try openStore(scratch)
        let content = pattern(1_000_003)
        let upload = try await store.begin(intent("k"))
        var offset = 0
        while offset < content.count {
            let end = min(offset + 65_536, content.count)
            offset += try content[offset..<end].withUnsafeBytes { try upload.add($0) }
            if upload.isFull { try await upload.flush() }
        }
        #expect(upload.received == content.count)
        _ = try await upload.finish()
        #expect(try await read(store, "k") == content)
    }

    @Test func `an upload that is let go leaves nothing and gives its key back`() async throws {
        let store = try openStore(scratch, StorageLimits(ownerQuotaBytes: 1_000_000, maxConcurrentUploads: 1))
        for _ in 0..<3 {
            let upload = try await store.begin(intent("k", exact: 600_000, oneShot: "t"))
            try await upload.write(pattern(300_000))
            #expect(scratch.files("staging").count == 1)
            upload.discard()
            upload.discard()
            #expect(await refusal { try await upload.finish() } == .invalidRequest)
            #expect(await eventually { scratch.files("staging").isEmpty })
        }
        do {
            let upload = try await store.begin(intent("k", oneShot: "t"))
            try await upload.write(pattern(300_000))
        }
        #expect(await eventually { scratch.files("staging").isEmpty })
        try await put(store, intent("k", oneShot: "t"), [1])
    }

    @Test func `the same key or one-time id at the same time is locked, and too many uploads are turned away`() async throws {
        let store = try openStore(scratch, StorageLimits(maxConcurrentUploads: 2, maxUploadsOfOwner: 2))
        let one = try await store.begin(intent("k", upsert: true, oneShot: "t"))
        #expect(await refusal { try await store.begin(intent("k", upsert: true)) } == .resourceLocked)
        #expect(await refusal { try await store.begin(intent("other", oneShot: "t")) } == .resourceLocked)
        let two = try await store.begin(intent("other"))
        #expect(await refusal { try await store.begin(intent("third")) } == .slowDown)
        two.discard()
        _ = try await one.finish()
        #expect(try store.isSpent("t"))
        #expect(try !store.isSpent("t2"))
        #expect(await refusal { try await store.begin(intent("more", oneShot: "t")) } == .tokenSpent)
    }

    @Test func `an owner's quota holds for what is there, what is coming and what is copied`() async throws {
        let store = try openStore(scratch, StorageLimits(ownerQuotaBytes: 1_000_000))
        try await put(store, intent("a"), pattern(600_000))
        #expect(await refusal { try await store.begin(intent("b", exact: 400_001)) } == .quotaExceeded)
        let coming = try await store.begin(intent("b", exact: 300_000))
        #expect(await refusal { try await store.begin(intent("c", exact: 100_001)) } == .quotaExceeded)
        coming.discard()
        // Of unknown length: cut while it comes, or at its end.
        #expect(await refusal { try await put(store, intent("c"), pattern(1_000_000)) } == .quotaExceeded)
        #expect(await refusal { try await put(store, intent("c"), pattern(400_001)) } == .quotaExceeded)
        #expect(await refusal { try await store.copy(bucket: "b", from: "a", to: "c") } == .quotaExceeded)
        #expect(scratch.files("staging") == [])
        #expect(scratch.files("content").count == 1)
        // What is overwritten makes room, another owner has one of their own, and nobody has none.
        try await put(store, intent("a", upsert: true), pattern(900_000))
        try await put(store, intent("a", exact: 1_000_000, upsert: true), pattern(1_000_000))
        try await put(store, intent("d", owner: "u2", exact: 1_000_000), pattern(1_000_000))
        try await put(store, intent("e", owner: nil), pattern(2_000_000))
        #expect(try store.usage(of: "u1") == 1_000_000)
        _ = try await store.remove(bucket: "b", keys: ["a"])
        #expect(try store.usage(of: "u1") == 0)
    }

    @Test func `only an owner's own objects are removed, moved and copied`() async throws {
        let store = try openStore(scratch)
        try await put(store, intent("mine", owner: "u1"), [1])
        try await put(store, intent("theirs", owner: "u2"), [2])
        #expect(try await store.remove(bucket: "b", keys: ["theirs"], owner: "u1").isEmpty)
        #expect(await refusal { try await store.move(bucket: "b", from: "theirs", to: "x", owner: "u1") } == .noSuchKey)
        #expect(await refusal { try await store.copy(bucket: "b", from: "theirs", to: "x", owner: "u1") } == .noSuchKey)
        #expect(
            await refusal { try await store.move(bucket: "b", from: "mine", to: "theirs", owner: "u1", upsert: true) }
                == .accessDenied)
        #expect(
            await refusal { try await store.copy(bucket: "b", from: "mine", to: "theirs", owner: "u1", upsert: true) }
                == .accessDenied)
        #expect(await refusal { try await store.move(bucket: "b", from: "mine", to: "theirs") } == .keyAlreadyExists)
        #expect(try await read(store, "theirs") == [2])
        let copy = try await store.copy(bucket: "b", from: "theirs", to: "copy")
        #expect(copy.owner == "u2")
        let moved = try await store.move(bucket: "b", from: "mine", to: "theirs", upsert: true)
        #expect(moved.path.key == "theirs")
        #expect(try await read(store, "theirs") == [1])
        #expect(try await read(store, "copy") == [2])
        #expect(try store.usage(of: "u1") == 1)
        #expect(try store.usage(of: "u2") == 1)
        _ = try await store.remove(bucket: "b", keys: ["theirs"])
        #expect(try await read(store, "copy") == [2])
        let elsewhere = try await store.move(bucket: "b", from: "copy", to: "copy", toBucket: "c")
        #expect(elsewhere.path == ObjectPath(bucket: "c", key: "copy"))
        #expect(try await store.setMetadata("{}", of: elsewhere.path).metadata == "{}")
        #expect(try await store.info(elsewhere.path).metadata == "{}")
    }

    @Test func `fifty race for one one-time id and one wins`() async throws {
        let store = try openStore(scratch)
        let codes = try await race(store) { intent("k\($0)", oneShot: "t") }
        #expect(codes.filter { $0 == nil }.count == 1)
        #expect(codes.allSatisfy { $0 == nil || $0 == .tokenSpent || $0 == .resourceLocked })
        #expect(scratch.files("staging") == [])
        #expect(scratch.files("content").count == 1)
    }

    @Test func `fifty race for one key and one wins`() async throws {
        let store = try openStore(scratch)
        let codes = try await race(store) { _ in intent("k") }
        #expect(codes.filter { $0 == nil }.count == 1)
        #expect(codes.allSatisfy { $0 == nil || $0 == .keyAlreadyExists || $0 == .resourceLocked })
        #expect(scratch.files("staging") == [])
        #expect(scratch.files("content").count == 1)
    }

    @Test func `fifty resumable uploads race for one key and one wins`() async throws {
        let store = try openStore(scratch)
        let codes = await withTaskGroup(of: StorageError.Code?.self) { group in
            for number in 0..<50 {
                group.addTask {
                    await refusal {
                        let info = try await store.createResumable(intent("k"), length: 10)
                        let writer = try await store.appendResumable(info.id, at: 0)
                        try await writer.write(pattern(10, number))
                        return try await writer.finish()
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == nil }.count == 1)
        #expect(codes.allSatisfy { $0 == nil || $0 == .keyAlreadyExists || $0 == .resourceLocked })
        #expect(scratch.files("content").count == 1)
    }

    private func race(_ store: DiskStore, _ make: @escaping @Sendable (Int) -> UploadIntent) async throws -> [StorageError.Code?]
    {
        await withTaskGroup(of: StorageError.Code?.self) { group in
            for number in 0..<50 {
                group.addTask { await refusal { try await put(store, make(number), pattern(300_000, number)) } }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test func `usage is right while many uploads and deletes go on`() async throws {
        let store = try openStore(scratch)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for number in 0..<20 {
                        _ = await refusal { try await put(store, intent("\(task)/\(number)"), pattern(number)) }
                        _ = try? store.usage(of: "u1")
                        if number % 2 == 0 { _ = try? await store.remove(bucket: "b", keys: ["\(task)/\(number)"]) }
                    }
                }
            }
        }
        #expect(try store.usage(of: "u1") == 8 * (1 + 3 + 5 + 7 + 9 + 11 + 13 + 15 + 17 + 19))
    }

    @Test func `nothing goes on after the store is closed`() async throws {
        let store = try openStore(scratch)
        let upload = try await store.begin(intent("k"))
        await store.close()
        await store.close()
        #expect(await refusal { try await upload.finish() } != nil)
        #expect(await refusal { try await store.begin(intent("k")) } == .slowDown)
        #expect(await refusal { try await store.info(ObjectPath(bucket: "b", key: "k")) } != nil)
        #expect(await refusal { try store.exists(ObjectPath(bucket: "b", key: "k")) } != nil)
        await store.maintain()
    }
}
