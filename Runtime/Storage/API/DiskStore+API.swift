internal import GRDB
import Glibc
package import SwiftletCrypto

extension DiskStore {
    /// Keys of a bucket, in no order.
    func keys(of bucket: String, limit: Int) async throws(StorageError) -> [String] {
        try await threads.run { () throws(StorageError) in
            try self.catalogue.browse { database in
                let rows = try Row.fetchAll(
                    database, sql: "SELECT folder, name FROM objects WHERE bucket = ? LIMIT ?", arguments: [bucket, limit])
                return rows.map { CatalogueKey(folder: $0[0], name: $0[1]).key }
            }
        }
    }

    /// The key that signs links, made with the folder: links outlive the host's restart, and end with the files.
    package func signingKey() throws(StorageError) -> SecretBytes {
        let path = folder.path + "/signing-key"
        if let key = try readKey(path) { return key }
        let bytes: [UInt8]
        do { bytes = try Random.bytes(32) } catch {
            throw StorageError(.internalError, "The storage could not do this", cause: "no random bytes")
        }
        // Whole or not at all: the name is only given to what is on the disk.
        let draft = path + ".new"
        _ = unlink(draft)
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw DiskFailure.system("making the signing key", errno) }
        defer { Glibc.close(file) }
        guard bytes.withUnsafeBytes({ Glibc.write(file, $0.baseAddress, $0.count) }) == bytes.count, fsync(file) == 0,
            rename(draft, path) == 0
        else { throw DiskFailure.system("writing the signing key", errno) }
        return SecretBytes(bytes)
    }

    private func readKey(_ path: String) throws(StorageError) -> SecretBytes? {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else {
            guard errno == ENOENT else { throw DiskFailure.system("reading the signing key", errno) }
            return nil
        }
        defer { Glibc.close(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        guard count == 32 else {
            throw StorageError(
                .internalError,
                "\(path) is damaged: it holds \(max(0, count)) bytes and not 32; remove it to make a new one, which ends all links"
            )
        }
        return SecretBytes(Array(bytes.prefix(32)))
    }
}

extension StoredFile {
    /// Another descriptor for the same file, for who sends it; nil when the process has too many.
    package func duplicate() -> CInt? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        return copy >= 0 ? copy : nil
    }
}

extension ResumableWriter {
    /// Bytes that are on the disk already, to be looked at once more.
    func read(at offset: Int, upTo most: Int) async throws(StorageError) -> [UInt8] {
        try await file.read(at: offset, upTo: most)
    }
}

extension StagedFile {
    func read(at offset: Int, upTo most: Int) async throws(StorageError) -> [UInt8] {
        try await threads.run { () throws(StorageError) in
            try self.open()
            var bytes = [UInt8](repeating: 0, count: max(0, min(most, self.written - offset)))
            var filled = 0
            while filled < bytes.count {
                let count = bytes.withUnsafeMutableBytes {
                    pread(self.descriptor, $0.baseAddress.map { $0 + filled }, $0.count - filled, off_t(offset + filled))
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw DiskFailure.system("reading a staged file", count < 0 ? errno : EIO) }
                filled += count
            }
            return bytes
        }
    }
}
