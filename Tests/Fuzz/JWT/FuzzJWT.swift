import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON

// Build and run (a scratch folder of its own, or the instrumentation may be lost):
//   SWIFTLET_FUZZ=1 swift build -c release --sanitize fuzzer --scratch-path .build-fuzz --product fuzz-jwt \
//       -Xswiftc -parse-as-library
//   SWIFT_BACKTRACE=enable=no .build-fuzz/release/fuzz-jwt -max_total_time=60 -max_len=9000 FOLDER
//
// The first byte of the input picks what the rest is.

func fuzzJWT(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard count > 0 else { return 0 }
    let rest = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    switch start[0] & 3 {
    case 0: Fuzz.shared.token(Array(rest))
    case 1: Fuzz.shared.signed(Array(rest))
    case 2: Fuzz.shared.keySet(Array(rest))
    default: Fuzz.shared.headers(Array(rest))
    }
    return 0
}

private struct Fuzz {
    static let shared = Fuzz()

    private let secretBytes = Array("fuzzing-secret-0123456789-abcdefghijklmnop".utf8)
    private let now = AuthInstant(wallSeconds: 1_900_000_000, monotonicMilliseconds: 1000)
    private let door: Authenticator
    private let apiKey = "sb_secret_fedcba9876543210XYZabc"

    private init() {
        // The example key of RFC 7515 appendix A.3.
        let document = #"""
            {"keys":[{"kty":"EC","crv":"P-256","kid":"e","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}
            """#
        do {
            door = try Authenticator(
                configuration: AuthConfiguration(
                    hs256Secrets: [SecretBytes(secretBytes)], jwks: JWKS(parsing: Array(document.utf8)),
                    secretKeys: ["server": SecretBytes(utf8: apiKey)]))
        } catch {
            fatalError("the fuzz target could not start: \(error)")
        }
    }

    private func ask(_ token: [UInt8], at instant: AuthInstant? = nil) -> VerifiedToken? {
        guard case .token(let token) = token.withUnsafeBytes({ door.token($0, now: instant ?? now) }) else { return nil }
        return token
    }

    /// Any bytes as a token.
    func token(_ bytes: [UInt8]) {
        guard let verified = ask(bytes) else { return }
        check(bytes, verified)
    }

    /// Header and payload, separated by 0xff and rightly signed, so that the checks behind the signature are reached.
    func signed(_ bytes: [UInt8]) {
        let parts = bytes.split(separator: 0xff, maxSplits: 1, omittingEmptySubsequences: false).map { Array($0) }
        let header = parts.count == 2 ? parts[0] : Array(#"{"alg":"HS256"}"#.utf8)
        let payload = parts.count == 2 ? parts[1] : bytes
        let text = Array((Base64URL.encode(header) + "." + Base64URL.encode(payload)).utf8)
        let token = text + [UInt8(ascii: ".")] + Array(Base64URL.encode(slowHMAC(text)).utf8)
        guard let verified = ask(token) else { return }
        check(token, verified)
    }

    func keySet(_ bytes: [UInt8]) {
        guard let set = try? JWKS(parsing: bytes) else { return }
        guard bytes.count <= 65_536, set.count + set.skipped.count <= 32 else { fatalError("a key set over its limits") }
        _ = try? AuthConfiguration(jwks: set, symmetricKeysInJWKS: true)
    }

    /// Both headers at once, separated by 0xff.
    func headers(_ bytes: [UInt8]) {
        let parts = bytes.split(separator: 0xff, maxSplits: 1, omittingEmptySubsequences: false).map { Array($0) }
        let outcome = parts[0].withUnsafeBytes { authorization in
            (parts.count > 1 ? parts[1] : []).withUnsafeBytes { apiKey in
                door.authenticate(
                    authorization: authorization, authorizationCount: 1, apiKey: parts.count > 1 ? apiKey : nil,
                    apiKeyCount: parts.count > 1 ? 1 : 0, now: now)
            }
        }
        switch outcome {
        case .none: fatalError("a header was there, and yet no credential")
        case .key:
            guard parts.count > 1, parts[1] == Array(apiKey.utf8) else { fatalError("a key that is not ours") }
        case .token(let verified):
            check(Array(parts[0].dropFirst(7)), verified)
        case .refused, .needsKeys: break
        }
    }

    /// What must hold for every accepted token.
    private func check(_ token: [UInt8], _ verified: VerifiedToken) {
        let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { Array($0) }
        guard token.count <= 8192, parts.count == 3 else { fatalError("accepted, but no compact token") }
        let decoded = parts.compactMap { Base64URL.decode($0) }
        guard decoded.count == 3, zip(decoded, parts).allSatisfy({ Array(Base64URL.encode($0).utf8) == $1 }) else {
            fatalError("accepted, but not canonical")
        }
        if verified.algorithm == .hs256 {
            guard slowHMAC(parts[0] + [UInt8(ascii: ".")] + parts[1]) == decoded[2] else {
                fatalError("accepted, but not signed")
            }
        } else {
            fatalError("nobody has the other private key")
        }
        guard let claims = try? JSON.parse(decoded[1]), let exp = claims["exp"]?.double, exp > now.wallSeconds,
            exp == verified.expiry, claims["sub"]?.string == verified.subject, claims["role"]?.string == verified.role
        else { fatalError("accepted, but with other claims") }
        guard ask(token) != nil else { fatalError("accepted once, and then not") }
        guard ask(token, at: AuthInstant(wallSeconds: exp, monotonicMilliseconds: 1001)) == nil else {
            fatalError("accepted at its end")
        }
        // All positions of short tokens, every seventh of long ones.
        var changed = token
        for index in stride(from: 0, to: token.count, by: token.count > 400 ? 7 : 1) {
            changed[index] ^= 1 << UInt8(index & 7)
            guard ask(changed) == nil else { fatalError("accepted with byte \(index) changed") }
            changed[index] = token[index]
        }
    }

    /// RFC 2104 written out, over the plain hash.
    private func slowHMAC(_ message: [UInt8]) -> [UInt8] {
        let block = secretBytes + [UInt8](repeating: 0, count: 64 - secretBytes.count)
        let inner = SHA256.hash(block.map { $0 ^ 0x36 } + message).bytes
        return SHA256.hash(block.map { $0 ^ 0x5c } + inner).bytes
    }
}
