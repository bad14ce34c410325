import Glibc
import Logging
import NIOCore
package import Swiftlet

/// The process of a worker, from its start to its end.
package enum WorkerMain {
    /// Where a worker finds its socket and its ledger.
    private static let socket: Int32 = 3
    private static let ledger: Int32 = 4

    /// Takes the place of the program: serves one function over the socket until the host says to stop.
    ///
    /// - Parameters:
    ///   - functions: what the binary holds.
    ///   - fetch: makes the function's way out, once and only if it asks for one.
    package static func run(
        _ functions: [Registration],
        fetch:
            @escaping @Sendable (Registration, BootFrame, WorkerLink) ->
            @Sendable (OutboundRequest) async throws -> OutboundResponse
    ) -> Never {
        signal(SIGPIPE, SIG_IGN)
        let boot: BootFrame
        do { boot = try readBoot(socket) } catch { fail("not started by a host: \(error)") }
        guard let registration = functions.first(where: { $0.name == boot.function }) else {
            fail("there is no function \(boot.function)")
        }
        let page: WorkerLedger
        do { page = try WorkerLedger.adopt(descriptor: ledger) } catch { fail("\(error)") }
        let report = boot.isContained ? Containment.apply(profile(registration.policy, boot)) : nil
        // A thread that was there before keeps what the others gave up.
        if let report, let late = report.missing.first(where: { $0.name == "single-thread" }) {
            fail("cannot be contained: \(late)")
        }
        let link = WorkerLink(socket: socket, ledger: page)
        let capabilities = RemoteCapabilities(registration, boot: boot, link: link, fetch: fetch(registration, boot, link))
        // From here on it is the function's own code that may end the process.
        let invoker = InlineInvoker(
            registration, capabilities: capabilities, clock: .system, executor: link.loop)
        link.run(
            function: registration.name, executionID: boot.executionID, calls: calls(registration.policy), invoker: invoker,
            ready: ReadyFrame(active: report?.active ?? [], missing: report?.missing.map(\.description) ?? []))
        fflush(nil)
        _exit(0)
    }

    /// Calls of its host, and connections, that a function may have open: one for each of its requests, and not fewer than 256.
    package static func calls(_ policy: Policy) -> Int { max(256, min(policy.concurrency, 8192)) }

    private static func profile(_ policy: Policy, _ boot: BootFrame) -> ContainmentProfile {
        ContainmentProfile(
            parent: boot.parent, user: boot.user.map { .init(uid: $0.uid, gid: $0.gid) },
            memoryBytes: Int(clamping: boot.memoryBytes), openFiles: 128 + WorkerMain.calls(policy),
            allowsNetwork: !policy.egress.isEmpty || policy.settings.contains { $0.isOrigin })
    }

    /// The first frame, before anything runs that could be in its way.
    package static func readBoot(_ socket: Int32) throws(FrameProblem) -> BootFrame {
        // It may not be non-blocking here, whoever made it.
        let flags = fcntl(socket, F_GETFL)
        guard flags >= 0 else { throw .unexpected }
        _ = fcntl(socket, F_SETFL, flags & ~O_NONBLOCK)
        var reader = FrameReader(fromWorker: false)
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            if let frame = try reader.next() {
                guard frame.kind == .boot else { throw .unexpected }
                return try BootFrame(frame.payload)
            }
            // Head first, then exactly the payload: what follows belongs to the loop.
            let wanted = min(reader.missing, chunk.count)
            let count = read(socket, &chunk, wanted)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .short }
            reader.feed(ByteBuffer(bytes: chunk[..<count]))
        }
    }

    private static func fail(_ why: String) -> Never {
        let line = Array("swiftlet worker: \(why)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(78)
    }
}
