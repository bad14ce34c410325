import SwiftletJSON

extension RESTBroadcast {
    /// `POST …/broadcast/{topic}/events/{event}[?private=true]`. `topic` and `event` are path segments as they came, percent-encoded;
    /// `query` is what stands after the question mark. Without a content type the body is JSON, and without a body an empty object.
    ///
    /// Throws 400 for a body that is no JSON or a path that is no text, 415 for another content type and 422 with
    /// `{"errors":{field:[…]}}` for the rest. A `private` that is neither true nor false is refused too: what was meant for few must not go
    /// to all.
    package static func single(
        topic: String, event: String, query: String?, contentType: String?, body: UnsafeRawBufferPointer,
        limits: RealtimeLimits = .standard
    ) throws(Answer) -> Message {
        let isBinary: Bool
        switch mediaType(contentType) {
        case .json: isBinary = false
        case .bytes: isBinary = true
        case .other: throw .unsupportedMediaType
        }
        guard let topic = percentDecoded(topic.utf8), let event = percentDecoded(event.utf8) else {
            throw Answer(status: 400, message: "The path holds a malformed percent-encoding")
        }
        var errors = Errors()
        check(topic, "topic", upTo: limits.topicBytes, &errors)
        check(event, "event", upTo: limits.userEventBytes, &errors)
        let isPrivate = privateFlag(query)
        if isPrivate == nil { errors.add("private", Errors.invalid) }
        if body.count > limits.messageBytes { errors.add("payload", Errors.tooLarge) }
        guard errors.isEmpty, let isPrivate else { throw Errors.answer(errors.json) }
        let content = BroadcastContent(event: event, body: isBinary ? .binary([UInt8](body)) : .json(try json(body, limits)))
        return Message(topic: topic, content: content, isPrivate: isPrivate)
    }

    private static func json(_ body: UnsafeRawBufferPointer, _ limits: RealtimeLimits) throws(Answer) -> RawJSON {
        if body.isEmpty { return .emptyObject }
        do throws(JSONError) {
            let slices = try JSONSlices(body, limits: limits.json)
            if slices.root.kind != .null { return RawJSON(unchecked: slices.bytes(of: slices.root)) }
        } catch {
            throw malformed(error)
        }
        var errors = Errors()
        errors.add("payload", Errors.blank)
        throw Errors.answer(errors.json)
    }

    private static func check(_ text: String, _ field: String, upTo length: Int, _ errors: inout Errors) {
        if isBlank(text) {
            errors.add(field, Errors.blank)
        } else if text.utf8.count > length {
            errors.add(field, Errors.tooLong(length))
        }
    }

    // MARK: Content type

    private enum MediaType { case json, bytes, other }

    private static func mediaType(_ text: String?) -> MediaType {
        guard let text else { return .json }
        let end = text.utf8.firstIndex(of: UInt8(ascii: ";")) ?? text.utf8.endIndex
        let name = String(text[..<end].drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
        // Blanks may stand around the name, not in it.
        guard text[..<end].split(whereSeparator: { $0 == " " || $0 == "\t" }).count == 1 else { return .other }
        if name.isASCII("application/json") { return .json }
        return name.isASCII("application/octet-stream") ? .bytes : .other
    }

    // MARK: Path and query

    /// `nil` for a percent sign without two hex digits, and for bytes that are not UTF-8.
    static func percentDecoded(_ text: some Collection<UInt8>) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text.makeIterator()
        while let byte = rest.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.next().flatMap(hex), let low = rest.next().flatMap(hex) else { return nil }
            bytes.append(high &<< 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- UInt8(ascii: "a") &+ 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte &- UInt8(ascii: "A") &+ 10
        default: nil
        }
    }

    /// False when it does not stand there; `nil` when it is neither true nor false, or stands there both ways.
    private static func privateFlag(_ query: String?) -> Bool? {
        var seen: Bool?
        for pair in (query ?? "").utf8.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, percentDecoded(first) == "private" else { continue }
            guard parts.count == 2, let value = percentDecoded(parts[1]) else { return nil }
            let flag: Bool
            if value.isASCII("true") { flag = true } else if value.isASCII("false") { flag = false } else { return nil }
            if seen.map({ $0 != flag }) ?? false { return nil }
            seen = flag
        }
        return seen ?? false
    }
}
