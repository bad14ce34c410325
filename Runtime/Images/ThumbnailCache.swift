internal import CLinux
internal import Glibc
internal import Synchronization
internal import SwiftletCrypto
internal import SwiftletStorage

/// Pictures that were made before, in a folder of their own: one file each, named after what it was made from and how.
///
/// A file is written beside, written through and moved into place, so it is whole or not there. What was not used for longest goes first.
/// Everything in the folder can be removed at any time, also while it is in use: a picture is then made again.
final class ThumbnailCache: Sendable {
    private final class Folder: Sendable {
        let descriptor: Int32
        init(_ descriptor: Int32) { self.descriptor = descriptor }
        deinit { Glibc.close(descriptor) }
    }
    private struct Entry {
        /// On the disk, which gives whole blocks.
        var bytes: Int
        /// The higher, the later.
        var used: UInt64
        /// When the disk was last told, in seconds.
        var noted: Int
    }
    private struct State {
        var folder: Folder
        var entries: [String: Entry] = [:]
        var bytes = 0
        var uses: UInt64 = 0
        var staged: UInt64 = 0
    }

    private let path: String
    private let limit: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - path: made if its parent is there; what is in it and is no picture of this cache is removed.
    ///   - limit: in bytes of disk, of files that are in place.
    init(path: String, limit: Int) throws(StorageError) {
        self.path = path
        self.limit = limit
        state = Mutex(State(folder: try Self.open(path)))
        try load()
    }

    var bytes: Int { state.withLock { $0.bytes } }
    var count: Int { state.withLock { $0.entries.count } }

    /// The name of a picture: first what tells the version, then what tells how it was made.
    static func name(version: String, _ how: String) -> String { "\(hash(version))-\(hash(how))" }

    private static func hash(_ text: String) -> String {
        SHA256.hash(Array(text.utf8)).withUnsafeBytes { Hex.encode($0.prefix(16)) }
    }

