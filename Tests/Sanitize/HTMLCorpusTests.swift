import Corpus
import Foundation
import SwiftletSanitize
import TestSupport
import Testing

@Suite(.enabled(if: CorpusFiles.areHere, "no shared test data beside the repository")) struct HTMLCorpusTests {
    @Test func `every payload leaves only what is allowed, and stays as it is when sanitised again`() throws {
        let rows = try CorpusFiles.rows("xss/payloads.jsonl")
        let wrong = rows.compactMap { row in fault(row, .chat) }
        #expect(wrong.isEmpty, "\(wrong)")
        // The judge can say no.
        let raw = rows.filter { HTMLJudge(.chat).fault(htmlInput($0)) != nil }
        #expect(raw.count > rows.count / 2)
        print("xss/payloads: \(rows.count - wrong.count) of \(rows.count); \(raw.count) are wrong before")
    }

    @Test func `payloads leave only what is allowed under every policy`() throws {
        let everything = HTMLPolicy(
            elements: Set(HTMLPolicy.Element.allCases), attributes: Set(HTMLPolicy.Attribute.allCases), relativeLinks: true)
        for policy in [HTMLPolicy.strict, .rich, everything] {
            let wrong = try CorpusFiles.rows("xss/payloads.jsonl").compactMap { row in fault(row, policy) }
            #expect(wrong.isEmpty, "\(wrong)")
        }
    }

    @Test func `benign documents keep the tree of their reference`() throws {
        let rows = try CorpusFiles.rows("xss/benign_html.jsonl")
        let wrong = rows.compactMap { row -> String? in
            let output = sanitised(htmlInput(row), .chatWithRelativeLinks)
            // The reference is written by another program: once sanitised, both are the same text when they are the same tree.
            let reference = sanitised(Array((row["ref_nh3_core"] as? String ?? "").utf8), .chatWithRelativeLinks)
            return output == reference ? nil : row["id"] as? String
        }
        #expect(wrong.isEmpty, "\(wrong)")
        print("xss/benign_html: \(rows.count - wrong.count) of \(rows.count)")
    }

    @Test func `the tokens are those of the standard's tokenizer`() throws {
        let rows = try CorpusFiles.rows("html/tokenizer.jsonl")
        let wrong = rows.compactMap { row -> String? in
            let got = judgeHTML(row)["got"] as? [Any] ?? []
            return (got as NSArray).isEqual(to: HTMLTokens.expected(row)) ? nil : row["id"] as? String
        }
        #expect(wrong.isEmpty, "\(wrong)")
        print("html/tokenizer: \(rows.count - wrong.count) of \(rows.count)")
    }

    @Test func `named references are decoded once`() throws {
        let rows = try CorpusFiles.rows("html/named_entities.jsonl")
        let wrong = rows.compactMap { row -> String? in
            judgeHTML(row)["got"] as? String == row["output"] as? String ? nil : row["id"] as? String
        }
        #expect(wrong.isEmpty, "\(wrong)")
        print("html/named_entities: \(rows.count - wrong.count) of \(rows.count)")
    }

    @Test func `chat messages without markup keep their text`() throws {
        let rows = try CorpusFiles.rows("benign/messages.jsonl").filter { row in
            let text = row["input"] as? String ?? ""
            return !text.contains("<") && !text.contains("&")
        }
        let wrong = rows.compactMap { row -> String? in
            let input = htmlInput(row)
            let output = HTMLTokens.text(sanitised(input, .chat))
            let lines = String(decoding: input, as: UTF8.self).replacingOccurrences(of: "\r\n", with: "\n")
            return output == lines.replacingOccurrences(of: "\r", with: "\n") ? nil : row["id"] as? String
        }
        #expect(wrong.isEmpty, "\(wrong)")
        #expect(rows.count > 500)
    }

    private func fault(_ row: [String: Any], _ policy: HTMLPolicy) -> String? {
        let input = htmlInput(row)
        let output = sanitised(input, policy)
        let found =
            HTMLJudge(policy).fault(output) ?? (sanitised(output, policy) == output ? nil : "not idempotent")
            ?? (output.count <= 6 * input.count + 2 * input.count { $0 == UInt8(ascii: "<") } ? nil : "too long")
        return found.map { "\(row["id"] ?? ""): \($0)" }
    }
}

func sanitised(_ bytes: [UInt8], _ policy: HTMLPolicy) -> [UInt8] {
    bytes.withUnsafeBufferPointer { sanitizeHTML($0, policy: policy) }
}
