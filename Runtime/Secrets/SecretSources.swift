import Glibc
import Swiftlet

/// Where secrets are read from, strongest first: the environment, a directory with a file for each, a dotenv file.
///
/// A name set in two places has the stronger one's value. An empty value counts as not set, so it hides nothing.
package struct SecretSources: Sendable {
    package var environment: [String: String]
    /// `$CREDENTIALS_DIRECTORY` of systemd, a mounted volume: each file's name is a secret's name, its content the value.
    package var directory: String?
    package var file: String?
    /// Whether a missing `file` is an error: yes where someone asked for it, no for the usual place.
    package var fileIsRequired: Bool

    package init(environment: [String: String] = [:], directory: String? = nil, file: String? = nil, fileIsRequired: Bool = false)
    {
        self.environment = environment
        self.directory = directory
        self.file = file
        self.fileIsRequired = fileIsRequired
    }

    /// The environment of this process. Read it once, at start, before there are threads.
    package static func processEnvironment() -> [String: String] {
        var result: [String: String] = [:]
        // Null after `clearenv`, which the imported type does not say.
        guard UInt(bitPattern: environ) != 0 else { return result }
        var place = environ
        while let entry = place.pointee {
            let text = String(cString: entry)
            if let equals = text.utf8.firstIndex(of: UInt8(ascii: "=")) {
                result[String(text[..<equals])] = String(text[text.utf8.index(after: equals)...])
            }
            place += 1
        }
        return result
    }

    /// Names of the environment that no function sees: they are about the machine and the host.
    static func isHidden(_ name: String) -> Bool {
        ["HOME", "HOSTNAME", "PATH", "PWD"].contains(name) || name.hasPrefix("SUPABASE_INTERNAL_")
    }

    /// Reads everything anew.
    ///
    /// Warnings are about files that others may read, names set twice, and what was passed over; like problems they name places and never
    /// values.
    package func load() throws(SecretProblem) -> (set: SecretSet, warnings: [String]) {
        var entries: [String: SecretSet.Entry] = [:]
        var warnings: [String] = []
        // Weakest first, the stronger ones write over it.
        if let file { try load(file: file, &entries, &warnings) }
        if let directory { try load(directory: directory, &entries, &warnings) }
        for (name, value) in environment where !value.isEmpty && SecretName(name).isValid && !SecretSources.isHidden(name) {
            guard value.utf8.count <= SecretLimits.valueBytes else {
                warnings.append("environment: \(name) is longer than 48 KiB and was passed over")
                continue
            }
            entries[name] = SecretSet.Entry(secret: Secret(value), source: .environment)
        }
        return (SecretSet(entries: entries), warnings)
    }

    private func load(
        file path: String, _ entries: inout [String: SecretSet.Entry], _ warnings: inout [String]
    ) throws(SecretProblem) {
        let content: (bytes: [UInt8]?, facts: FileAccess.Facts)
        do {
            content = try FileAccess.read(path, limit: SecretLimits.fileBytes)
        } catch {
            if error.number == ENOENT, !fileIsRequired { return }
            throw SecretSources.unreadable(path, error)
        }
        let file = try SecretSources.parse(path, content)
        warn(path, content.facts, &warnings)
        var seen: [String: Int] = [:]
        for entry in file.entries {
            if let first = seen.updateValue(entry.line, forKey: entry.name) {
                warnings.append("\(path):\(entry.line): \(entry.name) was set in line \(first) already; the later line counts")
            }
            // The later line counts, also where it empties the value.
            entries[entry.name] = entry.value.isEmpty ? nil : .init(secret: Secret(bytes: entry.value), source: .file(path))
        }
    }

    private func load(
        directory: String, _ entries: inout [String: SecretSet.Entry], _ warnings: inout [String]
    ) throws(SecretProblem) {
        // Files that are no secrets may lie beside them, to a point.
        let most = SecretLimits.count * 4
        let names: [String]
        do {
            names = try FileAccess.names(directory, limit: most)
        } catch {
            throw SecretProblem(
                "failed to open secrets directory '\(directory)': \(error.text). Make it readable for this user, or leave the setting out"
            )
        }
        var count = 0
        for name in names {
            let path = "\(directory)/\(name)"
            guard let facts = FileAccess.facts(path), facts.isRegular else { continue }
            guard SecretName(name).isValid else {
                warnings.append("\(path) was passed over: \(SecretSources.nameRule)")
                continue
            }
            count += 1
            guard count <= SecretLimits.count, names.count <= most else {
                throw SecretProblem(
                    "secrets directory '\(directory)' holds more than \(SecretLimits.count) secrets. Take some away")
            }
            let content: (bytes: [UInt8]?, facts: FileAccess.Facts)
            do {
                // The line end that is dropped does not count.
                content = try FileAccess.read(path, limit: SecretLimits.valueBytes + 2)
            } catch {
                throw SecretProblem(
                    "failed to open secret '\(path)': \(error.text). Make it readable for this user, or take it away")
            }
            var value = content.bytes ?? []
            if value.last == 0x0A {
                value.removeLast()
                if value.last == 0x0D { value.removeLast() }
            }
            guard content.bytes != nil, value.count <= SecretLimits.valueBytes else {
                throw SecretProblem("secret '\(path)' is longer than 48 KiB. Shorten it, or take it away")
            }
            warn(path, content.facts, &warnings)
            if !value.isEmpty { entries[name] = .init(secret: Secret(bytes: value), source: .directory(directory)) }
        }
    }

    private func warn(_ path: String, _ facts: FileAccess.Facts, _ warnings: inout [String]) {
        if facts.isReadableByOthers {
            warnings.append("\(path) is open to other users (mode \(facts.permissions)). Run: chmod 600 '\(path)'")
        }
        if facts.isForeign {
            warnings.append(
                "\(path) belongs to another user (uid \(facts.owner), this process is \(geteuid())). Run: chown \(geteuid()) '\(path)'"
            )
        }
    }

    static let nameRule =
        "a secret's name holds only letters, digits and '_', does not start with a digit, and has at most 256 characters"

    static func unreadable(_ path: String, _ failure: FileAccess.Failure) -> SecretProblem {
        let advice =
            switch failure.number {
            case ENOENT: "Create it with mode 600 and one NAME=VALUE a line, or leave the setting out"
            case EACCES, EPERM: "Make it readable for this user"
            default: "Check the path"
            }
        return SecretProblem("failed to open env file '\(path)': \(failure.text). \(advice)")
    }

    /// Understands a file that was read, and holds it to the limits.
    static func parse(_ path: String, _ content: (bytes: [UInt8]?, facts: FileAccess.Facts)) throws(SecretProblem) -> DotEnv {
        guard content.facts.isRegular else {
            throw SecretProblem("env file '\(path)' is not a regular file. Give the path of a file")
        }
        guard let bytes = content.bytes else {
            throw SecretProblem("env file '\(path)' is larger than 8 MiB. Is it the right file?")
        }
        let file: DotEnv
        do { file = try DotEnv(bytes) } catch { throw SecretProblem("\(path):\(error.line): \(error.reason)") }
        guard Set(file.entries.map(\.name)).count <= SecretLimits.count else {
            throw SecretProblem("env file '\(path)' holds more than \(SecretLimits.count) secrets. Take some away")
        }
        return file
    }

    /// How the files look from outside; equal as long as nobody changed them.
    func fingerprint() -> [String: FileAccess.Facts] {
        var result: [String: FileAccess.Facts] = [:]
        if let file { result["file"] = FileAccess.facts(file) }
        if let directory {
            result["directory"] = FileAccess.facts(directory)
            let names = (try? FileAccess.names(directory, limit: SecretLimits.count * 4)) ?? []
            for name in names { result["directory/" + name] = FileAccess.facts("\(directory)/\(name)") }
        }
        return result
    }
}
