import Corpus
import SwiftletSanitize
import TestSupport
import Testing

@Suite struct EmailTests {
    @Test(.enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"))
    func `no wrong address is accepted and no right one refused`() throws {
        var wrong: [String] = []
        var open = 0
        for row in try CorpusFiles.rows("email/addresses.jsonl") {
            let got = judgeEmail(row)["got"] as? String
            switch row["expect"] as? String {
            case "either": open += got == "accept" ? 1 : 0
            case let expected: if got != expected { wrong.append(row["id"] as? String ?? "") }
            }
        }
        print("email: \(wrong.count) wrong; \(open) of the rows that are free accepted")
        #expect(wrong == [])
    }

    @Test func `the canonical form has a domain in ASCII and lower case`() throws {
        let address = try #require(EmailAddress("Ann.O'Neil+tag@BÜCHER.Example.org"))
        #expect(address.local == "Ann.O'Neil+tag")
        #expect(address.domain == "xn--bcher-kva.example.org")
        #expect(EmailAddress(address.description) == address)
    }

    @Test(arguments: [
        ("", EmailFault.empty), ("a", .notAddress), ("@b.org", .notAddress), ("a@", .notAddress), ("a..b@c.org", .badLocalPart),
        ("a b@c.org", .badLocalPart), ("\"a\"@c.org", .badLocalPart), ("a(c)@c.org", .badLocalPart), ("a@b@c.org", .badLocalPart),
        ("\u{e9}a@c.org", .internationalLocalPart), ("a@[1.2.3.4]", .domainLiteral), ("a@1.2.3.4", .badDomain),
        ("a@-b.org", .badDomain), ("a@b_c.org", .badDomain), ("a@b..org", .badDomain), ("a@b.org.", .badDomain),
        ("a@xn--0.org", .badDomain), ("a@localhost", .localDomain), ("a@x.internal", .localDomain), ("a@x.test", .localDomain),
        ("a@b.org\n", .badDomain), ("a@b\u{0}.org", .badDomain), ("a@bü\u{0}cher.org", .badDomain), ("a@\u{3002}org", .badDomain),
    ])
    func `every fault has its code`(text: String, fault: EmailFault) {
        #expect(validateEmail(text).errors == [fault])
    }

    @Test func `lengths are judged at the limit`() {
        let domain = Array(repeating: String(repeating: "b", count: 60), count: 3).joined(separator: ".") + ".org"
        let room = 254 - domain.utf8.count - 1
        #expect(validateEmail(String(repeating: "a", count: room) + "@" + domain).valid)
        #expect(validateEmail(String(repeating: "a", count: room + 1) + "@" + domain).errors == [.tooLong])
        #expect(validateEmail("a@" + String(repeating: "b", count: 64) + ".org").errors == [.badDomain])
        #expect(validateEmail("a@" + String(repeating: "b", count: 63) + ".org").valid)
        #expect(validateEmail(String(repeating: "@", count: 1_000_000)).errors == [.tooLong])
    }
}
