import SwiftletJSON

extension RESTBroadcast {
    /// The body `{"messages":[{topic,event,payload,private?,id?}]}`. All or none: one invalid message refuses the batch with 422, whose body
    /// says what is wrong with each. Throws 400 for what is no JSON and 429 for more messages than a batch may have.
    package static func batch(
        _ body: UnsafeRawBufferPointer, limits: RealtimeLimits = .standard
    ) throws(Answer) -> [Message] {
        guard body.count <= limits.batchBytes else { throw Answer(status: 413, message: "The body is too large") }
        let slices: JSONSlices
        do throws(JSONError) {
            slices = try JSONSlices(body, limits: limits.json)
        } catch {
            throw malformed(error)
        }
        guard let list = slices.member("messages", of: slices.root), list.kind != .null else { throw ofMessages(Errors.blank) }
        guard list.kind == .array else { throw ofMessages(Errors.invalid) }
        let count = slices.count(of: list)
        guard count > 0 else { throw ofMessages(Errors.blank) }
        guard count <= limits.batchMessages else { throw .batchTooLarge }
        var messages: [Message] = []
        messages.reserveCapacity(count)
        var problems: [JSON] = []
        var isInvalid = false
        var elements = slices.children(of: list)
        while let element = slices.nextElement(&elements) {
            guard element.kind == .object else { throw ofMessages(Errors.invalid) }
            var errors = Errors()
            if let message = message(element, in: slices, limits, &errors) { messages.append(message) }
            isInvalid = isInvalid || !errors.isEmpty
            problems.append(errors.json)
        }
        guard !isInvalid else { throw Errors.answer(JSON(members: [("messages", .array(problems))])) }
        return messages
    }

    private static func ofMessages(_ text: String) -> Answer {
        Errors.answer(JSON(members: [("messages", .array([.string(text)]))]))
    }

    /// `nil` when there are errors.
    private static func message(
        _ element: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits, _ errors: inout Errors
    ) -> Message? {
        var (topic, event, id): (String?, String?, String?)
        var payload: RawJSON?
        var isPrivate = false
        // The others are nobody's: only what a message is made of is passed on.
        var fields = Fields()
        var members = slices.children(of: element)
        while let member = slices.nextMember(&members) {
            let value = member.value
            if value.kind == .null { continue }
            if slices.isName(of: member, "topic") {
                fields.hasTopic = true
                topic = text(value, "topic", upTo: limits.topicBytes, in: slices, &errors)
            } else if slices.isName(of: member, "event") {
                fields.hasEvent = true
                event = text(value, "event", upTo: limits.userEventBytes, in: slices, &errors)
            } else if slices.isName(of: member, "payload") {
                fields.hasPayload = true
                if value.kind != .object {
                    errors.add("payload", Errors.invalid)
                } else if value.range.count > limits.messageBytes {
                    errors.add("payload", Errors.tooLarge)
                } else {
                    payload = RawJSON(unchecked: slices.bytes(of: value))
                }
            } else if slices.isName(of: member, "private") {
                if let flag = flag(value, in: slices) { isPrivate = flag } else { errors.add("private", Errors.invalid) }
            } else if slices.isName(of: member, "id") {
                id = slices.text(of: value).flatMap { BroadcastContent.isID($0) ? $0 : nil }
                if id == nil { errors.add("id", Errors.invalid) }
            }
        }
        if !fields.hasTopic { errors.add("topic", Errors.blank) }
        if !fields.hasEvent { errors.add("event", Errors.blank) }
        if !fields.hasPayload { errors.add("payload", Errors.blank) }
        guard errors.isEmpty, let topic, let event, let payload else { return nil }
        return Message(
            topic: topic, content: BroadcastContent(event: event, id: id, body: .json(payload)), isPrivate: isPrivate)
    }

    private struct Fields {
        var hasTopic = false
        var hasEvent = false
        var hasPayload = false
    }

    private static func text(
        _ value: JSONSlices.Value, _ field: String, upTo length: Int, in slices: borrowing JSONSlices, _ errors: inout Errors
    ) -> String? {
        guard let text = slices.text(of: value) else {
            errors.add(field, Errors.invalid)
            return nil
        }
        if isBlank(text) {
            errors.add(field, Errors.blank)
        } else if text.utf8.count > length {
            errors.add(field, Errors.tooLong(length))
        } else {
            return text
        }
        return nil
    }

    private static func flag(_ value: JSONSlices.Value, in slices: borrowing JSONSlices) -> Bool? {
        if let flag = slices.bool(of: value) { return flag }
        guard value.range.count <= 64, let text = slices.text(of: value) else { return nil }
        return text.isASCII("true") || text == "1" ? true : text.isASCII("false") || text == "0" ? false : nil
    }
}
