internal import Glibc

/// Content opened to be read. It stays what it was when it was opened, whatever happens to the object meanwhile.
package final class StoredFile: Sendable {
    package let info: ObjectInfo
    /// Open for reading until this value is gone; the position in it is not to be relied on (use `pread`).
    package let descriptor: Int32
    /// In bytes, as the file itself says.
    package let size: Int

    /// Takes over the descriptor.
    package init(_ info: ObjectInfo, _ descriptor: Int32) throws(StorageError) {
        self.info = info
        self.descriptor = descriptor
        var status = stat()
        let code = fstat(descriptor, &status) == 0 ? 0 : errno
        size = Int(status.st_size)
        // `deinit` closes it.
        if code != 0 { throw DiskFailure.system("reading content", code) }
        guard size == info.size else {
            throw StorageError(
                .internalError, "The content of this object is damaged",
                cause: "version \(info.version) holds \(size) bytes and should hold \(info.size)")
        }
    }

    deinit { Glibc.close(descriptor) }

    /// Reads at a place, up to the end of the room or of the file; 0 at the end. Blocks: only on a thread that may wait.
    package func read(at offset: Int, into room: UnsafeMutableRawBufferPointer) throws(StorageError) -> Int {
        while true {
            let count = pread(descriptor, room.baseAddress, room.count, off_t(max(offset, 0)))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw DiskFailure.system("reading content", errno) }
            return count
        }
    }
}
