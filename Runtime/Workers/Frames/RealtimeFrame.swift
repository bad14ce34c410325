import NIOCore
import Swiftlet

// The parts of `call` and `result` that speak of realtime.

extension RealtimeAsk {
    func write(to buffer: inout ByteBuffer) {
        switch self {
        case .subscribe(let wish):
            buffer.put(UInt8(1))
            buffer.put(wish.channels)
            buffer.put(wish.lifetime.map { max(0, Int(clamping: $0.components.seconds)) } ?? -1)
        case .unsubscribe(let channels):
            buffer.put(UInt8(2))
            buffer.put(channels)
        case .publish(let message):
            buffer.put(UInt8(3))
            buffer.put(message.topic)
            buffer.put(message.event)
            buffer.put(message.payload)
            buffer.put(UInt8(message.isPrivate ? 1 : 0))
            buffer.put(message.id)
        }
    }

    init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        switch try payload.takeByte() {
        case 1:
            let channels = try payload.takeTexts(upTo: RealtimeAccess.batch)
            let seconds = try payload.takeInt()
            guard seconds >= -1 else { throw .malformed }
            self = .subscribe(RealtimeWish(channels: channels, lifetime: seconds < 0 ? nil : .seconds(seconds)))
        case 2: self = .unsubscribe(try payload.takeTexts(upTo: RealtimeAccess.batch))
        case 3:
            self = .publish(
                RealtimeMessage(
                    topic: try payload.takeText(), event: try payload.takeText(), payload: try payload.takeBytes(),
                    isPrivate: try payload.takeFlag(), id: try payload.takeOptionalText()))
        default: throw .malformed
        }
    }
}

extension RealtimeTold {
    func write(to buffer: inout ByteBuffer) {
        switch self {
        case .grant(let grant):
            buffer.put(UInt8(1))
            buffer.put(UInt16(clamping: grant.channels.count))
            for channel in grant.channels {
                buffer.put(channel.name)
                buffer.put(channel.permissions.rawValue)
                buffer.put(channel.unread ?? -1)
            }
            buffer.put(grant.refused)
            buffer.put(grant.projectURL)
            buffer.put(grant.projectKey)
            buffer.put(grant.socketURL)
            buffer.put(grant.token)
            buffer.put(UInt64(bitPattern: grant.issuedAt))
            buffer.put(UInt64(bitPattern: grant.expiresAt))
            buffer.put(UInt64(bitPattern: grant.refreshAt))
        case .ended(let channels):
            buffer.put(UInt8(2))
            buffer.put(channels)
        case .receipt(let receipt):
            buffer.put(UInt8(3))
            buffer.put(receipt.id)
            buffer.put(receipt.offset)
            buffer.put(receipt.receivers)
        }
    }

    init(_ payload: inout ByteBuffer) throws(FrameProblem) {
        switch try payload.takeByte() {
        case 1:
            var channels: [RealtimeGrant.Channel] = []
            for _ in 0..<(try payload.takeCount(upTo: RealtimeAccess.batch)) {
                let name = try payload.takeText()
                let permissions = ChannelPermissions(rawValue: try payload.takeByte())
                guard ChannelPermissions.all.contains(permissions) else { throw .malformed }
                let unread = try payload.takeInt()
                channels.append(
                    RealtimeGrant.Channel(name: name, permissions: permissions, unread: unread < 0 ? nil : unread))
            }
            self = .grant(
                RealtimeGrant(
                    channels: channels, refused: try payload.takeTexts(upTo: RealtimeAccess.batch),
                    projectURL: try payload.takeText(), projectKey: try payload.takeText(), socketURL: try payload.takeText(),
                    token: try payload.takeText(), issuedAt: Int64(bitPattern: try payload.take64()),
                    expiresAt: Int64(bitPattern: try payload.take64()), refreshAt: Int64(bitPattern: try payload.take64())))
        case 2: self = .ended(try payload.takeTexts(upTo: .max))
        case 3:
            self = .receipt(
                RealtimeReceipt(id: try payload.takeText(), offset: try payload.take64(), receivers: try payload.takeInt()))
        default: throw .malformed
        }
    }
}
