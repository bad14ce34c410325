import Corpus
import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import Testing

@Suite(.enabled(if: JWTArea.isPresent, "shared/corpora/jwt is not beside the repository"))
struct CorpusTests {
    /// Two rows of the group `base64` whose label does not fit their bytes; the verdict here is RFC 7515's.
    private static let disputed = [
        // Called "invalid base64 padding", but the token holds no padding: every part is canonical and the MAC is right.
        "wycheproof/json_web_signature/367": "valid",
        // Has a `?` inside the payload. Only a decoder that drops unknown characters (forbidden by 5.2) could accept it:
        // the MAC does not cover the bytes as sent.
        "wycheproof/json_web_signature/373": "invalid",
    ]

    @Test func `every attack is refused and every control is let in`() throws {
        let rows = try JWTArea.rows("attacks.jsonl")
        try #require(rows.count >= 138)
        let wrong = rows.filter { $0["expect"]?.string != "either" && judgeJWT(row: $0) != $0["expect"]?.string }
        #expect(wrong.compactMap { $0["id"]?.string } == [])
    }

    @Test func `the signature layer agrees with Wycheproof`() throws {
        let rows = try JWTArea.rows("wycheproof_jws.jsonl")
        try #require(rows.count >= 222)
        let wrong = rows.filter { row in
            var expected = row["expect"]?.string
            // Only our three algorithms count as valid, whatever else is rightly signed.
            if expected == "valid", !usesOurAlgorithm(row) { expected = "invalid" }
            if let id = row["id"]?.string, let ours = Self.disputed[id] { expected = ours }
            return expected != "acceptable" && judgeJWT(row: row) != expected
        }
        #expect(wrong.compactMap { $0["id"]?.string } == [])
    }

    @Test func `valid Wycheproof rows of our algorithms are among the accepted`() throws {
        let valid = try JWTArea.rows("wycheproof_jws.jsonl").filter { judgeJWT(row: $0) == "valid" }
        #expect(valid.count >= 9)
    }

    @Test(arguments: ["wycheproof_es256_raw.jsonl", "wycheproof_rs256_raw.jsonl", "wycheproof_hs256_raw.jsonl"])
    func `the primitives agree with Wycheproof`(file: String) throws {
        let rows = try JWTArea.rows(file)
        try #require(!rows.isEmpty)
        let wrong = rows.filter { row in
            var expected = row["expect"]?.string
            if let bits = row["tag_bits"]?.int, bits < 256 { expected = "invalid" }
            return expected != "acceptable" && judgeJWT(row: row) != expected
        }
        #expect(wrong.compactMap { $0["id"]?.string } == [])
    }

    @Test func `refusals carry the code of their kind`() throws {
        let codes: [String: Set<AuthRefusal.Code>] = [
            "alg-none": [.unsupportedAlgorithm], "alg-case": [.unsupportedAlgorithm],
            "alg-not-allowed": [.unsupportedAlgorithm], "encoding": [.invalidFormat],
            "time": [.legacy], "claims": [.legacy], "bitflip": [.legacy, .asymmetric, .invalidFormat, .unsupportedAlgorithm],
            "null-sig": [.legacy, .asymmetric], "crit": [.legacy],
            "header-key": [.asymmetric], "es256-range": [.asymmetric], "es256-der": [.asymmetric],
            "alg-confusion": [.legacy, .asymmetric], "alg-mismatch": [.asymmetric], "alg-lie": [.legacy, .asymmetric],
            "kid": [.legacy, .asymmetric], "wrong-key": [.legacy, .asymmetric],
            "duplicate": [.legacy, .invalidFormat],
        ]
        var wrong: [String] = []
        for row in try JWTArea.rows("attacks.jsonl") where row["expect"]?.string == "reject" {
            guard let configuration = try? JWTArea.configuration(of: row) else { continue }
            let kind = try #require(row["cls"]?.string)
            let now = try #require(row["now"]?.double)
            var door = try Door(configuration)
            door.wall = now
            let outcome = door.bearer(try #require(row["token"]?.string))
            // NaN and Infinity are no JSON, so that payload is no JWT at all.
            let allowed = (codes[kind] ?? []).union(outcome.refusal?.reason == .payload ? [.invalidFormat] : [])
            if let code = outcome.refusal?.code, allowed.contains(code) { continue }
            wrong.append("\(row["id"]?.string ?? "") \(kind) \(outcome)")
        }
        #expect(wrong == [])
    }

    private func usesOurAlgorithm(_ row: JSON) -> Bool {
        guard let token = row["token"]?.string, let header = token.split(separator: ".").first,
            let bytes = Base64URL.decode(String(header)), let json = try? JSON.parse(bytes)
        else { return false }
        return ["HS256", "ES256", "RS256"].contains(json["alg"]?.string)
    }
}
