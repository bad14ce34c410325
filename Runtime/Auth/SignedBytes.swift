/// A compact JWS looked at apart from any host: is it signed by a key of this set. What it says is not looked at.
package enum SignedBytes {
    /// - Parameter keys: `oct` keys count too, each under its own `kid` only.
    /// - Returns: the payload, decoded.
    package static func open(_ token: [UInt8], with keys: JWKS) throws(AuthRefusal) -> [UInt8] {
        let ring = KeyRing(configuration: AuthConfiguration(onlyKeys: keys.keys), generation: 0)
        let result = token.withUnsafeBytes { bytes -> Result<[UInt8], AuthRefusal> in
            do throws(KeyRing.Problem) {
                return .success(try ring.open(bytes, now: AuthInstant(wallSeconds: 0, monotonicMilliseconds: 0)).payload)
            } catch {
                switch error {
                case .refused(let refusal): return .failure(refusal)
                case .unknownKey(let algorithm, _, let reason): return .failure(.token(algorithm, reason))
                }
            }
        }
        return try result.get()
    }
}
