import Glibc

/// What holds from now on, measure by measure.
package struct ContainmentReport: Sendable {
    package enum Outcome: Sendable, Equatable {
        case active
        /// The system refused it, or does not have it; the worker goes on without.
        case unavailable(String)
        /// It was not asked for.
        case skipped(String)
    }
    package struct Measure: Sendable, Equatable, CustomStringConvertible {
        package let name: String
        package let outcome: Outcome

        package var description: String {
            switch outcome {
            case .active: "\(name): active"
            case .unavailable(let reason): "\(name): unavailable (\(reason))"
            case .skipped(let reason): "\(name): skipped (\(reason))"
            }
        }
    }

    package private(set) var measures: [Measure] = []

    package var active: [String] { measures.filter { $0.outcome == .active }.map(\.name) }
    /// What was wanted and does not hold.
    package var missing: [Measure] {
        measures.filter { if case .unavailable = $0.outcome { true } else { false } }
    }
    /// One line each.
    package var lines: [String] { measures.map(\.description) }

    mutating func note(_ name: String, _ outcome: Outcome) { measures.append(Measure(name: name, outcome: outcome)) }

    /// Notes the result of a system call: -1 means that `errno` says why.
    mutating func note(_ name: String, result: Int32) {
        note(name, result < 0 ? .unavailable(errorText(errno)) : .active)
    }
}
