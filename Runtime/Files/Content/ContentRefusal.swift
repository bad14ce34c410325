/// Why a file's content is not taken. The raw values are stable.
package enum ContentRefusal: String, Error, Hashable, Sendable, CaseIterable {
    case empty
    case typeNotAllowed = "type_not_allowed"
    /// The extension is one of files that run, or is none.
    case badName = "bad_name"
    /// Extension, declared type and content do not say the same.
    case typeMismatch = "type_mismatch"
    /// Ends before its format says.
    case truncated
    /// Goes on after its format ends.
    case trailingData = "trailing_data"
    /// Breaks the rules of its format.
    case malformed
    /// Is an archive at its end, whatever it is at its start.
    case hiddenArchive = "hidden_archive"
    case tooManyPixels = "too_many_pixels"
    /// Too many entries, or far larger unpacked than packed.
    case archiveTooLarge = "archive_too_large"
    /// An office document with macros under the name of one without.
    case macros
    /// Not UTF-8, or holds control characters.
    case notText = "not_text"

    /// One sentence for the caller.
    package var message: String {
        switch self {
        case .empty: "The file is empty."
        case .typeNotAllowed: "Files of this type are not accepted."
        case .badName: "Files with this extension are not accepted."
        case .typeMismatch: "The content of the file is not what its name and declared type say."
        case .truncated: "The file is not complete."
        case .trailingData: "The file holds more than its format allows after its end."
        case .malformed: "The file breaks the rules of its format."
        case .hiddenArchive: "The file is two things at once: an archive hides at its end."
        case .tooManyPixels: "The picture has too many pixels."
        case .archiveTooLarge: "The archive holds too many files, or far more than it seems."
        case .macros: "The document holds macros."
        case .notText: "The file is not UTF-8 text, or holds control characters."
        }
    }

}

/// How large a file may be once it is decoded or unpacked, as far as it says so itself.
package struct ContentLimits: Hashable, Sendable {
    /// Width times height as the picture says.
    package var pixels = 100_000_000
    package var archiveEntries = 10_000
    /// An archive may be larger unpacked than `unpackedBytes` as long as it is not `ratio` times larger than packed.
    package var unpackedBytes = 100 << 20
    package var ratio = 100
    /// Whole pictures behind the first in a JPEG file: previews, gain maps, depth maps.
    package var extraPictures = 16

    package init() {}
}
