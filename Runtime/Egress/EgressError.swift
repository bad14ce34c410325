/// Why a request brought no answer. Its text names the host and the kind of failure, never a path, a query, a header or
/// anything the peer said, so that it may be logged as it is.
package struct EgressError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The policy or the address table refused; nothing was sent.
        case denied = "egress_denied"
        /// A redirect led to where the policy does not go, from https to http, or could not be repeated.
        case redirectDenied = "redirect_denied"
        case tooManyRedirects = "too_many_redirects"
        case invalidRequest = "invalid_request"
        case dnsFailed = "dns_failed"
        case connectFailed = "connect_failed"
        case tlsFailed = "tls_failed"
        case connectTimeout = "connect_timeout"
        case firstByteTimeout = "first_byte_timeout"
        case idleTimeout = "idle_timeout"
        case totalTimeout = "total_timeout"
        /// The head or the decompressed body passed its limit.
        case tooLarge = "too_large"
        /// What came back is not HTTP, or not the coding it claims.
        case protocolError = "protocol_error"
        case connectionReset = "connection_reset"
        /// The body ended before its announced length.
        case truncated
        /// The source of a streamed request body threw, or gave another length than it announced.
        case uploadFailed = "upload_failed"
        case cancelled
        /// More transfers at once than the client takes.
        case overloaded
        case shutDown = "shut_down"
    }

    package let code: Code
    /// The host that was asked for, as in the URL; nil when there was none.
    package let host: String?
    /// What refused it, for `denied` and `redirectDenied`.
    package let denial: EgressDenial?

    package init(_ code: Code, host: String? = nil, denial: EgressDenial? = nil) {
        self.code = code
        self.host = host
        self.denial = denial
    }

    package var isTimeout: Bool {
        switch code {
        case .connectTimeout, .firstByteTimeout, .idleTimeout, .totalTimeout: true
        default: false
        }
    }

    package var description: String {
        var text = code.rawValue
        if let host { text += " host=\(host)" }
        if let denial { text += " class=\(denial.label)" }
        return text
    }
}
