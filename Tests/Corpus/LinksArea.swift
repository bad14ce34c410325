import SwiftletNet
import SwiftletSanitize

/// Rows of the `url` and `ssrf` areas through the checks of the room Sanitize, international names included.
///
/// - `ssrf` addresses (`ip`): `["got": "block"]` or `"allow"`; URLs: `block`, `allow` or `resolve`. Scenarios (`dns`) are the
///   egress client's part: `["got": nil]`.
/// - `url` IDNA rows (they have an `output`): the ASCII host as text, or nil.
/// - `url` parser rows: `["protocol": …, "hostname": …, "port": …]` or `"failure"`.
package func judgeURLCheck(_ row: [String: Any]) -> [String: Any] {
    if let text = row["ip"] as? String {
        guard let address = IPAddress(text) else { return ["got": "block"] }
        return ["got": AddressTable.deniedClass(of: address) == nil ? "allow" : "block"]
    }
    if row["dns"] != nil { return ["got": String?.none as Any] }
    let input = row["input"] as? String ?? ""
    if row["whatwg"] != nil {
        switch URLCheck.verdict(input) {
        case .allow: return ["got": "allow"]
        case .resolve: return ["got": "resolve"]
        case .block: return ["got": "block"]
        }
    }
    if row.keys.contains("output") {
        guard let url = try? URLCheck.parse("https://\(input)/"), url.path == "/", url.query == nil else {
            return ["got": String?.none as Any]
        }
        return ["got": url.hostname]
    }
    var base: WebURL?
    if let text = row["base"] as? String {
        guard let parsed = try? URLCheck.parse(text) else { return ["got": "failure"] }
        base = parsed
    }
    guard let url = try? URLCheck.parse(input, relativeTo: base, maxBytes: 65_536) else { return ["got": "failure"] }
    return ["got": ["protocol": url.scheme + ":", "hostname": url.hostname, "port": url.port.map(String.init) ?? ""]]
}
