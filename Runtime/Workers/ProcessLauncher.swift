import Glibc
package import Swiftlet
import Synchronization

/// Starts workers as processes of the host's own binary.
package struct ProcessLauncher: WorkerLauncher {
    private let executable: String
    private let environment: [String: String]

    /// - Parameter executable: the program that is running, unless a test says otherwise.
    package init(executable: String = "/proc/self/exe", environment: [String: String]) {
        self.executable = executable
        self.environment = WorkerSpawn.environment(from: environment)
    }

    package func launch(_ function: FunctionName) throws -> any LaunchedWorker {
        ProcessWorker(
            try WorkerSpawn.start(
                executable: executable, arguments: ["swiftlet", "worker", function.text], environment: environment))
    }
}

private final class ProcessWorker: LaunchedWorker {
    private let worker: WorkerProcess
    private let measure: Mutex<ProcessUsage?>
    let socket: Int32
    let output: Int32?
    let errors: Int32?

    init(_ worker: WorkerProcess) {
        self.worker = worker
        measure = Mutex(ProcessUsage(pid: worker.pid))
        socket = worker.takeSocket()
        output = worker.takeOutput()
        errors = worker.takeErrors()
    }

    var process: Int32 { worker.pid }
    var begun: UInt64 { worker.ledger.begun }
    var running: UInt64 { worker.ledger.running?.id ?? 0 }

    func usage() -> (processor: UInt64, resident: UInt64)? {
        measure.withLock { measure in
            guard let measure, let processor = measure.cpuNanoseconds, let resident = measure.residentBytes else { return nil }
            return (processor, resident)
        }
    }

    func kill() { worker.kill() }

    func reap() -> WorkerExit? {
        guard let exit = worker.reap() else { return nil }
        // Its number may soon be another's.
        measure.withLock { $0 = nil }
        return exit
    }

    func close() { worker.close() }
}

enum ProcessID {
    static var own: Int32 { getpid() }
}