    private static func isName(_ name: String) -> Bool {
        let parts = name.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                part.count == 32 && part.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            }
    }

    // MARK: Reading

    /// An open file; nil when there is none. Takes microseconds.
    func open(_ name: String) -> OpenPicture? {
        let folder = state.withLock { $0.folder }
        let descriptor = openat(folder.descriptor, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            forget(name)
            return nil
        }
        let picture = OpenPicture(descriptor)
        var status = stat()
        // An empty one is what a failing disk leaves.
        guard fstat(descriptor, &status) == 0, status.st_size > 0 else {
            remove([name], folder)
            return nil
        }
        picture.size = Int(status.st_size)
        let now = time(nil)
        let isNoted = state.withLock { state in
            state.uses += 1
            var entry = state.entries[name] ?? Entry(bytes: 0, used: 0, noted: 0)
            state.bytes += Self.blocks(picture.size) - entry.bytes
            entry.bytes = Self.blocks(picture.size)
            entry.used = state.uses
            let isNoted = now - entry.noted < 60
            if !isNoted { entry.noted = now }
            state.entries[name] = entry
            return isNoted
        }
        // So that the next start knows too.
        if !isNoted { _ = futimens(descriptor, nil) }
        return picture
    }

    // MARK: Writing

    /// A file that is not in place yet.
    func stage() throws(StorageError) -> StagedPicture {
        let (first, number) = state.withLock { state in
            state.staged += 1
            return (state.folder, state.staged)
        }
        let name = "part-\(number)"
        let flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW
        var folder = first
        var descriptor = openat(folder.descriptor, name, flags, 0o600)
        if descriptor < 0, errno == ENOENT {
            // Somebody removed the folder itself.
            folder = try Self.open(path)
            state.withLock { state in
                state.folder = folder
                state.entries = [:]
                state.bytes = 0
            }
            descriptor = openat(folder.descriptor, name, flags, 0o600)
        }
        guard descriptor >= 0 else { throw Self.failure("making a file", errno) }
        let held = folder.descriptor
        return StagedPicture(descriptor, name: name) { [folder] in
            _ = folder
            unlinkat(held, name, 0)
        }
    }

    /// Puts a picture in place, and removes others to make room. The picture stays open in `staged` whatever happens.
    func publish(_ staged: StagedPicture, as name: String) throws(StorageError) {
        while fsync(staged.picture.descriptor) != 0 {
            guard errno == EINTR else { throw Self.failure("writing a file through", errno) }
        }
        let folder = state.withLock { $0.folder }
        guard renameat(folder.descriptor, staged.name, folder.descriptor, name) == 0 else {
            throw Self.failure("moving a file into place", errno)
        }
        staged.isPublished = true
        let bytes = Self.blocks(staged.picture.size)
        let now = time(nil)
        let victims = state.withLock { state -> [String] in
            state.uses += 1
            state.bytes += bytes - (state.entries[name]?.bytes ?? 0)
            state.entries[name] = Entry(bytes: bytes, used: state.uses, noted: now)
            return Self.victims(&state, limit)
        }
        for victim in victims { unlinkat(folder.descriptor, victim, 0) }
    }

    /// Removes what was made from this version, when its object is gone. Looks at the names of all: some milliseconds when there are very
    /// many.
    func removeAll(of version: String) {
        let start = Self.hash(version) + "-"
        let (folder, names) = state.withLock { state in
            (state.folder, state.entries.keys.filter { $0.utf8.starts(with: start.utf8) })
        }
        remove(names, folder)
    }

    private func remove(_ names: [String], _ folder: Folder) {
        for name in names {
            unlinkat(folder.descriptor, name, 0)
            forget(name)
        }
    }

    private func forget(_ name: String) {
        state.withLock { state in
            if let entry = state.entries.removeValue(forKey: name) { state.bytes -= entry.bytes }
        }
    }

    /// Down to seven eighths, so that it is not done again at once.
    private static func victims(_ state: inout State, _ limit: Int) -> [String] {
        guard state.bytes > limit else { return [] }
        var victims: [String] = []
        for (name, entry) in state.entries.sorted(by: { $0.value.used < $1.value.used }) {
            guard state.bytes > limit - limit / 8 else { break }
            state.bytes -= entry.bytes
            state.entries[name] = nil
            victims.append(name)
        }
        return victims
    }

    private static func blocks(_ bytes: Int) -> Int { (bytes + 4095) / 4096 * 4096 }

    // MARK: The folder

    private static func open(_ path: String) throws(StorageError) -> Folder {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw failure("making the folder \(path)", errno) }
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failure("opening the folder \(path)", errno) }
        return Folder(descriptor)
    }

    /// What an earlier host left: pictures in the order they were used in, and files that were never finished.
    private func load() throws(StorageError) {
        let folder = state.withLock { $0.folder }
        let listed = Glibc.openat(folder.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard listed >= 0 else { throw Self.failure("opening the folder \(path)", errno) }
        guard let stream = fdopendir(listed) else {
            Glibc.close(listed)
            throw Self.failure("reading the folder \(path)", errno)
        }
        defer { closedir(stream) }
        var found: [(name: String, bytes: Int, seconds: Int)] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { room in
                String(decoding: room.prefix { $0 != 0 }, as: UTF8.self)
            }
            var status = stat()
            guard name != ".", name != "..", fstatat(folder.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            if Self.isName(name), status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 {
                found.append((name, Self.blocks(Int(status.st_size)), status.st_mtim.tv_sec))
            } else if name.hasPrefix("part-") || Self.isName(name) {
                unlinkat(folder.descriptor, name, 0)
            }
        }
        found.sort { $0.seconds < $1.seconds }
        let victims = state.withLock { state -> [String] in
            for file in found {
                state.uses += 1
                state.bytes += file.bytes
                state.entries[file.name] = Entry(bytes: file.bytes, used: state.uses, noted: file.seconds)
            }
            return Self.victims(&state, limit)
        }
        for victim in victims { unlinkat(folder.descriptor, victim, 0) }
    }

    static func failure(_ doing: String, _ code: Int32) -> StorageError {
        let cause = "thumbnails: \(doing): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
        switch code {
        case ENOSPC, EDQUOT: return StorageError(.storageFull, "The storage is full; try again later", cause: cause)
        case EMFILE, ENFILE, ENOMEM, EAGAIN:
            return StorageError(.slowDown, "Too many images at once; try again in a moment", cause: cause)
        default: return StorageError(.internalError, "The storage could not do this; it is not the caller's fault", cause: cause)
        }
    }
}

/// An open file that closes itself. `size` is written before it is shared.
final class OpenPicture: @unchecked Sendable {
    let descriptor: Int32
    var size = 0

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { Glibc.close(descriptor) }

    /// A descriptor of the caller's own.
    func duplicate() throws(StorageError) -> Int32 {
        let copy = swiftlet_duplicate_above(descriptor, 10)
        guard copy >= 0 else { throw ThumbnailCache.failure("opening a file again", errno) }
        return copy
    }
}

/// A picture that is being written, by one thread. Unless it is published, its file goes with it.
final class StagedPicture {
    let picture: OpenPicture
    let name: String
    private let unlink: () -> Void
    var isPublished = false

    init(_ descriptor: Int32, name: String, unlink: @escaping () -> Void) {
        picture = OpenPicture(descriptor)
        self.name = name
        self.unlink = unlink
    }

    deinit { if !isPublished { unlink() } }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(picture.descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ThumbnailCache.failure("writing a file", errno) }
            rest = rest.dropFirst(count)
            picture.size += count
        }
    }
}
