import Foundation
package import SwiftletAuth
import SwiftletCrypto
package import SwiftletJSON
import TestSupport

/// Judges one row of the `jwt` test data, through the calls that a host uses.
///
/// - `attacks` rows (with `keyset`): "accept" or "reject".
/// - `wycheproof_jws` rows (with `token` and `key`): "valid" or "invalid", by the signature layer only.
/// - `wycheproof_*_raw` rows (with `msg_hex`): "valid" or "invalid", by the primitive.
package func judgeJWT(row: JSON) -> String {
    if row["keyset"] != nil { return JWTArea.attack(row) }
    if row["msg_hex"] != nil { return JWTArea.primitive(row) ? "valid" : "invalid" }
    return JWTArea.signature(row) ? "valid" : "invalid"
}

package enum JWTArea {
    private static let folder = CorpusFiles.root?.appendingPathComponent("jwt")

    package static var isPresent: Bool { folder != nil }

    package static func rows(_ name: String) throws -> [JSON] {
        guard let folder else { return [] }
        let data = try Data(contentsOf: folder.appendingPathComponent(name))
        return try data.split(separator: UInt8(ascii: "\n")).map { try JSON.parse(Array($0)) }
    }

    private static let keysets: JSON? = folder.flatMap {
        guard let data = try? Data(contentsOf: $0.appendingPathComponent("keysets.json")) else { return nil }
        return try? JSON.parse(Array(data))["keysets"]
    }

    /// The rules a row runs under. Throws where a host would not start: then no token is ever accepted.
    package static func configuration(of row: JSON) throws -> AuthConfiguration {
        guard let name = row["keyset"]?.string, let set = keysets?[name] else { throw Missing() }
        let secret = set["hs256_secret_utf8"]?.string.map { SecretBytes(utf8: $0) }
        let jwks = try set["jwks"].flatMap { $0.object == nil ? nil : try JWKS($0) }
        let allowed = set["algs"]?.array ?? []
        return try AuthConfiguration(
            hs256Secrets: secret.map { [$0] } ?? [], jwks: jwks,
            symmetricKeysInJWKS: allowed.contains { $0.string == "HS256" },
            issuer: row["iss"]?.string, audience: row["aud"]?.string, leewaySeconds: row["leeway_s"]?.int ?? 0)
    }

    private struct Missing: Error {}

    fileprivate static func attack(_ row: JSON) -> String {
        guard let token = row["token"]?.string, let now = row["now"]?.double,
            let configuration = try? configuration(of: row),
            let authenticator = try? Authenticator(configuration: configuration)
        else { return "reject" }
        // Twice: a kept token must be judged like a new one.
        let verdicts = (0..<2).map { _ in
            let header = Array("Bearer \(token)".utf8)
            let outcome = header.withUnsafeBytes {
                authenticator.authenticate(
                    authorization: $0, authorizationCount: 1, apiKey: nil, apiKeyCount: 0,
                    now: AuthInstant(wallSeconds: now, monotonicMilliseconds: 0))
            }
            if case .token = outcome { return "accept" }
            return "reject"
        }
        return verdicts[0] == verdicts[1] ? verdicts[0] : "unstable"
    }

    fileprivate static func signature(_ row: JSON) -> Bool {
        guard let token = row["token"]?.string, let key = row["key"] else { return false }
        let document = key["keys"] == nil ? ["keys": [key]] as JSON : key
        guard let keys = try? JWKS(document) else { return false }
        return (try? SignedBytes.open(Array(token.utf8), with: keys)) != nil
    }

    fileprivate static func primitive(_ row: JSON) -> Bool {
        guard let message = row["msg_hex"]?.string.flatMap({ Hex.decode($0) }) else { return false }
        if let tag = row["tag_hex"]?.string.flatMap({ Hex.decode($0) }) {
            guard let key = row["key_hex"]?.string.flatMap({ Hex.decode($0) }) else { return false }
            return HMACSHA256(key: key).isValid(tag, for: message)
        }
        guard let signature = row["sig_hex"]?.string.flatMap({ Hex.decode($0) }), let key = row["public_jwk"] else {
            return false
        }
        let number = { (name: String) in key[name]?.string.flatMap { Base64URL.decode($0) } }
        if let n = number("n"), let e = number("e") {
            return (try? RS256.PublicKey(n: n, e: e))?.isValid(signature, for: message) ?? false
        }
        var point = (number("x") ?? []) + (number("y") ?? [])
        if let pem = row["public_pem"]?.string {
            // SubjectPublicKeyInfo of P-256: 91 bytes that end with x || y.
            let lines = pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }
            guard let der = Data(base64Encoded: lines.joined()), der.count == 91 else { return false }
            point = Array(der.suffix(64))
        }
        let made = try? ES256.PublicKey(x: Array(point.prefix(32)), y: Array(point.dropFirst(32)))
        return made?.isValid(signature, for: message) ?? false
    }
}
