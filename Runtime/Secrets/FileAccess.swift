import Glibc

/// The few system calls that secrets need, with errors that name the path.
enum FileAccess {
    struct Failure: Error {
        let number: Int32
        var text: String { String(cString: strerror(number)) }
    }

    /// What tells one version of a file from the next, and who may read it.
    struct Facts: Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let modified: Int64
        let changed: Int64
        let mode: UInt32
        let owner: UInt32
        let group: UInt32

        init(_ facts: stat) {
            device = UInt64(facts.st_dev)
            inode = UInt64(facts.st_ino)
            size = Int64(facts.st_size)
            modified = Int64(facts.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(facts.st_mtim.tv_nsec)
            changed = Int64(facts.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(facts.st_ctim.tv_nsec)
            mode = UInt32(facts.st_mode)
            owner = UInt32(facts.st_uid)
            group = UInt32(facts.st_gid)
        }

        var isRegular: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
        var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
        /// The permission bits, such as `0640`.
        var permissions: String {
            let digits = String(mode & 0o7777, radix: 8)
            return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
        var isReadableByOthers: Bool { mode & 0o077 != 0 }
        /// Ours or root's.
        var isForeign: Bool { owner != UInt32(geteuid()) && owner != 0 }
    }

    static func facts(_ path: String) -> Facts? {
        var result = stat()
        return stat(path, &result) == 0 ? Facts(result) : nil
    }

    /// Reads a regular file of at most `limit` bytes; `nil` content when it is larger or no regular file.
    static func read(_ path: String, limit: Int) throws(Failure) -> (bytes: [UInt8]?, facts: Facts) {
        // A FIFO would block an open without this.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(number: errno) }
        defer { close(descriptor) }
        var raw = stat()
        guard fstat(descriptor, &raw) == 0 else { throw Failure(number: errno) }
        let facts = Facts(raw)
        guard facts.isRegular, facts.size <= Int64(limit) else { return (nil, facts) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = part.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure(number: errno)
            }
            if count == 0 { break }
            bytes += part[..<count]
            if bytes.count > limit { return (nil, facts) }
        }
        part.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } }
        return (bytes, facts)
    }

    /// The names in a directory, sorted, at most `limit` and one more.
    static func names(_ path: String, limit: Int) throws(Failure) -> [String] {
        guard let stream = opendir(path) else { throw Failure(number: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count <= limit, let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            // `.`, `..`, and the hidden versions that Kubernetes mounts beside the links.
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// Puts `bytes` in the place of `path` in one step: readers see the old file or the new one, also after a power cut.
    ///
    /// The new file has mode 0600 and the owner of the old one. A failure at any point leaves the old file as it was.
    static func replace(_ path: String, with bytes: [UInt8], keeping old: Facts?) throws(Failure) {
        let folder = parent(path)
        let temporary = "\(folder)/.secrets.\(getpid()).\(UInt32.random(in: 0 ... .max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(number: errno) }
        do {
            defer { close(descriptor) }
            try check(fchmod(descriptor, 0o600), temporary)
            // Only root can and needs to: otherwise the file is the writer's own.
            if let old, old.owner != UInt32(geteuid()) { _ = fchown(descriptor, old.owner, old.group) }
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress?.advanced(by: done), $0.count - done) }
                if count < 0, errno == EINTR { continue }
                try check(count > 0 ? 0 : -1, temporary)
                done += count
            }
            try check(fsync(descriptor), temporary)
        }
        try check(rename(temporary, path), temporary)
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            _ = fsync(directory)
            close(directory)
        }
    }

    private static func check(_ result: Int32, _ temporary: String) throws(Failure) {
        guard result != 0 else { return }
        let number = errno
        unlink(temporary)
        throw Failure(number: number)
    }

    /// The folder a path lies in, for a path without `/` the current one.
    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The path with all links followed, so that a rewrite replaces the file and not the link to it.
    static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
