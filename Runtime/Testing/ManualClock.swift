package import Swiftlet
import Synchronization

/// A clock that stands still until a test moves it.
package final class ManualClock: Sendable {
    private struct Now {
        var monotonic: UInt64
        var wall: Int64
    }
    private let now: Mutex<Now>

    /// - Parameter wall: seconds since 1970.
    package init(wall: Int64 = 1_900_000_000) { now = Mutex(Now(monotonic: 1_000_000_000, wall: wall * 1_000_000_000)) }

    package func advance(by duration: Duration) {
        let nanoseconds = duration.clampedNanoseconds
        now.withLock {
            $0.monotonic &+= UInt64(max(0, nanoseconds))
            $0.wall &+= nanoseconds
        }
    }

    package var hostClock: HostClock {
        HostClock(monotonic: { self.now.withLock { $0.monotonic } }, wall: { self.now.withLock { $0.wall } })
    }
}
