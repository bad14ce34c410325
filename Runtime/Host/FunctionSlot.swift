package import Swiftlet
import SwiftletSecrets
import Synchronization

/// A registered function inside the host: its policy, whether it booted, and the things made once that each request needs.
package final class FunctionSlot: Sendable {
    package let index: Int
    package let registration: Registration
    package let name: FunctionName
    package let policy: Policy
    package let requirement: CallerRequirement
    // Parts of the policy that every request asks for, beside it so that nothing large is copied.
    let body: BodyForm
    let screen: BodyScreen?
    let keys: KeyRule
    let speaksHostCORS: Bool
    package let invoker: any Invoker
    package let gate: Gate
    /// The policy's limit as the limiter takes it; `nil` for no limit.
    let limit: CallerLimit?
    let metrics: FunctionMetrics
    /// Names the instance in logs, from its boot to its end.
    let executionID: String
    /// `accept` is empty or what the 405 says.
    let allowed: String
    /// Bit per method.
    private let methodBits: UInt8
    package let deadlineNanoseconds: UInt64
    /// As people read it: `150s`, `0.25s`.
    let deadlineText: String

    init(
        index: Int, registration: Registration, invoker: any Invoker, limit: CallerLimit?, metrics: FunctionMetrics,
        executionID: String
    ) {
        self.index = index
        self.registration = registration
        name = registration.name
        policy = registration.policy
        requirement = registration.requirement
        body = BodyForm(policy.body)
        screen = BodyScreen(policy.body.screening)
        keys = policy.keys
        speaksHostCORS = policy.cors == .host
        self.invoker = invoker
        gate = Gate(limit: policy.concurrency)
        self.limit = limit
        self.metrics = metrics
        self.executionID = executionID
        var methods = policy.methods
        if methods.contains(.get), !methods.contains(.head) { methods.append(.head) }
        if !methods.contains(.options) { methods.append(.options) }
        allowed = methods.map(\.rawValue).joined(separator: ", ")
        if policy.cors == .host { methods.removeAll { $0 == .options } }
        methodBits = methods.reduce(0) { $0 | $1.bit }
        deadlineNanoseconds = UInt64(max(0, policy.deadline.clampedNanoseconds))
        deadlineText = FunctionSlot.seconds(deadlineNanoseconds)
    }

    private let missing = Mutex<[SecretName]>([])
    /// Looked at for every request, without the lock.
    private let booted = Atomic<Bool>(true)

    /// Declared secrets that no source has, and the host's own that a declared capability needs.
    package var missingSecrets: [SecretName] { missing.withLock { $0 } }

    /// - Parameter host: what the host lacks for a capability that the function declares.
    func updateBoot(_ secrets: SecretSet, host: [SecretName] = []) {
        let names = policy.secrets.filter { secrets.value($0, forFunction: name) == nil } + host
        missing.withLock { $0 = names }
        booted.store(names.isEmpty, ordering: .releasing)
    }

    /// A function that lacks a secret does not run; the others do.
    func checkBoot() throws(HTTPError) {
        guard !booted.load(ordering: .acquiring) else { return }
        let names = missingSecrets
        guard !names.isEmpty else { return }
        throw .missingSecrets(names, of: name)
    }

    private static func seconds(_ nanoseconds: UInt64) -> String {
        let milliseconds = nanoseconds / 1_000_000
        let fraction = milliseconds % 1000
        guard fraction != 0 else { return "\(milliseconds / 1000)s" }
        var digits = String(1000 + fraction).dropFirst()
        while digits.last == "0" { digits = digits.dropLast() }
        return "\(milliseconds / 1000).\(digits)s"
    }

    func answers(_ method: Method) -> Bool { methodBits & method.bit != 0 }
}

extension Method {
    fileprivate var bit: UInt8 {
        switch self {
        case .get: 1
        case .head: 2
        case .post: 4
        case .put: 8
        case .patch: 16
        case .delete: 32
        case .options: 64
        }
    }
}
