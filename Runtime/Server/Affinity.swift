import CLinux
import NIOCore

package enum Affinity {
    /// The cores this process may run on: a host pinned to one core is best off with one event loop.
    package static var cores: Int {
        let allowed = Int(swiftlet_allowed_cores())
        return allowed > 0 ? min(allowed, System.coreCount) : System.coreCount
    }
}
