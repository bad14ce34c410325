import Glibc

/// Where the host reads time from: a manual one in tests.
package struct HostClock: Sendable {
    /// Nanoseconds of a clock that only goes forward, the same for all processes of the machine: deadlines and limits.
    package let monotonic: @Sendable () -> UInt64
    /// Nanoseconds since 1970: tokens' times, dates, logs.
    package let wall: @Sendable () -> Int64

    package init(monotonic: @escaping @Sendable () -> UInt64, wall: @escaping @Sendable () -> Int64) {
        self.monotonic = monotonic
        self.wall = wall
    }

    package static let system = HostClock(
        monotonic: {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
        },
        wall: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
        })
}
