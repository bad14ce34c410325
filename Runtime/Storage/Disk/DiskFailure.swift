internal import GRDB
internal import Glibc

/// What the system and the catalogue say, in the words of storage.
enum DiskFailure {
    static let full = StorageError(.storageFull, "The storage is full; try again later")
    static let busy = StorageError(.slowDown, "Too many uploads at once; try again in a moment")
    static func share(_ most: Int) -> StorageError {
        StorageError(
            .slowDown, "\(most) of your uploads are under way, and no more may be at one time; try again when one has ended")
    }
    static let closed = StorageError(
        .slowDown, "The storage is being closed; try again in a moment", cause: "the store is closed")

    /// From `errno`, taken at once after the call.
    static func system(_ doing: String, _ code: Int32) -> StorageError {
        let cause = "\(doing): \(text(code))"
        switch code {
        case ENOSPC, EDQUOT: return StorageError(.storageFull, full.message, cause: cause)
        case EMFILE, ENFILE, ENOMEM, EAGAIN: return StorageError(.slowDown, busy.message, cause: cause)
        default: return StorageError(.internalError, "The storage could not do this; it is not the caller's fault", cause: cause)
        }
    }

    static func text(_ code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        return "\(String(cString: text)) (\(code))"
    }

    /// From whatever the catalogue threw. SQLite tells a full disk from a broken one only when a write fails, not when a file cannot be
    /// lengthened, so the folder is asked too.
    static func catalogue(_ error: any Error, _ folder: DiskFolder) -> StorageError {
        if let known = error as? StorageError { return known }
        let cause = "catalogue: \(error)"
        guard let problem = error as? DatabaseError else {
            return StorageError(.internalError, "The storage could not do this; it is not the caller's fault", cause: cause)
        }
        switch problem.resultCode {
        case .SQLITE_FULL: return StorageError(.storageFull, full.message, cause: cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED: return StorageError(.slowDown, busy.message, cause: cause)
        case .SQLITE_IOERR where folder.freeBytes.map({ $0 < 1 << 16 }) ?? false:
            return StorageError(.storageFull, full.message, cause: cause)
        default:
            return StorageError(.internalError, "The storage could not do this; it is not the caller's fault", cause: cause)
        }
    }
}

/// The steps at which a disk can fail; tests make it fail at each.
package enum DiskStep: String, Sendable, CaseIterable {
    case create, write, syncFile, rename, syncFolder, commit
}

/// For tests: the error number a step shall fail with, 0 to let it go.
package typealias DiskFault = @Sendable (DiskStep) -> Int32
