import Glibc

/// From the bytes of a path to a function. No percent-decoding, no folding of case or slashes: what is not written exactly is not found.
package struct Routes: Sendable {
    /// Slots by the length of their name; a host has few functions, so a scan beats a hash.
    private let byLength: [[(name: [UInt8], index: Int)]]
    private let mounts: [(path: [UInt8], index: Int)]

    package enum Match: Sendable, Equatable {
        /// `nameStart..<nameEnd` of the path is the function's name; the function sees the path from the slash before it.
        case function(index: Int, nameStart: Int)
        /// A path of the host's own, with a function behind it; the function sees the path as it is.
        case mounted(index: Int)
        /// The storage API.
        case storage
        /// Sockets and broadcasts.
        case realtime
        case internalHealth
        /// Under `/functions/v1/`, but no such function.
        case unknownFunction
        case unknown
    }

    package static let prefix = Array("/functions/v1/".utf8)
    private static let storage = Array("/storage/v1/".utf8)
    private static let realtime = Array("/realtime/v1/".utf8)
    /// What clients of a bare realtime server use.
    private static let socket = Array("/socket/websocket".utf8)
    /// Where the host answers itself, whatever is mounted.
    static let reserved = ["/functions/v1/", "/storage/v1/", "/realtime/v1/", "/_internal/"]
    private static let health = Array("/_internal/health".utf8)

    package init(functions: [String], mounts: [String: Int] = [:]) {
        var byLength: [[(name: [UInt8], index: Int)]] = Array(repeating: [], count: 65)
        for (index, name) in functions.enumerated() where name.utf8.count <= 64 {
            byLength[name.utf8.count].append((Array(name.utf8), index))
        }
        self.byLength = byLength
        self.mounts = mounts.map { (Array($0.key.utf8), $0.value) }
    }

    package func match(_ path: UnsafeRawBufferPointer) -> Match {
        let prefix = Routes.prefix
        if path.count >= prefix.count, prefix.withUnsafeBytes({ memcmp($0.baseAddress!, path.baseAddress!, prefix.count) }) == 0 {
            var end = prefix.count
            while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
            let length = end - prefix.count
            guard length > 0, length < byLength.count else { return .unknownFunction }
            for candidate in byLength[length] where Routes.equal(candidate.name, path, from: prefix.count) {
                return .function(index: candidate.index, nameStart: prefix.count)
            }
            return .unknownFunction
        }
        if path.count > Routes.storage.count, Routes.equal(Routes.storage, path, from: 0) { return .storage }
        if path.count > Routes.realtime.count, Routes.equal(Routes.realtime, path, from: 0) { return .realtime }
        if path.count == Routes.socket.count, Routes.equal(Routes.socket, path, from: 0) { return .realtime }
        if path.count == Routes.health.count, Routes.equal(Routes.health, path, from: 0) { return .internalHealth }
        for mount in mounts where mount.path.count == path.count && Routes.equal(mount.path, path, from: 0) {
            return .mounted(index: mount.index)
        }
        return .unknown
    }

    private static func equal(_ name: [UInt8], _ path: UnsafeRawBufferPointer, from start: Int) -> Bool {
        guard path.count - start >= name.count else { return false }
        for index in 0..<name.count where name[index] != path[start + index] { return false }
        return true
    }
}
