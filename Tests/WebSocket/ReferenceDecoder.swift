import SwiftletWebSocket

/// Reads a whole stream slowly and plainly, to compare with. It shares no code with the reader, and knows no limits but the size.
struct ReferenceDecoder {
    var limit: Int

    func read(_ bytes: [UInt8]) -> Reading {
        var result = Reading()
        var message: (isText: Bool, bytes: [UInt8])?
        var at = 0
        func fail(_ fault: WebSocketFault) -> Reading {
            result.fault = fault
            return result
        }
        while at < bytes.count {
            let first = bytes[at]
            let (isFinal, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F)
            if reserved != 0 { return fail(.reservedBits) }
            guard [0, 1, 2, 8, 9, 10].contains(opcode) else { return fail(.opcode) }
            let isControl = opcode >= 8
            if isControl, !isFinal { return fail(.controlFragmented) }
            if opcode == 0, message == nil { return fail(.continuationAlone) }
            if opcode == 1 || opcode == 2, message != nil { return fail(.messageInsideMessage) }
            guard at + 1 < bytes.count else { return result }
            let second = bytes[at + 1]
            if second < 0x80 { return fail(.unmasked) }
            var length = UInt64(second & 0x7F)
            if isControl, length > 125 { return fail(.controlTooLong) }
            let extra = length == 126 ? 2 : length == 127 ? 8 : 0
            guard at + 2 + extra + 4 <= bytes.count else { return result }
            if extra > 0 {
                length = bytes[(at + 2)..<(at + 2 + extra)].reduce(0) { $0 << 8 | UInt64($1) }
                if length >= 1 << 63 { return fail(.lengthInvalid) }
                if length < (extra == 2 ? 126 : 65536) { return fail(.lengthNotShortest) }
            }
            if !isControl, length > UInt64(limit - (message?.bytes.count ?? 0)) { return fail(.messageTooBig) }
            let mask = Array(bytes[(at + 2 + extra)..<(at + 6 + extra)])
            let start = at + 6 + extra
            let end = min(bytes.count, start + Int(length))
            let isWhole = bytes.count - start >= Int(length)
            let payload = (start..<end).map { bytes[$0] ^ mask[($0 - start) % 4] }
            at = end
            if isControl {
                guard isWhole else { return result }
                switch opcode {
                case 9: result.seen.append(.ping(payload))
                case 10: result.seen.append(.pong(payload))
                default:
                    if payload.isEmpty {
                        result.seen.append(.close(nil, ""))
                        return result
                    }
                    if payload.count == 1 { return fail(.closeLength) }
                    let code = UInt16(payload[0]) << 8 + UInt16(payload[1])
                    let isGood =
                        (1000...1014).contains(code) && ![1004, 1005, 1006].contains(code) || (3000...4999).contains(code)
                    if !isGood { return fail(.closeCode) }
                    guard let reason = String(validating: payload[2...], as: UTF8.self) else { return fail(.closeReason) }
                    result.seen.append(.close(code, reason))
                    return result
                }
                continue
            }
            var whole = message ?? (opcode == 1, [])
            whole.bytes += payload
            message = whole
            let isOver = isWhole && isFinal
            if whole.isText {
                let isText = String(validating: whole.bytes, as: UTF8.self) != nil
                if isOver ? !isText : !isText && !Self.canBecomeText(whole.bytes) { return fail(.text) }
            }
            guard isWhole else { return result }
            if isOver {
                result.seen.append(whole.isText ? .text(whole.bytes) : .binary(whole.bytes))
                message = nil
            }
        }
        return result
    }

    /// Whether something could follow that makes it UTF-8: tried, not reasoned.
    static func canBecomeText(_ bytes: [UInt8]) -> Bool {
        let endings: [[UInt8]] = [
            [], [0x80], [0x80, 0x80], [0xA0, 0x80], [0x80, 0x80, 0x80], [0x90, 0x80, 0x80],
        ]
        return endings.contains { String(validating: bytes + $0, as: UTF8.self) != nil }
    }
}
