public import Swiftlet

/// Paths beside `/functions/v1/<name>` that lead to a function, for clients that know it by another one.
public let furtherPaths: [String: FunctionName] = [
    "/api/messages/realtime/subscribe": RealtimeSubscribe.name
]
