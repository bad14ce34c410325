import Foundation
import Testing

@testable import SwiftletRealtime

/// A desk with a clock that is set by hand.
struct DeskFixture {
    var desk: MessagingDesk
    var now: Int64 = 1_000_000
    private var offset: UInt64 = 0

    init(_ change: (inout MessagingLimits) -> Void = { _ in }) {
        var limits = MessagingLimits()
        change(&limits)
        desk = MessagingDesk(limits: limits)
    }

    static func content(_ event: String, _ json: String) -> BroadcastContent {
        BroadcastContent(event: event, body: .json(RawJSON(unchecked: Array(json.utf8))))
    }

    mutating func judge(_ event: String, _ json: String, _ topic: String, _ party: MessagingParty) -> MessagingVerdict {
        desk.judge(Self.content(event, json), topic: topic, isPrivate: true, from: party, now: now)
    }

    /// Judges it and, when it passes and is to be stored, publishes it.
    @discardableResult
    mutating func send(_ event: String, _ json: String, _ topic: String, _ party: MessagingParty, receivers: Int = 0)
        -> [Emission]
    {
        guard case .pass(let isEphemeral, let emissions) = judge(event, json, topic, party) else { return [] }
        if isEphemeral { return emissions }
        offset += 1
        return emissions
            + desk.published(
                Self.content(event, json), topic: topic, isPrivate: true, from: party, id: "meta\(offset)", offset: offset,
                receivers: receivers, now: now)
    }
}

func user(_ name: String, _ connection: UInt64 = 1) -> MessagingParty { MessagingParty(user: name, connection: connection) }

extension [Emission] {
    var broadcasts: [ServerBroadcast] {
        compactMap { if case .broadcast(let broadcast) = $0 { broadcast } else { nil } }
    }
    var turns: [PresenceTurn] {
        compactMap { if case .presence(let turn) = $0 { turn } else { nil } }
    }
    var writes: [MessageChange] {
        compactMap { if case .write(let change) = $0 { change } else { nil } }
    }
}

extension ServerBroadcast {
    var text: String { String(decoding: body.bytes, as: UTF8.self) }
    /// What the body says, read by somebody else's parser.
    var object: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body.bytes))) as? [String: Any] ?? [:] }
}

extension MessagingVerdict {
    var passes: Bool { if case .pass = self { true } else { false } }
    var reason: String? { if case .refuse(let reason, _) = self { reason } else { nil } }
    var wait: Int? { if case .refuse(_, let seconds) = self { seconds } else { nil } }
    var emissions: [Emission] { if case .pass(_, let emissions) = self { emissions } else { [] } }
}
