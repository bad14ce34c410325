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

    package static func has(_ path: String) -> Bool {
        root.map { FileManager.default.fileExists(atPath: $0.appendingPathComponent(path).path) } ?? false
    }

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

    /// The bytes of a row, whichever way it spells them; unpacked when they are packed, `nil` when there are none.
    package static func bytes(_ row: [String: Any]) throws -> [UInt8]? {
        if let text = (row["raw_b64"] ?? row["wire_b64"] ?? row["input_b64"]) as? String {
            return Data(base64Encoded: text).map { [UInt8]($0) }
        }
        guard let text = (row["raw_gz_b64"] ?? row["wire_gz_b64"] ?? row["input_gz_b64"]) as? String,
            let packed = Data(base64Encoded: text)
        else {
            return nil
        }
        return try unzipped(packed)
    }

    private static func unzipped(_ packed: Data) throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/gzip")
        process.arguments = ["-dc"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        // Small enough for the pipe.
        try input.fileHandleForWriting.write(contentsOf: packed)
        try input.fileHandleForWriting.close()
        return [UInt8](output.fileHandleForReading.readDataToEndOfFile())
    }

    private static func existing(_ url: URL) -> URL? {
        FileManager.default.fileExists(atPath: url.path) ? url : nil
    }
}
