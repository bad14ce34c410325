import SwiftletSanitize

/// Rows of the `email` area: `["got": "accept"]` or `"reject"`.
package func judgeEmail(_ row: [String: Any]) -> [String: Any] {
    ["got": validateEmail(row["input"] as? String ?? "").valid ? "accept" : "reject"]
}
