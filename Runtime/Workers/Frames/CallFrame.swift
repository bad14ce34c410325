package import NIOCore
package import Swiftlet

/// The payloads of `call` and `result`: capabilities used across the hop. The host reads a call as hostile input and checks it against the
/// policy before it does anything.
package enum Call: Sendable, Equatable {
    case checkRateLimit(key: String, limit: Int, nanoseconds: Int64)
    case resetRateLimit(key: String, limit: Int, nanoseconds: Int64)
    case hostReport(ready: Bool)
    case reserve(Int, quotas: [Quota])
    case settle(quotas: [Quota], reserved: Int, used: Int)
    /// `stream` is the request it is asked for; the host looks up who called.
    case storage(StorageAsk, stream: UInt32)
    case realtime(RealtimeAsk, stream: UInt32)

    /// The longest key that is counted.
    package static let longestKey = 1024

    package func write(to buffer: inout ByteBuffer) {
        switch self {
        case .checkRateLimit(let key, let limit, let nanoseconds):
            Call.write(1, key, limit, nanoseconds, to: &buffer)
        case .resetRateLimit(let key, let limit, let nanoseconds):
            Call.write(2, key, limit, nanoseconds, to: &buffer)
        case .hostReport(let ready):
            buffer.put(UInt8(3))
            buffer.put(UInt8(ready ? 1 : 0))
        case .storage(let ask, let stream):
            buffer.put(UInt8(4))
            buffer.put(stream)
            ask.write(to: &buffer)
        case .realtime(let ask, let stream):
            buffer.put(UInt8(5))
            buffer.put(stream)
            ask.write(to: &buffer)
        case .reserve(let amount, let quotas):
            buffer.put(UInt8(6))
            buffer.put(amount)
            Quota.write(quotas, to: &buffer)
        case .settle(let quotas, let reserved, let used):
            buffer.put(UInt8(7))
            buffer.put(reserved)
            buffer.put(used)
            Quota.write(quotas, to: &buffer)
        }
    }

    private static func write(_ number: UInt8, _ key: String, _ limit: Int, _ nanoseconds: Int64, to buffer: inout ByteBuffer) {
        buffer.put(number)
        buffer.put(key)
        buffer.put(UInt64(bitPattern: Int64(limit)))
        buffer.put(UInt64(bitPattern: nanoseconds))
    }

    package init(_ payload: ByteBuffer) throws(FrameProblem) {
        var payload = payload
        switch try payload.takeByte() {
        case 1:
            let (key, limit, nanoseconds) = try Call.readRate(&payload)
            self = .checkRateLimit(key: key, limit: limit, nanoseconds: nanoseconds)
        case 2:
            let (key, limit, nanoseconds) = try Call.readRate(&payload)
            self = .resetRateLimit(key: key, limit: limit, nanoseconds: nanoseconds)
        case 3: self = .hostReport(ready: try payload.takeFlag())
        case 4:
            let stream = try payload.take32()
            self = .storage(try StorageAsk(&payload), stream: stream)
        case 5:
            let stream = try payload.take32()
            self = .realtime(try RealtimeAsk(&payload), stream: stream)
        case 6:
            let amount = try payload.takeInt()
            self = .reserve(amount, quotas: try Quota.read(&payload))
        case 7:
            let (reserved, used) = (try payload.takeInt(), try payload.takeInt())
            self = .settle(quotas: try Quota.read(&payload), reserved: reserved, used: used)
        default: throw .malformed
        }
        try payload.checkEnd()
    }

    private static func readRate(_ payload: inout ByteBuffer) throws(FrameProblem) -> (String, Int, Int64) {
        let key = try payload.takeText()
        guard key.utf8.count <= longestKey else { throw .malformed }
        return (key, Int(Int64(bitPattern: try payload.take64())), Int64(bitPattern: try payload.take64()))
    }

    package var capability: Capability {
        switch self {
        case .checkRateLimit, .resetRateLimit, .reserve, .settle: .rateLimit
        case .hostReport: .hostReport
        case .storage: .storage
        case .realtime: .realtime
        }
    }

    /// The request it is asked for, where that matters.
    var request: UInt32? {
        switch self {
        case .storage(_, let stream), .realtime(_, let stream): stream
        // A quota is settled as well when its request is over.
        case .checkRateLimit, .resetRateLimit, .reserve, .settle, .hostReport: nil
        }
    }
}

package enum CallResult: Sendable {
    case rateLimit(RateLimitAnswer)
    case done
    case report(HostReport)
    case storage(StorageTold)
    case realtime(RealtimeTold)
    case quotas(QuotaAnswer)
    case refused(HTTPError)

    package func write(to buffer: inout ByteBuffer) {
        switch self {
        case .rateLimit(let answer):
            buffer.put(UInt8(1))
            buffer.put(UInt8(answer.allowed ? 1 : 0))
            buffer.put(UInt64(bitPattern: Int64(answer.limit)))
            buffer.put(UInt64(bitPattern: Int64(answer.remaining)))
            buffer.put(UInt64(bitPattern: answer.resetAt))
        case .done: buffer.put(UInt8(2))
        case .report(let report):
            buffer.put(UInt8(3))
            buffer.put(UInt8(report.accepting ? 1 : 0))
            buffer.put(UInt64(clamping: report.uptimeSeconds))
            buffer.put(UInt16(min(report.checks.count, 1000)))
            for check in report.checks.prefix(1000) {
                buffer.put(check.name)
                buffer.put(UInt8(check.passed ? 1 : 0))
                buffer.put(check.note)
                buffer.put(UInt64(bitPattern: Int64(check.observed ?? -1)))
            }
        case .storage(let told):
            buffer.put(UInt8(5))
            told.write(to: &buffer)
        case .realtime(let told):
            buffer.put(UInt8(6))
            told.write(to: &buffer)
        case .quotas(let answer):
            buffer.put(UInt8(7))
            answer.write(to: &buffer)
        case .refused(let error):
            buffer.put(UInt8(4))
            ResponseFrame.writeFailure(error, to: &buffer)
        }
    }

    package init(_ payload: ByteBuffer) throws(FrameProblem) {
        var payload = payload
        switch try payload.takeByte() {
        case 1:
            self = .rateLimit(
                RateLimitAnswer(
                    allowed: try payload.takeFlag(), limit: Int(Int64(bitPattern: try payload.take64())),
                    remaining: Int(Int64(bitPattern: try payload.take64())), resetAt: Int64(bitPattern: try payload.take64())))
        case 2: self = .done
        case 3:
            let accepting = try payload.takeFlag()
            let uptime = Int(clamping: try payload.take64())
            var checks: [HostReport.Check] = []
            for _ in 0..<(try payload.take16()) {
                let (name, passed, note) = (try payload.takeText(), try payload.takeFlag(), try payload.takeText())
                let observed = Int64(bitPattern: try payload.take64())
                checks.append(.init(name: name, passed: passed, note: note, observed: observed < 0 ? nil : Int(observed)))
            }
            self = .report(HostReport(accepting: accepting, uptimeSeconds: uptime, checks: checks))
        case 4:
            self = .refused(try ResponseFrame.readFailure(payload))
            return
        case 5: self = .storage(try StorageTold(&payload))
        case 6: self = .realtime(try RealtimeTold(&payload))
        case 7: self = .quotas(try QuotaAnswer(&payload))
        default: throw .malformed
        }
        try payload.checkEnd()
    }
}
