package import NIOCore
package import Swiftlet

/// The payload of `count`: what a function counted, each series once.
package struct CountFrame: Sendable, Equatable {
    package var counts: [Count]

    package struct Count: Sendable, Equatable {
        package let key: CounterKey
        package let amount: Int
        package init(_ key: CounterKey, _ amount: Int) {
            self.key = key
            self.amount = amount
        }
    }

    /// Series that one frame may carry.
    package static let most = 64

    package init(_ counts: [Count]) { self.counts = counts }

    package func write(to buffer: inout ByteBuffer) {
        buffer.put(UInt16(clamping: counts.count))
        for count in counts {
            buffer.put(count.key.name)
            buffer.put(UInt8(clamping: count.key.labels.count))
            for label in count.key.labels {
                buffer.put(label.name)
                buffer.put(label.value)
            }
            buffer.put(count.amount)
        }
    }

    /// Everything in it is of a form that can be shown; a worker that says anything else speaks no language of ours.
    package init(_ payload: ByteBuffer) throws(FrameProblem) {
        var payload = payload
        counts = []
        for _ in 0..<(try payload.takeCount(upTo: CountFrame.most)) {
            let name = try payload.takeText()
            let labels = Int(try payload.takeByte())
            guard labels <= CounterKey.mostLabels else { throw .malformed }
            var given: [CounterKey.Label] = []
            for _ in 0..<labels { given.append(.init(name: try payload.takeText(), value: try payload.takeText())) }
            guard let key = CounterKey(name, labels: given), key.labels == given else { throw .malformed }
            let amount = try payload.takeInt()
            guard (0...CounterKey.largestAmount).contains(amount) else { throw .malformed }
            counts.append(Count(key, amount))
        }
        try payload.checkEnd()
    }
}
