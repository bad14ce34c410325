import Glibc

/// Binds socket files.
enum UnixSocket {
    enum Fault: Error, Hashable, CustomStringConvertible {
        case pathTooLong
        case folderIsWritableForAll
        case notASocket
        case inUse
        case system(call: String, errno: Int32)

        var description: String {
            switch self {
            case .pathTooLong: "the path of the socket is longer than 107 bytes"
            case .folderIsWritableForAll: "the folder of the socket is writable for everyone"
            case .notASocket: "at the path of the socket is a file that is no socket"
            case .inUse: "another process answers at the path of the socket"
            case .system(let call, let errno): "\(call): \(String(cString: strerror(errno)))"
            }
        }
    }

    /// A bound and listening socket at `path`, mode 0660.
    static func bind(path: String, backlog: Int) throws(Fault) -> Int32 {
        let bytes = Array(path.utf8)
        var address = sockaddr_un()
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.contains(0) else {
            throw .pathTooLong
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        try prepareFolder(of: path)
        try removeStale(path, address)

        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .system(call: "socket", errno: errno) }
        // Linux makes the file with the mode that the socket has: it is never open wider, not even for a moment.
        guard fchmod(descriptor, 0o660) == 0, call(Glibc.bind, descriptor, address) == 0, chmod(path, 0o660) == 0,
            listen(descriptor, Int32(clamping: backlog)) == 0
        else {
            let code = errno
            Glibc.close(descriptor)
            throw .system(call: "bind", errno: code)
        }
        return descriptor
    }

    /// Makes the folder when it is missing; refuses one in which anybody could put another socket.
    private static func prepareFolder(of path: String) throws(Fault) {
        let bytes = Array(path.utf8)
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return }
        let folder = slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
        if mkdir(folder, 0o750) != 0, errno != EEXIST { throw .system(call: "mkdir", errno: errno) }
        var info = stat()
        guard stat(folder, &info) == 0 else { throw .system(call: "stat", errno: errno) }
        // A sticky folder such as /tmp lets others add files, but not replace this one.
        if info.st_mode & S_IWOTH != 0, info.st_mode & S_ISVTX == 0 { throw .folderIsWritableForAll }
    }

    /// Removes a socket that nobody answers at, and nothing else.
    private static func removeStale(_ path: String, _ address: sockaddr_un) throws(Fault) {
        var info = stat()
        guard lstat(path, &info) == 0 else {
            if errno == ENOENT { return }
            throw .system(call: "lstat", errno: errno)
        }
        guard info.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else { throw .system(call: "socket", errno: errno) }
        defer { Glibc.close(probe) }
        let result = call(Glibc.connect, probe, address)
        let code = errno
        // Only a refusal proves that nobody listens: EAGAIN is a full backlog.
        guard result != 0, code == ECONNREFUSED else { throw .inUse }
        guard unlink(path) == 0 else { throw .system(call: "unlink", errno: errno) }
    }

    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>?, socklen_t) -> Int32, _ descriptor: Int32, _ address: sockaddr_un
    ) -> Int32 {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                function(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Takes the file away again, as long as it is still a socket.
    static func remove(path: String) {
        var info = stat()
        if lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
    }
}
