internal import SwiftletCrypto

/// Judges signed requests as a store does. Times are seconds since 1970.
package struct SigV4Verifier: Sendable {
    package enum Fault: Error, Equatable, Sendable {
        /// Something is missing, twice there, or spelt wrongly.
        case malformed
        /// Another key id, day, region or service.
        case wrongScope
        case notYetValid
        case expired
        /// A header that matters is not covered: `host` or one that starts with `x-amz-`.
        case unsignedHeader(String)
        /// The body is not the one that was signed.
        case wrongPayload
        case mismatch
    }

    /// A request as it stood on the wire.
    package struct Incoming: Sendable {
        package var method: String
        /// Path and query, encoded.
        package var target: String
        package var headers: [(name: String, value: String)]

        package init(method: String, target: String, headers: [(name: String, value: String)]) {
            self.method = method
            self.target = target
            self.headers = headers
        }
    }

    /// How far clocks may be apart.
    package static let skewSeconds: Int64 = 900
    private let signer: SigV4Signer

    package init(_ signer: SigV4Signer) {
        self.signer = signer
    }

    /// - Parameter payload: what the body is; for a link to S3, whose body nobody signed, `.unsigned`.
    package func verify(_ incoming: Incoming, _ payload: SigV4.Payload, now: Int64) throws(Fault) {
        let parts = incoming.target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, first.first == UInt8(ascii: "/"), let path = S3Text.decode(first),
            let path = String(validating: path, as: UTF8.self),
            let query = S3Text.query(parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : "")
        else { throw .malformed }
        if query.contains(where: { $0.name == "X-Amz-Signature" }) {
            try verifyQuery(incoming, path, query, payload, now)
        } else {
            try verifyHeaders(incoming, path, query, payload, now)
        }
    }

    private struct Claim {
        var algorithm: String
        var credential: String
        var date: String
        var signedHeaders: String
        var signature: String
    }

    private func verifyQuery(
        _ incoming: Incoming, _ path: String, _ query: [(name: String, value: String)], _ payload: SigV4.Payload, _ now: Int64
    ) throws(Fault) {
        let claim = Claim(
            algorithm: try only("X-Amz-Algorithm", in: query), credential: try only("X-Amz-Credential", in: query),
            date: try only("X-Amz-Date", in: query), signedHeaders: try only("X-Amz-SignedHeaders", in: query),
            signature: try only("X-Amz-Signature", in: query))
        let expiry = try only("X-Amz-Expires", in: query)
        guard let expires = Int64(expiry), String(expires) == expiry, (1...Int64(SigV4.maxExpiry)).contains(expires),
            let start = S3Time.parseBasic(claim.date), !incoming.headers.contains(where: { isNamed($0, "authorization") })
        else { throw .malformed }
        guard start <= now + Self.skewSeconds else { throw .notYetValid }
        guard now < start + expires else { throw .expired }
        if let token = signer.sessionToken, try only("X-Amz-Security-Token", in: query) != token { throw .wrongScope }
        let request = SigV4.Request(
            method: incoming.method, path: path, query: query.filter { $0.name != "X-Amz-Signature" },
            headers: try covered(incoming, by: claim))
        try check(claim, request, payload)
    }

    private func verifyHeaders(
        _ incoming: Incoming, _ path: String, _ query: [(name: String, value: String)], _ payload: SigV4.Payload, _ now: Int64
    ) throws(Fault) {
        let date = try only("x-amz-date", in: lowered(incoming.headers))
        let claim = try authorization(try only("authorization", in: lowered(incoming.headers)), date)
        guard let start = S3Time.parseBasic(date) else { throw .malformed }
        guard start <= now + Self.skewSeconds else { throw .notYetValid }
        guard now <= start + Self.skewSeconds else { throw .expired }
        var stated = payload
        if let text = lowered(incoming.headers).first(where: { $0.name == "x-amz-content-sha256" })?.value {
            if text == SigV4.Payload.unsigned.text {
                stated = .unsigned
            } else {
                guard let digest = Hex.decode(text).flatMap({ SHA256.Digest($0) }) else { throw .malformed }
                if payload != .unsigned, payload != .digest(digest) { throw .wrongPayload }
                stated = .digest(digest)
            }
        }
        if let token = signer.sessionToken, try only("x-amz-security-token", in: lowered(incoming.headers)) != token {
            throw .wrongScope
        }
        let request = SigV4.Request(
            method: incoming.method, path: path, query: query, headers: try covered(incoming, by: claim))
        try check(claim, request, stated)
    }

    private func authorization(_ text: String, _ date: String) throws(Fault) -> Claim {
        guard text.hasPrefix("\(SigV4.algorithm) ") else { throw .malformed }
        var parts: [(name: String, value: String)] = []
        for part in text.utf8.dropFirst(SigV4.algorithm.utf8.count).split(separator: UInt8(ascii: ",")) {
            let part = S3Text.trimmed(String(decoding: part, as: UTF8.self))
            guard let equals = part.firstIndex(of: "=") else { throw .malformed }
            parts.append((String(part[..<equals]), String(part[part.index(after: equals)...])))
        }
        guard parts.count == 3 else { throw .malformed }
        return Claim(
            algorithm: SigV4.algorithm, credential: try only("Credential", in: parts), date: date,
            signedHeaders: try only("SignedHeaders", in: parts), signature: try only("Signature", in: parts))
    }

    /// The headers that the claim names, after a look at those it does not.
    private func covered(_ incoming: Incoming, by claim: Claim) throws(Fault) -> [(name: String, value: String)] {
        let names = claim.signedHeaders.split(separator: ";", omittingEmptySubsequences: false).map(String.init)
        let headers = lowered(incoming.headers)
        guard names == SigV4.signedHeaders(names.map { ($0, "") }),
            names.allSatisfy({ name in headers.contains { $0.name == name } })
        else { throw .malformed }
        for header in headers where header.name == "host" || header.name.hasPrefix("x-amz-") {
            guard names.contains(header.name) else { throw .unsignedHeader(header.name) }
        }
        guard names.contains("host") else { throw .unsignedHeader("host") }
        return headers.filter { names.contains($0.name) }
    }

    private func check(_ claim: Claim, _ request: SigV4.Request, _ payload: SigV4.Payload) throws(Fault) {
        guard claim.algorithm == SigV4.algorithm else { throw .malformed }
        guard claim.credential == signer.credential(date: claim.date) else { throw .wrongScope }
        let wanted = signer.steps(request, payload, date: claim.date).signature
        guard ConstantTime.equal(Array(wanted.utf8), Array(claim.signature.utf8)) else { throw .mismatch }
    }

    private func lowered(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        headers.map { (S3Text.lowercased($0.name), $0.value) }
    }

    private func isNamed(_ header: (name: String, value: String), _ name: String) -> Bool {
        S3Text.lowercased(header.name) == name
    }

    private func only(_ name: String, in parts: [(name: String, value: String)]) throws(Fault) -> String {
        let found = parts.filter { $0.name == name }
        guard found.count == 1, let value = found.first?.value else { throw .malformed }
        return value
    }
}
