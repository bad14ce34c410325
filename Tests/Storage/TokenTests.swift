import SwiftletCrypto
import Testing

@testable import SwiftletStorage

@Suite struct TokenTests {
    private static let path = ObjectPath(bucket: "chat", key: "u1/a b.png")

    private static func signer() throws -> TokenSigner { TokenSigner(key: try SecretBytes.random(count: 32)) }

    private static func upload() -> StorageToken {
        var token = StorageToken(scope: .upload, path: path, issuedAt: 1000, expiresAt: 2000)
        token.owner = "u1"
        token.upsert = true
        token.id = "one"
        token.contentType = "image/png"
        token.exactBytes = 7
        token.maxBytes = 9
        token.sha256 = Array(repeating: 0xAB, count: 32)
        token.metadata = #"{"a":"\"é"}"#
        token.displayName = "фото \"1\".png"
        return token
    }

    @Test func `a token says what was signed`() throws {
        let signer = try Self.signer()
        let text = signer.sign(Self.upload())
        #expect(try signer.verify(text, for: .upload, of: Self.path, now: 1999) == Self.upload())
        #expect(text.utf8.filter { $0 == UInt8(ascii: ".") }.count == 2)
    }

    @Test func `a download token says nothing of an upload`() throws {
        let signer = try Self.signer()
        var token = Self.upload()
        token.scope = .download
        token.transform = "10x10,cover,webp,80"
        let read = try signer.read(signer.sign(token))
        #expect(read.owner == nil && read.id == nil && read.exactBytes == nil && read.upsert == false && read.metadata == nil)
        #expect(read.transform == "10x10,cover,webp,80")
    }

    @Test func `a token is for its scope, its path and its time`() throws {
        let signer = try Self.signer()
        let text = signer.sign(Self.upload())
        func code(_ scope: StorageToken.Scope, _ path: ObjectPath, _ now: Int64) -> StorageError.Code? {
            do throws(StorageError) {
                _ = try signer.verify(text, for: scope, of: path, now: now)
                return nil
            } catch { return error.code }
        }
        #expect(code(.download, Self.path, 1500) == .invalidSignature)
        #expect(code(.upload, ObjectPath(bucket: "chat", key: "u1/a b.pn"), 1500) == .invalidSignature)
        #expect(code(.upload, ObjectPath(bucket: "chat/u1", key: "a b.png"), 1500) == .invalidSignature)
        #expect(code(.upload, Self.path, 2000) == .invalidJWT)
        #expect(code(.upload, Self.path, 1999) == nil)
    }

    @Test func `no letter of a token can be changed`() throws {
        let signer = try Self.signer()
        let text = Array(signer.sign(Self.upload()).utf8)
        for index in text.indices {
            for other in [text[index] ^ 1, text[index] ^ 0x20, UInt8(ascii: "A"), UInt8(ascii: ".")] where other != text[index] {
                var changed = text
                changed[index] = other
                #expect(throws: StorageError.self, "byte \(index)") { try signer.read(String(decoding: changed, as: UTF8.self)) }
            }
        }
        #expect(throws: StorageError.self) { try Self.signer().read(String(decoding: text, as: UTF8.self)) }
    }

    @Test(arguments: ["", ".", "..", "a.b.c", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.", String(repeating: "a", count: 100_000)])
    func `what is no token of ours is refused`(text: String) throws {
        #expect(throws: StorageError.self) { try Self.signer().read(text) }
    }
}
