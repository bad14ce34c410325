internal import CVips
internal import Glibc

/// Why a picture was not made.
struct RenderProblem: Error, Equatable {
    var word: RenderWord
    var text: String

    init(_ word: RenderWord, _ text: String) {
        self.word = word
        self.text = text
    }
}

/// libvips, opened in this process. Only ever used in the process that is for it, by one thread.
final class ImageLibrary {
    /// In one place for good: the library keeps a pointer to it.
    private let vips: UnsafeMutablePointer<swiftlet_vips>
    let version: String

    static let name = "libvips.so.42"

    /// Opens and starts the library, switches off every reader that is not for the kinds of pictures taken here, and has it load what it
    /// would otherwise load later. Starts no thread.
    init() throws(RenderProblem) {
        // Never given back: there is one of it until the process ends.
        let vips = UnsafeMutablePointer<swiftlet_vips>.allocate(capacity: 1)
        vips.initialize(to: swiftlet_vips())
        self.vips = vips
        if let missing = swiftlet_vips_open(vips, Self.name) {
            throw RenderProblem(.library, "\(Self.name): \(String(cString: missing))")
        }
        // The library takes these from the environment when it starts.
        setenv("VIPS_NOVECTOR", "1", 1)
        setenv("VIPS_CONCURRENCY", "1", 1)
        guard swiftlet_vips_start(vips) == 0 else {
            throw RenderProblem(.library, "\(Self.name) does not start: \(Self.fault(vips))")
        }
        for family in ImageKind.families { swiftlet_vips_allow(vips, family) }
        version = String(cString: swiftlet_vips_version(vips))
        // Nothing but a beginning, at which the reader of this kind brings in its decoders.
        let beginning: [UInt8] = [0, 0, 0, 16] + Array("ftypavif".utf8) + [0, 0, 0, 0] + [UInt8](repeating: 0, count: 16)
        beginning.withUnsafeBytes { bytes in
            if let head = swiftlet_vips_head(vips, bytes.baseAddress, bytes.count) { swiftlet_vips_release(vips, head) }
        }
        swiftlet_vips_clear(vips)
    }

    /// The kinds that this build of the library can read and write.
    var kinds: (read: [String], written: [String]) {
        func has(_ name: String) -> Bool { swiftlet_vips_has(vips, name) == 1 }
        return (
            ["jpeg", "png", "gif", "webp", "heif"].filter { has("\($0)load_buffer") },
            ["jpeg", "png", "gif", "webp", "heif"].filter { has("\($0)save_buffer") }
        )
    }

    /// After the environment was replaced: pictures stay in memory however large they are, since there is no disk to put them on.
    func afterContainment() { setenv("VIPS_DISC_THRESHOLD", "8g", 1) }

    /// Makes a picture and hands its bytes over; they are gone afterwards.
    func render(
        _ ask: AskWords, _ bytes: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(RenderProblem) {
        defer { swiftlet_vips_clear(vips) }
        let hasProfile = try judge(ask, bytes)
        let size =
            switch ask.fit {
            case .inside, .filling: SWIFTLET_VIPS_DOWN
            case .stretched: SWIFTLET_VIPS_FORCE
            case .enlarged: SWIFTLET_VIPS_BOTH
            }
        vips.pointee.damage = 0
        guard
            let shaped = swiftlet_vips_thumbnail(
                vips, bytes.baseAddress, bytes.count, Int32(clamping: ask.width), Int32(clamping: ask.height),
                Int32(clamping: size), ask.fit == .filling ? 1 : 0, hasProfile ? 1 : 0)
        else { throw RenderProblem(.unreadable, Self.fault(vips)) }
        defer { swiftlet_vips_release(vips, shaped) }
        guard let image = swiftlet_vips_bare(vips, shaped) else { throw RenderProblem(.unreadable, Self.fault(vips)) }
        defer { swiftlet_vips_release(vips, image) }
        var made: UnsafeMutableRawPointer?
        var count = 0
        guard swiftlet_vips_write(vips, image, ask.made.suffix(quality: ask.quality), &made, &count) == 0, let made else {
            throw RenderProblem(.unreadable, Self.fault(vips))
        }
        defer { swiftlet_vips_free(vips, made) }
        guard swiftlet_vips_damage(vips) == 0 else { throw RenderProblem(.unreadable, Self.fault(vips)) }
        guard count <= ask.most else { throw RenderProblem(.result, "\(count) bytes") }
        let result = UnsafeRawBufferPointer(start: made, count: count)
        guard ask.made == .webp else { return body(result) }
        guard let trimmed = WebPTrim.trimmed(result) else { throw RenderProblem(.unreadable, "the result is not whole") }
        trimmed.withUnsafeBytes(body)
    }

    /// What the head says, before any pixel is read: whether there is a colour profile.
    private func judge(_ ask: AskWords, _ bytes: UnsafeMutableRawBufferPointer) throws(RenderProblem) -> Bool {
        guard let head = swiftlet_vips_head(vips, bytes.baseAddress, bytes.count) else {
            throw RenderProblem(.unreadable, Self.fault(vips))
        }
        defer { swiftlet_vips_release(vips, head) }
        let reader = swiftlet_vips_text(vips, head, "vips-loader").map { String(cString: $0) } ?? ""
        guard reader.hasPrefix(ask.source.reader) else {
            throw RenderProblem(.unreadable, "it is read by \(reader) and not by \(ask.source.reader)")
        }
        let width = Int(vips.pointee.image_get_width(head))
        let height = Int(vips.pointee.image_get_height(head))
        let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !overflow, pixels <= ask.pixels else {
            throw RenderProblem(.pixels, "\(width) by \(height)")
        }
        return swiftlet_vips_has_profile(vips, head) == 1
    }

    private static func fault(_ vips: UnsafeMutablePointer<swiftlet_vips>) -> String {
        guard let text = swiftlet_vips_error(vips) else { return "" }
        return String(cString: text).split(separator: "\n").joined(separator: "; ")
    }
}
