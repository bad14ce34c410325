package import SwiftletFiles

/// The kinds of pictures that are read and made.
package enum ImageKind: UInt8, Sendable, CaseIterable {
    case jpeg = 1
    case png, gif, webp, avif
    /// Only read: what is made of it is a JPEG.
    case heic

    /// From the content type of a stored object, which was judged by its content when it came.
    package init?(contentType: String) {
        guard let kind = Self.allCases.first(where: { $0.contentType == contentType }) else { return nil }
        self = kind
    }

    package var contentType: String {
        switch self {
        case .jpeg: "image/jpeg"
        case .png: "image/png"
        case .gif: "image/gif"
        case .webp: "image/webp"
        case .avif: "image/avif"
        case .heic: "image/heic"
        }
    }

    /// What becomes of a picture of this kind.
    package func made(as format: ThumbnailRequest.Format) -> ImageKind {
        switch format {
        case .avif: .avif
        case .webp: .webp
        case .origin: self == .heic ? .jpeg : self
        }
    }

    /// How libvips calls the reader of it.
    var reader: String {
        switch self {
        case .jpeg: "jpegload"
        case .png: "pngload"
        case .gif: "gifload"
        case .webp: "webpload"
        case .avif, .heic: "heifload"
        }
    }

    /// The families of readers that libvips may use; all others are switched off.
    static let families = [
        "VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadNsgif", "VipsForeignLoadWebp", "VipsForeignLoadHeif",
    ]

    /// The suffix that tells libvips how to write this kind: without metadata, and on white where there can be no transparency. AVIF is
    /// made with little effort, which costs a few per cent of size and saves most of the time.
    func suffix(quality: Int) -> String {
        switch self {
        case .jpeg, .heic: ".jpg[Q=\(quality),strip,optimize_coding,background=255]"
        case .png: ".png[strip,compression=6]"
        case .gif: ".gif[strip]"
        case .webp: ".webp[Q=\(quality),strip]"
        case .avif: ".avif[Q=\(quality),strip,effort=1,bitdepth=8]"
        }
    }

    /// The first bytes of what was made. A process that answers something else is not believed.
    func begins(_ bytes: [UInt8]) -> Bool {
        func has(_ text: StaticString, at place: Int) -> Bool {
            text.withUTF8Buffer { wanted in
                bytes.count >= place + wanted.count && bytes[place..<(place + wanted.count)].elementsEqual(wanted)
            }
        }
        switch self {
        case .jpeg, .heic: return bytes.starts(with: [0xff, 0xd8, 0xff])
        case .png: return bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
        case .gif: return has("GIF87a", at: 0) || has("GIF89a", at: 0)
        case .webp: return has("RIFF", at: 0) && has("WEBP", at: 8)
        case .avif: return has("ftypavif", at: 4) || has("ftypmif1", at: 4)
        }
    }
}
