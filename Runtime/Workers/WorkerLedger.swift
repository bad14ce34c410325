import CLinux
import Glibc

/// One page of memory that a worker writes and the host reads, without a lock and without a system call: which request it began last, and
/// which one is on its loop right now. It survives the worker's death by a crash, so the host can say which request it was.
///
/// A worker that misbehaves can write any number into it, and no number can do harm: the reader takes them as a hint. The page's size is
/// sealed, so it cannot be pulled away either.
package final class WorkerLedger: @unchecked Sendable {
    /// A request on the worker's loop.
    package struct Running: Sendable, Equatable {
        package let id: UInt64
        /// When it came onto the loop, in nanoseconds of the clock that the worker writes with.
        package let since: UInt64
    }

    private enum Slot { static let begun = 0, running = 64, since = 128 }  // A cache line each.
    private static let size = 4096
    private let memory: UnsafeMutableRawPointer

    // Reading, on the host's side.

    /// The number of the last request that the worker has begun; 0 before the first.
    package var begun: UInt64 { swiftlet_load(memory + Slot.begun) }

    /// The request that is on the loop now; nil when none is, or when it is changing faster than it can be read.
    package var running: Running? {
        for _ in 0..<4 {
            let id = swiftlet_load(memory + Slot.running)
            if id == 0 { return nil }
            let since = swiftlet_load(memory + Slot.since)
            if swiftlet_load(memory + Slot.running) == id { return Running(id: id, since: since) }
        }
        return nil
    }

    // Writing, on the worker's side, by one thread.

    /// A request comes onto the loop, for the first time or again. Numbers of requests begin at 1 and only grow.
    package func enter(_ id: UInt64, at nanoseconds: UInt64) {
        // Not running in between, so that a reader never pairs a request with another one's time.
        swiftlet_store(memory + Slot.running, 0)
        if id > swiftlet_load(memory + Slot.begun) { swiftlet_store(memory + Slot.begun, id) }
        swiftlet_store(memory + Slot.since, nanoseconds)
        swiftlet_store(memory + Slot.running, id)
    }

    /// The request leaves the loop: it ended, or it waits for something.
    package func leave() { swiftlet_store(memory + Slot.running, 0) }

    /// Takes over the page that the host handed to this process, and closes the descriptor.
    package static func adopt(descriptor: Int32 = 4) throws(SpawnProblem) -> WorkerLedger {
        // A smaller file would end this process at the first write.
        var kind = stat()
        guard fstat(descriptor, &kind) == 0 else { throw SpawnProblem(step: "ledger", code: errno) }
        guard kind.st_size >= size, swiftlet_cannot_shrink(descriptor) == 1 else {
            throw SpawnProblem(step: "ledger", code: EINVAL)
        }
        let ledger = try WorkerLedger(mapping: descriptor)
        close(descriptor)
        return ledger
    }

    /// A fresh page, all zero.
    static func page() throws(SpawnProblem) -> OwnedDescriptor {
        let descriptor = try SpawnProblem.check("memfd_create", swiftlet_shared_memory("ledger", size))
        return try OwnedDescriptor(descriptor).raised()
    }

    init(mapping descriptor: Int32) throws(SpawnProblem) {
        guard let memory = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED else {
            throw SpawnProblem(step: "mmap", code: errno)
        }
        self.memory = memory
    }

    deinit { munmap(memory, Self.size) }
}
