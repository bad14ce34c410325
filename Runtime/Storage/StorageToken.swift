package import SwiftletCrypto
import SwiftletJSON

/// What a signed link says. It is a JWT, because that is what the Supabase clients pass around; it is read here only, so there is one
/// algorithm (HS256) and one header, and whatever else a token claims to be is refused before anything is computed.
package struct StorageToken: Hashable, Sendable {
    package enum Scope: String, Sendable { case upload, download }

    package var scope: Scope
    package var path: ObjectPath
    /// Seconds since 1970.
    package var issuedAt: Int64
    package var expiresAt: Int64
    /// Of an upload: who it is for.
    package var owner: String?
    package var upsert = false
    /// The one-time id of an upload.
    package var id: String?
    /// The media type the content must be of; nil leaves it to the upload.
    package var contentType: String?
    package var exactBytes: Int?
    package var maxBytes: Int?
    package var sha256: [UInt8]?
    package var metadata: String?
    package var displayName: String?
    /// Of a download: how the image is to be changed, in canonical form.
    package var transform: String?

    package init(scope: Scope, path: ObjectPath, issuedAt: Int64, expiresAt: Int64) {
        self.scope = scope
        self.path = path
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
    }
}

/// Signs tokens and reads them back.
package final class TokenSigner: Sendable {
    private let key: HMACSHA256
    private static let head = Base64URL.encode(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8)) + "."
    /// A longer one was not made here.
    private static let longest = 8 * 1024

    /// - Parameter key: at least 32 bytes.
    package init(key: SecretBytes) { self.key = HMACSHA256(key: key) }

    package func sign(_ token: StorageToken) -> String {
        let payload = TokenSigner.payload(token)
        var text: [UInt8] = []
        text.reserveCapacity(128 + payload.count * 4 / 3)
        text.append(contentsOf: TokenSigner.head.utf8)
        payload.withUnsafeBytes { Base64URL.encode($0, into: &text) }
        let signature = key.authenticate(text)
        text.append(UInt8(ascii: "."))
        signature.withUnsafeBytes { Base64URL.encode($0, into: &text) }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Parameters:
    ///   - scope: what it is to be used for; the other kind is refused.
    ///   - path: what it is to be used on.
    ///   - now: seconds since 1970.
    package func verify(_ text: String, for scope: StorageToken.Scope, of path: ObjectPath, now: Int64) throws(StorageError)
        -> StorageToken
    {
        let token = try read(text)
        guard token.scope == scope else {
            throw StorageError(.invalidSignature, scope == .upload ? "Token is not scoped for upload" : "Invalid signature")
        }
        guard token.path == path else { throw StorageError(.invalidSignature, "Invalid signature") }
        guard now < token.expiresAt else { throw StorageError(.invalidJWT, "\"exp\" claim timestamp check failed") }
        return token
    }

    /// A token of ours, whatever it is for and however old.
    package func read(_ text: String) throws(StorageError) -> StorageToken {
        let bytes = Array(text.utf8)
        guard bytes.count <= TokenSigner.longest, bytes.starts(with: TokenSigner.head.utf8),
            let dot = bytes.lastIndex(of: UInt8(ascii: ".")), dot > TokenSigner.head.utf8.count,
            let signature = Base64URL.decode(Array(bytes[(dot + 1)...]))
        else { throw StorageError(.invalidJWT, "Invalid Compact JWS") }
        let isValid = bytes.withUnsafeBytes { all in
            signature.withUnsafeBytes { key.isValid($0, for: UnsafeRawBufferPointer(rebasing: all[..<dot])) }
        }
        guard isValid else { throw StorageError(.invalidJWT, "signature verification failed") }
        guard let payload = Base64URL.decode(Array(bytes[TokenSigner.head.utf8.count..<dot])),
            let token = TokenSigner.token(payload)
        else { throw StorageError(.invalidJWT, "Invalid Compact JWS") }
        return token
    }

    private static func payload(_ token: StorageToken) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(448 + (token.metadata?.utf8.count ?? 0))
        func raw(_ text: StaticString) { text.withUTF8Buffer { out.append(contentsOf: $0) } }
        func write(_ text: String) {
            // Most are plain letters.
            let isPlain = text.utf8.allSatisfy {
                $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            guard isPlain else { return JSONText.append(string: text, to: &out) }
            out.append(UInt8(ascii: "\""))
            out.append(contentsOf: text.utf8)
            out.append(UInt8(ascii: "\""))
        }
        func add(_ name: StaticString, _ text: String?) {
            guard let text else { return }
            raw(name)
            write(text)
        }
        raw(#"{"url":"#)
        write("\(token.path.bucket)/\(token.path.key)")
        func add(_ name: StaticString, _ number: Int?) {
            guard let number else { return }
            raw(name)
            JSONText.append(number, to: &out)
        }
        add(#","scope":"#, token.scope.rawValue)
        if token.scope == .upload {
            add(#","owner":"#, token.owner)
            out.append(contentsOf: token.upsert ? #","upsert":true"#.utf8 : #","upsert":false"#.utf8)
            add(#","jti":"#, token.id)
            add(#","type":"#, token.contentType)
            add(#","size":"#, token.exactBytes)
            add(#","max":"#, token.maxBytes)
            add(#","sha256":"#, token.sha256.map { Hex.encode($0) })
            add(#","meta":"#, token.metadata)
            add(#","name":"#, token.displayName)
        } else {
            add(#","transformations":"#, token.transform)
        }
        add(#","iat":"#, Int(token.issuedAt))
        add(#","exp":"#, Int(token.expiresAt))
        out.append(UInt8(ascii: "}"))
        return out
    }

    private static func token(_ payload: [UInt8]) -> StorageToken? {
        guard let json = try? JSON.parse(payload), let url = json["url"]?.string,
            let slash = url.utf8.firstIndex(of: UInt8(ascii: "/")),
            let scope = json["scope"]?.string.flatMap(StorageToken.Scope.init), let issued = json["iat"]?.int,
            let expires = json["exp"]?.int, (0..<(1 << 40)).contains(expires)
        else { return nil }
        let path = ObjectPath(bucket: String(url[..<slash]), key: String(url[url.utf8.index(after: slash)...]))
        var token = StorageToken(scope: scope, path: path, issuedAt: Int64(issued), expiresAt: Int64(expires))
        token.owner = json["owner"]?.string
        token.upsert = json["upsert"]?.bool ?? false
        token.id = json["jti"]?.string
        token.contentType = json["type"]?.string
        token.exactBytes = json["size"]?.int
        token.maxBytes = json["max"]?.int
        token.sha256 = json["sha256"]?.string.flatMap { Hex.decode($0) }
        token.metadata = json["meta"]?.string
        token.displayName = json["name"]?.string
        token.transform = json["transformations"]?.string
        return token
    }
}
