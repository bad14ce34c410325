import Foundation
import SwiftletCrypto
import Testing

/// The raw primitives against Wycheproof's vectors. A row marked "acceptable" counts either way.
@Suite(.enabled(if: CorpusFile.isPresent, "shared/corpora is not beside the repository"))
struct WycheproofTests {
    @Test func `every HMAC-SHA256 row is judged right, and a shortened tag never passes`() throws {
        let rows = try CorpusFile.rows("jwt/wycheproof_hs256_raw.jsonl")
        try #require(rows.count >= 90)
        var wrong: [String] = []
        for row in rows {
            let key = try #require(Hex.decode(row.text("key_hex")))
            let message = try #require(Hex.decode(row.text("msg_hex")))
            let tag = try #require(Hex.decode(row.text("tag_hex")))
            let bits = try #require(row["tag_bits"] as? Int)
            let accepted = HMACSHA256(key: key).isValid(tag, for: message)
            let expected = bits == 256 && row.text("expect") == "valid"
            if accepted != expected { wrong.append(row.text("id")) }
        }
        #expect(wrong.isEmpty)
    }

    @Test func `every ES256 row is judged right`() throws {
        let rows = try CorpusFile.rows("jwt/wycheproof_es256_raw.jsonl")
        try #require(rows.count >= 142)
        var wrong: [String] = []
        for row in rows where row.text("expect") != "acceptable" {
            let message = try #require(Hex.decode(row.text("msg_hex")))
            let signature = try #require(Hex.decode(row.text("sig_hex")))
            let point = try #require(publicPoint(of: row))
            let key = try? ES256.PublicKey(x: Array(point.prefix(32)), y: Array(point.suffix(32)))
            let accepted = key?.isValid(signature, for: message) ?? false
            if accepted != (row.text("expect") == "valid") { wrong.append(row.text("id")) }
        }
        #expect(wrong.isEmpty)
    }

    @Test func `every RS256 row is judged right`() throws {
        let rows = try CorpusFile.rows("jwt/wycheproof_rs256_raw.jsonl")
        try #require(rows.count >= 127)
        var wrong: [String] = []
        for row in rows where row.text("expect") != "acceptable" {
            let key = try #require(row["public_jwk"] as? [String: Any])
            let message = try #require(Hex.decode(row.text("msg_hex")))
            let signature = try #require(Hex.decode(row.text("sig_hex")))
            var accepted = false
            if let n = Base64URL.decode(key.text("n")), let e = Base64URL.decode(key.text("e")),
                let made = try? RS256.PublicKey(n: n, e: e)
            {
                accepted = made.isValid(signature, for: message)
            }
            if accepted != (row.text("expect") == "valid") { wrong.append(row.text("id")) }
        }
        #expect(wrong.isEmpty)
    }

    /// x || y. Some rows hold their key as PEM only: there the point is the end of the DER.
    private func publicPoint(of row: [String: Any]) -> [UInt8]? {
        if let key = row["public_jwk"] as? [String: Any] {
            guard let x = Base64URL.decode(key.text("x")), let y = Base64URL.decode(key.text("y")) else { return nil }
            return x + y
        }
        let lines = row.text("public_pem").split(separator: "\n").filter { !$0.hasPrefix("-----") }
        guard let der = Data(base64Encoded: lines.joined()), der.count == 91 else { return nil }
        return Array(der.suffix(64))
    }
}
