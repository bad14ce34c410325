import NIOConcurrencyHelpers
import NIOCore
import SwiftletHTTP

/// How many connections are open, in all and for each client. Shared by all loops; taken at accept and at close only.
final class ConnectionCounts: Sendable {
    private struct State {
        var open = 0
        var accepted = 0
        var refused = 0
        var byAddress: [PeerAddress: Int] = [:]
        /// Listeners that stopped accepting.
        var held: [@Sendable () -> Void] = []
        var emptied: (@Sendable () -> Void)?
    }

    private let state = NIOLockedValueBox(State())
    private let limit: Int
    private let addressLimit: Int

    init(limit: Int, addressLimit: Int) {
        self.limit = max(1, limit)
        self.addressLimit = max(1, addressLimit)
    }

    var isFull: Bool { state.withLockedValue { $0.open >= limit } }

    var snapshot: (open: Int, accepted: Int, refused: Int) { state.withLockedValue { ($0.open, $0.accepted, $0.refused) } }

    func opened() {
        state.withLockedValue {
            $0.open += 1
            $0.accepted += 1
        }
    }

    func closed() {
        let (resumed, emptied) = state.withLockedValue { state -> ([@Sendable () -> Void], (@Sendable () -> Void)?) in
            state.open -= 1
            var resumed: [@Sendable () -> Void] = []
            if state.open < limit { swap(&resumed, &state.held) }
            var emptied: (@Sendable () -> Void)?
            if state.open <= 0 { swap(&emptied, &state.emptied) }
            return (resumed, emptied)
        }
        for resume in resumed { resume() }
        emptied?()
    }

    /// Whether there is room; otherwise `resume` is kept and called once there is.
    func mayAccept(orResume resume: @escaping @Sendable () -> Void) -> Bool {
        state.withLockedValue {
            if $0.open < limit { return true }
            $0.held.append(resume)
            return false
        }
    }

    /// Calls back once no connection is open.
    func whenEmpty(_ callback: @escaping @Sendable () -> Void) {
        let now = state.withLockedValue {
            if $0.open <= 0 { return true }
            $0.emptied = callback
            return false
        }
        if now { callback() }
    }

    /// Counts one more connection of this client; false when it has too many.
    func take(_ address: PeerAddress) -> Bool {
        let key = address.limitKey
        return state.withLockedValue {
            let count = $0.byAddress[key, default: 0]
            guard count < addressLimit else {
                $0.refused += 1
                return false
            }
            $0.byAddress[key] = count + 1
            return true
        }
    }

    func giveBack(_ address: PeerAddress) {
        let key = address.limitKey
        state.withLockedValue {
            let count = $0.byAddress[key, default: 0]
            $0.byAddress[key] = count > 1 ? count - 1 : nil
        }
    }

    func countRefused() { state.withLockedValue { $0.refused += 1 } }
}

/// Sits in a listening channel: counts what is accepted and stops accepting when the server is full.
final class Acceptor: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never

    private let counts: ConnectionCounts

    init(counts: ConnectionCounts) { self.counts = counts }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let child = unwrapInboundIn(data)
        let counts = counts
        counts.opened()
        child.closeFuture.whenComplete { _ in counts.closed() }
        context.fireChannelRead(data)
    }

    func read(context: ChannelHandlerContext) {
        let channel = context.channel
        if counts.mayAccept(orResume: { channel.read() }) { context.read() }
    }
}
