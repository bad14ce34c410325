import Foundation
import Glibc
import SwiftletFiles
import SwiftletImages
import SwiftletStorage
import Testing

@Suite(.enabled(if: Pictures.areMade, "libvips.so.42 is not installed (Debian: libvips42)"))
struct ThumbnailTests {
    let folder = try! TestFolder()

    func make(_ sample: String, _ query: String) async throws -> PictureHead? {
        let made = try await folder.worker().thumbnail(of: folder.sample(sample), wanted(query))
        let head = PictureHead(made.bytes)
        #expect(head?.type == made.info.contentType, "\(sample) \(query)")
        return head
    }

    @Test func `each kind of picture becomes smaller and keeps its kind, and HEIC becomes JPEG`() async throws {
        let worker = try folder.worker()
        for (sample, type, width, height) in [
            ("plain.jpg", "image/jpeg", 100, 75), ("progressive.jpg", "image/jpeg", 100, 75), ("cmyk.jpg", "image/jpeg", 100, 75),
            ("clear.png", "image/png", 100, 75), ("plain.webp", "image/webp", 100, 75), ("plain.avif", "image/avif", 100, 75),
            ("plain.heic", "image/jpeg", 100, 75), ("moving.gif", "image/gif", 100, 75),
        ] {
            let original = try folder.sample(sample)
            let made = try await worker.thumbnail(of: original, wanted("width=100"))
            #expect(PictureHead(made.bytes) == PictureHead(type, width, height), "\(sample)")
            #expect(made.info.contentType == type)
            #expect(made.info.size == made.bytes.count)
            #expect(made.info.etag != original.info.etag)
            #expect(made.info.etag.hasPrefix("\"") && made.info.etag.hasSuffix("\""))
            #expect(made.info.path == original.info.path && made.info.cacheControl == "max-age=60")
        }
    }

    @Test func `every kind becomes WebP or AVIF when asked`() async throws {
        let worker = try folder.worker()
        for sample in ["plain.jpg", "clear.png", "plain.webp", "plain.avif", "plain.heic", "moving.gif"] {
            for format in ["webp", "avif"] {
                let made = try await worker.thumbnail(of: folder.sample(sample), wanted("width=80&height=80&format=\(format)"))
                #expect(PictureHead(made.bytes) == PictureHead("image/\(format)", 80, 80), "\(sample)")
            }
        }
    }

    @Test func `cover fills the box, contain fits into it, fill stretches`() async throws {
        #expect(try await make("plain.jpg", "width=100&height=100") == PictureHead("image/jpeg", 100, 100))
        #expect(try await make("plain.jpg", "width=100&height=100&resize=contain") == PictureHead("image/jpeg", 100, 75))
        #expect(try await make("plain.jpg", "width=100&height=100&resize=fill") == PictureHead("image/jpeg", 100, 100))
        #expect(try await make("plain.jpg", "height=30") == PictureHead("image/jpeg", 40, 30))
    }

    @Test func `nothing becomes larger than it was unless it is stretched`() async throws {
        #expect(try await make("plain.jpg", "width=2000&height=2000&resize=contain") == PictureHead("image/jpeg", 400, 300))
        #expect(try await make("plain.jpg", "width=2000") == PictureHead("image/jpeg", 400, 300))
        #expect(try await make("plain.jpg", "width=2000&height=100") == PictureHead("image/jpeg", 400, 100))
        #expect(try await make("plain.jpg", "quality=30") == PictureHead("image/jpeg", 400, 300))
        #expect(try await make("plain.jpg", "width=500&height=700&resize=fill") == PictureHead("image/jpeg", 500, 700))
        #expect(try await make("plain.jpg", "width=800&resize=fill") == PictureHead("image/jpeg", 800, 600))
    }

    @Test func `a picture that was stored on its side stands upright`() async throws {
        #expect(try await make("turned.jpg", "width=150") == PictureHead("image/jpeg", 150, 200))
        #expect(try await make("turned.jpg", "width=100&height=40&resize=fill") == PictureHead("image/jpeg", 100, 40))
    }

    @Test func `colours stay what they were`() async throws {
        let worker = try folder.worker()
        // A GIF has its colours in a table, where they can be read.
        let made = try await worker.thumbnail(of: folder.sample("blue.gif"), wanted("width=20"))
        #expect(made.bytes.dropFirst(13).prefix(12).firstRange(of: [0, 0, 255]) != nil)
    }

    @Test func `no metadata is left`() async throws {
        let worker = try folder.worker()
        for query in ["width=150", "width=150&format=webp", "width=150&format=avif", "quality=90"] {
            let original = try folder.sample("turned.jpg")
            #expect(original.bytes.firstRange(of: Array("Secret".utf8)) != nil)
            let bytes = try await worker.thumbnail(of: original, wanted(query)).bytes
            for word in ["Secret", "Exif", "GPS", "xmpmeta", "Photoshop", "ICC_PROFILE", "ICCP", "acsp", "EXIF", "XMP"] {
                #expect(bytes.firstRange(of: Array(word.utf8)) == nil, "\(word) after \(query)")
            }
        }
    }

    @Test func `a lower quality gives fewer bytes`() async throws {
        let worker = try folder.worker()
        let original = try folder.sample("plain.jpg")
        let low = try await worker.thumbnail(of: original, wanted("width=300&quality=20"))
        let high = try await worker.thumbnail(of: original, wanted("width=300&quality=100"))
        #expect(low.size < high.size)
        #expect(low.info.etag != high.info.etag)
    }

