internal import GRDB
internal import Glibc

/// What the system and SQLite say, in the words of the history.
enum HistoryFailure {
    /// From `errno`, taken at once after the call.
    static func system(_ doing: String, _ path: String, _ code: Int32) -> HistoryError {
        let cause = strerror(code).map { "\(String(cString: $0)) (\(code))" } ?? "error \(code)"
        switch code {
        case ENOSPC, EDQUOT: return HistoryError(.full, "no room on the disk of \(path): free some space", cause: cause)
        case EROFS, EACCES, EPERM:
            return HistoryError(.readOnly, "\(path) may not be written: give the host a folder of its own", cause: cause)
        default: return HistoryError(.failed, "\(doing) \(path) failed", cause: cause)
        }
    }

    /// From whatever SQLite threw. It tells a full disk from a broken one only when a write fails, not when a file cannot be lengthened,
    /// so the disk is asked too.
    static func sqlite(_ error: any Error, _ path: String) -> HistoryError {
        if let known = error as? HistoryError { return known }
        let cause = "\(error)"
        // A row that is not as it was written.
        if error is RowDecodingError { return damaged(path, cause) }
        guard let problem = error as? DatabaseError else {
            return HistoryError(.failed, "the history \(path) failed", cause: cause)
        }
        switch problem.resultCode {
        case .SQLITE_FULL: return HistoryError(.full, "no room on the disk of \(path): free some space", cause: cause)
        case .SQLITE_IOERR where isFull(path):
            return HistoryError(.full, "no room on the disk of \(path): free some space", cause: cause)
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            return HistoryError(.readOnly, "\(path) may not be written: give the host a folder of its own", cause: cause)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return damaged(path, cause)
        case .SQLITE_BUSY, .SQLITE_LOCKED: return HistoryError(.busy, "another process holds \(path)", cause: cause)
        default: return HistoryError(.failed, "the history \(path) failed", cause: cause)
        }
    }

    static func damaged(_ path: String, _ cause: String?) -> HistoryError {
        HistoryError(
            .damaged, "the history \(path) is damaged: restore it from a backup, or move it away to begin with an empty one",
            cause: cause)
    }

    private static func isFull(_ path: String) -> Bool {
        var room = statvfs()
        guard statvfs(path, &room) == 0 else { return false }
        return UInt64(room.f_bavail).multipliedReportingOverflow(by: UInt64(room.f_frsize)).partialValue < 1 << 16
    }
}
