/// Tells a file by its first bytes. Only what stands at the start counts; for images it must also continue as the format
/// says, so that a script cannot hide behind four letters.
package enum FileSniffer {
    package enum Finding: Hashable, Sendable {
        /// Names of `FileType`; several when the container does not tell them apart.
        case types([String])
        /// UTF-8 text that starts like nothing known.
        case text
        /// Two things at once: the signature of one format and the code of another.
        case polyglot
        case unknown
    }

    /// Bytes looked at.
    package static let length = 512

    package static func sniff(_ head: [UInt8]) -> Finding {
        let bytes = head.prefix(length)
        if let active = activeText(bytes) { return .types(active) }
        if let types = binary(bytes) {
            let isActive = types.contains { FileType.named($0)?.family == .active }
            return !isActive && hidesCode(bytes) ? .polyglot : .types(types)
        }
        if claimsSignature(bytes) { return .polyglot }
        return isText(bytes) ? .text : .unknown
    }

    // MARK: signatures

    private static func binary(_ bytes: ArraySlice<UInt8>) -> [String]? {
        if starts(bytes, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            return starts(bytes, "IHDR", at: 12) && starts(bytes, [0, 0, 0, 13], at: 8) ? ["image/png"] : nil
        }
        if starts(bytes, [0xFF, 0xD8, 0xFF]) { return isJPEG(bytes) ? ["image/jpeg"] : nil }
        if starts(bytes, "GIF87a") || starts(bytes, "GIF89a") { return isGIF(bytes) ? ["image/gif"] : nil }
        if starts(bytes, "RIFF") {
            if starts(bytes, "WEBPVP8", at: 8) { return ["image/webp"] }
            return starts(bytes, "WAVE", at: 8) ? ["audio/wav"] : nil
        }
        if starts(bytes, "ftyp", at: 4) { return isoMedia(bytes) }
        if starts(bytes, "%PDF-1.") || starts(bytes, "%PDF-2.") { return ["application/pdf"] }
        if starts(bytes, [0x50, 0x4B, 3, 4]) { return zip(bytes) }
        if starts(bytes, [0x50, 0x4B, 5, 6]) { return ["application/zip"] }
        if starts(bytes, [0x1A, 0x45, 0xDF, 0xA3]) {
            if contains(bytes, "webm") { return ["video/webm", "audio/webm"] }
            return contains(bytes, "matroska") ? ["video/x-matroska"] : nil
        }
        if starts(bytes, "OggS") { return ["audio/ogg"] }
        if starts(bytes, "fLaC") { return ["audio/flac"] }
        if starts(bytes, "ID3"), (byte(bytes, 3) ?? 0xFF) < 5 { return ["audio/mpeg"] }
        if let first = byte(bytes, 0), let second = byte(bytes, 1), first == 0xFF { return mpegAudio(second, byte(bytes, 2)) }
        return binaryOfMachines(bytes)
    }

    private static func binaryOfMachines(_ bytes: ArraySlice<UInt8>) -> [String]? {
        if starts(bytes, [0x7F, 0x45, 0x4C, 0x46]) { return ["application/x-executable"] }
        let machO: [[UInt8]] = [
            [0xFE, 0xED, 0xFA, 0xCE], [0xFE, 0xED, 0xFA, 0xCF], [0xCE, 0xFA, 0xED, 0xFE], [0xCF, 0xFA, 0xED, 0xFE],
            [0xCA, 0xFE, 0xBA, 0xBE],
        ]
        if machO.contains(where: { starts(bytes, $0) }) { return ["application/x-executable"] }
        if starts(bytes, "MZ"), !isText(bytes) { return ["application/x-dosexec"] }
        if starts(bytes, [0, 0x61, 0x73, 0x6D]) { return ["application/wasm"] }
        if starts(bytes, [0x1F, 0x8B, 8]) { return ["application/gzip"] }
        if starts(bytes, [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]) { return ["application/x-7z-compressed"] }
        if starts(bytes, "Rar!"), starts(bytes, [0x1A, 7], at: 4) { return ["application/vnd.rar"] }
        if starts(bytes, "BZh"), starts(bytes, [0x31, 0x41, 0x59, 0x26], at: 4) { return ["application/x-bzip2"] }
        if starts(bytes, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]) { return ["application/x-xz"] }
        if starts(bytes, [0x49, 0x49, 0x2A, 0]) || starts(bytes, [0x4D, 0x4D, 0, 0x2A]) { return ["image/tiff"] }
        if starts(bytes, [0, 0, 1, 0]), let count = byte(bytes, 4), count > 0, byte(bytes, 5) == 0, byte(bytes, 9) == 0 {
            return ["image/x-icon"]
        }
        if starts(bytes, "BM"), starts(bytes, [0, 0, 0, 0], at: 6), starts(bytes, [0, 0, 0], at: 15), let size = byte(bytes, 14) {
            return [12, 40, 52, 56, 64, 108, 124].contains(size) ? ["image/bmp"] : nil
        }
        return nil
    }

    /// A first segment of a kind that starts pictures, of a length that no comment sign makes up.
    private static func isJPEG(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let marker = byte(bytes, 3), let high = byte(bytes, 4), let low = byte(bytes, 5) else { return false }
        guard marker >= 0xC0, marker < 0xFF, !(0xD0...0xD9).contains(marker) else { return false }
        return (high, low) != (0x2F, 0x2A) && UInt16(high) << 8 | UInt16(low) >= 2
    }

    /// Screen, colours, then a block: a picture, or an extension before one.
    private static func isGIF(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard !starts(bytes, "/*", at: 6), let packed = byte(bytes, 10) else { return false }
        let next = 13 + (packed & 0x80 != 0 ? 3 << (Int(packed & 7) + 1) : 0)
        guard next < bytes.count else { return bytes.count >= length }
        return byte(bytes, next) == 0x21 || byte(bytes, next) == 0x2C
    }

    private static func isoMedia(_ bytes: ArraySlice<UInt8>) -> [String]? {
        guard bytes.count >= 12, byte(bytes, 0) == 0, byte(bytes, 1) == 0 else { return nil }
        if starts(bytes, "avif", at: 8) || starts(bytes, "avis", at: 8) { return ["image/avif"] }
        for brand in ["heic", "heix", "heim", "heis", "hevc", "hevx"] where starts(bytes, brand, at: 8) { return ["image/heic"] }
        if starts(bytes, "mif1", at: 8) || starts(bytes, "msf1", at: 8) { return ["image/heic", "image/avif"] }
        if starts(bytes, "qt  ", at: 8) { return ["video/quicktime"] }
        if starts(bytes, "M4A ", at: 8) || starts(bytes, "M4B ", at: 8) { return ["audio/mp4"] }
        for brand in [
            "isom", "iso2", "iso3", "iso4", "iso5", "iso6", "mp41", "mp42", "avc1", "M4V ", "dash", "mmp4", "3gp4", "3gp5",
            "MSNV",
        ]
        where starts(bytes, brand, at: 8) { return ["video/mp4", "audio/mp4"] }
        return nil
    }

    private static func mpegAudio(_ second: UInt8, _ third: UInt8?) -> [String]? {
        guard let third else { return nil }
        if second & 0xF6 == 0xF0 { return ["audio/aac"] }
        guard second & 0xE0 == 0xE0, second & 0x18 != 0x08, second & 0x06 == 0x02 else { return nil }
        return third & 0xF0 != 0xF0 && third & 0x0C != 0x0C ? ["audio/mpeg"] : nil
    }

    /// What a zip holds first tells office documents from archives, when the head reaches that far.
    private static func zip(_ bytes: ArraySlice<UInt8>) -> [String] {
        let office = ["[Content_Types].xml", "_rels/", "docProps/", "word/", "xl/", "ppt/", "customXml/"]
        guard office.contains(where: { starts(bytes, $0, at: 30) }) else {
            return starts(bytes, "META-INF/", at: 30) ? ["application/java-archive", "application/zip"] : ["application/zip"]
        }
        return FileType.all.filter { $0.family == .office }.map(\.name) + ["application/zip"]
    }

    // MARK: text

    /// Markup and scripts, told by what a browser or a shell would look at: the start, past a byte order mark and blanks.
    private static func activeText(_ bytes: ArraySlice<UInt8>) -> [String]? {
        var rest = bytes
        let isWide = starts(rest, [0xFF, 0xFE]) || starts(rest, [0xFE, 0xFF])
        if starts(rest, [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        // UTF-16 of ASCII is ASCII with zeros between.
        if isWide { rest = ArraySlice(rest.dropFirst(2).filter { $0 != 0 }) }
        let isScript = starts(rest, "#!")
        rest = rest.drop { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) || $0 == 0 }
        if isScript { return ["text/x-shellscript"] }
        guard rest.first == UInt8(ascii: "<"), let second = rest.dropFirst().first else { return nil }
        if starts(rest, "<?php") || starts(rest, "<?=") || starts(rest, "<%") { return ["text/x-php"] }
        if startsLowered(rest, "<svg") || startsLowered(rest, "<?xml") {
            return contains(rest, "<svg") ? ["image/svg+xml"] : ["application/xml", "application/xhtml+xml", "image/svg+xml"]
        }
        let isTag =
            second | 0x20 >= UInt8(ascii: "a") && second | 0x20 <= UInt8(ascii: "z") || second == UInt8(ascii: "!")
            || second == UInt8(ascii: "/") || second == UInt8(ascii: "?")
        guard isTag else { return nil }
        if contains(rest, "<svg") { return ["image/svg+xml"] }
        return ["text/html", "application/xhtml+xml", "application/xml"]
    }

    private static let code = [
        "<?php", "<?=", "<script", "<html", "<!doctype", "<svg", "<iframe", "<body", "<img", "<object", "<embed", "javascript:",
        "<%@",
        "<%=", "eval(", "#!/",
    ]

    /// Code of another kind in the head of a binary file. A picture's words (titles, cameras) hold none of these.
    private static func hidesCode(_ bytes: ArraySlice<UInt8>) -> Bool { code.contains { contains(bytes, $0) } }

    /// Starts with the letters of a format without being one.
    private static func claimsSignature(_ bytes: ArraySlice<UInt8>) -> Bool {
        ["GIF8", "%PDF", "RIFF", "OggS", "fLaC", "Rar!", "%!PS"].contains { starts(bytes, $0) }
    }

    /// UTF-8 without controls but tab, line ends and form feed. The last letter may be cut off.
    package static func isText(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard !bytes.isEmpty else { return false }
        let hasControl = bytes.contains { $0 < 0x09 || $0 == 0x0B || ($0 > 0x0D && $0 < 0x20) || $0 == 0x7F }
        guard !hasControl else { return false }
        for cut in 0..<min(4, bytes.count) {
            if cut > 0, bytes.count < length { return false }
            if String(validating: bytes.dropLast(cut), as: UTF8.self) != nil { return true }
        }
        return false
    }

    // MARK: bytes

    private static func byte(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt8? {
        offset < bytes.count ? bytes[bytes.startIndex + offset] : nil
    }

    private static func starts(_ bytes: ArraySlice<UInt8>, _ prefix: [UInt8], at offset: Int = 0) -> Bool {
        bytes.dropFirst(offset).starts(with: prefix)
    }

    private static func starts(_ bytes: ArraySlice<UInt8>, _ prefix: String, at offset: Int = 0) -> Bool {
        bytes.dropFirst(offset).starts(with: prefix.utf8)
    }

    private static func startsLowered(_ bytes: ArraySlice<UInt8>, _ prefix: String) -> Bool {
        bytes.prefix(prefix.utf8.count).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }.elementsEqual(prefix.utf8)
    }

    /// Without regard to ASCII case. The head is short and the words are few.
    private static func contains(_ bytes: ArraySlice<UInt8>, _ word: String) -> Bool {
        guard let first = word.utf8.first else { return false }
        var rest = bytes
        while let start = rest.firstIndex(where: { ($0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0) == first }) {
            if startsLowered(bytes[start...], word) { return true }
            rest = bytes[(start + 1)...]
        }
        return false
    }
}
