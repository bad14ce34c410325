import Swiftlet
import SwiftletJSON
import Testing

@Suite struct FieldPathTests {
    private static let document = #"""
        {"content":"1","messages":[{"text":"2","tags":["3",["4"]]},{"text":"5"}],"contact":{"email":"6"},"a.b":"7","*":"8","x":{"y":{"z":"9"}}}
        """#

    /// The strings a path leads to.
    private func found(_ path: FieldPath, in document: String = FieldPathTests.document) -> [String] {
        var texts: [String] = []
        _ = Array(document.utf8).withUnsafeBytes { bytes in
            JSONStrings.edit(bytes) { place -> String? in
                if place.kind == .string, path.matches(place) { texts.append(place.text) }
                return nil
            }
        }
        return texts
    }

    @Test func `a path leads to its values and to no others`() {
        #expect(found("content") == ["1"])
        #expect(found("messages[].text") == ["2", "5"])
        #expect(found("messages[].tags[]") == ["3"])
        #expect(found("messages[].tags[][]") == ["4"])
        #expect(found("contact.email") == ["6"])
        #expect(found("contact") == [])
        #expect(found("email") == [])
        #expect(found("*") == ["1", "7", "8"])
        #expect(found("*.email") == ["6"])
        #expect(found("x.**") == ["9"])
        #expect(found("messages[].**") == ["2", "3", "4", "5"])
        #expect(found("**").count == 9)
        #expect(found("[].a", in: #"[{"a":"1"},{"b":"2"}]"#) == ["1"])
        #expect(found("[]", in: #"["1",["2"]]"#) == ["1"])
        #expect(found("**", in: #""alone""#) == ["alone"])
        #expect(found("content", in: #"["content"]"#) == [])
    }

    @Test(arguments: ["", ".", "a.", ".a", "a..b", "a[", "a[]b", "a[0]", "**.a", "a**", "**[]", "a.[]"])
    func `a text that is no path is not valid and matches nothing`(text: String) {
        #expect(!FieldPath(text).isValid)
        #expect(found(FieldPath(text)) == [])
    }

    @Test func `a place is shown with its indexes, and without names that the sender made up`() {
        var shown: [String] = []
        _ = Array(FieldPathTests.document.utf8).withUnsafeBytes { bytes in
            JSONStrings.edit(bytes) { place -> String? in
                for path in ["messages[].text", "*.email", "**", "messages.**"] as [FieldPath]
                where place.kind == .string && path.matches(place) {
                    shown.append(path.shown(place))
                }
                return nil
            }
        }
        #expect(shown.contains("messages[1].text"))
        #expect(shown.contains("*.email"))
        #expect(shown.contains("*[0].*"))
        #expect(!shown.contains { $0.contains("content") })
    }
}
