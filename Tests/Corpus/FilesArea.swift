import Foundation
import SwiftletSanitize

/// Rows of the `files` area: `["got": "accept"]` or `"reject"`. The rows have no names: the file gets one with the usual
/// ending of its declared type, so that only types and bytes are judged.
package func judgeFile(_ row: [String: Any]) -> [String: Any] {
    let declared = row["declared"] as? String ?? ""
    let head = (row["head_b64"] as? String).flatMap { Data(base64Encoded: $0) }.map { [UInt8]($0) }
    let ending = FileType.normalised(declared).flatMap(FileType.named)?.extensions.first ?? "dat"
    let result = validateFile(name: "upload.\(ending)", size: max(head?.count ?? 1, 1), declaredType: declared, head: head)
    return ["got": result.valid ? "accept" : "reject"]
}
