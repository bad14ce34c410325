import Foundation
import Glibc
import SwiftletFiles
import SwiftletImages
import SwiftletStorage

/// A folder that goes with its test.
final class TestFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "thumbnails-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var thumbnails: String { path + "/thumbnails" }
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: thumbnails)) ?? []).sorted() }

    func store(_ bytes: [UInt8], type: String, version: String = UUID().uuidString) throws -> StoredFile {
        let file = path + "/" + UUID().uuidString
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        return try StoredFile(
            ObjectInfo(
                id: "id", path: ObjectPath(bucket: "pictures", key: "a.jpg"), version: version, owner: "ada", size: bytes.count,
                contentType: type, cacheControl: "max-age=60", etag: "\"old\"", createdAt: 1, updatedAt: 2, metadata: nil,
                displayName: nil), descriptor)
    }

    func sample(_ name: String, type: String? = nil, version: String = UUID().uuidString) throws -> StoredFile {
        try store(Pictures.bytes(name), type: type ?? Pictures.type(name), version: version)
    }

    func worker(
        _ arguments: [String] = ["probe", "thumbnail"], _ change: (inout ThumbnailSettings) -> Void = { _ in }
    ) throws -> ThumbnailWorker {
        var settings = ThumbnailSettings()
        settings.executable = Pictures.probe
        settings.arguments = arguments
        settings.pauseMilliseconds = 0
        change(&settings)
        return try ThumbnailWorker(folder: thumbnails, settings: settings, environment: [:])
    }
}

enum Pictures {
    static let probe: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("image-probe").path
    }()

    /// Whether libvips can be opened here.
    static let areMade: Bool = (try? TestFolder().worker().probe()) != nil

    static func bytes(_ name: String) throws -> [UInt8] {
        Array(
            try Data(
                contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Samples/\(name)"))
        )
    }

    static func type(_ name: String) -> String {
        let suffix = name.split(separator: ".").last.map(String.init) ?? ""
        return "image/" + (suffix == "jpg" ? "jpeg" : suffix)
    }
}

extension StoredFile {
    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size)
        let count = (try? bytes.withUnsafeMutableBytes { try read(at: 0, into: $0) }) ?? -1
        return count == size ? bytes : []
    }
}

func wanted(_ query: String) throws -> ThumbnailRequest {
    guard let request = try ThumbnailRequest.parse(query: query) else { throw CocoaError(.featureUnsupported) }
    return request
}

/// What the head of a picture says of it.
struct PictureHead: Equatable, CustomStringConvertible {
    var type: String
    var width: Int
    var height: Int

    var description: String { "\(type) \(width)x\(height)" }

    init(_ type: String, _ width: Int, _ height: Int) {
        self.type = type
        self.width = width
        self.height = height
    }

    init?(_ bytes: [UInt8]) {
        func big(_ place: Int, _ count: Int) -> Int {
            guard place >= 0, place + count <= bytes.count else { return -1 }
            return bytes[place..<(place + count)].reduce(0) { $0 << 8 | Int($1) }
        }
        func little(_ place: Int, _ count: Int) -> Int {
            guard place >= 0, place + count <= bytes.count else { return -1 }
            return bytes[place..<(place + count)].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        func find(_ text: String) -> Int? { bytes.indices.first { bytes[$0...].starts(with: text.utf8) } }
        if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) {
            self.init("image/png", big(16, 4), big(20, 4))
        } else if bytes.starts(with: "GIF8".utf8) {
            self.init("image/gif", little(6, 2), little(8, 2))
        } else if bytes.starts(with: "RIFF".utf8), let chunk = find("VP8") {
            switch bytes[chunk + 3] {
            case UInt8(ascii: " "): self.init("image/webp", little(chunk + 14, 2) & 0x3fff, little(chunk + 16, 2) & 0x3fff)
            case UInt8(ascii: "L"):
                let bits = little(chunk + 9, 4)
                self.init("image/webp", (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
            default: self.init("image/webp", little(chunk + 12, 3) + 1, little(chunk + 15, 3) + 1)
            }
        } else if let kind = find("ftyp"), kind == 4, let box = find("ispe") {
            let brand = String(decoding: bytes[8..<12], as: UTF8.self)
            self.init(brand == "avif" ? "image/avif" : "image/heic", big(box + 8, 4), big(box + 12, 4))
        } else if bytes.starts(with: [0xff, 0xd8]) {
            var place = 2
            while place + 9 < bytes.count, bytes[place] == 0xff {
                if (0xc0...0xc2).contains(bytes[place + 1]) {
                    self.init("image/jpeg", big(place + 7, 2), big(place + 5, 2))
                    return
                }
                place += 2 + big(place + 2, 2)
            }
            return nil
        } else {
            return nil
        }
    }
}
