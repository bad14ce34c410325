import Corpus
import Foundation
import SwiftletNet
import SwiftletSanitize
import TestSupport
import Testing

@Suite struct URLCorpusTests {
    @Test(.enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"))
    func `every accepted URL names the scheme, host and port that the standard names`() throws {
        var wrong: [String] = []
        var valid = 0
        var accepted = 0
        for row in try CorpusFiles.rows("url/urltestdata.jsonl") {
            let id = row["id"] as? String ?? ""
            let got = judgeURLCheck(row)["got"]
            guard row["failure"] as? Bool != true else {
                if got as? String != "failure" { wrong.append(id) }
                continue
            }
            let isSpecial = ["http:", "https:", "ws:", "wss:", "ftp:", "file:"].contains(row["protocol"] as? String ?? "")
            valid += isSpecial ? 1 : 0
            guard let parts = got as? [String: String] else { continue }
            accepted += isSpecial ? 1 : 0
            for (name, value) in parts where value != row[name] as? String { wrong.append("\(id) \(name)") }
        }
        print("url: \(accepted) of \(valid) valid URLs of the special schemes accepted (\(100 * accepted / max(1, valid)) %)")
        #expect(wrong == [])
        #expect(accepted * 100 >= valid * 60)
    }

    @Test(
        .enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"),
        arguments: ["toascii", "idnatestv2"])
    func `an international name becomes the host of the standard or is refused`(file: String) throws {
        var wrong: [String] = []
        var valid = 0
        var accepted = 0
        for row in try CorpusFiles.rows("url/\(file).jsonl") {
            let isInternational = (row["input"] as? String ?? "").utf8.contains { $0 >= 0x80 }
            let expected = row["output"] as? String
            if isInternational, expected != nil { valid += 1 }
            guard let host = judgeURLCheck(row)["got"] as? String else { continue }
            if isInternational { accepted += 1 }
            if host != expected { wrong.append(row["id"] as? String ?? "") }
        }
        print("\(file): \(accepted) of \(valid) valid international names accepted (\(100 * accepted / max(1, valid)) %)")
        #expect(wrong == [])
        #expect(accepted > 0)
    }

    @Test(.enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"))
    func `no special address and no local name gets through`() throws {
        var wrong: [String] = []
        var open = 0
        var passed = 0
        for row in try CorpusFiles.rows("ssrf/addresses.jsonl") + CorpusFiles.rows("ssrf/urls.jsonl") {
            let expected = row["expect"] as? String ?? ""
            let got = judgeURLCheck(row)["got"] as? String ?? ""
            if expected == "block" {
                if got != "block" { wrong.append(row["id"] as? String ?? "") }
                if let text = row["input"] as? String, validateURL(text).valid { wrong.append("\(row["id"] ?? "") valid") }
                continue
            }
            open += 1
            if got == expected { passed += 1 } else if got != "block" { wrong.append(row["id"] as? String ?? "") }
        }
        print(
            "ssrf: 0 wrong allows wanted, \(wrong.count) found; \(passed) of \(open) harmless rows pass (\(100 * passed / max(1, open)) %)"
        )
        #expect(wrong == [])
    }
}
