internal import CLinux
internal import Glibc
internal import SwiftletCrypto

/// A file in `staging` that is being written: small pieces are collected, so that a thread is asked for and the disk is called once for
/// every 256 KiB. Used by one task at a time.
final class StagedFile: @unchecked Sendable {
    static let bufferBytes = 256 << 10

    let version: String
    private let folder: DiskFolder
    let threads: DiskThreads
    private(set) var descriptor: Int32
    /// Whether there is a file.
    private var made: Bool
    private var buffer: UnsafeMutableRawBufferPointer?
    private let capacity: Int
    private var filled = 0
    private var hash: SHA256Stream?

    /// Bytes that are in the file; what is collected is not counted.
    private(set) var written: Int

    /// Bytes that came, on the disk or not.
    var count: Int { written + filled }

    /// - Parameters:
    ///   - descriptor: A file that is open already, and holds `written` bytes; -1 to make one when there is something to write.
    ///   - expected: How many bytes will come, when that is known.
    init(
        _ version: String, _ folder: DiskFolder, _ threads: DiskThreads, descriptor: Int32 = -1, written: Int = 0,
        expected: Int? = nil,
        hashing: Bool = false
    ) {
        self.version = version
        self.folder = folder
        self.threads = threads
        self.descriptor = descriptor
        self.written = written
        made = descriptor >= 0
        capacity = min(Self.bufferBytes, max(expected ?? Self.bufferBytes, 1))
        hash = hashing ? SHA256Stream() : nil
    }

    deinit {
        buffer?.deallocate()
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    var isFull: Bool { filled == capacity }

    /// Copies what there is room for.
    func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        if buffer == nil { buffer = .allocate(byteCount: capacity, alignment: 16) }
        guard let room = buffer?.baseAddress, let start = bytes.baseAddress else { return 0 }
        let part = min(bytes.count, capacity - filled)
        memcpy(room + filled, start, part)
        filled += part
        return part
    }

    /// Writes what is collected; `before` runs on the same thread ahead of it, and may refuse.
    func flush(_ before: @escaping @Sendable (_ bytes: Int) throws(StorageError) -> Void) async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            try before(self.filled)
            try self.flushHere()
        }
    }

    /// Writes everything, waits until the disk has it, and closes the file. The digest, when one was to be made.
    func seal() async throws(StorageError) -> [UInt8]? {
        try await threads.run { () throws(StorageError) in
            try self.flushHere()
            try self.open()
            try self.folder.sync(self.descriptor)
            self.letGoOfBuffer()
            Glibc.close(self.descriptor)
            self.descriptor = -1
            return self.hash?.finish()
        }
    }

    /// Writes everything and waits until the disk has it; more may follow.
    func sync() async throws(StorageError) {
        try await threads.run { () throws(StorageError) in
            try self.flushHere()
            if self.descriptor >= 0 { try self.folder.sync(self.descriptor) }
        }
    }

    /// SHA-256 of the whole file, read again, a piece at a time so that others get their turn.
    func digest() async throws(StorageError) -> [UInt8] {
        let hash = Box(SHA256Stream())
        var offset = 0
        while offset < written {
            let from = offset
            offset = try await threads.run { () throws(StorageError) in
                try self.open()
                let room = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferBytes, alignment: 16)
                defer { room.deallocate() }
                var position = from
                while position < self.written, position - from < 16 << 20 {
                    let count = pread(
                        self.descriptor, room.baseAddress, min(room.count, self.written - position), off_t(position))
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw DiskFailure.system("reading a staged file", count < 0 ? errno : EIO) }
                    hash.value.add(UnsafeRawBufferPointer(rebasing: room[..<count]))
                    position += count
                }
                return position
            }
        }
        return hash.value.finish()
    }

    /// Closes the file, and removes it when nobody shall find it again. Does not wait for either.
    func close(removing: Bool) {
        guard let end = ending(removing: removing) else { return }
        if !threads.submit(always: true, end) { end() }
    }

    /// The same, and waits.
    func end(removing: Bool) async {
        guard let end = ending(removing: removing) else { return }
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let work: DiskThreads.Job = {
                end()
                continuation.resume()
            }
            if !threads.submit(always: true, work) { work() }
        }
    }

    private func ending(removing: Bool) -> DiskThreads.Job? {
        letGoOfBuffer()
        let (open, remove) = (descriptor, removing && made)
        descriptor = -1
        made = false
        guard open >= 0 || remove else { return nil }
        return { [folder, version] in
            if remove { folder.removeStaged(version) }
            if open >= 0 { Glibc.close(open) }
        }
    }

    private func letGoOfBuffer() {
        buffer?.deallocate()
        buffer = nil
        filled = 0
    }

    // MARK: On a thread of ours

    func open() throws(StorageError) {
        guard descriptor < 0 else { return }
        descriptor = try folder.create(version)
        made = true
    }

    private func flushHere() throws(StorageError) {
        guard filled > 0, let start = buffer?.baseAddress else { return }
        try open()
        if let code = folder.wanted(.write) { throw DiskFailure.system("writing a file", code) }
        hash?.add(UnsafeRawBufferPointer(start: start, count: filled))
        var done = 0
        while done < filled {
            let count = pwrite(descriptor, start + done, filled - done, off_t(written + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw DiskFailure.system("writing a file in \(folder.path)/staging", count < 0 ? errno : ENOSPC)
            }
            done += count
        }
        // The disk begins now, so that little is left to wait for at the end.
        if filled == Self.bufferBytes { swiftlet_start_writeback(descriptor, Int64(written), Int64(filled)) }
        written += filled
        filled = 0
    }

    private final class Box: @unchecked Sendable {
        var value: SHA256Stream
        init(_ value: SHA256Stream) { self.value = value }
    }
}
