import NIOCore
import Swiftlet

// Quotas and how they stand, as parts of `call` and `result`.

extension Quota {
    static func write(_ quotas: [Quota], to buffer: inout ByteBuffer) {
        buffer.put(UInt16(clamping: quotas.count))
        for quota in quotas {
            buffer.put(quota.key)
            buffer.put(quota.limit)
            switch quota.window {
            case .rolling(let window):
                buffer.put(UInt8(1))
                buffer.put(UInt64(bitPattern: window.clampedNanoseconds))
            case .day: buffer.put(UInt8(2))
            }
        }
    }

    static func read(_ payload: inout ByteBuffer) throws(FrameProblem) -> [Quota] {
        var quotas: [Quota] = []
        for _ in 0..<(try payload.takeCount(upTo: most)) {
            let key = try payload.takeText()
            guard key.utf8.count <= longestKey else { throw .malformed }
            let limit = try payload.takeInt()
            let window: Window =
                switch try payload.takeByte() {
                case 1: .rolling(.nanoseconds(Int64(bitPattern: try payload.take64())))
                case 2: .day
                default: throw .malformed
                }
            quotas.append(Quota(key: key, limit: limit, window: window))
        }
        return quotas
    }
}

extension QuotaAnswer {
    func write(to buffer: inout ByteBuffer) {
        buffer.put(UInt8(allowed ? 1 : 0))
        buffer.put(UInt16(clamping: states.count))
        for state in states {
            buffer.put(state.limit)
            buffer.put(state.remaining)
            buffer.put(UInt64(bitPattern: state.resetAfter.clampedNanoseconds))
            buffer.put(UInt8(state.refused ? 1 : 0))
        }
    }

    init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        let allowed = try payload.takeFlag()
        var states: [State] = []
        for _ in 0..<(try payload.takeCount(upTo: Quota.most)) {
            let (limit, remaining) = (try payload.takeInt(), try payload.takeInt())
            let wait = Int64(bitPattern: try payload.take64())
            states.append(
                State(limit: limit, remaining: remaining, resetAfter: .nanoseconds(wait), refused: try payload.takeFlag()))
        }
        self.init(allowed: allowed, states: states)
    }
}
