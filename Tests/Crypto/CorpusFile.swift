import Foundation

/// Finds the shared test data beside the repository: `SWIFTLET_SHARED`, or `shared` next to or one above the root.
enum CorpusFile {
    static let folder: URL? = {
        if let path = ProcessInfo.processInfo.environment["SWIFTLET_SHARED"] {
            return URL(fileURLWithPath: path).appendingPathComponent("corpora")
        }
        var root = URL(fileURLWithPath: #filePath)
        repeat {
            root.deleteLastPathComponent()
            if root.path == "/" { return nil }
        } while !FileManager.default.fileExists(atPath: root.appendingPathComponent("Package.swift").path)
        for candidate in ["../shared/corpora", "../../shared/corpora"] {
            let url = root.appendingPathComponent(candidate).standardizedFileURL
            if FileManager.default.fileExists(atPath: url.path) { return url }
        }
        return nil
    }()

    static var isPresent: Bool { folder != nil }

    /// The rows of a JSON Lines file, as dictionaries.
    static func rows(_ path: String) throws -> [[String: Any]] {
        guard let folder else { return [] }
        let text = try Data(contentsOf: folder.appendingPathComponent(path))
        return try text.split(separator: UInt8(ascii: "\n")).compactMap {
            try JSONSerialization.jsonObject(with: $0) as? [String: Any]
        }
    }
}

extension [String: Any] {
    func text(_ name: String) -> String { self[name] as? String ?? "" }
}