    @Test func `what is no picture of the known kinds is refused without a process`() async throws {
        let worker = try folder.worker()
        for type in ["image/svg+xml", "application/pdf", "image/tiff", "text/html", "image/jpeg; a=b"] {
            await #expect(throws: StorageError.self) {
                try await worker.thumbnail(of: folder.sample("plain.jpg", type: type), wanted("width=10"))
            }
        }
        #expect(worker.condition.processesStarted == 0)
    }

    @Test func `too large an original is refused without a process`() async throws {
        let worker = try folder.worker { $0.inputBytes = 100 }
        let error = await #expect(throws: StorageError.self) {
            try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=10"))
        }
        #expect(error?.code == .entityTooLarge)
        #expect(worker.condition.processesStarted == 0)
    }

    @Test func `too large a result is refused`() async throws {
        let worker = try folder.worker { $0.outputBytes = 100 }
        let error = await #expect(throws: StorageError.self) {
            try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=300"))
        }
        #expect(error?.code == .entityTooLarge)
        #expect(folder.names.isEmpty)
    }

    @Test func `broken pictures give an error and nothing is kept, and the process goes on`() async throws {
        let worker = try folder.worker { $0.processes = 1 }
        var cases: [(String, [UInt8], String)] = [
            ("zeros", [UInt8](repeating: 0, count: 4096), "image/png"), ("one byte", [0xff], "image/jpeg"),
            ("text", Array("<svg xmlns=\"http://www.w3.org/2000/svg\"/>".utf8), "image/png"),
            ("PDF", Array("%PDF-1.4\n".utf8) + [UInt8](repeating: 0x20, count: 100), "image/jpeg"),
            ("PNG as JPEG", try Pictures.bytes("clear.png"), "image/jpeg"),
            ("JPEG as WebP", try Pictures.bytes("plain.jpg"), "image/webp"),
        ]
        for sample in ["plain.jpg", "clear.png", "plain.webp", "plain.avif", "plain.heic", "moving.gif"] {
            let bytes = try Pictures.bytes(sample)
            for part in [20, bytes.count / 2] {
                cases.append(("\(part) of \(sample)", Array(bytes.prefix(part)), Pictures.type(sample)))
            }
        }
        for (what, bytes, type) in cases {
            do {
                let made = try await worker.thumbnail(of: folder.store(bytes, type: type), wanted("width=50"))
                // Of an animation, the first frame may be whole.
                #expect(type == "image/gif", "\(what) became \(made.size) bytes")
            } catch {
                #expect((error as? StorageError)?.code == .contentMismatch, "\(what): \(error)")
            }
        }
        #expect(worker.condition.processesStarted == 1)
        #expect(try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=50")).size > 0)
    }

    @Test func `pictures with bytes changed are made or refused, and the host goes on`() async throws {
        let worker = try folder.worker()
        var number: UInt64 = 42
        func next(_ bound: Int) -> Int {
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(number >> 33) % bound
        }
        for sample in ["plain.jpg", "progressive.jpg", "clear.png", "plain.webp", "plain.avif", "plain.heic", "moving.gif"] {
            let bytes = try Pictures.bytes(sample)
            for _ in 0..<6 {
                var changed = bytes
                for _ in 0...next(8) { changed[next(changed.count)] = UInt8(next(256)) }
                let original = try folder.store(changed, type: Pictures.type(sample))
                do {
                    _ = try await worker.thumbnail(of: original, wanted("width=50&height=50"))
                } catch {
                    let code = (error as? StorageError)?.code
                    #expect([.contentMismatch, .entityTooLarge, .upstream].contains(code), "\(sample): \(error)")
                }
            }
        }
        #expect(try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=50")).size > 0)
    }

    @Test func `a picture with too many pixels is refused by its head`() async throws {
        let worker = try folder.worker { $0.processes = 1 }
        let error = await #expect(throws: StorageError.self) {
            try await worker.thumbnail(of: folder.sample("bomb.png"), wanted("width=100"))
        }
        #expect(error?.code == .entityTooLarge)
        #expect(try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=50")).size > 0)
        #expect(worker.condition.processesStarted == 1)
    }

    @Test func `a picture that needs too much memory ends at most its process`() async throws {
        let worker = try folder.worker()
        let error = await #expect(throws: StorageError.self) {
            try await worker.thumbnail(of: folder.sample("heavy.png"), wanted("width=100"))
        }
        #expect([.contentMismatch, .upstream].contains(error?.code))
        #expect(try await worker.thumbnail(of: folder.sample("plain.jpg"), wanted("width=50")).size > 0)
    }

    @Test func `bytes after the end of a picture do not matter`() async throws {
        let worker = try folder.worker()
        for sample in ["plain.jpg", "clear.png", "moving.gif"] {
            let bytes = try Pictures.bytes(sample) + [UInt8](repeating: 0x41, count: 1000)
            #expect(try await worker.thumbnail(of: folder.store(bytes, type: Pictures.type(sample)), wanted("width=50")).size > 0)
        }
    }

    @Test(.enabled(if: getuid() == 0, "only root can start a process as another user"))
    func `a process can be another user`() async throws {
        let worker = try folder.worker { $0.user = .init(uid: 65_534, gid: 65_534) }
        _ = try await worker.thumbnail(of: folder.sample("plain.heic"), wanted("width=50&format=avif"))
        let process = try #require(worker.condition.processes.first)
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        #expect(status.contains("Uid:\t65534\t65534\t65534\t65534"))
        #expect(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"))
    }

    @Test func `a process says what it is and what it may not do`() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Pictures.probe)
        process.arguments = ["facts"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.last == "done=yes")
        #expect(lines.first?.hasPrefix("hello=libvips 8.") == true)
        let done = lines.dropFirst().filter { $0.hasSuffix("=done") }
        #expect(done == ["thread=done"])
        #expect(lines.count { $0.hasSuffix("=refused") } >= 20)
    }
}
