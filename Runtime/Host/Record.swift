import Logging
import Swiftlet
package import SwiftletHTTP
package import SwiftletServer
import SwiftletTelemetry

/// How one request ended: what its log line and its metrics say.
struct Ending {
    let slot: FunctionSlot?
    let api: HostAPI?
    let status: Int
    let startedAt: UInt64
    let requestID: RequestID
    let head: RequestHead
    let client: Client
    let caller: StaticString
    let executionID: String
    let subjectHash: UInt64?
    let bytesIn: Int
    let bytesOut: Int
    let refusal: ErrorCode?
}

extension Host {
    /// One line, one set of metrics. Never fails.
    func record(_ ending: borrowing Ending) {
        let duration = clock.monotonic().subtractingClamped(ending.startedAt)
        inFlight.subtract(1, ordering: .relaxed)
        (ending.slot?.metrics ?? ending.api.map(metrics.of) ?? metrics.unrouted).record(
            status: ending.status, reason: ending.refusal?.text, nanoseconds: duration)
        if ending.refusal == .rateLimitExceeded { metrics.securityEvent("limit.hit") }
        if ending.status == 401 {
            metrics.securityEvent(ending.refusal?.text == "UNAUTHORIZED_NO_AUTH_HEADER" ? "auth.missing" : "auth.rejected")
        }
        if ending.status == 413 { metrics.securityEvent("body.too_large") }
        let line = LogSink.Request(
            wallNanoseconds: clock.wall(), executionID: ending.executionID,
            function: ending.slot?.name.text ?? ending.api?.rawValue ?? "", method: ending.head.method.token,
            status: ending.status, code: ending.refusal?.text, durationNanoseconds: duration,
            clientAddress: ending.client.addressText, caller: ending.caller, subjectHash: ending.subjectHash,
            bytesIn: ending.bytesIn, bytesOut: ending.bytesOut)
        ending.requestID.withBytes { id in ending.head.withPath { path in sink.request(line, id: id, path: path) } }
    }

    /// What a function causes has an allowance of its own: its flood of errors hides neither another's nor the host's own lines.
    func logger(_ topic: String, of function: FunctionName?) -> Logger {
        guard let function else { return log }
        return Logger(label: "\(topic) of \(function)") { [sink] in SinkLogHandler(label: $0, sink: sink) }
    }

    /// The part of an error that only the log sees.
    func logCause(_ passage: Passage, _ error: HTTPError) {
        let level: Logger.Level = error.status >= 500 ? .error : .info
        logger("causes", of: passage.enteredSlot?.name).log(
            level: level, "\(error.code): \(error.message)",
            metadata: [
                "request_id": "\(passage.requestID.text)", "function": "\(passage.enteredSlot?.name.text ?? "")",
                "status": "\(error.status)",
                "cause": "\(error.cause ?? "")",
            ])
    }

    /// What was found in a body: names of rules and classes, never a value or a name from it.
    func logFindings(_ passage: Passage, _ findings: Set<BodyScreen.Finding>) {
        let logger = logger("findings", of: passage.enteredSlot?.name)
        for finding in findings {
            var metadata: Logger.Metadata = [
                "request_id": "\(passage.requestID.text)", "function": "\(passage.enteredSlot?.name.text ?? "")",
            ]
            let event: Logger.Message
            switch finding {
            case .suspicious(let reason, let score):
                event = "input.suspicious"
                metadata["class"] = "\(reason)"
                metadata["score"] = "\(score)"
            case .sensitive(let types, let count):
                event = "input.sensitive"
                metadata["types"] = "\(types.joined(separator: ","))"
                metadata["count"] = "\(count)"
            case .rejected(let rule, let code):
                event = "input.rejected"
                metadata["validator"] = "\(rule)"
                metadata["rule"] = "\(code)"
            }
            metrics.securityEvent("\(event)")
            logger.info(event, metadata: metadata)
        }
    }

    func logCut(_ passage: Passage, _ error: HTTPError) {
        logger("causes", of: passage.enteredSlot?.name).warning(
            "a begun answer was cut",
            metadata: [
                "request_id": "\(passage.requestID.text)", "function": "\(passage.enteredSlot?.name.text ?? "")",
                "code": "\(error.code)",
                "cause": "\(error.cause ?? error.message)",
            ])
    }
}

extension Host {
    /// The answer to a request that could not even be read.
    package func refused(_ refusal: HTTPRefusal, peer: PeerAddress) -> RefusalResponse {
        let isTimeout = refusal.kind == .headTimeout
        let event = isTimeout ? "http.timeout" : "http.malformed"
        metrics.securityEvent(event)
        let id = newRequestID()
        log.info(
            "\(event)",
            metadata: [
                "kind": "\(refusal.kind.rawValue)", "offset": "\(refusal.offset)", "client_ip": "\(peer)",
                "request_id": "\(id.text)",
                "status": "\(refusal.status)",
            ])
        let error = HTTPError(refusal)
        var dresser = Dresser(requestID: id)
        dresser.add("content-type", "application/json")
        dresser.add(text: "sb-error-code", error.code.text)
        dresser.add("x-relay-error", "true")
        dresser.add("cache-control", "no-store")
        dresser.add(corsFields(for: nil))
        return RefusalResponse(status: error.status, fields: dresser.encoded, body: ErrorBody.write(error, requestID: id))
    }
}

extension HTTPError {
    init(_ refusal: HTTPRefusal) {
        switch refusal.status {
        case 408: self.init(408, .requestTimeout, "The request head did not arrive in time")
        case 414: self.init(414, "URI_TOO_LONG", "The request line is too long")
        case 431: self.init(431, "HEADERS_TOO_LARGE", "The header fields are too large or too many")
        case 501: self.init(501, "NOT_IMPLEMENTED", "This transfer coding or method is not supported")
        case 505: self.init(505, "HTTP_VERSION_NOT_SUPPORTED", "Only HTTP/1.0 and HTTP/1.1 are spoken here")
        default: self.init(400, .badRequest, "The request is malformed")
        }
    }
}
