package import SwiftletSanitize

/// Judges a file's content as it comes: the first 512 bytes as `validateFile` does, then that the file is, from its first to its
/// last byte, one whole file of that type and nothing else. Memory does not grow with the file.
///
/// Followed to the end: PNG (with checksums), JPEG, GIF, WebP and WAV, PDF (its end only), MP4, QuickTime, HEIC and AVIF, zip and
/// office documents (their directory), Ogg, text. Of other types the first 512 bytes count. Every file but archives and text is
/// refused when a zip archive ends where it ends. Compressed data is not unpacked: what a decoder makes of it, scripts in a
/// PDF and macros in old office formats are not looked at.
package struct ContentJudge: Sendable {
    package enum Verdict: Hashable, Sendable {
        /// With the media type to serve it as: what the content is, under the name that rules use.
        case accepted(mediaType: String)
        case refused(ContentRefusal)
    }

    private enum Walk: Sendable {
        case none
        case png(PNGWalk), jpeg(JPEGWalk), gif(GIFWalk), riff(RIFFWalk), boxes(BoxWalk), zip(ZipWalk), ogg(OggWalk), pdf(PDFWalk)
        case text(TextWalk)
    }

    private let declared: String
    private let ending: String
    private let rules: FileRules
    private let limits: ContentLimits
    private var head: [UInt8] = []
    private var isDecided = false
    private var mediaType = "application/octet-stream"
    private var walk = Walk.none
    /// Nil where an archive's end is no surprise.
    private var archive: ArchiveEndWatch?
    private var refusal: ContentRefusal?

    /// - Parameters:
    ///   - declared: the media type as sent; parameters are ignored.
    ///   - fileExtension: without its dot.
    ///   - rules: which types are taken; its size limit is for whoever counts the bytes.
    package init(
        declared: String, fileExtension: String, rules: FileRules = FileRules(), limits: ContentLimits = ContentLimits()
    ) {
        self.declared = declared
        ending = fileExtension.lowercased()
        self.rules = rules
        self.limits = limits
        head.reserveCapacity(FileSniffer.length)
    }

    /// What can be said before the first byte: whether name and declared type are taken and agree.
    package func early() -> ContentRefusal? { agreement(nil) }

    /// Takes the next bytes. Once it has refused it refuses everything.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) -> ContentRefusal? {
        guard refusal == nil else { return refusal }
        var rest = bytes[...]
        if !isDecided {
            let taken = rest.prefix(FileSniffer.length - head.count)
            head += taken
            rest = rest.dropFirst(taken.count)
            guard head.count == FileSniffer.length else { return nil }
            decide()
        }
        if refusal == nil { step(UnsafeRawBufferPointer(rebasing: rest)) }
        return refusal
    }

    package mutating func feed(_ bytes: [UInt8]) -> ContentRefusal? { bytes.withUnsafeBytes { feed($0) } }

    /// To be called when every byte has been fed.
    package mutating func finish() -> Verdict {
        if refusal == nil, !isDecided {
            if head.isEmpty { refusal = .empty } else { decide() }
        }
        if refusal == nil { refusal = end() ?? (archive?.isArchive == true ? .hiddenArchive : nil) }
        return refusal.map { .refused($0) } ?? .accepted(mediaType: mediaType)
    }

    // MARK: the first bytes

    private func agreement(_ head: [UInt8]?) -> ContentRefusal? {
        let name = ending.isEmpty ? "file" : "file." + ending
        let faults = validateFile(name: name, size: 1, declaredType: declared, head: head, rules: rules).errors
        if faults.contains(.typeNotAllowed) { return .typeNotAllowed }
        if faults.contains(.badName) { return .badName }
        return faults.isEmpty ? nil : .typeMismatch
    }

    private mutating func decide() {
        isDecided = true
        refusal = agreement(head)
        guard refusal == nil, let name = FileType.normalised(declared) else { return }
        let finding = FileSniffer.sniff(head)
        if let type = FileType.named(name) {
            mediaType = type.name
            walk = Self.walk(type, finding, head, limits)
        } else if rules.allowedTypes.contains(name) {
            // Nothing speaks against it, and the rules name it.
            mediaType = name
        }
        switch walk {
        case .zip, .text: break
        default: if finding != .text { archive = ArchiveEndWatch() }
        }
        head.withUnsafeBytes { step($0) }
        head = []
    }

    private static func walk(
        _ type: FileType, _ finding: FileSniffer.Finding, _ head: [UInt8], _ limits: ContentLimits
    ) -> Walk {
        if finding == .text { return .text(TextWalk()) }
        guard case .types = finding else { return .none }
        switch type.name {
        case "image/png": return .png(PNGWalk(limits))
        case "image/jpeg": return .jpeg(JPEGWalk(limits))
        case "image/gif": return .gif(GIFWalk(limits))
        case "image/webp": return .riff(RIFFWalk(isPicture: true, limits))
        case "audio/wav": return .riff(RIFFWalk(isPicture: false, limits))
        case "image/heic": return .boxes(BoxWalk(.heic, limits))
        case "image/avif": return .boxes(BoxWalk(.avif, limits))
        case "video/mp4", "audio/mp4", "video/quicktime": return .boxes(BoxWalk(.film, limits))
        case "application/zip", "application/java-archive": return .zip(ZipWalk(office: nil, limits))
        case "audio/ogg": return .ogg(OggWalk())
        case "application/pdf": return .pdf(PDFWalk())
        default:
            guard type.family == .office else { return .none }
            return .zip(ZipWalk(office: ZipWalk.Office(type.extensions.first ?? ""), limits))
        }
    }

    // MARK: the rest

    private mutating func step(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        archive?.feed(bytes)
        if archive?.isSuspect == true { refusal = .hiddenArchive }
        // Taken out and put back, so that the walk is never copied.
        let current = walk
        walk = .none
        let found: ContentRefusal?
        switch current {
        case .none: found = nil
        case .png(var walk):
            found = walk.feed(bytes)
            self.walk = .png(walk)
        case .jpeg(var walk):
            found = walk.feed(bytes)
            self.walk = .jpeg(walk)
        case .gif(var walk):
            found = walk.feed(bytes)
            self.walk = .gif(walk)
        case .riff(var walk):
            found = walk.feed(bytes)
            self.walk = .riff(walk)
        case .boxes(var walk):
            found = walk.feed(bytes)
            self.walk = .boxes(walk)
        case .zip(var walk):
            found = walk.feed(bytes)
            self.walk = .zip(walk)
        case .ogg(var walk):
            found = walk.feed(bytes)
            self.walk = .ogg(walk)
        case .pdf(var walk):
            found = walk.feed(bytes)
            self.walk = .pdf(walk)
        case .text(var walk):
            found = walk.feed(bytes)
            self.walk = .text(walk)
        }
        refusal = refusal ?? found
    }

    private func end() -> ContentRefusal? {
        switch walk {
        case .none: nil
        case .png(let walk): walk.finish()
        case .jpeg(let walk): walk.finish()
        case .gif(let walk): walk.finish()
        case .riff(let walk): walk.finish()
        case .boxes(let walk): walk.finish()
        case .zip(let walk): walk.finish()
        case .ogg(let walk): walk.finish()
        case .pdf(let walk): walk.finish()
        case .text(let walk): walk.finish()
        }
    }
}
