private import Synchronization
package import SwiftletCrypto

/// Who signs for S3.
package struct S3Credentials: Sendable {
    package let accessKey: String
    package let secret: SecretBytes
    /// Of temporary credentials.
    package let sessionToken: SecretBytes?

    package init(accessKey: String, secret: SecretBytes, sessionToken: SecretBytes? = nil) {
        self.accessKey = accessKey
        self.secret = secret
        self.sessionToken = sessionToken
    }
}

/// Signs requests for one account, region and service. Times are seconds since 1970.
package final class SigV4Signer: Sendable {
    package let options: SigV4.Options
    package let credentials: S3Credentials
    /// Of the last days that were signed for; around midnight there are two.
    private let keys = Mutex<[(date: String, key: HMACSHA256)]>([])
    private static let keptKeys = 4

    package init(credentials: S3Credentials, options: SigV4.Options) {
        self.credentials = credentials
        self.options = options
    }

    /// The secret mixed with a day (`20260102`), the region and the service.
    package func signingKey(_ day: String) -> HMACSHA256 {
        if let known = keys.withLock({ keys in keys.first { $0.date == day }?.key }) { return known }
        let made = makeKey(day)
        keys.withLock { keys in
            if keys.count >= Self.keptKeys { keys.removeFirst() }
            keys.append((day, made))
        }
        return made
    }

    private func makeKey(_ day: String) -> HMACSHA256 {
        let first = credentials.secret.withUnsafeBytes { secret in
            SecretBytes(Array("AWS4".utf8) + Array(secret))
        }
        var key = HMACSHA256(key: first)
        for step in [day, options.region, options.service, "aws4_request"] {
            key = key.authenticate(Array(step.utf8)).withUnsafeBytes { HMACSHA256(key: $0) }
        }
        return key
    }

    package func steps(_ request: SigV4.Request, _ payload: SigV4.Payload, date: String) -> SigV4.Steps {
        let canonical = SigV4.canonicalRequest(request, payload, options)
        let text = SigV4.stringToSign(canonical, date: date, options)
        return SigV4.Steps(canonicalRequest: canonical, stringToSign: text, signature: sign(text, date: date))
    }

    /// 64 lower-case hex digits.
    package func sign(_ text: [UInt8], date: String) -> String { signingKey(String(date.prefix(8))).authenticate(text).hex }

    package func credential(date: String) -> String { "\(credentials.accessKey)/\(SigV4.scope(date, options))" }

    package var sessionToken: String? {
        credentials.sessionToken?.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// The headers to add to the request, `authorization` last.
    /// - Parameter statesPayload: whether `x-amz-content-sha256` is added, as S3 wants it.
    package func signHeaders(
        _ request: SigV4.Request, _ payload: SigV4.Payload, statesPayload: Bool, now: Int64
    ) -> (added: [(name: String, value: String)], steps: SigV4.Steps) {
        let date = S3Time.basic(now)
        var added: [(name: String, value: String)] = []
        if statesPayload { added.append(("x-amz-content-sha256", payload.text)) }
        added.append(("x-amz-date", date))
        if let sessionToken { added.append(("x-amz-security-token", sessionToken)) }
        var request = request
        request.headers += added
        let steps = steps(request, payload, date: date)
        let names = SigV4.signedHeaders(request.headers).joined(separator: ";")
        added.append(
            (
                "authorization",
                "\(SigV4.algorithm) Credential=\(credential(date: date)), SignedHeaders=\(names), Signature=\(steps.signature)"
            ))
        return (added, steps)
    }

    /// The canonical query with the signature at its end.
    package func presign(
        _ request: SigV4.Request, _ payload: SigV4.Payload, expires: Int, now: Int64
    ) -> (query: String, steps: SigV4.Steps) {
        let date = S3Time.basic(now)
        var request = request
        request.query += [
            ("X-Amz-Algorithm", SigV4.algorithm),
            ("X-Amz-Credential", credential(date: date)),
            ("X-Amz-Date", date),
            ("X-Amz-Expires", String(min(max(expires, 1), SigV4.maxExpiry))),
            ("X-Amz-SignedHeaders", SigV4.signedHeaders(request.headers).joined(separator: ";")),
        ]
        if let sessionToken { request.query.append(("X-Amz-Security-Token", sessionToken)) }
        let steps = steps(request, payload, date: date)
        return ("\(SigV4.canonicalQuery(request.query))&X-Amz-Signature=\(steps.signature)", steps)
    }
}
