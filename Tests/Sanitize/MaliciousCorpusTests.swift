import Corpus
import Foundation
import SwiftletSanitize
import TestSupport
import Testing

/// Rates of the default context on the shared rows, by halves: a weight that helps one half only is tuned to its rows.
@Suite struct MaliciousCorpusTests {
    /// Hits and rows of one kind, in both halves.
    struct Rate {
        var hits = [0, 0]
        var rows = [0, 0]

        var all: Double { rows[0] + rows[1] == 0 ? 0 : Double(hits[0] + hits[1]) / Double(rows[0] + rows[1]) }

        mutating func count(_ hit: Bool, _ half: Int) {
            rows[half] += 1
            if hit { hits[half] += 1 }
        }

        func line(_ name: String) -> String {
            func part(_ half: Int) -> String {
                let rate = rows[half] == 0 ? 0 : 100 * Double(hits[half]) / Double(rows[half])
                return String(format: "%5d of %5d %5.1f %%", hits[half], rows[half], rate)
            }
            return name.padding(toLength: 28, withPad: " ", startingAt: 0) + part(0) + "   " + part(1)
                + String(format: "   all %5.1f %%", 100 * all)
        }
    }

    /// A half by the id alone (FNV-1a), so that it stays the same whatever rows come and go.
    static func half(_ id: String) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int(hash >> 40 & 1)
    }

    private func rates(_ path: String, _ kind: ([String: Any]) -> [String]) throws -> (
        rates: [String: Rate], wrong: [String: [String]]
    ) {
        var rates: [String: Rate] = [:]
        var hits: [String: [String]] = [:]
        for row in try CorpusFiles.rows(path) {
            let id = row["id"] as? String ?? "?"
            let hit = judgeInjection(row)["got"] as? String == "malicious"
            for kind in kind(row) {
                rates[kind, default: Rate()].count(hit, Self.half(id))
                if hit { hits[kind, default: []].append(id) }
            }
        }
        return (rates, hits)
    }

    private func table(_ title: String, _ rates: [String: Rate]) {
        print(title)
        for (name, rate) in rates.sorted(by: { $0.key < $1.key }) { print("  " + rate.line(name)) }
    }

    @Test(.enabled(if: CorpusFiles.has("injection/payloads.jsonl"), "needs the shared test data"))
    func `nine of ten attacks are seen and one of twenty odd searches at most is accused`() throws {
        let found = try rates("injection/payloads.jsonl") { row in
            let label = row["label"] as? String ?? "?"
            let kind = row["cls"] as? String ?? "?"
            if label == "malicious" { return row["core"] as? Bool == true ? ["attack", "attack " + kind] : ["other attack"] }
            return [label]
        }
        table("injection: hits in one half and in the other", found.rates)
        let attacks = try #require(found.rates["attack"])
        #expect(attacks.all >= 0.9)
        for half in 0...1 { #expect(Double(attacks.hits[half]) >= 0.9 * Double(attacks.rows[half])) }
        let searches = try #require(found.rates["benign"])
        #expect(searches.all <= 0.05, "accused: \(found.wrong["benign"] ?? [])")
        // Rows that are harmless to one rule of their source; some of them are attacks of another kind.
        let mixed = try #require(found.rates["context-benign"])
        #expect(mixed.all <= 0.1, "accused: \(found.wrong["context-benign"] ?? [])")
    }

    @Test(.enabled(if: CorpusFiles.has("benign/messages.jsonl"), "needs the shared test data"))
    func `ordinary and technical talk is hardly ever accused`() throws {
        let found = try rates("benign/messages.jsonl") { [$0["kind"] as? String ?? "?"] }
        table("benign: false alarms in one half and in the other", found.rates)
        let bars = ["prose": 0.01, "technical": 0.05, "chat-hard": 0.05]
        for (kind, bar) in bars {
            let rate = try #require(found.rates[kind])
            #expect(rate.all <= bar, "\(kind) accused: \(found.wrong[kind] ?? [])")
        }
    }

    @Test(.enabled(if: CorpusFiles.has("xss/benign_html.jsonl"), "needs the shared test data"))
    func `harmless markup is not accused`() throws {
        let found = try rates("xss/benign_html.jsonl") { _ in ["harmless markup"] }
        table("xss: false alarms", found.rates)
        let rate = try #require(found.rates["harmless markup"])
        #expect(rate.all <= 0.01, "accused: \(found.wrong["harmless markup"] ?? [])")
    }

    @Test(.enabled(if: CorpusFiles.has("paths/inputs.jsonl"), "needs the shared test data"))
    func `file names are not accused and most traversals are seen`() throws {
        let found = try rates("paths/inputs.jsonl") { row in
            let kind = row["cls"] as? String ?? "?"
            return kind == "naughty" ? [] : [kind]
        }
        table("paths: hits", found.rates)
        #expect(try #require(found.rates["filename"]).all <= 0.05, "accused: \(found.wrong["filename"] ?? [])")
        // The list also holds plain names of files, which are no attack by themselves.
        #expect(try #require(found.rates["traversal"]).all >= 0.65)
    }
}
