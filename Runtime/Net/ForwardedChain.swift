/// Who the client is, when trusted proxies stand before the host.
///
/// Only a peer inside `trusted` is believed at all, and only the one configured header is read. The chain is walked from
/// its right end, where the nearest proxy wrote, and stops at the first hop that is not trusted: that is the client. An
/// entry that does not parse ends the walk at the last hop that did, so a forged left part can never be reached through
/// it. When every hop is trusted, the left-most one counts.
///
/// Not promised: that a client inside a trusted range tells the truth.
package struct ForwardedChain: Sendable {
    package enum Source: Sendable, Hashable {
        case xForwardedFor
        /// RFC 7239.
        case forwarded
    }

    package struct Client: Hashable, Sendable {
        package var address: IPAddress
        /// True for https; nil when no trusted proxy said.
        package var isSecure: Bool?
        /// The host that the client asked for, when `honoursHost` is set and a trusted proxy said; lower-cased.
        package var host: String?
        /// Whether the address came from a header.
        package var isForwarded: Bool
    }

    package let trusted: [AddressRange]
    package let source: Source
    /// `X-Forwarded-Host` reaches generated links and caches, and many proxies pass a client's own through: off by default.
    package let honoursHost: Bool

    /// More hops than any sane chain has; what lies further left is not read.
    package static let maxHops = 64

    package init(trusted: [AddressRange], source: Source = .xForwardedFor, honoursHost: Bool = false) {
        self.trusted = trusted
        self.source = source
        self.honoursHost = honoursHost
    }

    /// Whether some range covers a whole family: anyone may then choose their own address. Warn at start.
    package var trustsEveryone: Bool { trusted.contains { $0.isEverything } }

    /// Ask this first: when it says no, there is nothing to read.
    package func trusts(_ peer: IPAddress) -> Bool {
        let address = peer.unmapped
        return trusted.contains { $0.contains(address) }
    }

    /// - Parameters:
    ///   - chain: the values of the configured header (`X-Forwarded-For` or `Forwarded`), in the order received.
    ///   - proto: the values of `X-Forwarded-Proto`; unread with `Forwarded`.
    ///   - host: the values of `X-Forwarded-Host`; unread with `Forwarded`.
    package func client(
        peer: IPAddress, chain: [String], proto: [String] = [], host: [String] = []
    ) -> Client {
        var result = Client(address: peer.unmapped, isSecure: nil, host: nil, isForwarded: false)
        guard trusts(peer) else { return result }
        switch source {
        case .xForwardedFor:
            var walk = Walk(chain: self, client: result.address)
            for line in chain.reversed() {
                var line = line
                if !line.withUTF8({ walk.read(UnsafeRawBufferPointer($0)) }) { break }
            }
            result.address = walk.client
            result.isForwarded = walk.hops > 0
            if proto.count == 1 { result.isSecure = ForwardedSyntax.scheme(Array(proto[0].utf8)[...]) }
            if honoursHost, host.count == 1 { result.host = ForwardedSyntax.host(Array(host[0].utf8)[...]) }
        case .forwarded:
            walkForwarded(chain, into: &result)
        }
        return result
    }

    /// The walk over `X-Forwarded-For`, for callers that hold header bytes: feed the lines from last to first, until it
    /// answers false. No allocation.
    package struct Walk {
        private let chain: ForwardedChain
        package private(set) var client: IPAddress
        package private(set) var hops = 0

        package init(chain: ForwardedChain, client peer: IPAddress) {
            self.chain = chain
            client = peer.unmapped
        }

        /// Answers whether a line further left is worth reading.
        package mutating func read(_ line: UnsafeRawBufferPointer) -> Bool {
            var end = line.count
            while true {
                var start = end
                while start > 0, line[start - 1] != UInt8(ascii: ",") { start -= 1 }
                let element = ForwardedSyntax.trimmed(UnsafeRawBufferPointer(rebasing: line[start..<end]))
                guard hops < ForwardedChain.maxHops, let address = ForwardedSyntax.node(element) else { return false }
                hops += 1
                client = address.unmapped
                guard chain.trusts(client) else { return false }
                if start == 0 { return true }
                end = start - 1
            }
        }
    }

    private func walkForwarded(_ lines: [String], into result: inout Client) {
        var hops = 0
        for line in lines.reversed() {
            guard let elements = ForwardedSyntax.elements(Array(line.utf8)) else { return }
            for element in elements.reversed() {
                guard hops < ForwardedChain.maxHops, let address = element.address else { return }
                hops += 1
                result.address = address.unmapped
                result.isForwarded = true
                result.isSecure = element.isSecure
                if honoursHost { result.host = element.host }
                guard trusts(address) else { return }
            }
        }
    }
}
