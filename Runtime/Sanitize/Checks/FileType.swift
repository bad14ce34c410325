/// A media type whose files can be told by their first bytes, or are text.
package struct FileType: Sendable {
    package enum Family: Sendable {
        /// Only its own signature.
        case binary
        /// A zip archive with the parts of an office document inside.
        case office
        /// UTF-8 text that starts like nothing that runs.
        case text
        /// Runs in a browser, on a server or on a machine: allowed only when the rules name it.
        case active
    }

    /// The name that rules use.
    package let name: String
    /// Other names that clients send.
    package let aliases: [String]
    /// Lower case; the usual one first.
    package let extensions: [String]
    package let family: Family

    private init(_ name: String, _ extensions: [String], aliases: [String] = [], _ family: Family = .binary) {
        self.name = name
        self.extensions = extensions
        self.aliases = aliases
        self.family = family
    }

    package static let all: [FileType] = [
        FileType("image/png", ["png"], aliases: ["image/x-png"]),
        FileType("image/jpeg", ["jpg", "jpeg", "jpe", "jfif"], aliases: ["image/jpg", "image/pjpeg"]),
        FileType("image/gif", ["gif"]),
        FileType("image/webp", ["webp"]),
        FileType("image/avif", ["avif"]),
        FileType("image/heic", ["heic", "heif"], aliases: ["image/heif"]),
        FileType("image/bmp", ["bmp", "dib"], aliases: ["image/x-ms-bmp", "image/x-bmp"]),
        FileType("image/tiff", ["tif", "tiff"]),
        FileType("image/x-icon", ["ico"], aliases: ["image/vnd.microsoft.icon"]),
        FileType("application/pdf", ["pdf"], aliases: ["application/x-pdf"]),
        FileType("application/zip", ["zip"], aliases: ["application/x-zip-compressed"]),
        FileType("application/gzip", ["gz", "tgz"], aliases: ["application/x-gzip"]),
        FileType("application/x-7z-compressed", ["7z"]),
        FileType("application/vnd.rar", ["rar"], aliases: ["application/x-rar-compressed"]),
        FileType("application/x-bzip2", ["bz2"]),
        FileType("application/x-xz", ["xz"]),
        FileType("video/mp4", ["mp4", "m4v"]),
        FileType("video/quicktime", ["mov", "qt"]),
        FileType("video/webm", ["webm"]),
        FileType("video/x-matroska", ["mkv"]),
        FileType("audio/mpeg", ["mp3"], aliases: ["audio/mp3"]),
        FileType("audio/mp4", ["m4a", "mp4"], aliases: ["audio/x-m4a", "audio/m4a"]),
        FileType("audio/aac", ["aac"]),
        FileType("audio/wav", ["wav"], aliases: ["audio/x-wav", "audio/wave", "audio/vnd.wave"]),
        FileType("audio/ogg", ["ogg", "oga", "opus"], aliases: ["video/ogg", "application/ogg"]),
        FileType("audio/webm", ["webm", "weba"]),
        FileType("audio/flac", ["flac"], aliases: ["audio/x-flac"]),
        FileType("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ["docx"], .office),
        FileType("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ["xlsx"], .office),
        FileType("application/vnd.openxmlformats-officedocument.presentationml.presentation", ["pptx"], .office),
        FileType("text/plain", ["txt", "text", "log"], .text),
        FileType("text/csv", ["csv"], .text),
        FileType("text/markdown", ["md", "markdown"], .text),
        FileType("application/json", ["json"], .text),
        FileType("image/svg+xml", ["svg"], .active),
        FileType("text/html", ["html", "htm"], .active),
        FileType("application/xhtml+xml", ["xhtml", "xht"], .active),
        FileType("application/xml", ["xml"], aliases: ["text/xml"], .active),
        FileType("text/javascript", ["js", "mjs"], aliases: ["application/javascript", "application/x-javascript"], .active),
        FileType("text/x-php", ["php"], aliases: ["application/x-php", "application/x-httpd-php"], .active),
        FileType("text/x-shellscript", ["sh"], aliases: ["application/x-sh"], .active),
        FileType("application/x-executable", ["elf"], aliases: ["application/x-elf", "application/x-mach-binary"], .active),
        FileType(
            "application/x-dosexec", ["exe", "dll"],
            aliases: ["application/vnd.microsoft.portable-executable", "application/x-msdownload"], .active),
        FileType("application/java-archive", ["jar"], .active),
        FileType("application/wasm", ["wasm"], .active),
    ]

    private static let byName: [String: FileType] = {
        var out: [String: FileType] = [:]
        for type in all {
            for name in [type.name] + type.aliases { out[name] = type }
        }
        return out
    }()

    /// Lower case, without parameters and blanks around it; nil when it does not look like `type/subtype`.
    package static func normalised(_ declared: String) -> String? {
        guard declared.utf8.count <= 255 else { return nil }
        if isNormal(declared) { return declared }
        let essence = declared.prefix { $0 != ";" }.utf8.filter { $0 != 0x20 && $0 != 0x09 }
        let lower = String(decoding: essence, as: UTF8.self).lowercased()
        let parts = lower.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isToken = parts.allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy {
                    $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                        || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: ".")
                        || $0 == UInt8(ascii: "_")
                }
        }
        return parts.count == 2 && isToken ? lower : nil
    }

    /// Most are spelt so already.
    private static func isNormal(_ text: String) -> Bool {
        var last = UInt8(ascii: "/")
        var slashes = 0
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "_"):
                break
            case UInt8(ascii: "/"):
                guard last != byte else { return false }
                slashes += 1
            default: return false
            }
            last = byte
        }
        return slashes == 1 && last != UInt8(ascii: "/")
    }

    /// The type of a normalised name, nil for types that are not known here.
    package static func named(_ name: String) -> FileType? { byName[name] }

    /// The types that files with this extension may have.
    package static func withExtension(_ text: String) -> [FileType] { all.filter { $0.extensions.contains(text) } }
}
