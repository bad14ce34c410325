import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletJSON
import SwiftletRealtime

/// The host's own verification, for tokens that come in messages.
struct RealtimeTokens: TokenReader {
    let authenticator: Authenticator
    let clock: HostClock

    func read(_ token: String) -> Result<TokenFacts, TokenFault> {
        var token = token
        let outcome = token.withUTF8 { bytes in
            authenticator.authenticate(
                authorization: nil, authorizationCount: 0, apiKey: UnsafeRawBufferPointer(bytes), apiKeyCount: 1,
                now: AuthInstant(clock))
        }
        return facts(outcome, token)
    }

    func facts(_ outcome: AuthOutcome, _ text: String) -> Result<TokenFacts, TokenFault> {
        switch outcome {
        case .none: return .failure(.malformed)
        case .token(let token):
            guard let role = token.role, !role.isEmpty else { return .failure(.lacksClaims) }
            return .success(
                TokenFacts(
                    subject: token.subject, role: role, sessionID: token.sessionID, expiry: token.expiry, claims: token.claims,
                    token: text))
        case .key(let key):
            let role = key.kind == .secret ? "service_role" : "anon"
            return .success(
                TokenFacts(subject: nil, role: role, sessionID: nil, expiry: .infinity, claims: [:], token: text))
        case .needsKeys: return .failure(.signature)
        case .refused(let refusal): return .failure(fault(refusal, text))
        }
    }

    private func fault(_ refusal: AuthRefusal, _ text: String) -> TokenFault {
        switch refusal.reason {
        case .expired:
            .expired(max(0, Int(max(0, min(1e12, Double(clock.wall()) / 1e9 - (RealtimeTokens.expiry(of: text) ?? 0))))))
        case .noExpiry, .claimType: .lacksClaims
        case .signature, .unknownKey, .noKey, .staleKeys, .ambiguousKey, .issuer, .audience, .notYetValid: .signature
        default: .malformed
        }
    }

    /// Of a token whose signature was good, so that a client can be told how late it is.
    private static func expiry(of token: String) -> Double? {
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let payload = Base64URL.decode(Array(parts[1])) else { return nil }
        return (try? JSON.parse(payload))?["exp"]?.double
    }
}

/// What a private channel needs, from the token or from whoever decides about membership.
struct RealtimeAuthority: ChannelAuthority {
    let membership: Membership
    /// Hears why nobody could say.
    let failed: @Sendable (MembershipProblem, String) -> Void

    func granted(_ facts: TokenFacts, in topic: String) -> ChannelPermissions? {
        if facts.role == "service_role" { return .all }
        return ChannelClaims.permissions(for: topic, in: facts.claims)
    }

    func ask(_ facts: TokenFacts, about topic: String) async -> ChannelPermissions {
        let member = Member(
            subject: facts.subject, role: facts.role, claims: facts.claims,
            token: facts.subject == nil ? nil : Secret(facts.token))
        do throws(MembershipProblem) { return try await membership.permissions(of: member, joining: topic) } catch {
            failed(error, topic)
            return []
        }
    }
}

extension AuthInstant {
    init(_ clock: HostClock) {
        self.init(
            wallSeconds: Double(clock.wall()) / 1e9, monotonicMilliseconds: Int64(clamping: clock.monotonic() / 1_000_000))
    }
}
