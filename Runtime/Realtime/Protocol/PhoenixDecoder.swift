import SwiftletJSON

/// Reads what clients send. Pure: the same bytes give the same message, and no bytes trap.
package enum PhoenixDecoder {
    /// A text frame. Throws ``MessageFault``: log it, drop the frame, keep the socket.
    package static func text(
        _ bytes: UnsafeRawBufferPointer, _ serializer: Serializer, limits: RealtimeLimits = .standard
    ) throws(MessageFault) -> ClientMessage {
        guard bytes.count <= limits.frameBytes else { throw MessageFault(.tooLong, "the frame has \(bytes.count) bytes") }
        let slices = try slices(bytes, limits)
        let envelope =
            switch serializer {
            case .v1: try object(slices)
            case .v2: try array(slices)
            }
        let joinRef = try ref(envelope.joinRef, slices, limits)
        let ref = try ref(envelope.ref, slices, limits)
        guard let topic = envelope.topic, let event = envelope.event, let payload = envelope.payload else {
            throw MessageFault(.wrongShape, "topic, event or payload is missing")
        }
        guard topic.kind == .string, event.kind == .string else {
            throw MessageFault(.wrongShape, "topic or event is no string")
        }
        guard let topicText = slices.text(of: topic), topicText.utf8.count <= limits.topicBytes else {
            throw MessageFault(.topicTooLong, "the topic has more than \(limits.topicBytes) bytes")
        }
        return ClientMessage(
            joinRef: joinRef, ref: ref, topic: topicText,
            event: try clientEvent(event, payload, in: slices, limits))
    }

    static func slices(_ bytes: UnsafeRawBufferPointer, _ limits: RealtimeLimits) throws(MessageFault) -> JSONSlices {
        do throws(JSONError) {
            return try JSONSlices(bytes, limits: limits.json)
        } catch {
            throw MessageFault(.invalidJSON, error.description)
        }
    }

    // MARK: Envelopes

    private struct Envelope {
        var joinRef: JSONSlices.Value?
        var ref: JSONSlices.Value?
        var topic: JSONSlices.Value?
        var event: JSONSlices.Value?
        var payload: JSONSlices.Value?
    }

    private static func object(_ slices: borrowing JSONSlices) throws(MessageFault) -> Envelope {
        guard slices.root.kind == .object else { throw MessageFault(.wrongShape, "no object") }
        var envelope = Envelope()
        var members = slices.children(of: slices.root)
        while let member = slices.nextMember(&members) {
            if slices.isName(of: member, "topic") {
                envelope.topic = member.value
            } else if slices.isName(of: member, "event") {
                envelope.event = member.value
            } else if slices.isName(of: member, "payload") {
                envelope.payload = member.value
            } else if slices.isName(of: member, "ref") {
                envelope.ref = member.value
            } else if slices.isName(of: member, "join_ref") {
                envelope.joinRef = member.value
            }
        }
        return envelope
    }

    private static func array(_ slices: borrowing JSONSlices) throws(MessageFault) -> Envelope {
        guard slices.root.kind == .array, slices.count(of: slices.root) >= 5 else {
            throw MessageFault(.wrongShape, "no array of five")
        }
        var elements = slices.children(of: slices.root)
        var envelope = Envelope()
        envelope.joinRef = slices.nextElement(&elements)
        envelope.ref = slices.nextElement(&elements)
        envelope.topic = slices.nextElement(&elements)
        envelope.event = slices.nextElement(&elements)
        envelope.payload = slices.nextElement(&elements)
        return envelope
    }

    private static func ref(
        _ value: JSONSlices.Value?, _ slices: borrowing JSONSlices, _ limits: RealtimeLimits
    ) throws(MessageFault) -> RawJSON? {
        guard let value, value.kind != .null else { return nil }
        guard value.kind == .string || value.kind == .number, value.range.count <= limits.refBytes else {
            throw MessageFault(.invalidRef, "a ref is no short string or number")
        }
        return RawJSON(unchecked: slices.bytes(of: value))
    }

    // MARK: Events

    private static func clientEvent(
        _ event: JSONSlices.Value, _ payload: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits
    ) throws(MessageFault) -> ClientEvent {
        // The most frequent first.
        if slices.isText(event, "broadcast") { return .broadcast(try broadcast(payload, in: slices, limits)) }
        if slices.isText(event, "heartbeat") { return .heartbeat }
        if slices.isText(event, "presence") { return .presence(presence(payload, in: slices, limits)) }
        if slices.isText(event, "access_token") { return .accessToken(token(payload, in: slices, limits)) }
        if slices.isText(event, "phx_join") { return .join(JoinRequest(reading: payload, in: slices, limits: limits)) }
        if slices.isText(event, "phx_leave") { return .leave }
        guard let name = slices.text(of: event), name.utf8.count <= limits.eventBytes else {
            throw MessageFault(.eventTooLong, "the event has more than \(limits.eventBytes) bytes")
        }
        return .other(name)
    }

    private static func broadcast(
        _ payload: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits
    ) throws(MessageFault) -> BroadcastContent {
        guard payload.kind == .object else { throw MessageFault(.invalidBroadcast, "the payload of a broadcast is no object") }
        var content = BroadcastContent(event: "", body: .json(.emptyObject))
        var hasEvent = false
        var members = slices.children(of: payload)
        while let member = slices.nextMember(&members) {
            if slices.isName(of: member, "payload") {
                content.body = .json(RawJSON(unchecked: slices.bytes(of: member.value)))
            } else if slices.isName(of: member, "event") {
                guard let event = slices.text(of: member.value) else {
                    throw MessageFault(.invalidBroadcast, "the event of a broadcast is no string")
                }
                guard event.utf8.count <= limits.userEventBytes else {
                    throw MessageFault(.eventTooLong, "the event of a broadcast has more than \(limits.userEventBytes) bytes")
                }
                content.event = event
                hasEvent = true
            } else if !slices.isName(of: member, "type") {
                content.add(member, in: slices)
            }
        }
        guard hasEvent else { throw MessageFault(.invalidBroadcast, "a broadcast without an event") }
        return content
    }

    private static func presence(
        _ payload: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits
    ) -> PresenceRequest {
        guard let event = slices.member("event", of: payload), let name = slices.text(of: event),
            name.utf8.count <= limits.eventBytes
        else { return .unknown("") }
        if name.isASCII("track") {
            // Without a payload: there, with nothing to say.
            guard let fields = slices.member("payload", of: payload) else { return .track(.emptyObject) }
            return fields.kind == .object ? .track(RawJSON(unchecked: slices.bytes(of: fields))) : .notAnObject
        }
        return name.isASCII("untrack") ? .untrack : .unknown(name)
    }

    private static func token(
        _ payload: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits
    ) -> String? {
        guard let value = slices.member("access_token", of: payload), value.range.count &- 2 <= limits.tokenBytes else {
            return nil
        }
        return slices.text(of: value)
    }
}

extension BroadcastContent {
    /// Takes a member of the outer payload that is neither its type, its event nor its payload.
    mutating func add(_ member: JSONSlices.Member, in slices: borrowing JSONSlices) {
        if slices.isName(of: member, "id"), let text = slices.text(of: member.value), BroadcastContent.isID(text) {
            id = text
        } else if !slices.isName(of: member, "meta") {
            extra.append((slices.name(of: member), RawJSON(unchecked: slices.bytes(of: member.value))))
        }
    }
}

extension String {
    /// Whether it is this lower-case ASCII word, in any case.
    func isASCII(_ word: StaticString) -> Bool {
        guard utf8.count == word.utf8CodeUnitCount else { return false }
        return zip(utf8, UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)).allSatisfy { byte, expected in
            byte == expected || byte &+ 0x20 == expected && byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
        }
    }
}
