package import Swiftlet

/// Which browser origins may read answers, and the header bytes that say so.
///
/// Origins are exact (`https://app.example`), or `https://*.app.example` for every name of one or more labels below it, or `*` for all.
/// `*` never goes together with credentials: the host refuses to start.
package struct CORSRules: Sendable {
    package let allowsAnyOrigin: Bool
    package let allowsCredentials: Bool
    private let exact: Set<String>
    private let suffixes: [(scheme: String, suffix: String)]
    package let maxAge: Int

    package init(origins: [String] = ["*"], credentials: Bool = false, maxAge: Int = 86400) throws(ConfigurationProblem) {
        var exact: Set<String> = []
        var suffixes: [(String, String)] = []
        for origin in origins where origin != "*" {
            if let star = origin.range(ofText: "://*.") {
                let host = String(origin[star.upperBound...])
                guard !host.isEmpty, CORSRules.isOrigin(String(origin[..<star.lowerBound]) + "://" + host) else {
                    throw ConfigurationProblem("cors-origin", "'\(origin)' is not an origin; write https://*.example.com")
                }
                suffixes.append((String(origin[..<star.lowerBound]) + "://", "." + host))
            } else {
                guard CORSRules.isOrigin(origin) else {
                    throw ConfigurationProblem(
                        "cors-origin",
                        "'\(origin)' is not an origin; write scheme://host[:port] without a path, in lower case, or *")
                }
                exact.insert(origin)
            }
        }
        allowsAnyOrigin = origins.contains("*")
        if allowsAnyOrigin && credentials {
            throw ConfigurationProblem("cors-credentials", "credentials cannot go with the origin *; list the origins")
        }
        self.exact = exact
        self.suffixes = suffixes
        self.maxAge = maxAge
        allowsCredentials = credentials
    }

    /// What `access-control-allow-origin` says to this origin; `nil` says nothing.
    package func allowed(_ origin: String?) -> String? {
        if allowsAnyOrigin { return "*" }
        guard let origin else { return nil }
        if exact.contains(origin) { return origin }
        for (scheme, suffix) in suffixes where origin.hasPrefix(scheme) && origin.hasSuffix(suffix) {
            let labels = origin.dropFirst(scheme.count).dropLast(suffix.count)
            let parts = labels.split(separator: ".", omittingEmptySubsequences: false)
            if !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(CORSRules.isHostByte) }) { return origin }
        }
        return nil
    }

    /// The request headers of the Supabase clients, and the ones a client of this host may add.
    package static let requestHeaders =
        "authorization, x-client-info, apikey, content-type, x-retry-count, traceparent, tracestate, baggage, x-region, x-request-id"
    /// What a page may read beside the safelisted fields.
    package static let exposedHeaders =
        "sb-error-code, x-request-id, sb-request-id, x-relay-error, ratelimit, ratelimit-policy, retry-after, content-disposition"

    /// The same for the storage API, whose clients send and read more.
    package static let storageRequestHeaders =
        requestHeaders
        + ", x-upsert, x-metadata, x-signature, cache-control, range, if-none-match, tus-resumable, upload-length, upload-metadata, upload-offset, upload-defer-length"
    package static let storageExposedHeaders =
        exposedHeaders
        + ", location, upload-offset, upload-length, upload-expires, tus-resumable, tus-version, tus-extension, tus-max-size, tus-complete, etag, content-range, accept-ranges"

    /// The fields of an answer to this origin, as `name: value` lines.
    package func fields(for origin: String?, exposing exposed: String = CORSRules.exposedHeaders) -> [HTTPError.Field] {
        var fields: [HTTPError.Field] = []
        if let allowed = allowed(origin) {
            fields.append(.init("access-control-allow-origin", allowed))
            if allowsCredentials { fields.append(.init("access-control-allow-credentials", "true")) }
            fields.append(.init("access-control-expose-headers", exposed))
        }
        if !allowsAnyOrigin { fields.append(.init("vary", "Origin")) }
        return fields
    }

    /// The further fields of an answer to a preflight.
    package func preflightFields(
        for origin: String?, methods: [Method], allowing headers: String = CORSRules.requestHeaders
    ) -> [HTTPError.Field] {
        guard allowed(origin) != nil else { return [] }
        let methods =
            methods.isEmpty ? Method.allCases.filter { $0 != .head } : methods + (methods.contains(.options) ? [] : [.options])
        return [
            .init("access-control-allow-methods", methods.map(\.rawValue).joined(separator: ", ")),
            .init("access-control-allow-headers", headers),
            .init("access-control-max-age", String(maxAge)),
        ]
    }

    private static func isOrigin(_ text: String) -> Bool {
        guard let mark = text.range(ofText: "://") else { return false }
        let scheme = text[..<mark.lowerBound]
        var host = text[mark.upperBound...]
        guard let first = scheme.utf8.first, first.isASCIILetter,
            scheme.utf8.allSatisfy({
                ($0.isASCIILetter && $0 & 0x20 != 0) || $0.isASCIIDigit || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E
            })
        else { return false }
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
            guard let port = UInt16(host[host.index(after: colon)...]), port > 0 else { return false }
            host = host[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            return host.dropFirst().dropLast().utf8.allSatisfy { isHostByte($0) || $0 == UInt8(ascii: ":") }
        }
        return !host.isEmpty && host.utf8.allSatisfy { isHostByte($0) || $0 == UInt8(ascii: ".") }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        (byte.isASCIILetter && byte & 0x20 != 0) || byte.isASCIIDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }
}

extension String {
    /// The first place of `text`, by bytes: no Unicode comparison, no Foundation.
    func range(ofText text: String) -> Range<String.Index>? {
        let needle = Array(text.utf8)
        var start = utf8.startIndex
        while let index = utf8[start...].firstIndex(of: needle[0]) {
            let end = utf8.index(index, offsetBy: needle.count, limitedBy: utf8.endIndex)
            guard let end else { return nil }
            if utf8[index..<end].elementsEqual(needle) { return index..<end }
            start = utf8.index(after: index)
        }
        return nil
    }
}
