/// Reads the name of a setting: whether it promises a secret.
enum SensitiveName {
    enum Kind { case key, password }

    private static let passwords = Words("password passwd passwort passphrase pwd pass passcode")
    private static let keys = Words(
        "key keys apikey token tokens secret secrets credential credentials creds auth authkey authtoken accesskey secretkey accesstoken apitoken apisecret clientsecret pat"
    )
    /// Parts after the telling one that leave its meaning.
    private static let tails = Words("value string raw base64 b64 dev test prod production staging live")
    /// Parts that say the value is open, or only a place.
    private static let open = Words(
        "public pub publishable primary foreign partition sort cache bucket object page next continuation csrf xsrf etag row sync license idempotency map translation locale i18n fingerprint checksum hash version anon site index order answer hot short"
    )

    /// Nil when a name such as `key_id`, `public_key` or `author` promises nothing.
    static func kind(_ name: Slice<UnsafeBufferPointer<UInt8>>) -> Kind? {
        // From the last part to the first: `clientSecret2`, `CLIENT_SECRET_2` and `client-secret-2` are client, secret and 2.
        var kind: Kind?
        var end = name.endIndex
        while end > name.startIndex {
            guard isPart(name[end - 1]) else {
                end -= 1
                continue
            }
            var start = end - 1
            while start > name.startIndex, isPart(name[start - 1]), !isEdge(name[start - 1], name[start]) { start -= 1 }
            let part = Words.hash(name[start..<end])
            if open.has(part) { return nil }
            if kind == nil {
                if passwords.has(part) {
                    kind = .password
                } else if keys.has(part) {
                    kind = .key
                } else if !name[start].isASCIIDigit, !tails.has(part) {
                    return nil
                }
            }
            end = start
        }
        return kind
    }

    private static func isPart(_ byte: UInt8) -> Bool { byte.isASCIIAlphanumeric }

    private static func isEdge(_ before: UInt8, _ byte: UInt8) -> Bool {
        before.isASCIIDigit != byte.isASCIIDigit || SensitiveAlphabet.lower.has(before) && SensitiveAlphabet.upper.has(byte)
    }

    /// A few words, compared by their hash: a chance match would only change the mind about one name.
    private struct Words {
        private let hashes: [UInt64]

        init(_ words: StaticString) {
            hashes = SensitiveTable.bytes(words).split(separator: UInt8(ascii: " ")).map { Words.hash($0) }
        }

        func has(_ hash: UInt64) -> Bool { hashes.contains(hash) }

        static func hash(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> UInt64 {
            word.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1.asciiFolded)) &* 0x100_0000_01b3 }
        }
    }
}
