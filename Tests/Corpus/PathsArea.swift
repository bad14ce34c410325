import SwiftletSanitize

/// Rows of the `paths` area, by class. `output` is what the product would go on with, nil when it refuses.
///
/// - `traversal`: the input as a name in a URL below the prefix `users/u1`: `["got": "accept" | "reject", "output": key,
///   "prefix": "users/u1"]`. An accepted key starts with `users/u1/` and has no segment that climbs.
/// - `naughty`: the input as a plain text field: `accept` with the same text as `output`, or `reject`.
/// - `filename`: the input as the name of an upload by the default rules: `accept` (unchanged), `normalise` (with the name
///   that would be kept as `output`), or `reject`.
package func judgePath(_ row: [String: Any]) -> [String: Any] {
    let input = row["input"] as? String ?? ""
    let refused = String?.none as Any
    switch row["cls"] as? String {
    case "traversal":
        let prefix = "users/u1"
        guard let key = try? ObjectKey(prefix: prefix, encodedName: input) else {
            return ["got": "reject", "output": refused, "prefix": prefix]
        }
        return ["got": "accept", "output": key.key, "prefix": prefix]
    case "filename":
        guard let name = sanitizeFileName(input) else { return ["got": "reject", "output": refused] }
        guard name == input else { return ["got": "normalise", "output": name] }
        let rules = FileRules()
        let isTaken = FileType.withExtension(FileName.fileExtension(name)).contains {
            validateFile(name: name, size: 1, declaredType: $0.name, rules: rules).valid
        }
        return isTaken ? ["got": "accept", "output": name] : ["got": "reject", "output": refused]
    default:
        let output = sanitizeText(input)
        return output.utf8.elementsEqual(input.utf8)
            ? ["got": "accept", "output": output] : ["got": "reject", "output": refused]
    }
}

/// Rows of the `benign` area: `["output": sanitizeText(input), "valid": validateMessage(input).valid]`.
package func judgeBenign(_ row: [String: Any]) -> [String: Any] {
    let input = row["input"] as? String ?? ""
    return ["output": sanitizeText(input), "valid": validateMessage(input).valid]
}
