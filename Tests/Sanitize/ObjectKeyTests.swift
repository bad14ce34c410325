import Corpus
import SwiftletSanitize
import TestSupport
import Testing

@Suite struct ObjectKeyTests {
    @Test(.enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"))
    func `no name leads out of its prefix and none is taken for another`() throws {
        var wrong: [String] = []
        var counts: [String: Int] = [:]
        for row in try CorpusFiles.rows("paths/inputs.jsonl") {
            let answer = judgePath(row)
            let got = answer["got"] as? String ?? ""
            let output = answer["output"] as? String
            let input = row["input"] as? String ?? ""
            counts["\(row["cls"] ?? "") \(got)", default: 0] += 1
            let isRight: Bool
            switch row["expect"] as? String {
            case "no-escape": isRight = got == "reject" || output.map { stays($0, below: "users/u1") } == true
            case "accept": isRight = got == "accept" && output == input
            case "reject-or-normalise": isRight = got == "reject" || got == "normalise" && output != input
            default: isRight = got == "reject" || output == input
            }
            if !isRight { wrong.append("\(row["id"] ?? "") \(got)") }
        }
        print("paths: \(counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))")
        #expect(wrong == [])
    }

    private func stays(_ key: String, below prefix: String) -> Bool {
        key.hasPrefix(prefix + "/")
            && key.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { $0 != "." && $0 != ".." && !$0.isEmpty }
            && !key.contains("\\") && !key.contains("%")
    }

    @Test func `ordinary names are joined`() throws {
        #expect(try ObjectKey(prefix: "u1", name: "a b/c.png").key == "u1/a b/c.png")
        #expect(try ObjectKey(prefix: "u1/x", encodedName: "a%20b/file..name.txt").key == "u1/x/a b/file..name.txt")
        #expect(try ObjectKey(prefix: "u1", name: "folder/.emptyFolderPlaceholder").key == "u1/folder/.emptyFolderPlaceholder")
    }

    @Test(arguments: [
        ("", ObjectKey.Fault.empty), ("../x", .badSegment), ("a/../b", .badSegment), ("a/./b", .badSegment),
        ("/etc", .badSegment), ("a//b", .badSegment),
        ("a/", .badSegment), ("%2e%2e%2fx", .badSegment), ("..%2fx", .badSegment), ("%252e%252e/x", .badCharacter),
        ("a\\b", .badCharacter),
        ("%5c..%5cx", .badCharacter), ("%c0%ae%c0%ae/x", .badEncoding), ("%u2216x", .badEncoding), ("a%", .badEncoding),
        ("a%0", .badEncoding),
        ("a%00b", .badCharacter), ("é.png", .badCharacter), ("..;/x", .badSegment), ("....//x", .badSegment),
        ("a /b", .badSegment),
        ("C:/x", .badSegment), ("~/x", .badCharacter), ("a\nb", .badCharacter),
    ])
    func `a name that could climb is refused`(name: String, fault: ObjectKey.Fault) {
        #expect(throws: fault) { try ObjectKey(prefix: "u1", encodedName: name) }
    }

    @Test func `prefixes and lengths are judged too`() {
        for prefix in ["", "/", "..", "u1/", "u/../v"] {
            #expect(throws: ObjectKey.Fault.badPrefix) { try ObjectKey(prefix: prefix, name: "a") }
        }
        #expect(throws: Never.self) { try ObjectKey(prefix: "u1", name: String(repeating: "a", count: 1_021)) }
        #expect(throws: ObjectKey.Fault.tooLong) { try ObjectKey(prefix: "u1", name: String(repeating: "a", count: 1_022)) }
    }
}
