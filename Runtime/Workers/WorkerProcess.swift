import CLinux
import Glibc
import Synchronization

/// How a worker process ended.
package enum WorkerExit: Sendable, Equatable, CustomStringConvertible {
    case exited(Int32)
    /// The signal's number, and its name as `SIGILL`.
    case signalled(number: Int32, name: String)

    package var description: String {
        switch self {
        case .exited(let code): "exit \(code)"
        case .signalled(_, let name): name
        }
    }

    init(bySignal: Bool, value: Int32) {
        self = bySignal ? .signalled(number: value, name: Self.signalName(value)) : .exited(value)
    }

    static func signalName(_ number: Int32) -> String {
        switch number {
        case SIGHUP: "SIGHUP"
        case SIGINT: "SIGINT"
        case SIGQUIT: "SIGQUIT"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGKILL: "SIGKILL"
        case SIGUSR1: "SIGUSR1"
        case SIGSEGV: "SIGSEGV"
        case SIGUSR2: "SIGUSR2"
        case SIGPIPE: "SIGPIPE"
        case SIGALRM: "SIGALRM"
        case SIGTERM: "SIGTERM"
        case SIGXCPU: "SIGXCPU"
        case SIGXFSZ: "SIGXFSZ"
        case SIGSYS: "SIGSYS"
        default: "signal \(number)"
        }
    }
}

/// A worker process, seen from the host. Whoever holds the last reference closes what was not taken; that does not end the process.
package final class WorkerProcess: Sendable {
    package let pid: Int32
    /// What the worker says it is doing.
    package let ledger: WorkerLedger

    private struct State: ~Copyable {
        var pidfd: Int32
        var socket: Int32
        var output: Int32
        var errors: Int32
        var exit: WorkerExit?
    }
    private let state: Mutex<State>

    init(pid: Int32, pidfd: Int32, socket: Int32, output: Int32, errors: Int32, ledger: WorkerLedger) {
        self.pid = pid
        self.ledger = ledger
        state = Mutex(State(pidfd: pidfd, socket: socket, output: output, errors: errors))
    }

    deinit { close() }

    /// A descriptor that becomes readable when the process has ended; -1 once closed. It stays this object's own.
    package var pidfd: Int32 { state.withLock { $0.pidfd } }

    /// The host's end of the socket, non-blocking; whoever takes it closes it. -1 when it was taken or closed.
    package func takeSocket() -> Int32 { state.withLock { exchange(&$0.socket) } }
    /// The read end of the worker's standard output, non-blocking; whoever takes it closes it. -1 when it was taken or closed.
    package func takeOutput() -> Int32 { state.withLock { exchange(&$0.output) } }
    /// The read end of the worker's standard error, non-blocking; whoever takes it closes it. -1 when it was taken or closed.
    package func takeErrors() -> Int32 { state.withLock { exchange(&$0.errors) } }

    /// Ends the worker and everything in its process group, at once. Does nothing once the end was collected: the number may belong to
    /// somebody else by then.
    package func kill() {
        state.withLock { state in
            guard state.exit == nil, state.pidfd >= 0 else { return }
            Glibc.kill(-pid, SIGKILL)
            _ = swiftlet_pidfd_signal(state.pidfd, SIGKILL)
        }
    }

    /// How the worker ended, or nil while it runs. Never waits. What it left behind in its group is ended with it.
    package func reap() -> WorkerExit? {
        state.withLock { state in
            if let exit = state.exit { return exit }
            guard state.pidfd >= 0 else { return nil }
            var bySignal: Int32 = 0
            var value: Int32 = 0
            let ended = swiftlet_child_ended(state.pidfd, 1, &bySignal, &value)
            if ended == 0 { return nil }
            if ended > 0 {
                // Its entry is still there, so the group's number is certainly still its own.
                Glibc.kill(-pid, SIGKILL)
                _ = swiftlet_child_ended(state.pidfd, 0, &bySignal, &value)
                state.exit = WorkerExit(bySignal: bySignal != 0, value: value)
            } else if errno == ECHILD {
                // Somebody else collected it. It is gone, and nobody can say how.
                state.exit = .exited(-1)
            }
            return state.exit
        }
    }

    /// Waits until the process has ended, at most this long (whole milliseconds). True when it has. For shutdown and tests: it blocks.
    package func waitForEnd(milliseconds: Int32) -> Bool {
        let pidfd = self.pidfd
        guard pidfd >= 0 else { return false }
        var watched = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return poll(&watched, 1, milliseconds) == 1
    }

    /// Closes every descriptor that was not taken. The process itself is left alone; `kill()` and `reap()` do nothing from now on.
    package func close() {
        state.withLock { state in
            for descriptor in [exchange(&state.pidfd), exchange(&state.socket), exchange(&state.output), exchange(&state.errors)]
            where descriptor >= 0 { _ = Glibc.close(descriptor) }
        }
    }
}

private func exchange(_ descriptor: inout Int32) -> Int32 {
    let taken = descriptor
    descriptor = -1
    return taken
}
