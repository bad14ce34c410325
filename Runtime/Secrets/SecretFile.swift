import Glibc
import Swiftlet

/// Changes a dotenv file in place: comments, order and everything else stay as they are.
///
/// A change is one step on the disk: a new file of mode 0600 takes the place of the old one, or the old one stays.
package enum SecretFile {
    /// What `set` did.
    package struct Change: Sendable, Equatable {
        package var written: [String] = []
        /// A line for each name that was passed over because it is reserved.
        package var skipped: [String] = []
    }

    /// Splits `NAME=VALUE`. The problem does not repeat the text, which may be a value.
    package static func pair(_ text: String) throws(SecretProblem) -> (name: String, value: String) {
        guard let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")), equals != text.startIndex else {
            throw SecretProblem("Invalid secret pair. Must be NAME=VALUE.")
        }
        return (String(text[..<equals]), String(text[text.utf8.index(after: equals)...]))
    }

    /// Sets names to values, making the file where there is none. Names starting with `SUPABASE_` are passed over, as Supabase does; the
    /// last of two pairs with one name counts. Refuses bad names, empty and too long values before anything is written.
    @discardableResult
    package static func set(_ path: String, _ pairs: [(name: String, value: String)]) throws(SecretProblem) -> Change {
        guard !pairs.isEmpty else { throw SecretProblem("No arguments found. Give NAME=VALUE pairs.") }
        var change = Change()
        var values: [String: String] = [:]
        for (name, value) in pairs {
            if name.hasPrefix("SUPABASE_") {
                change.skipped.append("Env name cannot start with SUPABASE_, skipping: \(name)")
                continue
            }
            try check(name, value)
            if values.updateValue(value, forKey: name) == nil { change.written.append(name) }
        }
        guard !values.isEmpty else { return change }
        let order = change.written
        try rewrite(path) { file throws(SecretProblem) in
            let total = Set(file.entries.map(\.name)).union(order).count
            guard total <= SecretLimits.count else {
                throw SecretProblem("'\(path)' would hold \(total) secrets, the most is \(SecretLimits.count). Unset some first")
            }
            return edited(file, setting: values, order: order)
        }
        return change
    }

    /// Takes names out, with the lines they stand on; returns those that were there, sorted.
    @discardableResult
    package static func unset(_ path: String, _ names: [String]) throws(SecretProblem) -> [String] {
        guard FileAccess.facts(path) != nil else { return [] }
        let wanted = Set(names)
        var found: Set<String> = []
        try rewrite(path) { file throws(SecretProblem) in
            var bytes: [UInt8] = []
            var from = 0
            for entry in file.entries where wanted.contains(entry.name) {
                found.insert(entry.name)
                bytes += file.bytes[from..<entry.range.lowerBound]
                from = entry.range.upperBound
            }
            return found.isEmpty ? nil : bytes + file.bytes[from...]
        }
        return found.sorted()
    }

    /// The names in the file, sorted; none when there is no file.
    package static func names(_ path: String) throws(SecretProblem) -> [String] {
        guard let file = try read(path)?.file else { return [] }
        return Set(file.entries.map(\.name)).sorted()
    }

    private static func check(_ name: String, _ value: String) throws(SecretProblem) {
        // A bad name is not shown: it may be a value in the wrong place.
        guard SecretName(name).isValid else { throw SecretProblem("Invalid secret name: \(SecretSources.nameRule)") }
        guard !value.isEmpty else {
            throw SecretProblem("The value of \(name) is empty, which counts as not set. Give a value, or unset \(name)")
        }
        guard value.utf8.count <= SecretLimits.valueBytes else {
            throw SecretProblem("The value of \(name) is longer than 48 KiB. Shorten it")
        }
        guard !value.utf8.contains(0) else {
            throw SecretProblem("The value of \(name) holds a NUL byte, which no variable can. Encode it")
        }
    }

    private static func edited(_ file: DotEnv, setting values: [String: String], order: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        var from = 0
        var done: Set<String> = []
        for entry in file.entries {
            guard let value = values[entry.name] else { continue }
            if done.insert(entry.name).inserted {
                bytes += file.bytes[from..<entry.valueRange.lowerBound]
                bytes += DotEnv.quoted(value)
                from = entry.valueRange.upperBound
            } else {
                // A second line with the name would win over the first.
                bytes += file.bytes[from..<entry.range.lowerBound]
                from = entry.range.upperBound
            }
        }
        bytes += file.bytes[from...]
        let lineEnd: [UInt8] =
            file.bytes.firstIndex(of: 0x0A).map { $0 > 0 && file.bytes[$0 - 1] == 0x0D } == true ? [0x0D, 0x0A] : [0x0A]
        for name in order where !done.contains(name) {
            if let last = bytes.last, last != 0x0A { bytes += lineEnd }
            bytes += name.utf8
            bytes.append(UInt8(ascii: "="))
            bytes += DotEnv.quoted(values[name] ?? "")
            bytes += lineEnd
        }
        return bytes
    }

    private static func read(_ path: String) throws(SecretProblem) -> (file: DotEnv, facts: FileAccess.Facts)? {
        let content: (bytes: [UInt8]?, facts: FileAccess.Facts)
        do {
            content = try FileAccess.read(path, limit: SecretLimits.fileBytes)
        } catch {
            if error.number == ENOENT { return nil }
            throw SecretSources.unreadable(path, error)
        }
        return (try SecretSources.parse(path, content), content.facts)
    }

    /// Reads, changes and replaces the file, one writer at a time.
    private static func rewrite(_ path: String, _ change: (DotEnv) throws(SecretProblem) -> [UInt8]?) throws(SecretProblem) {
        let target = FileAccess.resolved(path)
        let lock = try lock(FileAccess.parent(target), path)
        defer { close(lock) }
        let old = try read(target)
        guard let bytes = try change(old?.file ?? .empty) else { return }
        guard bytes.count <= SecretLimits.fileBytes else {
            throw SecretProblem("'\(path)' would be larger than 8 MiB. Unset some first")
        }
        do {
            try FileAccess.replace(target, with: bytes, keeping: old?.facts)
        } catch {
            throw SecretProblem(
                "failed to write '\(path)': \(error.text). The file is as it was. Check the folder's free space and permissions")
        }
    }

    /// Keeps other writers of the same folder out; waits a second for them. The lock ends with the descriptor.
    private static func lock(_ folder: String, _ path: String) throws(SecretProblem) -> Int32 {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let text = FileAccess.Failure(number: errno).text
            throw SecretProblem("failed to write '\(path)': folder '\(folder)': \(text). Create the folder first")
        }
        for _ in 0..<50 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
            // Some network file systems know no locks; the replacement is still one step.
            if errno != EWOULDBLOCK && errno != EINTR { return descriptor }
            usleep(20_000)
        }
        close(descriptor)
        throw SecretProblem("failed to write '\(path)': another command is changing it. Try again")
    }
}
