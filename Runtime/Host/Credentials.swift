import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletHTTP
import SwiftletSecrets

/// What the host found in the credentials of a request.
enum Credentials {
    case identity(Identity, CallerKey?, subjectHash: UInt64?)
    case none
    case refused(AuthRefusal)
    case needsKeys(AuthRefusal)
}

/// Auth's answer in the words of the contract.
struct CredentialReader: Sendable {
    let authenticator: Authenticator

    /// What Auth makes of a request's headers.
    private func outcome(_ head: RequestHead, takesKeys: Bool, keyAsBearer: Bool, now: AuthInstant) -> AuthOutcome {
        let fields = head.fields
        return fields.storage.withUnsafeBytes { bytes in
            func value(_ name: StaticString) -> (UnsafeRawBufferPointer?, Int) {
                guard let first = fields.firstIndex(of: name) else { return (nil, 0) }
                let count = fields.firstIndex(of: name, from: first + 1) == nil ? 1 : 2
                return (UnsafeRawBufferPointer(rebasing: bytes[fields.valueRange(first)]), count)
            }
            let authorization = value("authorization")
            let key = takesKeys ? value("apikey") : (nil, 0)
            return authenticator.authenticate(
                authorization: authorization.0, authorizationCount: authorization.1, apiKey: key.0, apiKeyCount: key.1,
                acceptKeyAsBearer: keyAsBearer, now: now)
        }
    }

    /// The same with the credential itself, for those who have to hand it on.
    func outcome(_ head: RequestHead, now: AuthInstant) -> (AuthOutcome, String) {
        let outcome = outcome(head, takesKeys: true, keyAsBearer: true, now: now)
        if let authorization = head.fields.string("authorization"), authorization.utf8.count > 7 {
            let token = String(decoding: Array(authorization.utf8.dropFirst(7)), as: UTF8.self)
            if !token.hasPrefix("sb_") { return (outcome, token) }
        }
        return (outcome, head.fields.string("apikey") ?? "")
    }

    func read(_ head: RequestHead, keys: KeyRule, now: AuthInstant) -> Credentials {
        switch outcome(head, takesKeys: keys != .refused, keyAsBearer: keys == .apiKeyHeaderOrBearer, now: now) {
        case .none: return .none
        case .refused(let refusal): return .refused(refusal)
        case .needsKeys(let needed): return .needsKeys(needed.refusal)
        case .token(let token):
            let user = User(
                subject: token.subject, role: token.role ?? "anon", claims: token.claims, claimsText: token.claimsText)
            let fingerprint = token.fingerprint
            // A token without a subject stands for a project, not a person: its callers are told apart by address.
            let key: CallerKey? = token.subject == nil ? nil : .user(high: fingerprint.high, low: fingerprint.low)
            return .identity(.user(user), key, subjectHash: token.subject == nil ? nil : fingerprint.high)
        case .key(let key):
            switch key.kind {
            case .publishable:
                // Everyone has this key.
                return .identity(
                    .user(User(subject: nil, role: "anon", credential: .publishableKey(name: key.name))), nil,
                    subjectHash: nil)
            case .secret:
                return .identity(
                    .user(User(subject: nil, role: "service_role", credential: .secretKey(name: key.name))), .key(key.name),
                    subjectHash: nil)
            }
        }
    }
}

extension HTTPError {
    init(_ refusal: AuthRefusal) {
        self.init(401, ErrorCode(refusal.code.rawValue), refusal.message, cause: "auth.rejected \(refusal.reason.rawValue)")
    }
}
