import Foundation
import SwiftletSanitize

/// One row of the `injection` or the `benign` area: what the default context makes of its text.
package func judgeInjection(_ row: [String: Any]) -> [String: Any] {
    let content: MaliciousContent
    if let text = row["input"] as? String {
        content = detectMaliciousContent(text)
    } else {
        guard let bytes = (row["input_b64"] as? String).flatMap({ Data(base64Encoded: $0) }) else { return ["error": "no input"] }
        content = detectMaliciousContent(String(decoding: bytes, as: UTF8.self))
    }
    var answer: [String: Any] = ["got": content.safe ? "benign" : "malicious", "score": content.score]
    answer["reason"] = content.reason?.rawValue ?? NSNull()
    return answer
}
