import Swiftlet
public import SwiftletJSON
package import SwiftletRealtime
import Synchronization

/// A realtime engine for tests of functions: it keeps what was published and who was disconnected, and has no clients.
///
/// ```swift
/// let realtime = RealtimeStub()
/// try await TestHost.run([Registration(Announce.self)], realtime: realtime) { host in … }
/// #expect(realtime.published.first?.topic == "conversation:5")
/// ```
public final class RealtimeStub: Sendable {
    public struct Message: Sendable, Hashable {
        public let topic: String
        public let event: String
        public let payload: JSON
        public let isPrivate: Bool
        public let id: String
        /// The id of the user it was published for.
        public let sender: String?
    }

    public struct Ending: Sendable, Hashable {
        public let user: String
        public let channels: [String]
    }

    private struct State {
        var published: [Message] = []
        var endings: [Ending] = []
    }
    private let state = Mutex(State())
    private let receivers: Int
    private let subscribed: [String: [String]]

    /// - Parameters:
    ///   - receivers: what each receipt says.
    ///   - subscribed: the channels that each user is on.
    public init(receivers: Int = 0, subscribed: [String: [String]] = [:]) {
        self.receivers = receivers
        self.subscribed = subscribed
    }

    public var published: [Message] { state.withLock { $0.published } }
    public var endings: [Ending] { state.withLock { $0.endings } }

    /// What a host takes.
    package var engine: any RealtimeEngine { Engine(stub: self) }

    private struct Engine: RealtimeEngine {
        let stub: RealtimeStub

        func publish(topic: String, isPrivate: Bool, event: String, payload: [UInt8], id: String?, sender: String?) throws
            -> RealtimeReceipt
        {
            let payload = try JSON.parse(payload)
            return stub.state.withLock { state in
                // A message of a known id is the same message.
                if let id, let place = state.published.firstIndex(where: { $0.id == id && $0.topic == topic }) {
                    return RealtimeReceipt(id: id, offset: UInt64(place + 1), receivers: 0)
                }
                let id = id ?? "stub-\(state.published.count + 1)"
                state.published.append(
                    Message(topic: topic, event: event, payload: payload, isPrivate: isPrivate, id: id, sender: sender))
                return RealtimeReceipt(id: id, offset: UInt64(state.published.count), receivers: stub.receivers)
            }
        }

        func disconnect(user: String, channels: [String], reason: String) -> [String] {
            stub.state.withLock { $0.endings.append(Ending(user: user, channels: channels)) }
            let own = stub.subscribed[user] ?? []
            return channels.isEmpty ? own : own.filter { channels.contains($0) }
        }
    }
}
