import CLinux
import Glibc

/// Why a worker process could not be started: the step, and the system's error number.
package struct SpawnProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let step: String
    package let code: Int32

    package var description: String { "\(step): \(errorText(code))" }

    /// The result of a system call, or its error.
    static func check(_ step: String, _ result: Int32) throws(SpawnProblem) -> Int32 {
        guard result >= 0 else { throw SpawnProblem(step: step, code: errno) }
        return result
    }
}

/// Starts worker processes.
///
/// A worker finds: nothing to read at 0, pipes to the host at 1 and 2, a stream socket to the host at 3, the page of its `WorkerLedger`
/// at 4, and no other descriptor; exactly the environment it was given; a process group of its own; every signal at its default.
package enum WorkerSpawn {
    /// Starts `executable` (by default the program that is running, even if its file was replaced since).
    ///
    /// `arguments` begins with the name the process has. Blocks the caller for the time of one `posix_spawn` (about a millisecond). Nothing
    /// stays open or running when it throws.
    package static func start(
        executable: String = "/proc/self/exe", arguments: [String], environment: [String: String]
    ) throws(SpawnProblem) -> WorkerProcess {
        guard !arguments.isEmpty, !(arguments + [executable]).contains(where: { $0.utf8.contains(0) }) else {
            throw SpawnProblem(step: "arguments", code: EINVAL)
        }
        var entries: [String] = []
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")), !name.utf8.contains(0), !value.utf8.contains(0) else {
                throw SpawnProblem(step: "environment", code: EINVAL)
            }
            entries.append("\(name)=\(value)")
        }
        // A worker dies with the THREAD that started it, so that thread must be one that never ends.
        let environment = entries
        return try SpawnThread.shared.run { () throws(SpawnProblem) -> WorkerProcess in
            try spawn(executable: executable, arguments: arguments, environment: environment)
        }
    }

    /// The few names of an environment that a worker needs, and none else: no path, no secret, no proxy.
    package static func environment(from environment: [String: String]) -> [String: String] {
        var kept: [String: String] = [:]
        for name in forWorkers { kept[name] = environment[name] }
        // The runtime's crash reporter would start another program and write secrets from memory into the log.
        kept["SWIFT_BACKTRACE"] = "enable=no"
        return kept
    }

    static let forWorkers = Containment.keptNames + ["LD_LIBRARY_PATH", "MALLOC_ARENA_MAX"]

    private static func spawn(
        executable: String, arguments: [String], environment: [String]
    ) throws(SpawnProblem) -> WorkerProcess {
        let socket = try DescriptorPair("socketpair", swiftlet_socket_pair)
        let output = try DescriptorPair("pipe2", swiftlet_pipe)
        let errors = try DescriptorPair("pipe2", swiftlet_pipe)
        _ = try SpawnProblem.check("fcntl", swiftlet_make_nonblocking(socket.host.number))
        _ = try SpawnProblem.check("fcntl", swiftlet_make_nonblocking(output.host.number))
        _ = try SpawnProblem.check("fcntl", swiftlet_make_nonblocking(errors.host.number))
        let page = try WorkerLedger.page()
        let ledger = try WorkerLedger(mapping: page.number)

        var pid: Int32 = 0
        let code = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                swiftlet_spawn(
                    &pid, executable, arguments, environment, output.worker.number, errors.worker.number, socket.worker.number,
                    page.number)
            }
        }
        guard code == 0 else { throw SpawnProblem(step: "posix_spawn", code: code) }
        let pidfd = swiftlet_pidfd_open(pid)
        guard pidfd >= 0 else {
            let problem = SpawnProblem(step: "pidfd_open", code: errno)
            Glibc.kill(-pid, SIGKILL)
            Glibc.kill(pid, SIGKILL)
            swiftlet_forget_child(pid)
            throw problem
        }
        return WorkerProcess(
            pid: pid, pidfd: pidfd, socket: socket.giveHost(), output: output.giveHost(), errors: errors.giveHost(),
            ledger: ledger)
    }
}

/// Two connected descriptors: one that the host keeps, one for the worker.
private struct DescriptorPair: ~Copyable {
    let host: OwnedDescriptor
    let worker: OwnedDescriptor

    init(
        _ step: String, _ open: (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32
    ) throws(SpawnProblem) {
        var first: Int32 = -1
        var second: Int32 = -1
        _ = try SpawnProblem.check(step, open(&first, &second))
        let near = OwnedDescriptor(first)
        let far = OwnedDescriptor(second)
        let raisedNear = try near.raised()
        let raisedFar = try far.raised()
        host = raisedNear
        worker = raisedFar
    }

    consuming func giveHost() -> Int32 { host.give() }
}

/// The list of C strings that `exec` wants.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Result
) -> Result {
    var pointers = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { list in body(list.baseAddress) }
}
