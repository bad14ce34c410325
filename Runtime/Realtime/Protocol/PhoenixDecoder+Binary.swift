import SwiftletJSON

extension PhoenixDecoder {
    /// The kinds of binary messages. Clients send pushes of theirs (3) and, as other clients of the protocol do, plain pushes (0).
    private enum Kind {
        static let push: UInt8 = 0
        static let clientPush: UInt8 = 3
    }

    /// A binary frame; only sockets of version 2 send them. Throws ``MessageFault``: log it, drop the frame, keep the socket.
    package static func binary(
        _ bytes: UnsafeRawBufferPointer, limits: RealtimeLimits = .standard
    ) throws(MessageFault) -> ClientMessage {
        guard bytes.count <= limits.frameBytes else { throw MessageFault(.tooLong, "the frame has \(bytes.count) bytes") }
        guard let kind = bytes.first else { throw MessageFault(.truncated, "an empty binary frame") }
        switch kind {
        case Kind.clientPush: return try clientPush(bytes, limits)
        case Kind.push: return try plainPush(bytes, limits)
        default: throw MessageFault(.unknownKind, "a binary frame of kind \(kind)")
        }
    }

    /// `3 | lengths of join_ref, ref, topic, event, meta | encoding | join_ref | ref | topic | event | meta | payload`
    private static func clientPush(_ bytes: UnsafeRawBufferPointer, _ limits: RealtimeLimits) throws(MessageFault)
        -> ClientMessage
    {
        guard bytes.count >= 7 else { throw MessageFault(.truncated, "a binary frame without its lengths") }
        var parts = Parts(bytes: bytes, position: 7)
        let joinRef = try parts.ref(bytes[1])
        let ref = try parts.ref(bytes[2])
        let topic = try parts.text(bytes[3])
        var content = BroadcastContent(event: try parts.text(bytes[4]), body: .json(.emptyObject))
        try readMeta(try parts.take(bytes[5]), into: &content, limits)
        let payload = parts.rest
        switch bytes[6] {
        case 0: content.body = .binary([UInt8](payload))
        case 1:
            let slices = try slices(payload, limits)
            content.body = .json(RawJSON(unchecked: slices.bytes(of: slices.root)))
        default: throw MessageFault(.unknownEncoding, "a binary frame of encoding \(bytes[6])")
        }
        return ClientMessage(joinRef: joinRef, ref: ref, topic: topic, event: .broadcast(content))
    }

    /// What stands in the meta stood beside the event in the payload of its sender.
    private static func readMeta(
        _ meta: UnsafeRawBufferPointer, into content: inout BroadcastContent, _ limits: RealtimeLimits
    ) throws(MessageFault) {
        guard meta.count > 0 else { return }
        let slices = try slices(meta, limits)
        guard slices.root.kind == .object else { throw MessageFault(.wrongShape, "the meta of a binary frame is no object") }
        var members = slices.children(of: slices.root)
        while let member = slices.nextMember(&members) {
            let isOwn =
                slices.isName(of: member, "type") || slices.isName(of: member, "event") || slices.isName(of: member, "payload")
            if !isOwn { content.add(member, in: slices) }
        }
    }

    /// `0 | lengths of join_ref, ref, topic, event | join_ref | ref | topic | event | payload`. The payload says nothing to anyone here.
    private static func plainPush(_ bytes: UnsafeRawBufferPointer, _ limits: RealtimeLimits) throws(MessageFault) -> ClientMessage
    {
        guard bytes.count >= 5 else { throw MessageFault(.truncated, "a binary frame without its lengths") }
        var parts = Parts(bytes: bytes, position: 5)
        let joinRef = try parts.ref(bytes[1])
        let ref = try parts.ref(bytes[2])
        let topic = try parts.text(bytes[3])
        let event = try parts.text(bytes[4])
        let known: ClientEvent =
            switch event {
            case "heartbeat": .heartbeat
            case "phx_leave": .leave
            default: .other(event)
            }
        return ClientMessage(joinRef: joinRef, ref: ref, topic: topic, event: known)
    }

    /// Takes the parts of a binary frame one after the other.
    private struct Parts {
        let bytes: UnsafeRawBufferPointer
        var position: Int

        mutating func take(_ length: UInt8) throws(MessageFault) -> UnsafeRawBufferPointer {
            let end = position &+ Int(length)
            guard end <= bytes.count else { throw MessageFault(.truncated, "a binary frame shorter than its lengths say") }
            defer { position = end }
            return UnsafeRawBufferPointer(rebasing: bytes[position..<end])
        }

        mutating func text(_ length: UInt8) throws(MessageFault) -> String {
            let part = Span<UInt8>(_unsafeElements: try take(length).assumingMemoryBound(to: UInt8.self))
            // Checked as a span: `String(validating:as:)` looks its types up anew in each call, which took more time than all the rest.
            guard let text = try? UTF8Span(validating: part) else { throw MessageFault(.invalidUTF8, "text that is not UTF-8") }
            return String(copying: text)
        }

        mutating func ref(_ length: UInt8) throws(MessageFault) -> RawJSON? {
            length == 0 ? nil : RawJSON(string: try text(length))
        }

        var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[min(position, bytes.count)...]) }
    }
}
