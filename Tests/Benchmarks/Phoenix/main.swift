import Dispatch
import NIOCore
import SwiftletRealtime

/// Nanoseconds a call, the best of several rounds: other work on the machine only ever makes it slower.
func time(_ name: String, _ calls: Int = 20_000, _ work: () throws -> Void) rethrows {
    var best = Double.infinity
    for _ in 0..<15 {
        let start = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<calls { try work() }
        best = min(best, Double(DispatchTime.now().uptimeNanoseconds - start) / Double(calls))
    }
    print("\(name): \(Int(best.rounded())) ns")
}

func run() throws {
    let text = String(repeating: "x", count: 42)
    let body = #"{"id":"0b8e2d7a-4c1f-4e0a-9a55-0f6c2b7d9e11","sender":"u-17","text":"\#(text)","at":1767225600000}"#
    let inner = #"{"type":"broadcast","event":"new_message","payload":\#(body)}"#
    let first = Array(
        #"{"topic":"realtime:conversation:42","event":"broadcast","payload":\#(inner),"ref":"12","join_ref":"3"}"#.utf8)
    let second = Array(#"["3","12","realtime:conversation:42","broadcast",\#(inner)]"#.utf8)
    let parts = ["3", "12", "realtime:conversation:42", "new_message", ""].map { Array($0.utf8) }
    let pushed: [UInt8] = [3] + parts.map { UInt8($0.count) } + [1] + parts.flatMap { $0 } + Array(body.utf8)
    let meta = RawJSON(unchecked: Array(#"{"id":"0b8e2d7a-4c1f-4e0a-9a55-0f6c2b7d9e11","offset":123456,"epoch":"k3x9"}"#.utf8))
    var sum = 0

    print("bytes: v1 text \(first.count), v2 text \(second.count), v2 binary \(pushed.count), body \(body.utf8.count)")
    try time("decode v1 text") { sum &+= try first.withUnsafeBytes { try PhoenixDecoder.text($0, .v1) }.topic.utf8.count }
    try time("decode v2 text") { sum &+= try second.withUnsafeBytes { try PhoenixDecoder.text($0, .v2) }.topic.utf8.count }
    try time("decode v2 binary") { sum &+= try pushed.withUnsafeBytes { try PhoenixDecoder.binary($0) }.topic.utf8.count }
    let message = try pushed.withUnsafeBytes { try PhoenixDecoder.binary($0) }
    guard case .broadcast(let content) = message.event else { fatalError("not a broadcast") }
    for (name, serializer) in [("v1 text", Serializer.v1), ("v2 binary", .v2)] {
        time("encode \(name)") {
            let frame = PhoenixEncoder.broadcast(serializer, topic: message.topic, content: content, meta: meta)
            sum &+= frame?.payload.readableBytes ?? 0
        }
    }
    time("reply v2") {
        sum &+=
            PhoenixEncoder.reply(.v2, joinRef: message.joinRef, ref: message.ref, topic: message.topic, ok: true).payload
            .readableBytes
    }
    let beat = Array(#"[null,"2","phoenix","heartbeat",{}]"#.utf8)
    try time("decode heartbeat") { sum &+= try beat.withUnsafeBytes { try PhoenixDecoder.text($0, .v2) }.topic.utf8.count }
    let entries = (0..<1000).map {
        PresenceEntry(key: "user-\($0)", phxRef: "F\($0)", fields: RawJSON(unchecked: Array(#"{"status":"online"}"#.utf8)))
    }
    time("presence_state of 1000", 200) {
        sum &+=
            PhoenixEncoder.presenceState(.v2, joinRef: nil, topic: "realtime:presence:42", entries: entries).payload.readableBytes
    }
    let large = Array(
        #"["3","12","t","broadcast",{"type":"broadcast","event":"e","payload":{"t":"\#(String(repeating: "y", count: 1_000_000))"}}]"#
            .utf8)
    try time("decode v2 text of 1 MB", 20) {
        sum &+= try large.withUnsafeBytes { try PhoenixDecoder.text($0, .v2) }.topic.utf8.count
    }
    guard sum > 0 else { fatalError("nothing was done") }
}

try run()
