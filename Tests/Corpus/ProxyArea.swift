import SwiftletNet

/// Rows of the `proxy` area that carry forwarding headers: `["client": …, "proto": …, "host": …]`. Rows with bytes on the
/// wire belong to the server, whose judge may be set here; without one they answer `"unsupported"`.
package func judgeProxy(_ row: [String: Any], wire: (([String: Any]) -> Any)? = nil) -> Any {
    if row["wire_b64"] != nil { return wire?(row) ?? "unsupported" }
    guard let peer = IPAddress(row["peer"] as? String ?? "") else { return "unsupported" }
    let ranges = (row["trusted"] as? [String] ?? []).compactMap { AddressRange($0) }
    let headers = (row["headers"] as? [[String]] ?? []).filter { $0.count == 2 }
    func values(_ name: String) -> [String] {
        headers.filter { $0[0].lowercased() == name }.map { $0[1] }
    }
    let chain = ForwardedChain(trusted: ranges, honoursHost: true)
    let client = chain.client(
        peer: peer, chain: values("x-forwarded-for"), proto: values("x-forwarded-proto"),
        host: values("x-forwarded-host"))
    return [
        "client": client.address.description,
        "proto": client.isSecure == true ? "https" : "http",
        "host": client.host ?? values("host").first ?? "",
    ]
}
