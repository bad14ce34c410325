import NIOCore
import Swiftlet
import Testing

@testable import SwiftletWorkers

@Suite struct RealtimeFrameTests {
    private static let asks: [RealtimeAsk] = [
        .subscribe(RealtimeWish(channels: ["conversation:é", "presence:5"], lifetime: .seconds(60))),
        .subscribe(RealtimeWish(channels: ["conversation:5"])), .unsubscribe(["conversation:5", ""]), .unsubscribe([]),
        .publish(RealtimeMessage(topic: "t", event: "new_message", payload: Array("{\"a\":1}".utf8), isPrivate: true, id: "m1")),
        .publish(RealtimeMessage(topic: "", event: "", payload: [0, 255], isPrivate: false, id: nil)),
    ]
    private static let told: [RealtimeTold] = [
        .grant(
            RealtimeGrant(
                channels: [
                    .init(name: "conversation:5", permissions: .all, unread: 3),
                    .init(name: "presence:5", permissions: [.presenceRead]),
                ],
                refused: ["typing:5"], projectURL: "http://h", projectKey: "k", socketURL: "ws://h", token: "t", issuedAt: 1,
                expiresAt: .max, refreshAt: -1)),
        .ended([]), .ended(Array(repeating: "conversation:5", count: RealtimeAccess.batch * 3)),
        .receipt(RealtimeReceipt(id: "m1", offset: .max, receivers: 3)),
    ]

    @Test func `what is asked arrives as it was`() throws {
        for ask in Self.asks {
            var buffer = ByteBuffer()
            Call.realtime(ask, stream: 7).write(to: &buffer)
            #expect(try Call(buffer) == .realtime(ask, stream: 7))
            #expect(try Call(buffer).capability == .realtime)
        }
    }

    @Test func `what is answered arrives as it was`() throws {
        for told in Self.told {
            var buffer = ByteBuffer()
            CallResult.realtime(told).write(to: &buffer)
            guard case .realtime(let read) = try CallResult(buffer) else {
                Issue.record("another answer")
                continue
            }
            #expect(read == told)
        }
    }

    @Test func `no cut or changed byte is read as something else or traps`() throws {
        for ask in Self.asks {
            var whole = ByteBuffer()
            Call.realtime(ask, stream: 7).write(to: &whole)
            for length in 0..<whole.readableBytes {
                #expect(throws: FrameProblem.self) { try Call(whole.getSlice(at: 0, length: length) ?? ByteBuffer()) }
            }
            for index in 0..<whole.readableBytes {
                var changed = whole
                changed.setInteger((whole.getInteger(at: index, as: UInt8.self) ?? 0) ^ 0x5A, at: index)
                if let read = try? Call(changed) { #expect(read != Call.realtime(ask, stream: 7)) }
            }
        }
        for told in Self.told {
            var whole = ByteBuffer()
            CallResult.realtime(told).write(to: &whole)
            for length in 0..<whole.readableBytes {
                #expect(throws: FrameProblem.self) { try CallResult(whole.getSlice(at: 0, length: length) ?? ByteBuffer()) }
            }
        }
    }

    @Test func `more channels than one call takes are no frame`() throws {
        let channels = Array(repeating: "conversation:5", count: RealtimeAccess.batch + 1)
        for ask in [RealtimeAsk.subscribe(RealtimeWish(channels: channels)), .unsubscribe(channels)] {
            var buffer = ByteBuffer()
            Call.realtime(ask, stream: 1).write(to: &buffer)
            #expect(throws: FrameProblem.self) { try Call(buffer) }
        }
    }

    @Test func `permissions that do not exist are no frame`() throws {
        var buffer = ByteBuffer()
        CallResult.realtime(Self.told[0]).write(to: &buffer)
        // The byte behind the first channel's name.
        let place = 1 + 1 + 2 + 4 + "conversation:5".utf8.count
        #expect(buffer.getInteger(at: place, as: UInt8.self) == ChannelPermissions.all.rawValue)
        buffer.setInteger(UInt8(0x1F), at: place)
        #expect(throws: FrameProblem.self) { try CallResult(buffer) }
    }
}
