import Swiftlet
package import SwiftletHTTP
package import SwiftletNet
import SwiftletServer

/// Turns the peer of a connection and the words of trusted proxies into the client of a request.
struct Forwarding: Sendable {
    private let chain: ForwardedChain
    private let trustsUnixPeers: Bool
    private let isIdle: Bool

    /// - Parameter proxies: ranges in CIDR form or single addresses; `unix` stands for peers on the Unix socket.
    init(proxies: [String], usesForwardedHeader: Bool) throws(ConfigurationProblem) {
        var ranges: [AddressRange] = []
        for text in proxies where text != "unix" {
            guard
                let range = AddressRange(text)
                    ?? IPAddress(text).flatMap({ AddressRange($0.family == .v4 ? "\(text)/32" : "\(text)/128") })
            else {
                throw ConfigurationProblem(
                    "trusted-proxy", "'\(text)' is no address, no range such as 10.0.0.0/8, and not 'unix'")
            }
            ranges.append(range)
        }
        chain = ForwardedChain(trusted: ranges, source: usesForwardedHeader ? .forwarded : .xForwardedFor, honoursHost: true)
        trustsUnixPeers = proxies.contains("unix")
        isIdle = proxies.isEmpty
    }

    var trustsEveryone: Bool { chain.trustsEveryone }

    func trusts(_ peer: PeerAddress) -> Bool {
        guard let address = peer.address else { return trustsUnixPeers }
        return chain.trusts(address)
    }

    func client(of exchange: Exchange) -> Client {
        let peer = exchange.peer.address
        guard !isIdle else { return Client(address: peer, isSecure: exchange.isSecure) }
        guard let peer else {
            return trustsUnixPeers ? clientBehindSocket(exchange) : Client(address: nil, isSecure: exchange.isSecure)
        }
        guard chain.trusts(peer) else { return Client(address: peer, isSecure: exchange.isSecure) }
        return read(exchange, peer: peer, chain: chain)
    }

    /// A peer on the socket has no address; the proxy behind it is taken for loopback, whose word is trusted.
    private func clientBehindSocket(_ exchange: Exchange) -> Client {
        let loopback = IPAddress(v4: 0x7F00_0001)
        guard let range = AddressRange("127.0.0.1/32") else { return Client(address: nil) }
        let chain = ForwardedChain(trusted: self.chain.trusted + [range], source: self.chain.source, honoursHost: true)
        let client = read(exchange, peer: loopback, chain: chain)
        return client
    }

    private func read(_ exchange: Exchange, peer: IPAddress, chain: ForwardedChain) -> Client {
        let fields = exchange.head.fields
        let client =
            chain.source == .forwarded
            ? chain.client(peer: peer, chain: fields.strings("forwarded"))
            : chain.client(
                peer: peer, chain: fields.strings("x-forwarded-for"), proto: fields.strings("x-forwarded-proto"),
                host: fields.strings("x-forwarded-host"))
        return Client(address: client.address, isSecure: client.isSecure ?? exchange.isSecure, host: client.host)
    }
}

extension HeaderFields {
    fileprivate func strings(_ name: StaticString) -> [String] {
        var values: [String] = []
        forEachValue(of: name) { values.append(String(decoding: $0, as: UTF8.self)) }
        return values
    }
}

extension PeerAddress {
    package var address: IPAddress? {
        switch self {
        case .v4(let value): IPAddress(v4: value)
        case .v6(let high, let low): IPAddress(v6High: high, low: low)
        case .unix: nil
        }
    }
}
