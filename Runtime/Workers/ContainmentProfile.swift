/// What a worker keeps.
package struct ContainmentProfile: Sendable {
    package struct User: Sendable, Equatable {
        package let uid: UInt32
        package let gid: UInt32

        package init(uid: UInt32, gid: UInt32) {
            self.uid = uid
            self.gid = gid
        }
    }

    /// The host's process: a worker never outlives it.
    package var parent: Int32
    /// A user that only workers have; nil keeps the host's. Changing needs a host that runs as root.
    package var user: User?
    /// The memory at which the host ends the worker. A back-stop some way above it catches what grows faster than the host looks.
    package var memoryBytes: Int
    package var openFiles: Int
    /// The function declared hosts it talks to. Without, the worker cannot open a socket.
    package var allowsNetwork: Bool
    /// Files and directories it may read, beyond what name lookup, certificates, time zones and libraries need.
    package var readable: [String]

    package init(
        parent: Int32, user: User? = nil, memoryBytes: Int, openFiles: Int = 256, allowsNetwork: Bool, readable: [String] = []
    ) {
        self.parent = parent
        self.user = user
        self.memoryBytes = memoryBytes
        self.openFiles = openFiles
        self.allowsNetwork = allowsNetwork
        self.readable = readable
    }

    /// The most private memory the kernel grants. A thread's whole stack (8 MiB) counts at once, and each core brings threads, so those
    /// come on top.
    package func dataLimit(cores: Int) -> UInt64 {
        let spare = 256 << 20
        let stacks = min(max(1, cores), 4096) * (16 << 20)
        let (sum, overflow) = max(0, memoryBytes).addingReportingOverflow(spare + stacks)
        return overflow ? UInt64(Int.max) : UInt64(sum)
    }
}
