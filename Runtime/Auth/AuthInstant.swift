internal import Glibc

/// One moment on both clocks, given to every call that depends on time.
///
/// Wall time decides `exp` and `nbf` only; everything that must not jump with the wall clock (the cache, the distance
/// between fetches) uses the monotonic one.
package struct AuthInstant: Sendable, Equatable {
    /// Seconds since 1970, UTC; may have a fraction.
    package var wallSeconds: Double
    /// Milliseconds on a clock that never goes back; its zero means nothing.
    package var monotonicMilliseconds: Int64

    package init(wallSeconds: Double, monotonicMilliseconds: Int64) {
        self.wallSeconds = wallSeconds
        self.monotonicMilliseconds = monotonicMilliseconds
    }

    /// Reads both clocks of this machine.
    package static func now() -> AuthInstant {
        var wall = timespec()
        var steady = timespec()
        clock_gettime(CLOCK_REALTIME, &wall)
        clock_gettime(CLOCK_MONOTONIC, &steady)
        return AuthInstant(
            wallSeconds: Double(wall.tv_sec) + Double(wall.tv_nsec) / 1e9,
            monotonicMilliseconds: Int64(steady.tv_sec) &* 1000 &+ Int64(steady.tv_nsec) / 1_000_000)
    }
}
