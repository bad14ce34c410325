import HTTPTypes
package import NIOCore
package import Swiftlet

/// The payloads of `whole`, `head` and `failed`: what a worker answers. The host reads them as hostile input.
package enum ResponseFrame {
    /// Media types that answers of the contract itself have: one byte instead of a field.
    private static let mediaTypes: [StaticString] = ["application/json", "text/plain; charset=utf-8", "text/event-stream"]

    package static func writeHead(_ response: Response, to buffer: inout ByteBuffer) {
        buffer.put(UInt16(clamping: response.status))
        let media = response.mediaType.flatMap { type in mediaTypes.firstIndex { $0.equals(type) } }
        buffer.put(UInt8(media.map { $0 + 1 } ?? 0))
        let fields = response.fields ?? HTTPFields()
        buffer.put(UInt16(clamping: fields.count))
        for field in fields.prefix(Int(UInt16.max)) {
            buffer.put(field.name.rawName)
            buffer.put(field.value)
        }
    }

    /// What is left of the payload is the body, or the length of one that follows.
    package static func readHead(_ payload: inout ByteBuffer) throws(FrameProblem) -> Response {
        let status = Int(try payload.take16())
        let media = Int(try payload.takeByte())
        guard media <= mediaTypes.count else { throw .malformed }
        let count = Int(try payload.take16())
        // Two lengths a field.
        guard payload.readableBytes >= count * 8 else { throw .short }
        var response = Response(status: status)
        if media > 0 { response.mediaType = mediaTypes[media - 1] }
        guard count > 0 else { return response }
        var fields = HTTPFields()
        fields.reserveCapacity(count)
        for _ in 0..<count {
            guard let name = HTTPField.Name(try payload.takeText()) else { throw .malformed }
            let value = try payload.takeText()
            // The library would mend it in silence; no honest worker sends one.
            guard HTTPField.isValidValue(value) else { throw .malformed }
            fields.append(HTTPField(name: name, value: value))
        }
        response.fields = fields
        return response
    }

    package static func writeFailure(_ error: HTTPError, to buffer: inout ByteBuffer) {
        buffer.put(UInt16(clamping: error.status))
        buffer.put(ResponseFrame.clipped(error.code.text, 128))
        buffer.put(ResponseFrame.clipped(error.message, 8192))
        buffer.put(error.cause.map { ResponseFrame.clipped($0, 8192) })
        buffer.put(UInt16(min(error.fields.count, 64)))
        for field in error.fields.prefix(64) {
            buffer.put(ResponseFrame.clipped(field.name, 256))
            buffer.put(ResponseFrame.clipped(field.value, 2048))
        }
        buffer.put(UInt16(min(error.problems.count, 100)))
        for problem in error.problems.prefix(100) {
            buffer.put(ResponseFrame.clipped(problem.field, 256))
            buffer.put(ResponseFrame.clipped(problem.message, 256))
            buffer.put(problem.rule.map { ResponseFrame.clipped($0, 64) })
            buffer.put(problem.code.map { ResponseFrame.clipped($0, 64) })
        }
    }

    package static func readFailure(_ payload: ByteBuffer) throws(FrameProblem) -> HTTPError {
        var payload = payload
        let status = Int(try payload.take16())
        let code = ErrorCode(try payload.takeText())
        let message = try payload.takeText()
        let cause = try payload.takeOptionalText()
        var error = HTTPError(status, code, message, cause: cause)
        for _ in 0..<(try payload.take16()) {
            error.fields.append(HTTPError.Field(try payload.takeText(), try payload.takeText()))
        }
        for _ in 0..<(try payload.take16()) {
            error.problems.append(
                HTTPError.Problem(
                    field: try payload.takeText(), message: try payload.takeText(), rule: try payload.takeOptionalText(),
                    code: try payload.takeOptionalText()))
        }
        try payload.checkEnd()
        return error
    }

    /// At most `limit` bytes, cut between characters: an error's text must fit a frame, however long a function made it.
    private static func clipped(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: limit)
        while end > text.startIndex, end.samePosition(in: text) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }
}

extension StaticString {
    fileprivate func equals(_ other: StaticString) -> Bool {
        utf8CodeUnitCount == other.utf8CodeUnitCount
            && UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
                .elementsEqual(UnsafeRawBufferPointer(start: other.utf8Start, count: other.utf8CodeUnitCount))
    }
}
