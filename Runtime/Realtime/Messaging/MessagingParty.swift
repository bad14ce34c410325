/// Who does something, as far as the host knows for sure.
package struct MessagingParty: Sendable, Hashable {
    /// The verified user (`sub`); `nil` for a caller without one, such as an anonymous key.
    package var user: String?
    /// The host's number for the socket; 0 for a caller without one, such as a REST call.
    package var connection: UInt64
    /// For a trusted server (`service_role`), which says in the payload for whom it speaks.
    package var speaksForOthers: Bool

    package init(user: String?, connection: UInt64, speaksForOthers: Bool = false) {
        self.user = user
        self.connection = connection
        self.speaksForOthers = speaksForOthers
    }
}
