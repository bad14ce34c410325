import Swiftlet
import SwiftletJSON

/// The functions of a host as people and programs read them.
struct FunctionTable {
    private let functions: [Registration]
    private let base: String
    private let mounts: [String: FunctionName]
    private let limits: [String: RateLimitRule]
    private let state: (FunctionName) -> String?

    /// - Parameter limits: an operator's, by name, in place of the policies'.
    init(
        _ functions: [Registration], base: String = "/functions/v1/", mounts: [String: FunctionName] = [:],
        limits: [String: RateLimitRule] = [:], state: @escaping (FunctionName) -> String? = { _ in nil }
    ) {
        self.functions = functions.sorted { $0.name < $1.name }
        self.base = base
        self.mounts = mounts
        self.limits = limits
        self.state = state
    }

    /// Further paths that lead to a function.
    private func paths(_ name: FunctionName) -> [String] { mounts.filter { $0.value == name }.keys.sorted() }

    var text: String {
        var rows = [
            ["NAME", "URL", "CALLERS", "METHODS", "RATE LIMIT", "BODY", "DEADLINE", "WORKERS", "SECRETS", "EGRESS", "STATE"]
        ]
        for function in functions {
            let policy = function.policy
            rows.append([
                function.name.text, base + function.name.text, FunctionTable.callers(function.requirement),
                policy.methods.map(\.rawValue).joined(separator: ","),
                FunctionTable.limit(limits[function.name.text] ?? policy.rateLimit),
                FunctionTable.body(policy.body),
                FunctionTable.duration(policy.deadline), String(policy.workers), FunctionTable.secrets(policy),
                FunctionTable.list(policy.egress),
                state(function.name) ?? "registered",
            ])
        }
        let further = mounts.keys.sorted().map { "\($0) leads to \(mounts[$0]?.text ?? "") too\n" }.joined()
        return FunctionTable.table(rows) + (further.isEmpty ? "" : "\n" + further)
    }

    var json: String {
        JSON.array(
            functions.map { function in
                [
                    "name": .string(function.name.text), "url": .string(base + function.name.text),
                    "paths": .array(paths(function.name).map { .string($0) }),
                    "callers": .string(FunctionTable.callers(function.requirement)),
                    "methods": .array(function.policy.methods.map { .string($0.rawValue) }),
                    "rateLimit": .string(FunctionTable.limit(limits[function.name.text] ?? function.policy.rateLimit)),
                    "bodyLimitBytes": .init(function.policy.body.limit),
                    "bodyRules": .array(FunctionTable.rules(function.policy.body).map { .string($0) }),
                    "deadlineSeconds": .init(Int(function.policy.deadline.components.seconds)),
                    "workers": .init(function.policy.workers),
                    "secrets": .array(function.policy.secrets.map { .string($0.text) }),
                    "optionalSecrets": .array(function.policy.optionalSecrets.map { .string($0.text) }),
                    "egress": .array(function.policy.egress.map { .string($0) }),
                ]
            }
        ).description + "\n"
    }

    static func table(_ rows: [[String]]) -> String {
        let columns = rows.first?.count ?? 0
        let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            return line + "\n"
        }.joined()
    }

    private static func callers(_ requirement: CallerRequirement) -> String {
        switch requirement {
        case .required: "user"
        case .optional: "visitor"
        case .none: "anyone"
        }
    }

    private static func limit(_ rule: RateLimitRule) -> String {
        switch rule {
        case .perCaller(let count, let window): "\(count)/\(duration(window))"
        case .none: "none"
        }
    }

    private static func body(_ rule: BodyRule) -> String {
        switch rule {
        case .json(let limit, _, _, _, _, _): (["json \(size(limit))"] + rules(rule)).joined(separator: "+")
        case .bytes(let limit): "bytes \(size(limit))"
        case .stream(let limit): "stream \(size(limit))"
        case .none: "none"
        }
    }

    /// What is done with the strings of a body.
    private static func rules(_ rule: BodyRule) -> [String] {
        guard let screening = rule.screening else { return [] }
        let all = [
            ("sanitize", screening.sanitize.rules.isEmpty), ("reject", screening.reject.rules.isEmpty),
            ("redact", screening.redact.rules.isEmpty), ("report", screening.report.rules.isEmpty),
        ]
        return all.filter { !$0.1 }.map(\.0)
    }

    private static func size(_ count: ByteCount) -> String {
        if count.bytes >= 1 << 20, count.bytes % (1 << 20) == 0 { return "\(count.bytes >> 20) MiB" }
        if count.bytes >= 1024, count.bytes % 1024 == 0 { return "\(count.bytes >> 10) KiB" }
        return "\(count.bytes) B"
    }

    private static func duration(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        let milliseconds = duration.components.attoseconds / 1_000_000_000_000_000
        if seconds == 0 { return "\(milliseconds) ms" }
        return milliseconds == 0 ? "\(seconds) s" : "\(seconds * 1000 + milliseconds) ms"
    }

    private static func secrets(_ policy: Policy) -> String {
        list(policy.secrets.map(\.text) + policy.optionalSecrets.map { "\($0) (optional)" })
    }

    private static func list(_ items: [String]) -> String { items.isEmpty ? "-" : items.joined(separator: ",") }
}
