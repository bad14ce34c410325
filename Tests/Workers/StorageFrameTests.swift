import NIOCore
import Swiftlet
import Testing

@testable import SwiftletWorkers

@Suite struct StorageFrameTests {
    private static let asks: [StorageAsk] = [
        .signUploads([
            UploadRequest(
                bucket: "b", place: .path("u/é"), contentType: "image/png", size: .max, sha256: "00", upsert: true,
                metadata: "{}",
                expiresIn: .seconds(60)),
            UploadRequest(bucket: "", place: .folder("", name: "фото.png"), contentType: "", size: -1),
        ]),
        .signDownloads(bucket: "b", paths: ["a", "b"], seconds: 60, download: nil),
        .signDownloads(bucket: "b", paths: [], seconds: -1, download: .own),
        .signDownloads(bucket: "b", paths: [], seconds: 0, download: .named("x")),
        .list(bucket: "b", folder: "f", search: nil, limit: 1, offset: 2), .info(bucket: "b", path: "p"),
        .remove(bucket: "b", paths: ["p"]),
    ]

    @Test func `what is asked arrives as it was`() throws {
        for ask in Self.asks {
            var buffer = ByteBuffer()
            Call.storage(ask, stream: 7).write(to: &buffer)
            #expect(try Call(buffer) == .storage(ask, stream: 7))
        }
    }

    @Test func `no cut or changed byte is read as something else or traps`() throws {
        for ask in Self.asks {
            var whole = ByteBuffer()
            Call.storage(ask, stream: 7).write(to: &whole)
            for length in 0..<whole.readableBytes {
                #expect(throws: FrameProblem.self) { try Call(whole.getSlice(at: 0, length: length) ?? ByteBuffer()) }
            }
            for index in 0..<whole.readableBytes {
                var changed = whole
                changed.setInteger((whole.getInteger(at: index, as: UInt8.self) ?? 0) ^ 0x5A, at: index)
                if let read = try? Call(changed) { #expect(read != Call.storage(ask, stream: 7)) }
            }
        }
    }

    @Test func `more than a batch is no frame`() throws {
        let paths = Array(repeating: "p", count: StorageAccess.batch + 1)
        var buffer = ByteBuffer()
        Call.storage(.remove(bucket: "b", paths: paths), stream: 1).write(to: &buffer)
        #expect(throws: FrameProblem.self) { try Call(buffer) }
    }

    @Test func `what is answered arrives as it was`() throws {
        let upload = SignedUpload(
            bucket: "b", path: "p", url: "u", token: nil, method: "POST", headers: [.init("a", "b")], fields: [.init("c", "d")],
            expiresAt: 5)
        let object = StoredObject(
            id: "i", path: "p", name: "n", isFolder: true, size: 1, contentType: "t", etag: "e", createdAt: 1, updatedAt: 2,
            metadata: "{}")
        func round(_ told: StorageTold) throws -> StorageTold? {
            var buffer = ByteBuffer()
            CallResult.storage(told).write(to: &buffer)
            guard case .storage(let read) = try CallResult(buffer) else { return nil }
            return read
        }
        guard case .uploads(let uploads) = try round(.uploads([.success(upload), .failure(HTTPError(409, .badRequest, "no"))]))
        else {
            Issue.record("no uploads")
            return
        }
        #expect(try uploads[0].get() == upload)
        #expect(throws: HTTPError.self) { try uploads[1].get() }
        guard case .objects(let objects) = try round(.objects([object])) else {
            Issue.record("no objects")
            return
        }
        #expect(objects == [object])
        guard case .removed(let removed) = try round(.removed(["a"])) else {
            Issue.record("no paths")
            return
        }
        #expect(removed == ["a"])
        guard
            case .downloads(let downloads) = try round(.downloads([.success(SignedDownload(path: "p", url: "u", expiresAt: 9))]))
        else {
            Issue.record("no downloads")
            return
        }
        #expect(try downloads[0].get() == SignedDownload(path: "p", url: "u", expiresAt: 9))
    }
}
