/// Why a cryptographic operation could not be done. Verification never throws: it answers yes or no.
package enum CryptoError: Error, Equatable, Sendable {
    /// The kernel gave no random bytes.
    case noRandomness
    /// The key's numbers are out of range, not on the curve, too small, or known to be weak.
    case badKey(BadKey)
    /// libcrypto could not sign or make a key (practically: no memory).
    case failed

    package enum BadKey: String, Sendable {
        case wrongLength = "wrong_length"
        case notOnCurve = "not_on_curve"
        case modulusSize = "modulus_size"
        case modulusWeak = "modulus_weak"
        case exponent = "exponent"
        case unusable = "unusable"
    }
}
