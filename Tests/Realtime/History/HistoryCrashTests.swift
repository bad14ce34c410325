import Foundation
import Glibc
import Testing

@testable import SwiftletRealtime

@Suite struct `A host killed while it appends` {
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
        let path = folder.appendingPathComponent("history-probe").path
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    @Test(.enabled(if: Self.probe != nil, "history-probe has not been built"))
    func `after twenty kills everything that was answered is there, without a gap and once`() async throws {
        let scratch = HistoryScratch()
        let probe = try #require(Self.probe)
        var answered: [String: UInt64] = [:]
        var epochs: [String: String] = [:]
        for round in 0..<20 {
            for line in try await run(probe, scratch.path) {
                let words = line.split(separator: " ").map(String.init)
                guard words.count >= 3, words[0] != "failed" else {
                    // The kill may have cut the last line.
                    if words.first == "failed" { Issue.record("round \(round): \(line)") }
                    continue
                }
                if words[0] == "open", words.count == 4, let last = UInt64(words[3]) {
                    #expect(epochs[words[1], default: words[2]] == words[2], "another epoch")
                    epochs[words[1]] = words[2]
                    // What was stored when the kill came may not have been answered any more; never less.
                    #expect(last >= answered[words[1], default: 0])
                } else if words[0] == "done", let offset = UInt64(words[2]) {
                    answered[words[1]] = max(answered[words[1], default: 0], offset)
                }
            }
        }
        #expect(answered.values.reduce(0, +) > 200)
        let history = try SQLiteHistory(path: scratch.path)
        for (topic, last) in answered {
            let position = try await history.position(of: topic, isPrivate: true)
            #expect(position.epoch == epochs[topic] && position.lastOffset >= last)
            var offsets: [UInt64] = []
            while true {
                let page = try await history.read(topic: topic, isPrivate: true, after: offsets.last ?? 0, limit: 1_000)
                if page.isEmpty { break }
                #expect(
                    page.allSatisfy {
                        $0.id == "m\($0.offset)" && $0.body == .json(RawJSON(unchecked: Array("{\"n\":\($0.offset)}".utf8)))
                    })
                offsets += page.map(\.offset)
            }
            #expect(offsets == Array(1...position.lastOffset))
        }
        await history.close()
    }

    /// Starts the probe, kills it after some of its words, and gives what it said.
    private func run(_ probe: String, _ path: String) async throws -> [String] {
        // On a thread of its own: it waits for the process, and the threads that tests share are few.
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try Self.kill(probe, path) }) }
        }
    }

    private static func kill(_ probe: String, _ path: String) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: probe)
        process.arguments = [path]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        // After a number of words, so at another point each time and never by the clock.
        let most = Int.random(in: 1...2_500)
        var said = Data()
        while said.count < most {
            let more = pipe.fileHandleForReading.availableData
            if more.isEmpty { break }
            said += more
        }
        _ = Foundation.kill(process.processIdentifier, SIGKILL)
        said += pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: said, as: UTF8.self)
        // A line without an end may have been cut.
        return text.split(separator: "\n").dropLast(text.hasSuffix("\n") ? 0 : 1).map(String.init)
    }
}
