internal import SwiftletCrypto
package import SwiftletJSON

/// A JSON Web Key Set (RFC 7517), reduced to the keys that can verify ES256, RS256 or HS256.
///
/// A key that is of another kind, meant for something else or unusable is skipped and counted, never used: one odd key
/// must not take the others down. A document that is not a key set is refused as a whole.
package struct JWKS: Sendable {
    package static let maximumBytes = 65_536
    package static let maximumKeys = 32

    package enum Problem: String, Error, Sendable {
        case tooLarge = "too_large"
        case notJSON = "not_json"
        case notAKeySet = "not_a_key_set"
        case tooManyKeys = "too_many_keys"
    }

    /// Why a key was left out; for the log.
    package enum Skipped: String, Sendable {
        case notAnObject = "not_an_object"
        case wrongType = "wrong_type"
        case otherAlgorithm = "other_algorithm"
        case otherUse = "other_use"
        case privateKey = "private_key"
        case badNumbers = "bad_numbers"
        case tooShort = "too_short"
        case sameID = "same_kid"
    }

    let keys: [VerificationKey]
    package let skipped: [Skipped]

    /// How many keys are usable.
    package var count: Int { keys.count }
    /// How many of them are shared secrets; whether they count is the configuration's decision.
    package var symmetricCount: Int { keys.count { $0.algorithm == .hs256 } }

    package init(parsing bytes: [UInt8]) throws(Problem) {
        guard bytes.count <= Self.maximumBytes else { throw .tooLarge }
        let json: JSON
        do { json = try JSON.parse(bytes) } catch { throw .notJSON }
        try self.init(json)
    }

    /// A document that was parsed already; the limit on its bytes is then the caller's.
    package init(_ json: JSON) throws(Problem) {
        guard json.object != nil, let rows = json["keys"]?.array else { throw .notAKeySet }
        guard rows.count <= Self.maximumKeys else { throw .tooManyKeys }
        var keys: [VerificationKey] = []
        var skipped: [Skipped] = []
        for row in rows {
            switch VerificationKey.read(row) {
            case .failure(let why):
                skipped.append(why)
            case .success(let key):
                // Two keys of one name would make the answer depend on their order.
                if keys.contains(where: { $0.algorithm == key.algorithm && $0.keyID.isExactly(key.keyID) && key.keyID != nil }) {
                    skipped.append(.sameID)
                } else {
                    keys.append(key)
                }
            }
        }
        self.keys = keys
        self.skipped = skipped
    }
}

extension JWKS.Skipped: Error {}

/// One key, pinned to the one algorithm its type allows.
struct VerificationKey: Sendable {
    enum Material: Sendable {
        case es256(ES256.PublicKey)
        case rs256(RS256.PublicKey)
        /// With the secret itself, to recognise published ones and to compare sets.
        case hs256(HMACSHA256, secret: SecretBytes)
    }

    let keyID: String?
    let material: Material

    var algorithm: TokenAlgorithm {
        switch material {
        case .es256: .es256
        case .rs256: .rs256
        case .hs256: .hs256
        }
    }

    /// Same key, same name: used to see whether a fetched set brought anything new.
    func isSame(as other: VerificationKey) -> Bool {
        guard keyID.isExactly(other.keyID) else { return false }
        return switch (material, other.material) {
        case (.es256(let a), .es256(let b)): a.x == b.x && a.y == b.y
        case (.rs256(let a), .rs256(let b)): a.n == b.n && a.e == b.e
        case (.hs256(_, let a), .hs256(_, let b)): a == b
        default: false
        }
    }

    static func read(_ json: JSON) -> Result<VerificationKey, JWKS.Skipped> {
        guard json.object != nil else { return .failure(.notAnObject) }
        guard let type = json["kty"]?.string else { return .failure(.wrongType) }
        let keyID = json["kid"]
        if keyID != nil, keyID?.string == nil { return .failure(.wrongType) }
        if let use = json["use"], use.string != "sig" { return .failure(.otherUse) }
        if let operations = json["key_ops"] {
            guard let operations = operations.array else { return .failure(.wrongType) }
            guard operations.contains(where: { $0.string == "verify" }) else { return .failure(.otherUse) }
        }
        let algorithm: TokenAlgorithm
        switch type {
        case "EC" where json["crv"]?.string == "P-256": algorithm = .es256
        case "RSA": algorithm = .rs256
        case "oct": algorithm = .hs256
        default: return .failure(.otherAlgorithm)
        }
        // A key may leave `alg` out, but it may not name another one.
        if let named = json["alg"], named.string != algorithm.rawValue { return .failure(.otherAlgorithm) }
        // A set for verifying has no business holding a private key; its owner should replace that key.
        if algorithm != .hs256, json["d"] != nil { return .failure(.privateKey) }
        return material(json, algorithm).map { VerificationKey(keyID: keyID?.string, material: $0) }
    }

    private static func material(_ json: JSON, _ algorithm: TokenAlgorithm) -> Result<Material, JWKS.Skipped> {
        switch algorithm {
        case .es256:
            guard let x = number(json, "x"), let y = number(json, "y"), let key = try? ES256.PublicKey(x: x, y: y)
            else { return .failure(.badNumbers) }
            return .success(.es256(key))
        case .rs256:
            guard let n = number(json, "n"), let e = number(json, "e"), let key = try? RS256.PublicKey(n: n, e: e)
            else { return .failure(.badNumbers) }
            return .success(.rs256(key))
        case .hs256:
            guard let bytes = number(json, "k") else { return .failure(.badNumbers) }
            guard bytes.count >= WeakSecret.minimumBytes else { return .failure(.tooShort) }
            let secret = SecretBytes(bytes)
            return .success(.hs256(HMACSHA256(key: secret), secret: secret))
        }
    }

    private static func number(_ json: JSON, _ name: String) -> [UInt8]? {
        json[name]?.string.flatMap { Base64URL.decode($0) }
    }
}
