package import Swiftlet

/// One started worker, as its host sees it: a socket, and a process that can be watched and ended.
package protocol LaunchedWorker: AnyObject, Sendable {
    var process: Int32 { get }
    /// The host's end. Whoever takes it closes it.
    var socket: Int32 { get }
    /// What it writes to standard output and standard error, where it has them. Whoever takes them closes them.
    var output: Int32? { get }
    var errors: Int32? { get }
    /// The last request it has begun, and the one that holds its loop now; 0 for none. Its own words: only to be compared.
    var begun: UInt64 { get }
    var running: UInt64 { get }
    /// Processor time in nanoseconds and resident bytes; `nil` once it is gone.
    func usage() -> (processor: UInt64, resident: UInt64)?
    func kill()
    /// How it ended; `nil` while it lives. Asked again after that it says the same.
    func reap() -> WorkerExit?
    /// Gives back everything but what was taken.
    func close()
}

package protocol WorkerLauncher: Sendable {
    func launch(_ function: FunctionName) throws -> any LaunchedWorker
}

/// How the workers of a host are run.
package struct WorkerSettings: Sendable {
    /// Start them with the host; otherwise with the first request that needs them.
    package var areWarm = true
    /// End a worker that has had nothing to do for this long; `nil` for never.
    package var idle: Duration?
    /// The longest a worker may take to get ready, and a request may wait for one.
    package var boot: Duration = .seconds(10)
    /// Workers that get ready at the same time while no request waits for them.
    package var bootsAtOnce = 1
    /// The longest a worker that is replaced may take to finish.
    package var grace: Duration = .seconds(30)
    /// How long a cancelled request may go on before its worker is replaced.
    package var patience: Duration = .seconds(5)
    /// Requests that may wait while no worker is ready.
    package var room = 1024
    /// Whom workers become.
    package var user: (uid: UInt32, gid: UInt32)?
    package init() {}
}
