import Swiftlet
import SwiftletJSON
import SwiftletSanitize

/// Gives a signed-in user what it takes to follow a conversation, or the messages that are the user's own, as they happen; and ends that.
///
/// `POST` `{"conversationId"?, "includePresence"?, "includeTyping"?, "includeReadReceipts"?}` → `{"success", "version", "timestamp", "data":
/// {"supabaseUrl", "supabaseKey", "channels", "features", "filters", "url", "token", "expiresAt", "refreshAt", "permissions", "unread"}}`. `DELETE`
/// with an optional `{"channels": […]}` → `{"success", "data": {"message", "channels", "ended"}}`. Times are ISO 8601.
///
/// The host's realtime has the last word: it decides who belongs to a conversation, and makes the token.
struct RealtimeSubscribe: EdgeFunction {
    static let name: FunctionName = "realtime-subscribe"
    static let policy = Policy(
        methods: [.post, .delete],
        rateLimit: .perCaller(60, every: .minutes(1)),
        body: .json(upTo: .kib(16), limits: JSONLimits(depth: 4, members: 64, elements: 256)),
        deadline: .seconds(15),
        capabilities: [.realtime],
        example: "{}"
    )

    // Bytes, because a body may be left out.
    func handle(_ request: Request<Bytes>, from user: User, in context: Context) async throws -> Response {
        guard request.subpath.isEmpty || request.subpath == "/" else {
            throw HTTPError(
                404, .notFound,
                "realtime-subscribe has no path '\(sanitizeText(request.subpath))'; POST or DELETE /realtime-subscribe itself")
        }
        let body: JSON = request.body.isEmpty ? [:] : try request.body.json()
        guard body.object != nil else { throw HTTPError(422, .invalidInput, "The body is a JSON object") }
        if request.method == .delete { return try await Self.unsubscribe(Ending(body), context.realtime) }
        return try await Self.subscribe(Wish(body), user, context.realtime)
    }

    private static func subscribe(_ wish: Wish, _ user: User, _ realtime: RealtimeAccess) async throws -> Response {
        let claims = user.claims
        let customer = claims["app_metadata"]?["customer_id"].flatMap { $0.string ?? $0.int.map(String.init) }
        let channels = try wish.channels(user: user.subject, customer: customer)
        let grant = try await realtime.subscribe(RealtimeWish(channels: channels.listened + channels.opened))
        // To be let into a part of it is to be refused the rest.
        guard !grant.permissions(on: channels.listened[0]).isEmpty else { throw Wish.refused(wish.conversation) }
        let answer = Answer(
            wish, grant, listened: channels.listened, user: customer == nil ? user.subject : nil, customer: customer)
        return try .json(answer)
    }

    private static func unsubscribe(_ ending: Ending, _ realtime: RealtimeAccess) async throws -> Response {
        let ended = try await realtime.unsubscribe(channels: ending.channels ?? [])
        return try .json(
            Ended(data: .init(message: "Unsubscribed successfully", channels: ending.channels ?? ended, ended: ended)))
    }
}
