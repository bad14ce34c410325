internal import Glibc
internal import SwiftletCrypto

/// The folder of a store, held open: every file in it is named from here, so it does not matter where the process stands.
///
///     lock              held while a host uses the folder
///     catalogue.sqlite  what the objects are called
///     staging/          files that are being written
///     content/0…f/0…f/  the objects' bytes, under the version the server made up
final class DiskFolder: Sendable {
    /// Absolute, without links.
    let path: String
    private let root: Int32
    private let lock: Int32
    let fault: DiskFault?

    static let leaves: [String] = {
        let digits = "0123456789abcdef"
        return digits.flatMap { first in digits.map { "\(first)\($0)" } }
    }()

    init(path: String, fault: DiskFault?) throws(StorageError) {
        self.fault = fault
        try Self.make(path)
        guard let resolved = realpath(path, nil) else { throw Self.unusable(path, "cannot be found", errno) }
        self.path = String(cString: resolved)
        free(resolved)
        let root = Glibc.open(self.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard root >= 0 else { throw Self.unusable(path, "cannot be opened", errno) }
        do throws(StorageError) {
            lock = try Self.take(root, path)
        } catch {
            Glibc.close(root)
            throw error
        }
        self.root = root
        // From here on `deinit` closes both.
        try layOut()
    }

    deinit {
        // A process that is being started has the descriptor too, until it becomes another program; the lock would last as long.
        unlock()
        Glibc.close(lock)
        Glibc.close(root)
    }

    private static func unusable(_ path: String, _ what: String, _ code: Int32) -> StorageError {
        StorageError(
            .internalError,
            "the storage folder \(path) \(what): \(DiskFailure.text(code)). Give the host a folder that it owns and may write to")
    }

    /// Makes the folder and those above it. One that is there already must not be open for everybody to write in.
    private static func make(_ path: String) throws(StorageError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw StorageError(
                .internalError, "the storage folder has no name: give the path of a folder that the host may write to")
        }
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw StorageError(.internalError, "the storage folder \(path) is not a folder: give another path")
            }
            guard status.st_mode & S_IWOTH == 0 else {
                throw StorageError(.internalError, "everybody may write in the storage folder \(path): run chmod 700 \(path)")
            }
            return
        }
        var above = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            above += (above.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            if mkdir(above, 0o700) != 0, errno != EEXIST { throw unusable(path, "cannot be made", errno) }
        }
    }

    private static func take(_ root: Int32, _ path: String) throws(StorageError) -> Int32 {
        let lock = openat(root, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw unusable(path, "cannot be written to", errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            Glibc.close(lock)
            guard code == EWOULDBLOCK else { throw unusable(path, "cannot be locked", code) }
            throw StorageError(
                .internalError,
                "another host uses the storage folder \(path): stop it, or give this one a folder of its own")
        }
        return lock
    }

    private func layOut() throws(StorageError) {
        var made = false
        for name in ["staging", "content"] + Self.leaves.flatMap({ $0.hasSuffix("0") ? ["content/\($0.prefix(1))"] : [] })
            + Self.leaves.map({ "content/\($0.prefix(1))/\($0.suffix(1))" })
        {
            if mkdirat(root, name, 0o700) == 0 {
                made = true
            } else if errno != EEXIST {
                throw Self.unusable(path, "cannot be written to", errno)
            }
        }
        // Made here, so that SQLite gives its files the same narrow permissions.
        let catalogue = openat(root, "catalogue.sqlite", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard catalogue >= 0 else { throw Self.unusable(path, "holds a catalogue that cannot be written to", errno) }
        Glibc.close(catalogue)
        if made {
            for name in [".", "content"] + Self.leaves.flatMap({ $0.hasSuffix("0") ? ["content/\($0.prefix(1))"] : [] }) {
                try syncFolder(name)
            }
        }
    }

    /// Lets another host have the folder.
    func unlock() { _ = flock(lock, LOCK_UN) }

    // MARK: One file

    static func staged(_ version: String) -> String { "staging/\(version)" }
    static func leaf(of version: String) -> String { "content/\(version.prefix(1))/\(version.prefix(2).suffix(1))" }
    static func content(_ version: String) -> String { "\(leaf(of: version))/\(version)" }

    /// An error a test wants, or nil.
    @inline(__always)
    func wanted(_ step: DiskStep) -> Int32? {
        guard let fault else { return nil }
        let code = fault(step)
        return code == 0 ? nil : code
    }

    func create(_ version: String) throws(StorageError) -> Int32 {
        if let code = wanted(.create) { throw DiskFailure.system("making a file", code) }
        let file = openat(root, Self.staged(version), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw DiskFailure.system("making a file in \(path)/staging", errno) }
        return file
    }

    /// A staged file to write on; nil when it is not there.
    func reopen(_ version: String) throws(StorageError) -> Int32? {
        let file = openat(root, Self.staged(version), O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw DiskFailure.system("opening a file in \(path)/staging", errno) }
        return file
    }

    /// Cuts off what came after these bytes and was never counted.
    func cut(_ file: Int32, to bytes: Int) throws(StorageError) {
        var status = stat()
        guard fstat(file, &status) == 0 else {
            let code = errno
            Glibc.close(file)
            throw DiskFailure.system("looking at a staged file", code)
        }
        guard Int(status.st_size) >= bytes, ftruncate(file, off_t(bytes)) == 0 else {
            let code = errno
            Glibc.close(file)
            throw DiskFailure.system("cutting a staged file", Int(status.st_size) >= bytes ? code : EIO)
        }
    }

    /// Content to read; nil when it is not there.
    func read(_ version: String) throws(StorageError) -> Int32? {
        let file = openat(root, Self.content(version), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if file < 0, errno == ENOENT { return nil }
        guard file >= 0 else { throw DiskFailure.system("opening content in \(path)", errno) }
        return file
    }

    func sync(_ file: Int32) throws(StorageError) {
        if let code = wanted(.syncFile) { throw DiskFailure.system("writing a file through", code) }
        while fsync(file) != 0 {
            // Never asked twice after an error: the kernel forgets what it could not write.
            guard errno == EINTR else { throw DiskFailure.system("writing a file through in \(path)", errno) }
        }
    }

    /// Moves a staged file to where content lies; its folder is not written through yet.
    func publish(_ version: String) throws(StorageError) {
        if let code = wanted(.rename) { throw DiskFailure.system("moving a file into place", code) }
        guard renameat(root, Self.staged(version), root, Self.content(version)) == 0 else {
            throw DiskFailure.system("moving a file into place in \(path)", errno)
        }
    }

    /// The way back; false when that cannot be.
    func takeBack(_ version: String) -> Bool {
        renameat(root, Self.content(version), root, Self.staged(version)) == 0 || errno == ENOENT
    }

    /// Content under a second name; false when this disk cannot, or has given it too many names already.
    func link(_ version: String, as other: String) throws(StorageError) -> Bool {
        if linkat(root, Self.content(version), root, Self.staged(other), 0) == 0 { return true }
        switch errno {
        case EPERM, EMLINK, ENOTSUP, EXDEV, ENOSYS: return false
        default: throw DiskFailure.system("copying content in \(path)", errno)
        }
    }

    func syncFolder(_ name: String) throws(StorageError) {
        if let code = wanted(.syncFolder) { throw DiskFailure.system("writing a folder through", code) }
        let folder = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw DiskFailure.system("opening \(path)/\(name)", errno) }
        defer { Glibc.close(folder) }
        guard fsync(folder) == 0 else { throw DiskFailure.system("writing \(path)/\(name) through", errno) }
    }

    /// Whether it is gone now.
    @discardableResult
    func removeStaged(_ version: String) -> Bool { unlinkat(root, Self.staged(version), 0) == 0 || errno == ENOENT }

    /// Whether it is gone now. What stays is taken by the sweep of the next start.
    @discardableResult
    func removeContent(_ version: String) -> Bool { unlinkat(root, Self.content(version), 0) == 0 || errno == ENOENT }

    /// In bytes; nil when there is no such file.
    func size(_ name: String) throws(StorageError) -> Int? {
        var status = stat()
        if fstatat(root, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return Int(status.st_size) }
        guard errno == ENOENT else { throw DiskFailure.system("looking at \(path)/\(name)", errno) }
        return nil
    }

    /// What others than root may still use; nil when the system does not say.
    var freeBytes: Int? {
        var status = statvfs()
        guard fstatvfs(root, &status) == 0 else { return nil }
        let (bytes, overflow) = Int(clamping: status.f_bavail).multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
        return overflow ? Int.max : bytes
    }

    /// The names of the files in a folder.
    func names(in folder: String) throws(StorageError) -> [String] {
        let descriptor = openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskFailure.system("reading \(path)/\(folder)", errno) }
        guard let stream = fdopendir(descriptor) else {
            let code = errno
            Glibc.close(descriptor)
            throw DiskFailure.system("reading \(path)/\(folder)", code)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = Glibc.readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { room in
                String(decoding: room.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
