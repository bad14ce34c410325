internal import SwiftletCrypto

/// Recognises secrets that anybody could try: too short, published somewhere, or of too little variety.
enum WeakSecret {
    /// RFC 7518 3.2: at least as long as the hash. Not negotiable, not even on loopback.
    static let minimumBytes = 32

    /// SHA-256 of secrets and keys that stand in public documentation or templates. Digests, so that this source holds
    /// no text that a scanner for leaked secrets would report.
    private static let published: [SHA256.Digest] = [
        // Supabase's local stack, and the template of its self-hosted stack (two spellings).
        "a064b502e61d27e94b8717290e5e1b32e36720e9fbdf952ec81a84c07128cb37",
        "1453cea2dc3799e9026e42b3e465e455256d5a149582e4c5b92d4c8d604731a2",
        "915802000e442cbce7ba7afad0a2586a4a14cb1c77db178d869f721605bbe167",
        // The samples of the jwt.io page.
        "465d9ad5d5528ebe287b5dce4fb51620833d09b290e49ddcc70ca6c4a0aea01b",
        "db6833593279d7373592ef70e51f3daf048c04475739f8ed024b0821fd9e7fde",
        // The sample of the PostgREST tutorial, and a common placeholder.
        "fd4dec75abc2df7e4f8776e246ce733d29690230695c4ce8ea7a207eb3a939ab",
        "e826155467c1ba224382badaada49ec7114a81a7976b4f33f72d407bebbe8e2f",
        // The publishable and the secret key of Supabase's local stack.
        "9705102db0d5f99ee08daa19a73e510d9877a2a9add9369da247cbbe6c2a0140",
        "c85debb55f2f204d868cc1552c42faa143b4c675f61363ab040dd50b5b5304cd",
    ].compactMap { Hex.decode($0).flatMap { SHA256.Digest($0) } }

    static func isPublished(_ secret: SecretBytes) -> Bool {
        let digest = secret.digest
        return published.contains { $0 == digest }
    }

    /// True for fewer than 8 different bytes, or one short piece repeated: such a secret is guessed, not searched for.
    static func hasLittleVariety(_ secret: SecretBytes) -> Bool {
        secret.withUnsafeBytes { bytes in
            var seen = [Bool](repeating: false, count: 256)
            for byte in bytes { seen[Int(byte)] = true }
            if seen.count(where: { $0 }) < 8 { return true }
            return (1...min(16, max(1, bytes.count / 2))).contains { period in
                bytes.count > period && (period..<bytes.count).allSatisfy { bytes[$0] == bytes[$0 - period] }
            }
        }
    }
}
