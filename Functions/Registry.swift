public import Swiftlet

/// The functions this host serves. Adding one takes its folder and one line here.
@FunctionRegistry public var registeredFunctions: [Registration] {
    GeminiProxy.self
    Health.self
    UploadSign.self
    RealtimeSubscribe.self
}

/// Paths beside `/functions/v1/<name>` that lead to a function, for clients that know it by another one.
public let furtherPaths: [String: FunctionName] = [
    "/api/messages/realtime/subscribe": RealtimeSubscribe.name
]
