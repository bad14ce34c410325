import NIOCore
import SwiftletJSON
import SwiftletRealtime

// Build and run: Tests/Fuzz/run 60 phoenix
//
// The first byte of the input chooses how the rest is read. Whatever is taken is written for every kind of client and read again.

func fuzzPhoenix(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard count >= 1 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    switch start[0] % 5 {
    case 0: checkText(bytes, .v1)
    case 1: checkText(bytes, .v2)
    case 2: if let message = try? PhoenixDecoder.binary(bytes) { check(message) }
    case 3: for message in (try? RESTBroadcast.batch(bytes)) ?? [] { check(message) }
    default: checkSingle(bytes)
    }
    return 0
}

private func checkText(_ bytes: UnsafeRawBufferPointer, _ serializer: Serializer) {
    guard let message = try? PhoenixDecoder.text(bytes, serializer) else { return }
    guard RawJSON(checking: [UInt8](bytes)) != nil else { fatalError("a message out of what is no JSON") }
    check(message)
}

private func checkSingle(_ bytes: UnsafeRawBufferPointer) {
    // Lines: topic, event, query, content type, and the body.
    let lines = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 4, omittingEmptySubsequences: false)
    guard lines.count == 5 else { return }
    let texts = lines[..<4].map { String(decoding: $0, as: UTF8.self) }
    let message = try? RESTBroadcast.single(
        topic: texts[0], event: texts[1], query: texts[2], contentType: texts[3].isEmpty ? nil : texts[3],
        body: UnsafeRawBufferPointer(rebasing: lines[4]))
    if let message { check(message) }
}

private func check(_ message: RESTBroadcast.Message) {
    guard !message.topic.isEmpty, !message.content.event.isEmpty else { fatalError("a message without a topic or an event") }
    check(message.content, topic: message.topic)
}

private func check(_ message: ClientMessage) {
    for serializer in [Serializer.v1, .v2] {
        let reply = read(
            PhoenixEncoder.reply(serializer, joinRef: message.joinRef, ref: message.ref, topic: message.topic, ok: true),
            serializer)
        guard reply.topic.utf8.elementsEqual(message.topic.utf8), reply.ref == message.ref,
            serializer == .v1 || reply.joinRef == message.joinRef
        else { fatalError("a reply to someone else") }
    }
    switch message.event {
    case .broadcast(let content): check(content, topic: message.topic)
    case .presence(.track(let fields)): check(fields, key: message.topic)
    case .join(let request): check(request)
    case .leave, .heartbeat, .presence, .accessToken, .other: break
    }
}

private func check(_ content: BroadcastContent, topic: String) {
    guard !content.extra.contains(where: { $0.name == "meta" }) else { fatalError("a meta that is not the server's") }
    _ = (content.innerID, content.innerString("text"), content.byteCount)
    for serializer in [Serializer.v1, .v2] {
        guard let frame = PhoenixEncoder.broadcast(serializer, topic: topic, content: content, meta: nil) else {
            guard case .binary = content.body else { fatalError("a JSON body that is not delivered") }
            continue
        }
        if frame.kind == .binary {
            let expected: [UInt8] =
                switch content.body {
                case .json(let value): value.bytes
                case .binary(let bytes): bytes
                }
            let header = 5 + topic.utf8.count + content.event.utf8.count
            let bytes = [UInt8](frame.payload.readableBytesView)
            guard bytes.count == header + expected.count, bytes[header...].elementsEqual(expected), bytes[0] == 4 else {
                fatalError("another broadcast in binary")
            }
        } else {
            guard case .broadcast(let again) = read(frame, serializer).event, again.body == content.body, again.id == content.id,
                again.event.utf8.elementsEqual(content.event.utf8), again.extra.map(\.value) == content.extra.map(\.value)
            else { fatalError("another broadcast after a round trip") }
        }
    }
}

private func check(_ fields: RawJSON, key: String) {
    let entry = PresenceEntry(key: key, phxRef: "R", phxRefPrev: "P", fields: fields)
    let frame = PhoenixEncoder.presenceState(.v2, joinRef: nil, topic: "t", entries: [entry, entry])
    guard let root = RawJSON(checking: [UInt8](frame.payload.readableBytesView)),
        let state = try? JSON.parse(root.bytes, limits: JSONLimits(depth: .max, members: .max, elements: .max, digits: .max))
    else { return }  // A number that parsing has no value for.
    guard let meta = state[4]?[key]?["metas"]?[1], meta["phx_ref"] == "R", meta["phx_ref_prev"] == "P" else {
        fatalError("a ref that is not the server's")
    }
}

private func check(_ request: JoinRequest) {
    let response = JoinResponse.ok(postgresChanges: request.postgresChanges)
    guard RawJSON(checking: response.bytes)?.bytes == response.bytes else {
        fatalError("a join is answered with what is no JSON")
    }
    for binding in request.postgresChanges where !(1..<1 << 48).contains(JoinResponse.id(of: binding)) {
        fatalError("an id that clients cannot hold")
    }
}

/// What the server writes has the shape of what a client writes.
private func read(_ frame: WireFrame, _ serializer: Serializer) -> ClientMessage {
    guard frame.kind == .text else { fatalError("not text") }
    // An answer may be longer than the question, by its escapes too: limits are not in question here.
    var limits = RealtimeLimits()
    (limits.topicBytes, limits.userEventBytes, limits.refBytes) = (.max, .max, .max)
    limits.json = JSONLimits(depth: 512, members: .max, elements: .max, digits: .max)
    let message = frame.payload.withUnsafeReadableBytes { try? PhoenixDecoder.text($0, serializer, limits: limits) }
    guard let message else { fatalError("cannot read what was written") }
    return message
}
