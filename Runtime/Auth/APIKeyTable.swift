internal import SwiftletCrypto

/// The known `sb_publishable_…` and `sb_secret_…` keys, kept as digests only.
struct APIKeyTable: Sendable {
    /// Longer values are refused unread; real keys have about 50 bytes.
    static let maximumKeyBytes = 512
    private static let minimumBody = 16

    private struct Entry: Sendable {
        let digest: SHA256.Digest
        let identity: APIKeyIdentity
    }

    private let entries: [Entry]

    init() { entries = [] }

    init(
        publishable: [String: SecretBytes], secret: [String: SecretBytes], onLoopback: Bool
    ) throws(AuthConfigurationError) {
        guard publishable.count + secret.count <= AuthConfiguration.maximumAPIKeys else {
            throw .init("api keys", "at most \(AuthConfiguration.maximumAPIKeys) may be valid at once")
        }
        var entries: [Entry] = []
        for (kind, prefix, keys) in [
            (APIKeyIdentity.Kind.publishable, "sb_publishable_", publishable), (.secret, "sb_secret_", secret),
        ] {
            for (name, key) in keys.sorted(by: { $0.key < $1.key }) {
                let setting = "\(kind.rawValue) key '\(name)'"
                let starts = key.withUnsafeBytes { $0.starts(with: prefix.utf8) }
                guard starts else { throw .init(setting, "must begin with \(prefix)") }
                guard key.count >= prefix.utf8.count + Self.minimumBody, key.count <= Self.maximumKeyBytes else {
                    throw .init(setting, "needs at least \(Self.minimumBody) random characters after \(prefix)")
                }
                guard onLoopback || !WeakSecret.isPublished(key) else {
                    throw .init(setting, "is a published demo value; make a new key, or listen on loopback only")
                }
                let digest = key.digest
                guard !entries.contains(where: { $0.digest == digest }) else {
                    throw .init(setting, "has the same value as another key; each key needs its own")
                }
                entries.append(Entry(digest: digest, identity: APIKeyIdentity(kind: kind, name: name)))
            }
        }
        self.entries = entries
    }

    /// Compares with every known key by digest, without an early end: the time tells neither how much of a guess was
    /// right nor how long the keys are.
    func identity(of presented: UnsafeRawBufferPointer) -> APIKeyIdentity? {
        guard presented.count <= Self.maximumKeyBytes else { return nil }
        let digest = SHA256.hash(presented)
        var found: APIKeyIdentity?
        for entry in entries where entry.digest == digest { found = entry.identity }
        return found
    }

    static func looksLikeKey(_ value: UnsafeRawBufferPointer) -> Bool {
        value.count >= 3 && value[0] == UInt8(ascii: "s") && value[1] == UInt8(ascii: "b") && value[2] == UInt8(ascii: "_")
    }
}
