/// Lets an upload wake its transfer, which is made after it.
final class Relay: Sendable {
    private struct Target {
        weak var loop: TransferLoop?
        weak var transfer: Transfer?
    }

    private let target = Guarded(Target())

    func connect(_ loop: TransferLoop, _ transfer: Transfer) {
        target.withLock {
            $0.loop = loop
            $0.transfer = transfer
        }
    }

    func wake() {
        let found = target.withLock { ($0.loop, $0.transfer) }
        if let loop = found.0, let transfer = found.1 { loop.send(.resumeSending(transfer)) }
    }
}
