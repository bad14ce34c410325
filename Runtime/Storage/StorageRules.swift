import SwiftletCrypto
import SwiftletJSON
import SwiftletSanitize

/// Who asks something of the storage.
package enum StorageCaller: Hashable, Sendable {
    case nobody
    /// A signed-in user, by id: what lies below a folder of that name.
    case user(String)
    /// The project itself: everything.
    case service

    package var owner: String? { if case .user(let id) = self { id } else { nil } }
}

/// What may be stored where, and by whom. Pure: what is in the store already is looked up elsewhere.
package enum StorageRules {
    /// Of what travels in a link.
    package static let longestMetadata = 2 * 1024
    /// A whole link, so that it goes through every server's limit of a request line, 8 KiB mostly, with room for what is added on the way.
    package static let longestLink = 7 * 1024 - 1
    /// Of what comes with the file.
    package static let longestOwnMetadata = 16 * 1024

    // MARK: Whose

    /// The folder that belongs to a user. Ids that are no plain names (`auth0|…`) stand behind a digest.
    package static func folder(of user: String) -> String {
        let isPlain = ObjectKey.fault(user) == nil && !user.utf8.contains(UInt8(ascii: "/")) && user.utf8.count <= 128
        guard !isPlain || user.utf8.starts(with: "u-".utf8) else { return user }
        return "u-" + SHA256.hash(Array(user.utf8)).withUnsafeBytes { Hex.encode($0.prefix(16)) }
    }

    package static func isBelow(_ key: String, _ user: String) -> Bool {
        let folder = folder(of: user).utf8
        return key.utf8.starts(with: folder) && key.utf8.dropFirst(folder.count).first == UInt8(ascii: "/")
    }

    /// Whose an object is once it has been moved or copied: its owner's while it lies below the owner's folder. Beyond that the owner could not
    /// even remove it, so it is nobody's there, like all that the project puts somewhere itself, and counts for nobody.
    static func owner(_ owner: String?, at key: String) -> String? { owner.flatMap { isBelow(key, $0) ? $0 : nil } }

    package static func mayWrite(_ key: String, _ caller: StorageCaller) throws(StorageError) {
        switch caller {
        case .service: return
        case .user(let id) where isBelow(key, id): return
        case .user(let id):
            throw StorageError(.accessDenied, "your files go below \(folder(of: id))/")
        case .nobody:
            throw StorageError(.accessDenied, "sign in, or use a signed link")
        }
    }

    /// What one may not read is not there, as in the original.
    package static func mayRead(_ key: String, _ caller: StorageCaller) throws(StorageError) {
        guard reaches(key, caller) else { throw .noObject }
    }

    /// The same as a question.
    package static func reaches(_ key: String, _ caller: StorageCaller) -> Bool {
        switch caller {
        case .service: true
        case .user(let id): isBelow(key, id)
        case .nobody: false
        }
    }

    // MARK: What

    package static func check(key: String) throws(StorageError) {
        guard ObjectKey.fault(key) == nil else {
            // A key that cannot be shown as it is is not shown.
            let isShown = key.utf8.count <= 256 && key.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
            throw StorageError(
                .invalidKey,
                "Invalid key\(isShown ? ": \(key)" : ""); use letters, digits and _/!.*'() &$=@;:+,?- without . or .. as a folder"
            )
        }
    }

    /// In words, for refusals.
    package static func types(of bucket: Bucket) -> String {
        bucket.allowedTypes.map { $0.joined(separator: ", ") } ?? "everything that does not run in a browser or on a machine"
    }

    package static func refusal(type: String, in bucket: Bucket) -> StorageError {
        let shown = FileType.normalised(type) ?? "that"
        return StorageError(
            .invalidMimeType, "mime type \(shown) is not supported; \(bucket.id) takes \(types(of: bucket))")
    }

    /// A media type as it is kept, when the bucket takes it and it goes with the file's name.
    package static func check(name: String, type: String, size: Int, in bucket: Bucket) throws(StorageError) -> String {
        guard size <= bucket.maxBytes else { throw .tooLarge(limit: bucket.maxBytes) }
        let verdict = validateFile(name: name, size: size, declaredType: type, rules: bucket.rules)
        if verdict.errors.contains(.typeNotAllowed) { throw refusal(type: type, in: bucket) }
        if verdict.errors.contains(.empty) { throw StorageError(.invalidRequest, "The file is empty; size counts its bytes") }
        guard let essence = FileType.normalised(type) else { throw refusal(type: type, in: bucket) }
        if verdict.errors.contains(.typeMismatch) {
            let endings = FileType.named(essence)?.extensions.map { ".\($0)" }.joined(separator: ", ")
            throw StorageError(
                .contentMismatch,
                endings.map { "A file of type \(essence) is named \($0)" }
                    ?? "The name's ending belongs to another type than \(essence)")
        }
        if verdict.errors.contains(.badName) { try checkRuns(name, type: type, in: bucket) }
        return FileType.named(essence)?.name ?? essence
    }

    /// A name as it is kept to be shown; folders before it, and what steers terminals and file systems, are gone.
    package static func name(_ name: String, type: String, in bucket: Bucket) throws(StorageError) -> String {
        let essence = FileType.normalised(type) ?? ""
        let known = FileType.named(essence)
        guard bucket.rules.takes(essence, known) else { throw refusal(type: type, in: bucket) }
        guard let clean = FileName.sanitized(name, allowing: endings(known)) else { throw badName }
        return clean
    }

    /// Refuses a name that says that the file runs; one that is only unusual is for the key's letters to judge.
    package static func checkRuns(_ name: String, type: String, in bucket: Bucket) throws(StorageError) {
        let known = FileType.normalised(type).flatMap(FileType.named)
        guard FileName.sanitized(name, allowing: endings(known)) != nil else { throw badName }
    }

    /// Who allows a type allows the endings of its files.
    private static func endings(_ type: FileType?) -> Set<String> { type?.family == .active ? Set(type?.extensions ?? []) : [] }

    private static let badName = StorageError(
        .invalidKey, "The file's name is not taken: it says that the file runs, or is no plain name")

    /// The type a client meant: what it sends when nobody told it is no declaration.
    package static func declared(_ header: String?, name: String) -> String {
        let essence = header.flatMap(FileType.normalised) ?? ""
        let isDefault =
            essence.isEmpty || essence == "application/octet-stream"
            || (essence == "text/plain" && header?.utf8.contains(UInt8(ascii: ";")) == true)
        guard isDefault else { return essence }
        let known = FileType.withExtension(FileName.fileExtension(name))
        guard let first = known.first else { return essence.isEmpty ? "application/octet-stream" : essence }
        return known.contains { $0.name == essence } ? essence : first.name
    }

    package static func metadata(_ text: String?, limit: Int = longestMetadata) throws(StorageError) -> String? {
        guard let text else { return nil }
        guard text.utf8.count <= limit else {
            throw StorageError(.entityTooLarge, "The metadata is longer than \(limit) bytes")
        }
        guard let json = try? JSON.parse(Array(text.utf8)), json.object != nil else {
            throw StorageError(.invalidRequest, "The metadata is no JSON object")
        }
        return text
    }

    package static func check(link url: String, what: String) throws(StorageError) {
        let count = url.utf8.count
        guard count <= longestLink else {
            throw StorageError(
                .entityTooLarge,
                "The link would have \(count) bytes, and no more than \(longestLink) get everywhere: shorten \(what)")
        }
    }

    package static func digest(_ text: String?) throws(StorageError) -> [UInt8]? {
        guard let text else { return nil }
        guard let bytes = Hex.decode(text), bytes.count == SHA256.byteCount else {
            throw StorageError(.invalidRequest, "sha256 is 64 hexadecimal digits")
        }
        return bytes
    }

    /// The last segment of a key.
    package static func name(_ key: String) -> String {
        key.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(key[key.utf8.index(after: $0)...]) } ?? key
    }
}
