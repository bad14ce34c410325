package import SwiftletNet

/// Who sent a request, as far as the connection and the proxies the operator trusts can say.
package struct Client: Sendable {
    /// `nil` on a Unix socket when no proxy said.
    package let address: IPAddress?
    /// True for https; false unless a trusted proxy says so.
    package let isSecure: Bool
    /// The host the client asked for: from a trusted proxy where that is allowed, else from `Host`.
    package let host: String?

    package init(address: IPAddress?, isSecure: Bool = false, host: String? = nil) {
        self.address = address
        self.isSecure = isSecure
        self.host = host
    }

    package var addressText: String { address?.description ?? "" }
}
