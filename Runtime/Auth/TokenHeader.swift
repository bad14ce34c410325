internal import SwiftletCrypto
internal import SwiftletJSON

/// The protected header of a token, reduced to what decides about the key.
struct TokenHeader: Equatable {
    let algorithm: TokenAlgorithm
    let keyID: String?

    /// Key material and key addresses inside a token are never looked at, so their presence is an attack or a mistake.
    private static let embeddedKeys = ["jwk", "jku", "x5u", "x5c"]

    init(_ text: UnsafeRawBufferPointer) throws(AuthRefusal) {
        guard let bytes = Base64URL.decode(text) else { throw .format(.encoding) }
        let json: JSON
        do throws(JSONError) {
            json = try JSON.parse(bytes)
        } catch {
            throw .format(error.code == .duplicateName ? .duplicateMember : .header)
        }
        try self.init(json)
    }

    private init(_ json: JSON) throws(AuthRefusal) {
        guard json.object != nil else { throw .format(.header) }
        guard let name = json["alg"]?.string, let algorithm = TokenAlgorithm(exactly: name) else {
            throw .algorithm(json["alg"]?.string)
        }
        // RFC 7515 4.1.11: nothing critical is understood here. RFC 7797 7: `b64` must not be used with a JWT.
        guard json["crit"] == nil, json["b64"] == nil else { throw .token(algorithm, .critical) }
        for name in Self.embeddedKeys where json[name] != nil { throw .token(algorithm, .embeddedKey) }
        if let type = json["typ"], type.string == nil { throw .format(.header) }
        if let type = json["cty"], type.string == nil { throw .format(.header) }
        let keyID = json["kid"]
        if keyID != nil, keyID?.string == nil { throw .format(.header) }
        self.algorithm = algorithm
        self.keyID = keyID?.string
    }
}

/// The header of the last token that was verified. All tokens of one issuer share theirs, so it is seldom read twice.
final class KnownHeader: Sendable {
    private let text: [UInt8]
    private let parsed: TokenHeader

    init(text: UnsafeRawBufferPointer, parsed: TokenHeader) {
        self.text = Array(text)
        self.parsed = parsed
    }

    func header(of other: UnsafeRawBufferPointer) -> TokenHeader? {
        text.withUnsafeBytes { ConstantTime.equal($0, other) } ? parsed : nil
    }
}
