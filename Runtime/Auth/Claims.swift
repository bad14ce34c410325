internal import SwiftletJSON

/// The claims the host understands, with their types checked. A claim of the wrong type makes the whole token bad:
/// guessing what was meant is how "admin": "false" becomes true.
struct Claims {
    let json: JSON
    let subject: String?
    let role: String?
    let issuer: String?
    let sessionID: String?
    let audience: [String]
    /// Seconds since 1970; RFC 7519 allows fractions.
    let expiry: Double
    let notBefore: Double?
    let issuedAt: Double?

    init(_ payload: [UInt8], algorithm: TokenAlgorithm) throws(AuthRefusal) {
        do throws(JSONError) {
            json = try JSON.parse(payload)
        } catch {
            // A member named twice or a number beyond all numbers is a bad claim; anything else means that this is no JWT.
            switch error.code {
            case .duplicateName: throw .token(algorithm, .duplicateMember)
            case .invalidNumber, .numberTooLong: throw .token(algorithm, .claimType)
            default: throw .format(.payload)
            }
        }
        guard json.object != nil else { throw .format(.payload) }
        subject = try Self.text(json["sub"], algorithm)
        role = try Self.text(json["role"], algorithm)
        issuer = try Self.text(json["iss"], algorithm)
        sessionID = try Self.text(json["session_id"], algorithm)
        audience = try Self.texts(json["aud"], algorithm)
        notBefore = try Self.time(json["nbf"], algorithm)
        issuedAt = try Self.time(json["iat"], algorithm)
        // Supabase's own check lets a token without `exp` live for ever. Here it is refused: such a token can never be
        // withdrawn short of replacing the key.
        guard let expiry = try Self.time(json["exp"], algorithm) else { throw .token(algorithm, .noExpiry) }
        self.expiry = expiry
    }

    /// `exp` is the first moment at which the token is no longer good; `nbf` the first at which it is.
    func check(_ configuration: AuthConfiguration, algorithm: TokenAlgorithm, wall: Double) throws(AuthRefusal) {
        let leeway = Double(configuration.leewaySeconds)
        guard expiry + leeway > wall else { throw .token(algorithm, .expired) }
        if let notBefore, notBefore > wall + leeway { throw .token(algorithm, .notYetValid) }
        if let wanted = configuration.issuer, !issuer.isExactly(wanted) { throw .token(algorithm, .issuer) }
        if let wanted = configuration.audience, !audience.contains(where: { $0.isExactly(wanted) }) {
            throw .token(algorithm, .audience)
        }
    }

    private static func text(_ value: JSON?, _ algorithm: TokenAlgorithm) throws(AuthRefusal) -> String? {
        guard let value else { return nil }
        guard let text = value.string else { throw .token(algorithm, .claimType) }
        return text
    }

    private static func texts(_ value: JSON?, _ algorithm: TokenAlgorithm) throws(AuthRefusal) -> [String] {
        guard let value else { return [] }
        if let one = value.string { return [one] }
        guard let many = value.array else { throw .token(algorithm, .claimType) }
        var result: [String] = []
        result.reserveCapacity(many.count)
        for entry in many {
            guard let text = entry.string else { throw .token(algorithm, .claimType) }
            result.append(text)
        }
        return result
    }

    /// A JSON number that a Double can hold; 1e400 is none.
    private static func time(_ value: JSON?, _ algorithm: TokenAlgorithm) throws(AuthRefusal) -> Double? {
        guard let value else { return nil }
        guard let seconds = value.double, seconds.isFinite else { throw .token(algorithm, .claimType) }
        return seconds
    }
}
