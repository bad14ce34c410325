/// Why a join was refused, in the words clients know. Some of them look at the code before the colon.
package enum JoinError: Error, Sendable, Hashable {
    case tokenExpired(secondsAgo: Int)
    case tokenLacksClaims
    case malformedToken
    case tokenSignature
    case tokenSigner(String)
    case unauthorized(topic: String)
    case privateOnly
    case topicNameRequired
    case unmatchedTopic
    case tooManyChannels
    case tooManySockets
    /// The socket is closed with 1001 too.
    case tooManyJoins
    /// The join asks for `postgres_changes`, and no database is behind this host.
    case changesNotConfigured
    case replayInvalid
    case replayOnPublic
    case replayFailed
    case disabled
    case tenantNotFound
    case restarting
    case initializing
    case databaseUnreachable
    case timeout
    case crashed
    /// A code and what happened, such as `RlsPolicyError`.
    case other(code: String, String)
    case unknown

    /// The `reason` of the reply.
    package var reason: String {
        switch self {
        case .tokenExpired(let seconds): "InvalidJWTToken: Token has expired \(max(seconds, 0)) seconds ago"
        case .tokenLacksClaims: "InvalidJWTToken: Fields `role` and `exp` are required in JWT"
        case .malformedToken: "MalformedJWT: The token provided is not a valid JWT"
        case .tokenSignature: "JwtSignatureError: Failed to validate JWT signature"
        case .tokenSigner(let detail): "JwtSignerError: \(detail)"
        case .unauthorized(let topic): "Unauthorized: You do not have permissions to read from this Channel topic: \(topic)"
        case .privateOnly: "PrivateOnly: This project only allows private channels"
        case .topicNameRequired: "TopicNameRequired: You must provide a topic name"
        case .unmatchedTopic: "unmatched topic"
        case .tooManyChannels: "ChannelRateLimitReached: Too many channels"
        case .tooManySockets: "ConnectionRateLimitReached: Too many connected users"
        case .tooManyJoins: "ClientJoinRateLimitReached: Too many joins per second"
        case .changesNotConfigured:
            "PostgresChangesNotConfigured: This host has no database behind it; join without postgres_changes"
        case .replayInvalid: "UnableToReplayMessages: Replay params are not valid"
        case .replayOnPublic: "UnableToReplayMessages: Replay is not allowed for public channels"
        case .replayFailed: "UnableToReplayMessages: Realtime was unable to replay messages"
        case .disabled: "RealtimeDisabledForTenant: Realtime disabled for this tenant"
        case .tenantNotFound: "TenantNotFound: Tenant with the given ID does not exist"
        case .restarting: "RealtimeRestarting: Realtime is restarting, please standby"
        case .initializing: "InitializingProjectConnection: Realtime is initializing the project connection"
        case .databaseUnreachable: "UnableToConnectToProject: Realtime was unable to connect to the project database"
        case .timeout: "TimeoutOnRpcCall: The join took too long"
        case .crashed: "join crashed"
        case .other(let code, let text): "\(code): \(text)"
        case .unknown: "Unknown Error on Channel"
        }
    }

    /// The close code of the socket, where the refusal ends it.
    package var closeCode: UInt16? {
        switch self {
        case .tooManyJoins, .tenantNotFound: 1001
        default: nil
        }
    }
}
