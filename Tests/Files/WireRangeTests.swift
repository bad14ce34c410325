import SwiftletFiles
import Testing

@Suite struct WireRangeTests {
    @Test func `a range is read as RFC 9110 says`() {
        let cases: [(String, ByteRanges.Answer)] = [
            ("bytes=0-4", .partial(0..<5)), ("bytes=0-0", .partial(0..<1)), ("bytes=9-9", .partial(9..<10)),
            ("bytes=5-", .partial(5..<10)),
            ("bytes=-3", .partial(7..<10)), ("bytes=-30", .partial(0..<10)),
            ("bytes=2-99999999999999999999999", .partial(2..<10)),
            ("Bytes= 1-2 ", .partial(1..<3)), ("bytes=10-", .unsatisfiable), ("bytes=10-12", .unsatisfiable),
            ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999999-", .unsatisfiable), ("bytes=5-4", .whole), ("bytes=-", .whole), ("bytes=", .whole),
            ("", .whole),
            ("bytes", .whole), ("items=0-4", .whole), ("bytes=0-1,3-4", .whole), ("bytes=a-4", .whole), ("bytes=0-4x", .whole),
            ("bytes=0--4", .whole), ("bytes=+0-4", .whole), ("bytes=0 - 4", .whole), ("bytes 0-4", .whole),
        ]
        for (header, answer) in cases { #expect(ByteRanges.parse(header, size: 10) == answer, "\(header)") }
        #expect(ByteRanges.parse("bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRanges.parse("bytes=-5", size: 0) == .whole)
        #expect(ByteRanges.contentRange(0..<5, size: 10) == "bytes 0-4/10")
        #expect(ByteRanges.contentRange(unsatisfiable: 10) == "bytes */10")
    }

    static let now: Int64 = 1_800_000_000
    static let modified: Int64 = 784_111_777
    static let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    static let before = "Sun, 06 Nov 1994 08:49:36 GMT"

    private func judge(_ conditions: Preconditions, _ method: Preconditions.Method = .get, etag: String = "\"a\"")
        -> Preconditions.Outcome
    {
        conditions.judge(method: method, size: 10, etag: etag, lastModified: Self.modified, now: Self.now)
    }

    @Test func `conditions are looked at in the order of RFC 9110`() {
        #expect(judge(.init()) == .whole)
        #expect(judge(.init(range: "bytes=0-4")) == .partial(0..<5))
        #expect(judge(.init(range: "bytes=0-4"), .head) == .whole)
        #expect(judge(.init(range: "bytes=20-")) == .unsatisfiable)
        #expect(judge(.init(range: "bytes=20-", ifNoneMatch: "\"a\"")) == .notModified)
        #expect(judge(.init(ifMatch: "\"b\"", ifNoneMatch: "\"a\"")) == .preconditionFailed)
        #expect(judge(.init(ifMatch: "\"a\"", ifUnmodifiedSince: Self.before)) == .whole)
        #expect(judge(.init(ifUnmodifiedSince: Self.before)) == .preconditionFailed)
        #expect(judge(.init(ifUnmodifiedSince: Self.date)) == .whole)
        #expect(judge(.init(ifUnmodifiedSince: "yesterday")) == .whole)
        #expect(judge(.init(ifModifiedSince: Self.date)) == .notModified)
        #expect(judge(.init(ifModifiedSince: Self.before)) == .whole)
        #expect(judge(.init(ifModifiedSince: Self.date), .other) == .whole)
        #expect(judge(.init(ifNoneMatch: "\"b\"", ifModifiedSince: Self.date)) == .whole)
        #expect(judge(.init(ifModifiedSince: "0")) == .whole)
    }

    @Test func `entity tags are compared as the header asks`() {
        for header in ["\"a\"", "W/\"a\"", "*", " * ", "\"x\", \"a\"", "\"x,y\",W/\"a\"", ", \"a\" ,,", "\"a\",\"a\""] {
            #expect(judge(.init(ifNoneMatch: header)) == .notModified, "\(header)")
            #expect(judge(.init(ifNoneMatch: header), .head) == .notModified, "\(header)")
            #expect(judge(.init(ifNoneMatch: header), .other) == .preconditionFailed, "\(header)")
        }
        for header in ["", "a", "\"A\"", "\"b\"", "\"a", "\"b\" \"a\"", "\"a\" x", "w/\"a\"", "\"\""] {
            #expect(judge(.init(ifNoneMatch: header)) == .whole, "\(header)")
        }
        for header in ["\"a\"", "*", "\"b\", \"a\""] { #expect(judge(.init(ifMatch: header)) == .whole, "\(header)") }
        for header in ["W/\"a\"", "\"b\"", "", "a", "\"a\" \"b\""] {
            #expect(judge(.init(ifMatch: header)) == .preconditionFailed, "\(header)")
        }
        #expect(judge(.init(ifMatch: "W/\"a\""), etag: "W/\"a\"") == .preconditionFailed)
        #expect(judge(.init(ifNoneMatch: "\"a\""), etag: "W/\"a\"") == .notModified)
    }

    @Test func `a range of another version is not sent`() {
        for (header, isMeant) in [
            ("\"a\"", true), ("W/\"a\"", false), ("\"b\"", false), (Self.date, true), (Self.before, false), ("", false),
            ("a", false),
            ("\"a\", \"a\"", false), ("*", false), ("Mon, 07 Nov 1994 08:49:37 GMT", false),
        ] {
            #expect(judge(.init(range: "bytes=0-4", ifRange: header)) == (isMeant ? .partial(0..<5) : .whole), "\(header)")
        }
        #expect(judge(.init(range: "bytes=20-", ifRange: "\"b\"")) == .whole)
    }
}
