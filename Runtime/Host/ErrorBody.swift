import Swiftlet
import SwiftletJSON

/// The one place that turns an error into bytes.
///
/// `{"code", "message", "msg", "error", "request_id"}`: `message` and `code` for supabase-js and people, `msg` for clients of older gateways,
/// `error` (a string, always) for the Python client, which reads nothing else.
enum ErrorBody {
    static func write(_ error: HTTPError, requestID: RequestID) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256 + 3 * error.message.utf8.count)
        func member(_ name: StaticString, _ value: String) {
            bytes.append(bytes.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
            bytes.append(UInt8(ascii: "\""))
            name.withUTF8Buffer { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: "\":".utf8)
            JSONText.append(string: value, to: &bytes)
        }
        member("code", error.code.text)
        member("message", error.message)
        member("msg", error.message)
        member("error", error.message)
        member("request_id", requestID.text)
        if !error.problems.isEmpty {
            bytes.append(contentsOf: ",\"problems\":".utf8)
            JSON.array(error.problems.map(ErrorBody.json)).write(into: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private static func json(_ problem: HTTPError.Problem) -> JSON {
        var json: JSON = ["field": .string(problem.field)]
        if let rule = problem.rule { json["rule"] = .string(rule) }
        if let code = problem.code { json["code"] = .string(code) }
        json["message"] = .string(problem.message)
        return json
    }
}
