import Glibc

/// The two clocks a server reads: a steady one for deadlines, the wall for `Date`.
package struct ServerClock: Sendable {
    /// Nanoseconds since some start; never goes back.
    package var steady: @Sendable () -> Int64
    /// Seconds since 1970.
    package var wall: @Sendable () -> Int

    package init(steady: @escaping @Sendable () -> Int64, wall: @escaping @Sendable () -> Int) {
        self.steady = steady
        self.wall = wall
    }

    package static let system = ServerClock(
        steady: {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
        },
        wall: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return time.tv_sec
        }
    )
}
