import SwiftletFiles
import Testing

@testable import SwiftletStorage

@Suite struct RulesTests {
    private static let chat = Bucket(id: "chat", maxBytes: 1000, allowedTypes: ["image/*", "text/plain"])
    private static let open = Bucket(id: "open")

    private static func code<Value>(_ body: () throws(StorageError) -> Value) -> StorageError.Code? {
        do throws(StorageError) {
            _ = try body()
            return nil
        } catch { return error.code }
    }

    @Test func `users write and read below their own folder`() {
        let user = StorageCaller.user("u1")
        #expect(Self.code { () throws(StorageError) in try StorageRules.mayWrite("u1/a.png", user) } == nil)
        for key in ["u1", "u1.png", "u12/a.png", "u/a.png", "a.png", "u2/u1/a.png", ""] {
            #expect(Self.code { () throws(StorageError) in try StorageRules.mayWrite(key, user) } == .accessDenied, "\(key)")
            #expect(Self.code { () throws(StorageError) in try StorageRules.mayRead(key, user) } == .noSuchKey, "\(key)")
        }
        #expect(Self.code { () throws(StorageError) in try StorageRules.mayWrite("u1/a.png", .nobody) } == .accessDenied)
        #expect(Self.code { () throws(StorageError) in try StorageRules.mayWrite("any/a.png", .service) } == nil)
    }

    @Test func `an id that is no plain name gets a folder nobody else can have`() {
        let folders = ["auth0|1", "../x", "a/b", "", "u-1", "u-2", "é", String(repeating: "x", count: 200)].map(
            StorageRules.folder)
        #expect(folders.allSatisfy { $0.hasPrefix("u-") && $0.utf8.count == 34 })
        #expect(Set(folders).count == folders.count)
        #expect(StorageRules.folder(of: "11111111-1111-4111-8111-111111111111") == "11111111-1111-4111-8111-111111111111")
        // Nobody can be called what another's folder is called.
        #expect(StorageRules.folder(of: folders[0]) != folders[0])
    }

    @Test func `name, type and size are checked together`() throws {
        #expect(try StorageRules.check(name: "a.jpg", type: "image/jpg; q=1", size: 1000, in: Self.chat) == "image/jpeg")
        func refused(_ name: String, _ type: String, _ size: Int = 9, in bucket: Bucket = Self.chat) -> StorageError.Code? {
            Self.code { () throws(StorageError) in try StorageRules.check(name: name, type: type, size: size, in: bucket) }
        }
        #expect(refused("a.png", "image/png", 1001) == .entityTooLarge)
        #expect(refused("a.png", "image/png", 0) == .invalidRequest)
        #expect(refused("a.png", "image/jpeg") == .contentMismatch)
        #expect(refused("a.pdf", "application/pdf") == .invalidMimeType)
        #expect(refused("a.svg", "image/svg+xml") == .invalidMimeType)
        #expect(refused("a.html", "text/html", in: Self.open) == .invalidMimeType)
        #expect(refused("a.run", "application/octet-stream", in: Self.open) == .invalidKey)
        #expect(refused("a.png", "nonsense") == .invalidMimeType)
    }

    @Test func `what a client sends when nobody told it is no declaration`() {
        #expect(StorageRules.declared("text/plain;charset=UTF-8", name: "a.png") == "image/png")
        #expect(StorageRules.declared("application/octet-stream", name: "a.pdf") == "application/pdf")
        #expect(StorageRules.declared(nil, name: "a.unknown") == "application/octet-stream")
        #expect(StorageRules.declared("text/plain;charset=UTF-8", name: "a.txt") == "text/plain")
        #expect(StorageRules.declared("image/jpeg", name: "a.png") == "image/jpeg")
    }

    @Test func `keys of other forms are refused`() {
        for key in [
            "", ".", "..", "a/../b", "a//b", "/a", "a/", "a\\b", "a%2fb", "a\0b", "a\nb", "é", "a/./b", "a|b", "..;/a", "a/ b",
            "a/b ",
            String(repeating: "a", count: 1025),
        ] {
            #expect(Self.code { () throws(StorageError) in try StorageRules.check(key: key) } == .invalidKey, "\(key)")
        }
        for key in ["a", "a/b c.png", "a/file..name.txt", "a/.hidden", "a/(1)$&@=;:+,?'!*.png"] {
            #expect(Self.code { () throws(StorageError) in try StorageRules.check(key: key) } == nil, "\(key)")
        }
    }

    @Test func `a refusal never shows what terminals act on`() {
        do throws(StorageError) {
            try StorageRules.check(key: "a\u{1B}[2J")
            Issue.record("it was taken")
        } catch { #expect(error.message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }) }
    }

    @Test func `metadata is a JSON object of bounded size, a digest 64 digits`() throws {
        #expect(try StorageRules.metadata(#"{"a":1}"#) == #"{"a":1}"#)
        #expect(try StorageRules.metadata(nil) == nil)
        #expect(Self.code { () throws(StorageError) in try StorageRules.metadata("[1]") } == .invalidRequest)
        #expect(Self.code { () throws(StorageError) in try StorageRules.metadata("{") } == .invalidRequest)
        let long = "{\"a\":\"\(String(repeating: "x", count: 3000))\"}"
        #expect(Self.code { () throws(StorageError) in try StorageRules.metadata(long) } == .entityTooLarge)
        #expect(try StorageRules.digest(String(repeating: "0f", count: 32))?.count == 32)
        #expect(Self.code { () throws(StorageError) in try StorageRules.digest("0f") } == .invalidRequest)
    }

    @Test func `content that is not what it was said to be is 415`() {
        #expect(ContentRefusal.allCases.allSatisfy { $0.error.status == 415 })
    }

    /// The clients decide by these; a number instead of a text breaks one of them.
    @Test func `every code has a status, a word and no blank in its name`() {
        for code in StorageError.Code.allCases {
            let error = StorageError(code, "x")
            #expect((400...599).contains(error.status) && !error.word.isEmpty && !code.rawValue.contains(" "))
            #expect(error.httpError.status == error.status)
        }
    }
}
