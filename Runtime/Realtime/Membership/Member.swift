package import Swiftlet
package import SwiftletJSON

/// Somebody who wants to join a channel, as a verified token or key says.
package struct Member: Sendable {
    /// The user's id; nil for tokens and keys of a project.
    package let subject: String?
    package let role: String
    /// All claims of the token; empty for keys.
    package let claims: JSON
    /// The token itself, for those who ask elsewhere in the user's name; nil for keys.
    package let token: Secret?

    package init(subject: String?, role: String, claims: JSON = [:], token: Secret? = nil) {
        self.subject = subject
        self.role = role
        self.claims = claims
        self.token = token
    }

    /// `app_metadata.customer_id`: the customer the user is. Only the project can write it.
    package var customer: String? { ClaimsMembership.id(claims["app_metadata"]?["customer_id"]) }
}

/// Decides who may do what on a channel. It may ask elsewhere, within a bounded time; whatever it throws lets nobody in.
package protocol MembershipHook: Sendable {
    /// - Parameter channel: a name that ``ChannelName`` reads; of a conversation always `conversation:<id>`.
    func permissions(of member: Member, in channel: String) async throws -> ChannelPermissions

    /// Asking takes long enough that answers are kept for a moment.
    var isCostly: Bool { get }
    /// Reads again what was read from files. What is wrong leaves everything as it was.
    func reload() throws(MembershipProblem)
    func close()
}

extension MembershipHook {
    package var isCostly: Bool { false }
    package func reload() throws(MembershipProblem) {}
    package func close() {}
}

/// Why nobody could say who belongs to a channel. For the operator, never for callers; holds no credentials.
package struct MembershipProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Reason: String, Sendable, CaseIterable {
        /// The table or the query is not what it has to be.
        case unusable
        case databaseFailed = "database_failed"
        case timedOut = "timed_out"
        /// More ask at once than may wait.
        case busy
        case unreachable
        case unexpectedAnswer = "unexpected_answer"
        case failed
    }
    package let reason: Reason
    package let detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    package var description: String { "\(reason.rawValue): \(detail)" }
}
