import Swiftlet
import SwiftletAuth
import SwiftletCrypto
import SwiftletHost

/// What `serve` prints for people: the functions, and lines to paste.
struct Banner {
    private let host: Host
    private let place: Listening

    init(_ host: Host, _ place: Listening) {
        self.host = host
        self.place = place
    }

    var text: String {
        let base = (place.url ?? "http://localhost") + "/functions/v1/"
        var lines = ["", "Serving functions on \(base)<function-name>", ""]
        lines.append(
            FunctionTable(
                host.slots.map(\.registration), base: base, mounts: host.configuration.mounts,
                limits: host.configuration.rateLimits
            ) { name in
                host.slots.first { $0.name == name }.map { $0.missingSecrets.isEmpty ? "ready" : "lacks \($0.missingSecrets[0])" }
            }.text)
        lines.append(
            host.configuration.isolation == nil
                ? "Inline: all functions run in this process; a crash of one ends all"
                : "Each function runs in a process of its own")
        if let storage = host.storagePlace { lines.append("Storage in \(storage)") }
        if let socket = place.unixSocket { lines.append("Also on the Unix socket \(socket)") }
        if let admin = place.adminPort { lines.append("Metrics on http://127.0.0.1:\(admin)/metrics") }
        lines += tryIt(base)
        return lines.joined(separator: "\n") + "\n"
    }

    /// Only on loopback with the demo secret: a token of a real project is nothing to print.
    private func tryIt(_ base: String) -> [String] {
        guard place.url != nil, let token = host.developmentToken() else { return [] }
        var lines = ["", "Try it (the token is good for an hour, on this machine only):", ""]
        if host.slots.contains(where: { $0.name == "health" }) { lines.append("  curl '\(base)health?probe=ready'") }
        for slot in host.slots where slot.requirement == .required && slot.policy.methods.contains(.post) {
            lines.append(
                "  curl '\(base)\(slot.name)' -H 'Authorization: Bearer \(token)' -H 'Content-Type: application/json' -d '\(slot.policy.example)'"
            )
        }
        for (name, missing) in host.broken {
            lines += [
                "",
                "\(name) lacks \(missing.map(\.text).joined(separator: ", ")). With a key: swiftlet secrets set \(missing[0])=…",
            ]
            if name == "gemini-proxy" {
                lines.append("Without one, try the mock: swiftlet mock gemini, and start this host with")
                lines.append("  GEMINI_API_KEY=mock GEMINI_BASE_URL=http://127.0.0.1:54380")
            }
        }
        return lines
    }
}
