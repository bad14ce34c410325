import Foundation
import GRDB
import Glibc
import Testing

@testable import SwiftletStorage

@Suite struct `A host killed while it stores` {
    /// Beside the test bundle.
    static let probe: String? = {
        var folder = (CommandLine.arguments.first.map { URL(fileURLWithPath: $0) } ?? URL(fileURLWithPath: "."))
            .deletingLastPathComponent()
        if let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8),
            let line = maps.split(separator: "\n").first(where: { $0.hasSuffix(".xctest") }),
            let slash = line.firstIndex(of: "/")
        {
            folder = URL(fileURLWithPath: String(line[slash...])).deletingLastPathComponent()
        }
        let path = folder.appendingPathComponent("storage-probe").path
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    @Test(.enabled(if: Self.probe != nil, "storage-probe has not been built"))
    func `after thirty-six kills every upload that was answered is whole, and nothing else is left`() async throws {
        let scratch = Scratch()
        let probe = try #require(Self.probe)
        /// What each key may hold: what was answered last, and what was under way after that.
        var expected: [String: [Line]] = [:]
        var answered = 0
        for round in 0..<36 {
            for line in try await run(probe, scratch.store, round) {
                switch line {
                case .begun(let upload): expected[upload.key, default: []].append(upload)
                case .done(let upload):
                    expected[upload.key] = [upload]
                    answered += 1
                case .failed(let text): Issue.record("round \(round): \(text)")
                }
            }
            // Looked at now and then only: reopening is part of the next round anyway.
            guard round % 6 == 5 else { continue }
            let store = try DiskStore(directory: scratch.store, buckets: [Bucket(id: "b", maxBytes: 8 << 20)], now: { 0 })
            #expect(store.sweepReport.missingFiles == 0)
            #expect(scratch.files("staging") == [])
            var bytes: [String: Int] = [:]
            let infos = try store.catalogue.ask { try CatalogueObjects.all(in: $0) }
            for info in infos {
                let candidates = expected[info.path.key, default: []]
                let content = try await read(store, info.path.key)
                #expect(content.count == info.size)
                let match = candidates.first { $0.bytes == content.count && $0.content == content }
                #expect(match != nil, "\(info.path.key) holds something else")
                if let match { expected[info.path.key] = [match] }
                bytes[info.owner ?? "", default: 0] += info.size
            }
            let there = Set(infos.map(\.path.key))
            for (key, uploads) in expected where !there.contains(key) {
                #expect(!uploads.contains { $0.isAnswered }, "\(key) was answered and is not there")
                expected[key] = nil
            }
            #expect(scratch.files("content").map { String($0.suffix(36)) }.sorted() == infos.map(\.version).sorted())
            for (owner, sum) in bytes { #expect(try store.usage(of: owner) == sum) }
            await store.close()
        }
        #expect(answered > 100)
    }

    struct Line: Sendable {
        let key: String
        let bytes: Int
        let seed: Int
        var isAnswered = false

        var content: [UInt8] {
            var state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 | 1
            let block = (0..<251).map { (_: Int) -> UInt8 in
                state ^= state &<< 13
                state ^= state &>> 7
                state ^= state &<< 17
                return UInt8(truncatingIfNeeded: state)
            }
            var content: [UInt8] = []
            content.reserveCapacity(bytes + block.count)
            while content.count < bytes { content += block }
            content.removeLast(content.count - bytes)
            return content
        }
    }

    enum Said: Sendable {
        case begun(Line), done(Line), failed(String)
    }

    /// Starts the probe, kills it at some point after it has opened the folder, and gives what it said.
    private func run(_ probe: String, _ folder: String, _ round: Int) async throws -> [Said] {
        // On a thread of its own: it waits for the process, and the threads that tests share are few.
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try Self.kill(probe, folder, round) }) }
        }
    }

    private static func kill(_ probe: String, _ folder: String, _ round: Int) throws -> [Said] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: probe)
        process.arguments = [folder, "\(round)"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        // Killed after a number of words, so at another point each time and never by the clock.
        let most = Int.random(in: 1...3000)
        var said = Data()
        while said.count < most {
            let more = pipe.fileHandleForReading.availableData
            if more.isEmpty { break }
            said += more
        }
        _ = Foundation.kill(process.processIdentifier, SIGKILL)
        said += pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: said, as: UTF8.self).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            if words.first == "failed" { return .failed(String(line)) }
            guard words.count == 4, let bytes = Int(words[2]), let seed = Int(words[3]) else { return nil }
            let upload = Line(key: String(words[1]), bytes: bytes, seed: seed, isAnswered: words[0] == "done")
            return upload.isAnswered ? .done(upload) : .begun(upload)
        }
    }
}

extension CatalogueObjects {
    static func all(in database: Database) throws -> [ObjectInfo] {
        try Row.fetchAll(database, sql: "SELECT \(columns) FROM objects").map(info)
    }
}
