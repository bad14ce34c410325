import NIOCore
import Synchronization

/// A function with its types erased: what the registry holds and the host serves.
public struct Registration: Sendable {
    public let name: FunctionName
    public let policy: Policy
    public let requirement: CallerRequirement
    /// Whether the handler takes the body as a stream.
    package let make: @Sendable () -> FunctionInstance

    public init<Function: EdgeFunction>(_ type: Function.Type) {
        name = Function.name
        policy = Function.policy
        requirement = Function.Caller.requirement
        make = {
            let function = Function()
            return FunctionInstance(
                handle: { scope, body in
                    let request = Request(head: scope.head, body: try Function.read(body))
                    let caller = try Registration.caller(Function.Caller.self, scope.identity)
                    return try Function.render(try await function.handle(request, from: caller, in: Context(scope)))
                }, beforeUnload: { await function.beforeUnload($0) })
        }
    }

    /// The user that the host made is the caller itself where a function wants no more than that; no copy is made of it.
    private static func caller<Caller: RequestCaller>(_ type: Caller.Type, _ identity: Identity) throws -> Caller {
        if Caller.self == User.self, case .user(let user) = identity, let caller = user as? Caller { return caller }
        return try Caller(identity)
    }
}

/// One made function, its types erased.
package struct FunctionInstance: Sendable {
    /// Goes on where its caller is: changing executors costs a look at each step.
    package let handle: nonisolated(nonsending) @Sendable (InvocationScope, FunctionBody) async throws -> Response
    package let beforeUnload: @Sendable (UnloadReason) async -> Void
}

/// The registry: one line per function.
@resultBuilder
public enum FunctionRegistry {
    public static func buildExpression<Function: EdgeFunction>(_ type: Function.Type) -> [Registration] { [Registration(type)] }
    public static func buildBlock(_ parts: [Registration]...) -> [Registration] { parts.flatMap { $0 } }
}
