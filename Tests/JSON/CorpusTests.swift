import Foundation
import SwiftletJSON
import TestSupport
import Testing

@Suite(.enabled(if: CorpusFiles.has(Corpus.file), "shared/corpora/json is not beside the repository"))
struct CorpusTests {
    @Test func `every row has its verdict`() throws {
        let rows = try Corpus.rows()
        try #require(rows.count >= 178)
        let wrong = rows.filter { row in
            let accepted = (try? JSON.parse(row.bytes)) != nil
            return row.expect == "accept" && !accepted || row.expect == "reject" && accepted
        }
        #expect(wrong.map(\.id) == [])
    }

    @Test func `typed reading gives the same verdict as parsing`() throws {
        let wrong = try Corpus.rows().filter { row in
            (try? JSON.parse(row.bytes)) != (try? JSONReader().decode(JSON.self, from: row.bytes))
        }
        #expect(wrong.map(\.id) == [])
    }

    @Test func `accepted rows have the values Foundation finds`() throws {
        var compared = 0
        let wrong = try Corpus.rows().filter { row in
            guard let ours = try? JSON.parse(row.bytes) else { return false }
            let theirs: Any
            do {
                theirs = try JSONSerialization.jsonObject(with: Data(row.bytes), options: .fragmentsAllowed)
            } catch { return row.expect == "accept" }
            compared += 1
            return !isSame(ours, theirs)
        }
        #expect(wrong.map(\.id) == [])
        #expect(compared > 45)
    }

    @Test func `accepted rows survive writing and reading`() throws {
        let wrong = try Corpus.rows().filter { row in
            guard let value = try? JSON.parse(row.bytes) else { return false }
            return (try? JSON.parse(value.bytes)) != value
        }
        #expect(wrong.map(\.id) == [])
    }

    private func isSame(_ ours: JSON, _ theirs: Any) -> Bool {
        switch ours {
        case .null: return theirs is NSNull
        case .bool(let value): return (theirs as? NSNumber)?.boolValue == value
        case .string(let value): return (theirs as? String).map { $0.utf8.elementsEqual(value.utf8) } ?? false
        case .number(.integer(let value)): return (theirs as? NSNumber)?.int64Value == value
        case .number(.unsigned(let value)): return (theirs as? NSNumber)?.uint64Value == value
        case .number(.decimal(let value)): return (theirs as? NSNumber)?.doubleValue == value
        case .array(let elements):
            guard let others = theirs as? [Any] else { return false }
            return elements.count == others.count && zip(elements, others).allSatisfy { isSame($0, $1) }
        case .object(let members):
            // Foundation takes composed and decomposed letters in names for one another.
            guard let others = theirs as? [String: Any], others.count == Set(members.names).count else { return false }
            return others.count < members.count
                || members.allSatisfy { member in others[member.name].map { isSame(member.value, $0) } ?? false }
        }
    }
}
