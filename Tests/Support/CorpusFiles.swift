package import Foundation

/// Finds test data beside the repository and reads it, one JSON object a line.
package enum CorpusFiles {
    package static let root: URL? = {
        if let path = ProcessInfo.processInfo.environment["SWIFTLET_SHARED"] {
            return existing(URL(fileURLWithPath: path).appendingPathComponent("corpora"))
        }
        var folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        while folder.path != "/" {
            if FileManager.default.fileExists(atPath: folder.appendingPathComponent("Package.swift").path) {
                return existing(folder.appendingPathComponent("../shared/corpora").standardizedFileURL)
                    ?? existing(folder.appendingPathComponent("../../shared/corpora").standardizedFileURL)
            }
            folder = folder.deletingLastPathComponent()
        }
        return nil
    }()

    package static var areHere: Bool { root != nil }

    package static func rows(_ path: String) throws -> [[String: Any]] {
        guard let root else { return [] }
        let text = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        return try text.split(separator: "\n").map { line in
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
        }
    }

    package static func object(_ path: String) throws -> [String: Any] {
        guard let root else { return [:] }
        let data = try Data(contentsOf: root.appendingPathComponent(path))
        return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    }

    private static func existing(_ url: URL) -> URL? {
        FileManager.default.fileExists(atPath: url.path) ? url : nil
    }
}
