import Foundation
import Swiftlet
import SwiftletHost
import SwiftletWorkers
import Synchronization

/// Workers that live in the process of the test: the same frames over the same kind of socket, without the wall. For tests that look at
/// what a function did from the inside.
struct HopLauncher: WorkerLauncher {
    let functions: [Registration]
    /// The host's, so that deadlines mean the same where time is a test's.
    let clock: HostClock
    let upstream: (@Sendable (OutboundRequest) async throws -> OutboundResponse)?

    func launch(_ function: FunctionName) throws -> any LaunchedWorker {
        guard let registration = functions.first(where: { $0.name == function }) else { throw Unknown(function: function) }
        return try HopWorker(registration, clock: clock, upstream: upstream)
    }

    struct Unknown: Error { let function: FunctionName }
}

private final class HopWorker: LaunchedWorker {
    let socket: Int32
    var output: Int32? { nil }
    var errors: Int32? { nil }
    var process: Int32 { getpid() }
    /// The last it has begun is what frames say: nothing here can trap without ending the test.
    var begun: UInt64 { 0 }
    var running: UInt64 { 0 }
    /// The worker's end while it serves: whoever shuts it down does not hit somebody else's.
    private let theirs: Mutex<Int32?>

    init(
        _ registration: Registration, clock: HostClock, upstream: (@Sendable (OutboundRequest) async throws -> OutboundResponse)?
    ) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw POSIXFailure(code: errno)
        }
        socket = ends[0]
        theirs = Mutex(ends[1])
        let mine = ends[1]
        let thread = Thread { [self] in
            serve(mine, registration, clock, upstream)
            theirs.withLock { theirs in
                Glibc.close(mine)
                theirs = nil
            }
        }
        // As much as the first thread of a process has.
        thread.stackSize = 8 << 20
        thread.start()
    }

    private func serve(
        _ socket: Int32, _ registration: Registration, _ clock: HostClock,
        _ upstream: (@Sendable (OutboundRequest) async throws -> OutboundResponse)?
    ) {
        guard let boot = try? WorkerMain.readBoot(socket) else { return }
        let link = WorkerLink(socket: socket, ledger: nil)
        let egress = WorkerEgress(registration, settings: boot.settings, allowsPrivate: boot.allowsPrivateEgress) {
            host, kind in
            link.egressDenied(host: host, kind: kind)
        }
        let capabilities = RemoteCapabilities(registration, boot: boot, link: link) { request in
            if let upstream { return try await upstream(request) }
            return try await egress.fetch(request)
        }
        link.run(
            function: registration.name, executionID: boot.executionID, calls: WorkerMain.calls(registration.policy),
            invoker: InlineInvoker(registration, capabilities: capabilities, clock: clock),
            ready: ReadyFrame(active: [], missing: []))
    }

    struct POSIXFailure: Error { let code: Int32 }

    func usage() -> (processor: UInt64, resident: UInt64)? { nil }
    /// Its end of the socket is the link's; shutting it down is seen on both sides.
    func kill() { theirs.withLock { if let theirs = $0 { shutdown(theirs, Int32(SHUT_RDWR)) } } }
    func reap() -> WorkerExit? { theirs.withLock { $0 == nil ? .exited(0) : nil } }
    func close() {}
}
