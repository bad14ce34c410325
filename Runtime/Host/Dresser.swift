import HTTPTypes
import Swiftlet
import SwiftletHTTP
import SwiftletRateLimit

/// Collects the header fields of one answer as the bytes that go out.
struct Dresser {
    private(set) var encoded: EncodedFields
    /// Names the function set itself, in lower case; empty for most answers.
    private var own: [String] = []

    init(requestID: RequestID, in room: consuming EncodedFields = EncodedFields()) {
        encoded = consume room
        encoded.reserve(768)
        requestID.withBytes { id in
            encoded.appendOwn("x-request-id", id)
            encoded.appendOwn("sb-request-id", id)
        }
    }

    /// The fields a function wrote. Those that describe the connection are the server's and are dropped; CORS fields too, unless the
    /// function speaks CORS itself.
    mutating func add(_ fields: HTTPFields, keepsCORS: Bool, mediaType: StaticString?) throws(FieldProblem) {
        for field in fields {
            let name = field.name.canonicalName
            if Dresser.isServers(name) || (!keepsCORS && name.hasPrefix("access-control-")) { continue }
            do { try encoded.append(field.name.rawName, field.value) } catch { throw FieldProblem(name: name) }
            own.append(name)
        }
        if let mediaType, !own.contains("content-type") { add("content-type", mediaType) }
    }

    func has(_ name: String) -> Bool { !own.isEmpty && own.contains(name) }

    mutating func add(_ name: StaticString, _ value: StaticString) {
        encoded.appendOwn(name, value)
    }

    /// For values only known now. Named apart, so that literals never take this slower way.
    mutating func add(text name: String, _ value: String) { add(name.utf8, value.utf8) }

    /// Fields of ours are well formed; one that is not would be a bug here, and is left out rather than sent.
    private mutating func add(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) {
        do { try encoded.append(name, value) } catch { assertionFailure("a field of the host's own cannot be sent: \(error)") }
    }

    mutating func add(_ block: EncodedFields) {
        encoded.appendOwn(block)
    }

    /// What the caller has left of its limit.
    mutating func add(_ limit: CallerLimit, _ decision: LimitDecision) {
        add(limit.policyField)
        encoded.appendOwn("ratelimit") {
            RateLimitHeaders.append(
                remaining: decision.remaining, reset: decision.allowed ? decision.resetAfter : decision.retryAfter, to: &$0)
        }
    }

    /// Fields of an error, which may come from a function: what cannot be sent, or is not the function's to say, is dropped.
    mutating func add(errorField field: HTTPError.Field) {
        let name = field.name.lowercased()
        guard !Dresser.isServers(name), !name.hasPrefix("access-control-") else { return }
        switch name {
        case "content-type", "sb-error-code", "x-relay-error": return
        default: addChecked(field)
        }
    }

    /// What cannot be sent is dropped.
    mutating func addChecked(_ field: HTTPError.Field) {
        _ = try? encoded.append(field.name, field.value)
    }

    private static func isServers(_ name: String) -> Bool {
        switch name {
        case "connection", "keep-alive", "transfer-encoding", "content-length", "date", "trailer", "upgrade", "te", "server",
            "x-request-id",
            "sb-request-id":
            true
        default: false
        }
    }
}

/// A header field that cannot go on the wire, by name; its value may be anything.
struct FieldProblem: Error {
    let name: String
}

extension EncodedFields {
    /// A block made once, of fields that are ours.
    init(_ fields: [HTTPError.Field]) {
        self.init()
        for field in fields {
            do { try append(field.name, field.value) } catch {
                assertionFailure("a field of the host's own cannot be sent: \(error)")
            }
        }
    }
}
