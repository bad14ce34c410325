import Foundation
import Glibc
import SwiftletFiles
import SwiftletImages
import SwiftletStorage
import Testing

@Suite(.enabled(if: Pictures.areMade, "libvips.so.42 is not installed (Debian: libvips42)"))
struct ThumbnailCacheTests {
    let folder = try! TestFolder()

    @Test func `what was made before is there without a process, after a restart too`() async throws {
        let original = try folder.sample("plain.jpg", version: "v1")
        var worker = try folder.worker()
        let first = try await worker.thumbnail(of: original, wanted("width=40"))
        _ = try await worker.thumbnail(of: original, wanted("width=40&height=0&resize=cover"))
        #expect(worker.condition.picturesBegun == 1)
        worker = try folder.worker()
        let second = try await worker.thumbnail(of: original, wanted("width=40"))
        #expect(worker.condition.processesStarted == 0)
        #expect(first.bytes == second.bytes)
        #expect(first.info == second.info)
        let other = try await worker.thumbnail(of: folder.sample("plain.jpg", version: "v2"), wanted("width=40"))
        #expect(other.info.etag != first.info.etag)
        #expect(worker.condition.picturesBegun == 1)
    }

    @Test func `only this user may read what is kept`() async throws {
        let worker = try folder.worker()
        _ = try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=40"))
        let name = try #require(folder.names.first)
        #expect(folder.names.count == 1)
        var status = stat()
        #expect(stat(folder.thumbnails + "/" + name, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(stat(folder.thumbnails, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
    }

    @Test func `what was not used for longest goes first`() async throws {
        // Each takes one block of the disk.
        let worker = try folder.worker { $0.cacheBytes = 8 * 4096 }
        let original = try folder.sample("plain.jpg", version: "v1")
        for width in 10..<18 { _ = try await worker.thumbnail(of: original, wanted("width=\(width)")) }
        #expect(worker.condition.cachedPictures == 8)
        _ = try await worker.thumbnail(of: original, wanted("width=10"))
        #expect(worker.condition.picturesBegun == 8)
        _ = try await worker.thumbnail(of: original, wanted("width=18"))
        #expect(worker.condition.cachedBytes == 7 * 4096)
        #expect(folder.names.count == 7)
        _ = try await worker.thumbnail(of: original, wanted("width=10"))
        #expect(worker.condition.picturesBegun == 9)
        _ = try await worker.thumbnail(of: original, wanted("width=11"))
        #expect(worker.condition.picturesBegun == 10)
    }

    @Test func `files and folder may be removed at any time`() async throws {
        let worker = try folder.worker()
        let original = try folder.sample("plain.jpg", version: "v1")
        let kept = try await worker.thumbnail(of: original, wanted("width=40"))
        for name in folder.names { try FileManager.default.removeItem(atPath: folder.thumbnails + "/" + name) }
        #expect(try await worker.thumbnail(of: original, wanted("width=40")).bytes == kept.bytes)
        try FileManager.default.removeItem(atPath: folder.thumbnails)
        #expect(try await worker.thumbnail(of: original, wanted("width=40")).bytes == kept.bytes)
        #expect(folder.names.count == 1)
        #expect(worker.condition.cachedPictures == 1)
        #expect(worker.condition.picturesBegun == 3)
    }

    @Test func `what a crash left is cleared away, and strangers' files are left alone`() async throws {
        try FileManager.default.createDirectory(atPath: folder.thumbnails, withIntermediateDirectories: true)
        let empty = String(repeating: "a", count: 32) + "-" + String(repeating: "b", count: 32)
        for name in ["part-7", empty, "README"] {
            #expect(FileManager.default.createFile(atPath: folder.thumbnails + "/" + name, contents: Data()))
        }
        let worker = try folder.worker()
        #expect(folder.names == ["README"])
        #expect(worker.condition.cachedPictures == 0)
    }

    @Test func `what was made of one version can be removed`() async throws {
        let worker = try folder.worker()
        for version in ["v1", "v2"] {
            for width in [20, 30] {
                _ = try await worker.thumbnail(of: folder.sample("plain.jpg", version: version), wanted("width=\(width)"))
            }
        }
        worker.removeAll(of: "v1")
        #expect(folder.names.count == 2)
        _ = try await worker.thumbnail(of: folder.sample("plain.jpg", version: "v2"), wanted("width=20"))
        #expect(worker.condition.picturesBegun == 4)
    }
}
