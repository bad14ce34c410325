import Corpus
import Foundation
import SwiftletSanitize
import TestSupport
import Testing

/// The shared rows, in two halves by a hash of their ids: one to develop with, one held out. Both have to reach the bars.
@Suite(.serialized, .enabled(if: CorpusFiles.has("secrets/samples.jsonl"), "no shared test data beside the repository"))
struct SensitiveCorpusTests {
    private struct Tally {
        var rows = 0
        var hits = 0
        mutating func count(_ hit: Bool) {
            rows += 1
            if hit { hits += 1 }
        }
        var text: String {
            let rate = rows == 0 ? 0 : Double(hits) / Double(rows) * 100
            return "\(hits)/\(rows) = \(String(format: "%.1f", rate)) %"
        }
    }

    private func isHeldOut(_ id: String) -> Bool {
        var hash: UInt32 = 0x811c_9dc5
        for byte in id.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return (hash ^ hash >> 15) & 1 == 1
    }

    @Test(arguments: [false, true])
    func `cards, social security numbers and keys are found, look-alikes are not`(heldOut: Bool) throws {
        var recall: [String: Tally] = [:]
        var alarms = Tally()
        var (missed, alarmed): ([String], [String]) = ([], [])
        for row in try CorpusFiles.rows("secrets/samples.jsonl") {
            let id = row["id"] as? String ?? "?"
            guard isHeldOut(id) == heldOut else { continue }
            let answer = judgeSecrets(row)
            let found = answer["types"] as? [String] ?? []
            if row["found"] as? Bool == true {
                for type in row["types"] as? [String] ?? [] {
                    recall[type, default: Tally()].count(found.contains(type))
                    if !found.contains(type), ["credit_card", "ssn", "api_key"].contains(type) { missed.append(id) }
                }
            } else {
                let alarm = answer["found"] as? Bool == true
                alarms.count(alarm)
                if alarm { alarmed.append(id) }
            }
        }
        print("secrets, \(heldOut ? "held-out" : "development") half")
        for (type, tally) in recall.sorted(by: { $0.key < $1.key }) { print("  \(type): \(tally.text)") }
        print("  alarms on look-alikes: \(alarms.text)")
        for type in ["credit_card", "ssn", "api_key"] {
            let tally = recall[type] ?? Tally()
            #expect(Double(tally.hits) >= 0.97 * Double(tally.rows), "\(type): \(tally.text), missed \(missed)")
        }
        #expect(Double(alarms.hits) <= 0.1 * Double(alarms.rows), "\(alarms.text), alarms \(alarmed)")
        if ProcessInfo.processInfo.environment["SWIFTLET_LIST"] != nil { print("  missed \(missed)\n  alarmed \(alarmed)") }
    }

    @Test(.enabled(if: CorpusFiles.has("benign/messages.jsonl"), "no shared test data beside the repository"))
    func `ordinary messages hold nothing sensitive`() throws {
        var alarms = Tally()
        var alarmed: [String] = []
        for row in try CorpusFiles.rows("benign/messages.jsonl") {
            let data = detectSensitiveData(row["input"] as? String ?? "", types: Set.default.union([.iban]))
            alarms.count(data.found)
            if data.found { alarmed.append("\(row["id"] as? String ?? "?") \(data.spans.map(\.rule))") }
        }
        print("benign messages: \(alarms.text) alarms")
        #expect(Double(alarms.hits) <= 0.002 * Double(alarms.rows), "\(alarms.text), alarms \(alarmed)")
    }
}
