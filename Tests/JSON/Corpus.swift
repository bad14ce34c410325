import Foundation

/// The rows of shared/corpora/json.
enum Corpus {
    struct Row {
        let id: String
        let expect: String
        let bytes: [UInt8]
    }

    static let file: URL? = {
        if let path = ProcessInfo.processInfo.environment["SWIFTLET_SHARED"] {
            return existing(URL(fileURLWithPath: path))
        }
        var root = URL(fileURLWithPath: #filePath)
        while root.path != "/", !FileManager.default.fileExists(atPath: root.appendingPathComponent("Package.swift").path) {
            root.deleteLastPathComponent()
        }
        return existing(root.appendingPathComponent("../shared")) ?? existing(root.appendingPathComponent("../../shared"))
    }()

    private static func existing(_ shared: URL) -> URL? {
        let file = shared.appendingPathComponent("corpora/json/parsing.jsonl").standardizedFileURL
        return FileManager.default.fileExists(atPath: file.path) ? file : nil
    }

    struct Broken: Error { let line: String }

    static func rows() throws -> [Row] {
        guard let file else { return [] }
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            guard let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                let id = row["id"] as? String,
                let expect = row["expect"] as? String
            else { throw Broken(line: String(line.prefix(100))) }
            if let text = row["input_b64"] as? String, let data = Data(base64Encoded: text) {
                return Row(id: id, expect: expect, bytes: [UInt8](data))
            }
            guard let text = row["input_gz_b64"] as? String, let data = Data(base64Encoded: text) else { throw Broken(line: id) }
            return Row(id: id, expect: expect, bytes: [UInt8](try unzipped(data)))
        }
    }

    private static func unzipped(_ data: Data) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        // Small enough for the pipe.
        input.fileHandleForWriting.write(data)
        try input.fileHandleForWriting.close()
        let result = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return result
    }
}
