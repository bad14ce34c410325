/// What is wrong with a file that somebody wants to hand in.
public enum FileFault: String, Hashable, Sendable, CaseIterable {
    /// `sanitizeFileName` would change it or refuse it.
    case badName = "bad_name"
    case tooLarge = "too_large"
    case empty
    case typeNotAllowed = "type_not_allowed"
    /// Name, declared type and first bytes do not say the same thing.
    case typeMismatch = "type_mismatch"
}

/// Which files are taken.
public struct FileRules: Hashable, Sendable {
    /// Media types in lower case, without parameters. `image/*` takes every type of the group that does not run; types that
    /// run in a browser or on a machine (SVG, HTML, scripts) must be named in full.
    public var allowedTypes: Set<String>
    /// In bytes.
    public var maxBytes: Int

    public init(allowedTypes: Set<String> = FileRules.common, maxBytes: Int = 50 << 20) {
        self.allowedTypes = allowedTypes
        self.maxBytes = maxBytes
    }

    /// Pictures, films, sound, PDF, office documents without macros, plain text and tables.
    public static let common: Set<String> = [
        "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "application/pdf", "video/mp4",
        "video/quicktime", "video/webm", "audio/mpeg", "audio/mp4", "audio/aac", "audio/wav", "audio/ogg", "audio/webm",
        "audio/flac",
        "text/plain", "text/csv", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ]

    package func takes(_ name: String, _ type: FileType?) -> Bool {
        if allowedTypes.contains(name) || type.map({ allowedTypes.contains($0.name) }) == true { return true }
        guard type?.family != .active, let group = name.utf8.split(separator: UInt8(ascii: "/")).first else { return false }
        return allowedTypes.contains(String(decoding: group, as: UTF8.self) + "/*")
    }
}

/// Checks a file before it is taken: its name, its size, and that name, declared type and first bytes agree.
///
/// Polyglots are refused as far as the first 512 bytes show them. What comes after these is not looked at, so files that
/// people uploaded belong on an origin of their own, served with their checked type and `nosniff`.
///
/// - Parameters:
///   - size: in bytes, as declared; what really arrives must be counted by whoever reads it.
///   - declaredType: a media type; parameters are ignored.
///   - head: the first bytes, 512 or the whole file; nil when they are not known yet, and then only the others are compared.
public func validateFile(
    name: String, size: Int, declaredType: String, head: [UInt8]? = nil, rules: FileRules = FileRules()
) -> Validation<FileFault> {
    var faults: [FileFault] = []
    let typeName = FileType.normalised(declaredType)
    let type = typeName.flatMap(FileType.named)
    let isAllowed = typeName.map { rules.takes($0, type) } ?? false
    // Whoever allows SVG allows names that end in `.svg`.
    let endings = isAllowed && type?.family == .active ? Set(type?.extensions ?? []) : []
    if FileName.sanitized(name, allowing: endings) != name { faults.append(.badName) }
    if size > rules.maxBytes { faults.append(.tooLarge) }
    if size <= 0 || head?.isEmpty == true { faults.append(.empty) }
    if !isAllowed { faults.append(.typeNotAllowed) }
    if let typeName, !FileCheck.agrees(typeName, type, FileName.fileExtension(name), head) { faults.append(.typeMismatch) }
    return Validation(faults)
}

private enum FileCheck {
    static func agrees(_ name: String, _ type: FileType?, _ ending: String, _ head: [UInt8]?) -> Bool {
        guard let type else {
            // A type that only the rules know: nothing may speak for another one.
            guard FileType.withExtension(ending).isEmpty else { return false }
            guard let head, !head.isEmpty else { return true }
            let finding = FileSniffer.sniff(head)
            return finding == .unknown || finding == .text
        }
        guard type.extensions.contains(ending) else { return false }
        guard let head, !head.isEmpty else { return true }
        switch FileSniffer.sniff(head) {
        case .types(let names): return names.contains(type.name)
        case .text: return type.family == .text || type.name == "text/javascript"
        case .polyglot, .unknown: return false
        }
    }
}
