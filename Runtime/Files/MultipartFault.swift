/// Why a `multipart/form-data` body is refused. The raw values are stable.
package enum MultipartFault: String, Error, Hashable, Sendable, CaseIterable {
    /// The media type is not `multipart/form-data` with one boundary of RFC 2046.
    case badContentType = "bad_content_type"
    /// The body does not start with its boundary.
    case noFirstBoundary = "no_first_boundary"
    /// After a boundary stands neither a line end nor two dashes.
    case badBoundaryLine = "bad_boundary_line"
    /// A line of a boundary or of a part's head ends with LF or CR alone.
    case bareLineEnd = "bare_line_end"
    case headTooLarge = "part_head_too_large"
    case badHead = "bad_part_head"
    /// No or a second `Content-Disposition`, or one that is not `form-data` with a name.
    case badDisposition = "bad_disposition"
    /// A name or file name that is not UTF-8, holds control characters or is encoded wrongly.
    case badName = "bad_part_name"
    /// `Content-Transfer-Encoding` other than 7bit, 8bit and binary.
    case encodedPart = "encoded_part"
    case tooManyFields = "too_many_fields"
    case tooManyFiles = "too_many_files"
    case fieldsTooLarge = "fields_too_large"
    case epilogueTooLarge = "epilogue_too_large"
    /// The body ends before its last boundary.
    case truncated = "truncated"

    /// One sentence for the caller.
    package var message: String {
        switch self {
        case .badContentType: "The content type must be multipart/form-data with one boundary of 1 to 70 characters."
        case .noFirstBoundary: "The body does not start with the boundary that the content type names."
        case .badBoundaryLine: "A boundary must be followed by a line end or by two dashes."
        case .bareLineEnd: "Lines between the parts must end with CR LF."
        case .headTooLarge: "The header lines of a part are too long."
        case .badHead: "A header line of a part cannot be read."
        case .badDisposition: "Every part needs one Content-Disposition of form-data with a name."
        case .badName: "The name of a part must be UTF-8 without control characters."
        case .encodedPart: "Parts with a transfer encoding are not supported."
        case .tooManyFields: "The form has too many fields."
        case .tooManyFiles: "The form may hold one file only."
        case .fieldsTooLarge: "The fields of the form are too large together."
        case .epilogueTooLarge: "Too much follows the last boundary."
        case .truncated: "The body ended before its last boundary."
        }
    }
}

/// How much a form may hold.
package struct MultipartLimits: Hashable, Sendable {
    package var fields = 10
    package var files = 1
    /// Bytes of one part's header lines, their line ends included.
    package var head = 8 << 10
    /// Bytes of all fields together; a file's bytes are for the reader's owner to count.
    package var fieldBytes = 1 << 20
    /// Bytes after the last boundary, which are ignored.
    package var epilogue = 4 << 10

    package init() {}
}
