import SwiftletHTTP
import SwiftletJSON

/// One request as the log tells it.
struct Attempt: Sendable {
    /// How an answer ended.
    enum End: String, Sendable {
        /// All of it was handed to the system.
        case answered
        /// The client closed first.
        case clientGone = "client-gone"
        /// The mock cut the connection, as the fault says.
        case reset
        case hungUp = "hung-up"
    }

    /// Nanoseconds since the mock started.
    var start: Int64
    var shape: Shape
    var model = ""
    var fault = Fault.ok
    var verb: String
    var version = ""
    var isStream = false
    var status: Int?
    var isKeyRight = false
    var hasUserToken = false
    var fields: HeaderFields
    /// At most ``bodyLimit``.
    var body: [UInt8]
    var isBodyJSON = false
    var bodyBytes: Int
    var end: (how: End, at: Int64)?

    static let bodyLimit = 64 * 1024

    /// What it takes of the log's room.
    var weight: Int { body.count + fields.text.count }

    func write(number: Int, into bytes: inout [UInt8]) {
        func member(_ name: String, _ value: JSON) {
            bytes.append(contentsOf: ",\"\(name)\":".utf8)
            value.write(into: &bytes)
        }
        bytes.append(contentsOf: "{\"n\":\(number)".utf8)
        member("ms", Attempt.milliseconds(start))
        member("shape", .string(shape.rawValue))
        member("model", .string(model))
        member("fault", .string(fault.rawValue))
        member("verb", .string(verb))
        member("version", .string(version))
        member("stream", .bool(isStream))
        member("status", status.map { JSON($0) } ?? .null)
        member("keyOK", .bool(isKeyRight))
        member("userToken", .bool(hasUserToken))
        member("headers", headers)
        member("bodyBytes", JSON(bodyBytes))
        if isBodyJSON {
            bytes.append(contentsOf: ",\"body\":".utf8)
            bytes += body
        } else {
            member("body", body.isEmpty ? .null : .string(String(decoding: body, as: UTF8.self)))
        }
        member("endMs", end.map { Attempt.milliseconds($0.at) } ?? .null)
        member("end", end.map { .string($0.how.rawValue) } ?? .null)
        bytes.append(UInt8(ascii: "}"))
    }

    /// By small names; what is repeated is joined. Credentials say only that they were there, so that a search for a key finds leaks alone.
    private var headers: JSON {
        var headers = JSON.Object()
        fields.forEach { name, value in
            let name = String(decoding: name, as: UTF8.self).lowercased()
            var text = String(decoding: value, as: UTF8.self)
            if name == "x-goog-api-key" || name == "authorization" { text = "[hidden]" }
            headers[name] = .string(headers[name]?.string.map { $0 + ", " + text } ?? text)
        }
        return .object(headers)
    }

    /// With three decimals.
    private static func milliseconds(_ nanoseconds: Int64) -> JSON { JSON(Double(nanoseconds / 1000) / 1000) ?? 0 }
}

/// The newest attempts.
struct AttemptLog: Sendable {
    static let limit = 10_000
    /// Bytes of heads and bodies; when there are more, the oldest lose theirs.
    static let room = 64 * 1024 * 1024

    private var slots: [Attempt?] = []
    /// Every attempt has a serial of its own, from 0 on, for as long as the mock lives.
    private var next = 0
    private var first = 0
    private var lightened = 0
    private var weight = 0

    /// - Returns: the serial by which its end is noted.
    mutating func add(_ attempt: Attempt) -> Int {
        let serial = next
        next += 1
        if slots.count < AttemptLog.limit, serial % AttemptLog.limit == slots.count {
            slots.append(attempt)
        } else {
            weight -= slots[serial % AttemptLog.limit]?.weight ?? 0
            slots[serial % AttemptLog.limit] = attempt
        }
        first = max(first, next - AttemptLog.limit)
        weight += attempt.weight
        lightened = max(lightened, first)
        while weight > AttemptLog.room, lightened < serial {
            let slot = lightened % AttemptLog.limit
            weight -= slots[slot]?.weight ?? 0
            slots[slot]?.body = []
            slots[slot]?.isBodyJSON = false
            slots[slot]?.fields = HeaderFields()
            lightened += 1
        }
        return serial
    }

    /// Notes how an attempt ended; once, and only while it is in the log.
    mutating func end(_ serial: Int, _ how: Attempt.End, at now: Int64) {
        guard serial >= first, serial < next, slots[serial % AttemptLog.limit]?.end == nil else { return }
        slots[serial % AttemptLog.limit]?.end = (how, now)
    }

    private var base = 0

    mutating func clear() {
        for index in slots.indices { slots[index] = nil }
        first = next
        base = next
        weight = 0
    }

    /// `{"attempts":[…]}`, oldest first, numbered from 1 since the last clearing.
    var json: [UInt8] {
        var bytes = Array(#"{"attempts":["#.utf8)
        for serial in first..<next {
            guard let attempt = slots[serial % AttemptLog.limit] else { continue }
            if serial > first { bytes.append(UInt8(ascii: ",")) }
            attempt.write(number: serial - base + 1, into: &bytes)
        }
        bytes += Array("]}".utf8)
        return bytes
    }
}
