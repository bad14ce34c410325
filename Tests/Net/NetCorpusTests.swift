import Corpus
import TestSupport
import SwiftletNet
import Testing

@Suite(.enabled(if: CorpusFiles.areHere, "the corpora are not beside this repository"))
struct NetCorpusTests {
    @Test func `the denied table is the corpus's list of ranges`() throws {
        let listed = try #require(CorpusFiles.object("ssrf/deny_ranges.json")["deny"] as? [String])
        let ours = Set(AddressTable.denied.map(\.range))
        for text in listed { #expect(ours.contains(try #require(AddressRange(text))), "\(text)") }
        // Everything else in the table lies inside a listed range, or is the deprecated IPv4-compatible block.
        let ranges = listed.compactMap { AddressRange($0) }
        for entry in AddressTable.denied where !ranges.contains(entry.range) {
            let isInside = ranges.contains { $0.contains(entry.range.base) && $0.prefixLength <= entry.range.prefixLength }
            #expect(isInside || entry.range.description == "::/96", "\(entry.range)")
        }
        #expect(AddressTable.denied.count == 44)
    }

    @Test func `every address is judged as the corpus says`() throws {
        let rows = try CorpusFiles.rows("ssrf/addresses.jsonl")
        let wrong = rows.filter { judgeSSRF($0) as? String != $0["expect"] as? String }
        #expect(rows.count > 100)
        #expect(wrong.isEmpty, "\(wrong.map { $0["id"] ?? "" })")
    }

    @Test func `no URL is allowed that the corpus blocks, and canonical public ones pass`() throws {
        let rows = try CorpusFiles.rows("ssrf/urls.jsonl")
        #expect(rows.count > 500)
        var wrong: [String] = []
        for row in rows {
            let verdict = judgeSSRF(row) as? String
            let expected = row["expect"] as? String
            if verdict == expected { continue }
            let browser = row["whatwg"] as? [String: Any]
            let isCanonical = row["input"] as? String == browser?["href"] as? String
            if expected != "block", verdict == "block", !isCanonical || isBeyondUs(browser) { continue }
            wrong.append("\(row["id"] ?? ""): \(verdict ?? "") for \(row["input"] ?? "")")
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }

    /// Longer than a URL may be here; or hosts that browsers take and DNS does not: empty or overlong labels, letters
    /// outside the host name alphabet.
    private func isBeyondUs(_ browser: [String: Any]?) -> Bool {
        let host = browser?["hostname"] as? String ?? ""
        let href = browser?["href"] as? String ?? ""
        return href.utf8.count > 2_048 || host.contains("..") || host.split(separator: ".").contains { $0.utf8.count > 63 }
            || host.utf8.contains { !"abcdefghijklmnopqrstuvwxyz0123456789.-_".utf8.contains($0) }
    }

    @Test func `what the URL parser accepts has the standard's scheme, host and port`() throws {
        let rows = try CorpusFiles.rows("url/urltestdata.jsonl")
        var wrong: [String] = []
        var valid = 0
        var accepted = 0
        for row in rows {
            let verdict = judgeURL(row)
            let scheme = row["protocol"] as? String ?? ""
            let isSpecial = ["http:", "https:", "ws:", "wss:", "ftp:", "file:"].contains(scheme)
            if row["failure"] == nil, isSpecial { valid += 1 }
            guard let found = verdict as? [String: String] else { continue }
            if row["failure"] == nil, isSpecial { accepted += 1 }
            let isEqual =
                row["failure"] == nil && found["protocol"] == scheme && found["hostname"] == row["hostname"] as? String
                && found["port"] == row["port"] as? String
            if !isEqual { wrong.append("\(row["id"] ?? ""): \(row["input"] ?? "") gave \(found)") }
        }
        #expect(wrong.isEmpty, "\(wrong)")
        #expect(accepted * 100 >= valid * 60, "\(accepted) of \(valid)")
        print("url: accepted \(accepted) of \(valid) valid special-scheme rows")
    }

    @Test(arguments: ["url/toascii.jsonl", "url/idnatestv2.jsonl"])
    func `a host is the standard's ASCII form or refused`(path: String) throws {
        let rows = try CorpusFiles.rows(path)
        #expect(!rows.isEmpty)
        let wrong = rows.filter { row in
            guard let host = judgeURL(row) as? String else { return false }
            return host != row["output"] as? String
        }
        #expect(wrong.isEmpty, "\(wrong.map { $0["id"] ?? "" })")
    }

    @Test func `the client behind proxies is the corpus's`() throws {
        let rows = try CorpusFiles.rows("proxy/cases.jsonl").filter { $0["headers"] != nil }
        #expect(rows.count >= 18)
        var wrong: [String] = []
        for row in rows {
            let found = judgeProxy(row) as? [String: String] ?? [:]
            for (key, field) in [("client", "expect_client"), ("proto", "expect_proto"), ("host", "expect_host")] {
                guard let expected = row[field] as? String, found[key] != expected else { continue }
                wrong.append("\(row["id"] ?? ""): \(key) \(found[key] ?? "")")
            }
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }
}
