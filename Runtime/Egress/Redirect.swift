import HTTPTypes
package import SwiftletNet

/// What a redirect makes of a request. Pure; the next hop is then judged like any other.
package enum Redirect {
    package enum Step: Sendable {
        /// Not a redirect: the answer stands.
        case final
        case follow(EgressRequest, WebURL)
        /// Unreadable target, https to http, or a streamed body that would have to be sent again.
        case refuse
    }

    package static func next(
        after request: EgressRequest, at url: WebURL, status: Int, location: String?
    ) -> Step {
        switch status {
        case 301, 302, 303, 307, 308: break
        default: return .final
        }
        guard let location else { return .final }
        guard let target = try? WebURL.parse(location, relativeTo: url), target.scheme == "http" || target.scheme == "https"
        else { return .refuse }
        if url.scheme == "https", target.scheme == "http" { return .refuse }
        var next = request
        next.url = target.href
        let becomesGet: Bool
        switch status {
        case 303: becomesGet = request.method != .get && request.method != .head
        case 301, 302: becomesGet = request.method == .post
        default: becomesGet = false
        }
        if becomesGet {
            next.method = .get
            next.body = .none
            for name in bodyFields { next.fields[name] = nil }
        } else if case .stream = request.body {
            return .refuse
        }
        if target.origin != url.origin {
            for field in request.fields where isCredential(field.name.canonicalName) { next.fields[field.name] = nil }
        }
        return .follow(next, target)
    }

    private static let bodyFields: [HTTPField.Name] = [
        .contentType, .contentLength, .contentEncoding, .contentLanguage, .contentLocation,
    ]

    /// Fields that speak for the caller to one origin only. Besides the well-known ones, any name that says it carries a
    /// key, a token, a secret, a session or a signature.
    static func isCredential(_ name: String) -> Bool {
        switch name {
        case "authorization", "proxy-authorization", "cookie", "cookie2", "www-authenticate", "apikey", "x-goog-api-key":
            return true
        default:
            return ["key", "token", "secret", "auth", "session", "signature", "password", "credential"]
                .contains { name.contains($0) }
        }
    }
}
