/// A file name that is safe to show, to store beside a file and to offer for download; nil when nothing sensible is left,
/// or when the name says that the file runs (`x.exe`, `shell.php.jpg`) or steers a system (`desktop.ini`).
///
/// Folders before the name are dropped. Control, direction and invisible characters go; signs that mean something to a shell
/// or a file system become `_`; blanks and dots around it go. Names of Windows devices get a `_` in front. At most 255 bytes,
/// cut before the extension; letters with marks count as letter and mark, because some file systems take them apart.
/// Sanitising again changes nothing.
public func sanitizeFileName(_ name: String) -> String? { FileName.sanitized(name) }

package enum FileName {
    package static let maxBytes = 255
    /// Longer texts are not names, not even with a path before them.
    private static let maxInputBytes = 4_096
    private static let maxExtensionBytes = 16

    /// - Parameter extensions: endings that are fine here although files with them run elsewhere.
    package static func sanitized(_ name: String, allowing extensions: Set<String> = []) -> String? {
        guard name.utf8.count <= maxInputBytes else { return nil }
        if isPlain(name) { return isHarmless(plain: name, extensions) ? name : nil }
        var current = name
        // Each step can make room for another. Names that do not settle are not worth keeping.
        for _ in 0..<4 {
            guard let next = step(current) else { return nil }
            if next.utf8.elementsEqual(current.utf8) { return isHarmless(next, extensions) ? next : nil }
            current = next
        }
        return nil
    }

    /// Letters, digits and the few signs of most names, where no step below changes anything.
    private static func isPlain(_ name: String) -> Bool {
        // Four letters and fewer may be a device's.
        guard (9...200).contains(name.utf8.count) else { return false }
        var last = UInt8(ascii: ".")
        var stem = 0
        var isInStem = true
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"):
                break
            // A backspace's trace may stand after one of these, and blanks and dots have rules of their own where they meet.
            case UInt8(ascii: "."), UInt8(ascii: " "):
                guard last != UInt8(ascii: "."), last != UInt8(ascii: " ") else { return false }
                if byte == UInt8(ascii: ".") { isInStem = false }
            default: return false
            }
            if isInStem { stem += 1 }
            last = byte
        }
        return last != UInt8(ascii: ".") && last != UInt8(ascii: " ") && stem > 8
    }

    /// In lower case; empty when there is none.
    package static func fileExtension(_ name: String) -> String {
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else { return "" }
        return String(name[name.utf8.index(after: dot)...]).lowercased()
    }

    private static func step(_ name: String) -> String? {
        let clean = sanitizeText(name)
        let isSlash: (UInt8) -> Bool = { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
        guard let last = clean.utf8.split(omittingEmptySubsequences: false, whereSeparator: isSlash).last else { return nil }
        var out = String.UnicodeScalarView()
        let scalars = Array(String(Substring(last)).unicodeScalars)
        for (index, scalar) in scalars.enumerated() {
            if scalar == ".", out.last == "." { continue }
            out.append(isRisky(scalar) || scalar == "%" && isEncoded(scalars, index) ? "_" : scalar)
        }
        var text = trimmed(String(out))
        guard
            text.unicodeScalars.contains(where: {
                $0.properties.isAlphabetic || $0.properties.numericType != nil || $0.properties.isEmoji
            })
        else { return nil }
        if isDevice(text) { text = "_" + text }
        return cut(text)
    }

    private static func isRisky(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "<", ">", ":", "\"", "|", "?", "*", ";", "\t", "\n", "\u{8}": true
        case "\u{2044}", "\u{2215}", "\u{2216}", "\u{29F5}", "\u{29F8}", "\u{29F9}", "\u{FF0F}", "\u{FF3C}", "\u{FE68}": true
        // Dots that some file systems fold to the plain one.
        case "\u{2024}", "\u{2025}", "\u{FE52}", "\u{FF0E}", "\u{FFFD}", "\u{FFFC}": true
        default: false
        }
    }

    private static func isEncoded(_ scalars: [Unicode.Scalar], _ index: Int) -> Bool {
        guard index + 2 < scalars.count else { return false }
        return isHex(scalars[index + 1]) && isHex(scalars[index + 2]) || scalars[index + 1] == "u"
    }

    private static func isHex(_ scalar: Unicode.Scalar) -> Bool { scalar.isASCII && scalar.properties.isASCIIHexDigit }

    private static func trimmed(_ name: String) -> String {
        let isEdge: (Unicode.Scalar) -> Bool = { $0 == "." || $0.properties.isWhitespace }
        var scalars = name.unicodeScalars[...]
        scalars = scalars.drop(while: isEdge)
        while let last = scalars.last, isEdge(last) { scalars.removeLast() }
        return String(scalars)
    }

    /// Without the end, but with the extension: an ending changes what a name says more than its middle.
    private static func cut(_ name: String) -> String? {
        guard name.unicodeScalars.reduce(0, { $0 + storedBytes($1) }) > maxBytes else { return name }
        let ending = fileExtension(name)
        let tail = ending.isEmpty || ending.utf8.count > maxExtensionBytes ? "" : ".\(name.suffix(ending.count))"
        var room = maxBytes - tail.unicodeScalars.reduce(0) { $0 + storedBytes($1) }
        var kept = ""
        for letter in name.dropLast(tail.count) {
            room -= letter.unicodeScalars.reduce(0) { $0 + storedBytes($1) }
            guard room >= 0 else { break }
            kept.append(letter)
        }
        let out = trimmed(sanitizeText(kept))
        return out.isEmpty ? nil : out + tail
    }

    /// In UTF-8, taken apart where that is longer. Hangul syllables count as written.
    private static func storedBytes(_ scalar: Unicode.Scalar) -> Int {
        let pieces = TextCompositions.shared.pieces(of: scalar.value)
        let apart = pieces.reduce(0) { sum, index in
            let piece = TextCompositions.shared.piece(index)
            return sum + (piece < 0x80 ? 1 : piece < 0x800 ? 2 : piece < 0x10000 ? 3 : 4)
        }
        return max(apart, UTF8.width(scalar))
    }

    // MARK: names that are no names

    /// Windows reads these as devices, whatever follows a dot.
    private static func isDevice(_ name: String) -> Bool {
        let stem = trimmed(String(name.prefix { $0 != "." })).uppercased()
        switch stem {
        case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$": return true
        default:
            let scalars = Array(stem.unicodeScalars)
            guard scalars.count == 4, stem.hasPrefix("COM") || stem.hasPrefix("LPT"), let digit = scalars.last else {
                return false
            }
            return digit.properties.numericType != nil
        }
    }

    private static func isHarmless(_ name: String, _ allowed: Set<String>) -> Bool {
        let lower = name.lowercased()
        guard !systemNames.contains(lower) else { return false }
        let parts = lower.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
            trimmed(String(Substring($0)))
        }
        guard parts.count > 1, let ending = parts.last else { return true }
        // Letters of two scripts in an ending are there to be mistaken.
        let isMixed =
            ending.utf8.contains { $0 >= 0x80 } && ending.utf8.contains { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
        guard !isMixed, !running.contains(ending) || allowed.contains(ending) else { return false }
        return !parts.dropFirst().dropLast().contains { served.contains($0) || isPHP($0) }
            && (!isPHP(ending) || allowed.contains(ending))
    }

    /// The same for a name that `isPlain`: nothing stands around its parts, and each is short or harmless.
    private static func isHarmless(plain name: String, _ allowed: Set<String>) -> Bool {
        guard name.utf8.count > longestSystemName || !systemNames.contains(name.lowercased()) else { return false }
        let bytes = name.utf8
        guard var start = bytes.firstIndex(of: UInt8(ascii: ".")) else { return true }
        while true {
            start = bytes.index(after: start)
            let end = bytes[start...].firstIndex(of: UInt8(ascii: ".")) ?? bytes.endIndex
            let part = name[start..<end].lowercased()
            let isLast = end == bytes.endIndex
            if isLast { return allowed.contains(part) || !(running.contains(part) || isPHP(part)) }
            if served.contains(part) || isPHP(part) { return false }
            start = end
        }
    }

    private static func isPHP(_ ending: String) -> Bool {
        ending.utf8.starts(with: "php".utf8) && ending.utf8.dropFirst(3).allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
    }

    private static let systemNames: Set<String> = [
        "desktop.ini", "thumbs.db", "ehthumbs.db", "web.config", "autorun.inf", "ntuser.dat", "htaccess", "htpasswd", "env",
        "ds_store",
    ]

    private static let longestSystemName = systemNames.map(\.utf8.count).max() ?? 0

    /// Some servers run a file when one of these stands anywhere in its name.
    private static let served: Set<String> = [
        "phtml", "pht", "phar", "phps", "asp", "aspx", "ashx", "asmx", "asa", "asax", "cer", "cdx", "jsp", "jspx", "jspf", "jsw",
        "jsv",
        "cfm", "cfml", "cgi", "fcgi", "pl", "shtml", "exe", "scr", "bat", "cmd",
    ]

    /// Files that run when they are opened, on a machine or in a browser.
    private static let running: Set<String> = served.union([
        "com", "pif", "msi", "msp", "mst", "msc", "dll", "sys", "cpl", "drv", "ocx", "ps1", "ps1xml", "psm1", "psd1", "vb", "vbs",
        "vbe",
        "js", "mjs", "jse", "ws", "wsf", "wsh", "wsc", "sct", "hta", "chm", "hlp", "lnk", "url", "scf", "reg", "inf", "ini",
        "config",
        "application", "gadget", "jar", "war", "ear", "class", "jnlp", "apk", "aab", "ipa", "app", "dmg", "pkg", "deb", "rpm",
        "run",
        "appimage", "so", "dylib", "elf", "bin", "sh", "bash", "zsh", "csh", "ksh", "fish", "command", "py", "pyc", "pyw", "rb",
        "lua",
        "html", "htm", "xhtml", "xht", "mht", "mhtml", "svg", "svgz", "xml", "xsl", "xslt", "swf", "htc", "wasm", "desktop",
        "htaccess",
        "iso", "img", "vhd", "vhdx", "docm", "dotm", "xlsm", "xltm", "xlam", "pptm", "potm", "ppam", "sldm",
    ])
}
