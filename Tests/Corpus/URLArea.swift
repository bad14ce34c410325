import SwiftletNet

/// Rows of the `url` area. Parser rows: `["protocol": …, "hostname": …, "port": …]` or `"failure"`. IDNA rows (they have
/// an `output`): the host as text, or nil as `Optional<String>.none` when it is refused.
package func judgeURL(_ row: [String: Any]) -> Any {
    let input = row["input"] as? String ?? ""
    if row["output"] != nil {
        guard let url = WebURL("https://\(input)/"), url.path == "/" else { return String?.none as Any }
        return url.hostname
    }
    var base: WebURL?
    if let text = row["base"] as? String {
        guard let parsed = WebURL(text) else { return "failure" }
        base = parsed
    }
    guard let url = try? WebURL.parse(input, relativeTo: base, maxBytes: 65_536) else { return "failure" }
    return [
        "protocol": url.scheme + ":", "hostname": url.hostname, "port": url.port.map(String.init) ?? "",
    ]
}
