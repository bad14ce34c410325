import Foundation
import SwiftletSanitize

/// One row of the `secrets` area. IBANs are asked for as well, because the rows know them; the rows call every credential a key.
package func judgeSecrets(_ row: [String: Any]) -> [String: Any] {
    let packed = (row["input_b64"] as? String).flatMap { Data(base64Encoded: $0) }
    let text = packed.map { String(decoding: $0, as: UTF8.self) } ?? row["input"] as? String ?? ""
    let data = detectSensitiveData(text, types: Set.default.union([.iban]))
    var types: [String] = []
    for type in data.types {
        let name = type == .jwt || type == .privateKey ? SensitiveType.apiKey.rawValue : type.rawValue
        if !types.contains(name) { types.append(name) }
    }
    return ["found": data.found, "types": types]
}
