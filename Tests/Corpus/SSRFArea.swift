import HTTPTypes
import SwiftletEgress
import SwiftletNet

/// Rows of the `ssrf` area. Addresses: `block` or `allow`. URLs: `block`, `allow` or `resolve`. Scenarios (they have
/// `dns`): a text that starts with `blocked`, `allowed` or `504`, from the decisions alone, without a connection.
package func judgeSSRF(_ row: [String: Any]) -> Any {
    if let text = row["ip"] as? String {
        guard let address = IPAddress(text) else { return "block" }
        return AddressTable.deniedClass(of: address) == nil ? "allow" : "block"
    }
    if row["dns"] != nil { return judgeScenario(row) }
    switch URLJudgement.judge(row["input"] as? String ?? "") {
    case .allow: return "allow"
    case .resolve: return "resolve"
    case .block: return "block"
    }
}

/// Walks the hops of a scenario: the policy lists every name in it, for http and https, and follows three redirects.
private func judgeScenario(_ row: [String: Any]) -> String {
    let dns = row["dns"] as? [String: [[String]]] ?? [:]
    let chain = row["chain"] as? [[String: Any]] ?? []
    let hosts = dns.keys.sorted().flatMap { [$0, "http://\($0)"] }
    guard let policy = try? EgressPolicy(hosts: hosts, maxRedirects: EgressPolicy.redirectLimit) else { return "blocked: policy" }
    var calls: [String: Int] = [:]
    var request = EgressRequest(
        url: row["url"] as? String ?? "",
        fields: [.authorization: "Bearer a", .cookie: "b=c", .apiKey: "d"])
    var hop = 0
    while true {
        guard let url = WebURL(request.url) else { return "blocked: url" }
        let grant: EgressGrant
        switch policy.admit(url) {
        case .denied(let denial): return "blocked: \(denial.label)"
        case .granted(let granted): grant = granted
        }
        var addresses: [IPAddress] = []
        switch url.host {
        case .none, .empty: return "blocked: no host"
        case .address(let address): addresses = [address]
        case .name(let name):
            let answers = dns[name] ?? []
            let call = calls[name, default: 0]
            calls[name] = call + 1
            for text in answers.isEmpty ? [] : answers[min(call, answers.count - 1)] {
                if text.hasPrefix("DELAY:") { return "504: connect_timeout" }
                guard let address = IPAddress(text) else { return "blocked: unreadable answer" }
                addresses.append(address)
            }
        }
        guard !addresses.isEmpty else { return "blocked: no address" }
        if let denial = grant.denial(of: addresses) { return "blocked: \(denial.label)" }
        guard hop < chain.count else {
            let kept = [HTTPField.Name.authorization, .cookie, .apiKey].filter { request.fields[$0] != nil }
            return "allowed: \(addresses.map(\.description).joined(separator: " ")) credentials=\(kept.count)"
        }
        let step = Redirect.next(
            after: request, at: url, status: chain[hop]["status"] as? Int ?? 0,
            location: chain[hop]["location"] as? String)
        switch step {
        case .final: return "allowed"
        case .refuse: return "blocked: redirect"
        case .follow(let next, _):
            hop += 1
            guard hop <= policy.maxRedirects else { return "blocked: too many redirects" }
            request = next
        }
    }
}
