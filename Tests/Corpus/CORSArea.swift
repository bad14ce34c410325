import Foundation
import SwiftletHost

/// One row of the `cors` area: what an answer to its request would carry.
package func judgeCORS(_ row: [String: Any]) -> [String: Any] {
    let config = row["config"] as? [String: Any] ?? [:]
    let request = row["request"] as? [String: Any] ?? [:]
    let rules: CORSRules
    do {
        rules = try CORSRules(origins: config["origins"] as? [String] ?? [], credentials: config["credentials"] as? Bool ?? false)
    } catch {
        return ["config": "refused at start", "why": "\(error)"]
    }
    let origin = request["origin"] as? String
    let fields = rules.fields(for: origin)
    func value(_ name: String) -> String? { fields.first { $0.name == name }?.value }
    var answer: [String: Any] = [
        "allow_origin": value("access-control-allow-origin") ?? NSNull(),
        "vary_origin": value("vary")?.lowercased() == "origin",
        "credentials": value("access-control-allow-credentials") == "true",
        "expose_headers": value("access-control-expose-headers")?.split(separator: ",").map {
            $0.trimmingCharacters(in: .whitespaces)
        } ?? [],
    ]
    if request["method"] as? String == "OPTIONS" {
        answer["status"] = 204
        answer["handler_calls"] = 0
        // The method a page asks for is never copied into an answer.
        answer["header_injection"] = false
    }
    return answer
}
