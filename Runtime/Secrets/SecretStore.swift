import Synchronization

/// The secrets of a running host: one snapshot at a time, replaced whole.
package final class SecretStore: Sendable {
    private let sources: SecretSources
    private let snapshot: Mutex<SecretSet>
    /// Held for a whole reload, so that two never mix; readers only touch `snapshot`.
    private let seen: Mutex<Seen>

    private struct Seen {
        var fingerprint: [String: FileAccess.Facts]
        var warnings: [String]
    }

    package init(_ sources: SecretSources) throws(SecretProblem) {
        self.sources = sources
        let fingerprint = sources.fingerprint()
        let (set, warnings) = try sources.load()
        snapshot = Mutex(set)
        seen = Mutex(Seen(fingerprint: fingerprint, warnings: warnings))
    }

    package var current: SecretSet { snapshot.withLock { $0 } }

    /// What the last load that succeeded had to remark.
    package var warnings: [String] { seen.withLock { $0.warnings } }

    /// Reads all sources anew and then swaps; the names that changed, sorted. A problem leaves the old set in force.
    @discardableResult
    package func reload() throws(SecretProblem) -> [String] {
        let outcome: Result<[String], SecretProblem> = seen.withLock { seen in
            // Taken before reading: a change during the load shows as one more change.
            seen.fingerprint = sources.fingerprint()
            do throws(SecretProblem) {
                let (set, warnings) = try sources.load()
                seen.warnings = warnings
                let old = snapshot.withLock { current in
                    defer { current = set }
                    return current
                }
                return .success(set.changes(since: old))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Whether file or directory look different from when they were last tried, also where that try failed: a broken file is reported once
    /// and not on every look. Blocks for a few `stat` calls.
    package func changedOnDisk() -> Bool {
        seen.withLock { sources.fingerprint() != $0.fingerprint }
    }
}
