import Foundation

/// The shared test data, where it lies beside the repository.
enum Shared {
    static let corpora: URL? = {
        if let path = ProcessInfo.processInfo.environment["SWIFTLET_SHARED"] { return URL(fileURLWithPath: path + "/corpora") }
        var root = URL(fileURLWithPath: #filePath)
        while root.path != "/", !FileManager.default.fileExists(atPath: root.appendingPathComponent("Package.swift").path) {
            root.deleteLastPathComponent()
        }
        return ["../shared/corpora", "../../shared/corpora"].map { root.appendingPathComponent($0).standardizedFileURL }
            .first { FileManager.default.fileExists(atPath: $0.path) }
    }()

    static func has(_ file: String) -> Bool {
        corpora.map { FileManager.default.fileExists(atPath: $0.appendingPathComponent(file).path) } ?? false
    }

    static func rows(_ file: String) throws -> [[String: Any]] {
        guard let corpora else { return [] }
        let text = try String(contentsOf: corpora.appendingPathComponent(file), encoding: .utf8)
        return try text.split(separator: "\n").compactMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }
}
