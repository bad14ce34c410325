import Foundation
import SwiftletHTTP
import SwiftletJSON
import SwiftletNet

/// The areas of the shared test data that can be judged row by row, each through the code the host runs.
package enum CorpusArea: String, CaseIterable, Sendable {
    case jwt, json, proxy, cors, ratelimit, ssrf, url
    case structuredFields = "structured-fields"
    case xss, html, email, files, paths, injection, secrets, benign

    /// `["got": …]`, with further members where one word does not say it all.
    package func judge(_ row: [String: Any]) -> [String: Any] {
        switch self {
        case .jwt: ["got": CorpusArea.value(row).map { judgeJWT(row: $0) } ?? "reject"]
        case .json: ["got": CorpusArea.input(row).map { (try? JSON.parse($0)) != nil ? "accept" : "reject" } ?? "reject"]
        case .ssrf: row["dns"] == nil ? judgeURLCheck(row) : ["got": judgeSSRF(row)]
        case .url: judgeURLCheck(row).mapValues(CorpusArea.orNull)
        case .xss: judgeXSS(row)
        case .html: judgeHTML(row)
        case .email: judgeEmail(row)
        case .files: judgeFile(row)
        case .paths: judgePath(row).mapValues(CorpusArea.orNull)
        case .injection: judgeInjection(row)
        case .secrets: judgeSecrets(row)
        case .benign: judgeInjection(row).merging(judgeSecrets(row)) { $1 }.merging(judgeBenign(row)) { $1 }
        case .ratelimit: ["got": judgeRateLimit(row)]
        case .cors: ["got": judgeCORS(row)]
        case .structuredFields: ["got": judgeStructuredField(row)]
        case .proxy: CorpusArea.proxy(row)
        }
    }

    /// The row as the JSON room reads it.
    private static func value(_ row: [String: Any]) -> JSON? {
        guard let data = try? JSONSerialization.data(withJSONObject: row) else { return nil }
        return try? JSON.parse(Array(data), limits: JSONLimits(members: .max, digits: 1024))
    }

    /// `input`, `input_b64` or `input_gz_b64`.
    package static func input(_ row: [String: Any]) -> [UInt8]? {
        if let text = row["input"] as? String { return Array(text.utf8) }
        if let text = row["input_b64"] as? String { return Data(base64Encoded: text).map { Array($0) } }
        if let text = row["input_gz_b64"] as? String { return Data(base64Encoded: text).flatMap { Gunzip.bytes(Array($0)) } }
        return nil
    }

    private static func orNull(_ value: Any) -> Any {
        if case Optional<Any>.none = value as Any? { return NSNull() }
        if let text = value as? String? { return text ?? NSNull() as Any }
        return value
    }

    private static func proxy(_ row: [String: Any]) -> [String: Any] {
        if let wire = row["wire_b64"] as? String {
            return ["got": judgeWire(row, Data(base64Encoded: wire).map { Array($0) } ?? [])]
        }
        guard let seen = judgeProxy(row) as? [String: String] else { return ["got": NSNull()] }
        return [
            "got": seen["client"] ?? NSNull(), "client": seen["client"] ?? "", "proto": seen["proto"] ?? "",
            "host": seen["host"] ?? "",
        ]
    }

    /// PROXY protocol: the client's address, `close`, or `timeout` for a header that never ends.
    private static func judgeWire(_ row: [String: Any], _ bytes: [UInt8]) -> String {
        guard let peer = IPAddress(row["peer"] as? String ?? "") else { return "close" }
        let trusted = (row["trusted"] as? [String] ?? []).compactMap { AddressRange($0) }
        guard (row["id"] as? String)?.contains("untrusted") != true, trusted.contains(where: { $0.contains(peer) }) else {
            return "close"
        }
        var reader = ProxyProtocol()
        switch bytes.withUnsafeBytes({ reader.read($0) }).outcome {
        case .needMore: return "timeout"
        case .refused: return "close"
        case .header(let header): return header.client.map(\.description) ?? peer.description
        }
    }
}
