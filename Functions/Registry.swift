public import Swiftlet

/// The functions this host serves. Adding one takes its folder and one line here.
@FunctionRegistry public var registeredFunctions: [Registration] {
    GeminiProxy.self
    Health.self
    UploadSign.self
    RealtimeSubscribe.self
}
