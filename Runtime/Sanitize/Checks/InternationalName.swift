import CIDN2

/// Host names in the letters of the world, turned into the ASCII form that DNS and every other program knows.
///
/// The conversion is UTS #46, non-transitional, by libidn2, and then doubted: a name counts only when its ASCII form reads
/// back to what it came from, when no rule for right-to-left labels speaks against it, and when no reader of the last years
/// would see another host. So some names that a browser opens are refused; none becomes another host than in a browser.
package enum InternationalName {
    /// Longest name taken, in UTF-8 bytes. An ASCII name has at most 253.
    package static let maxBytes = 1_024

    /// The ASCII form of a name with non-ASCII letters: lower-case letters, digits, hyphens and dots. Nil when it is not a
    /// name, or not one beyond doubt. A dot at the end stays. What comes out may look like an address: judge it.
    package static func ascii(_ name: String) -> String? {
        guard !name.isEmpty, name.utf8.count <= maxBytes, isPlainInput(name) else { return nil }
        guard let ascii = call({ idn2_to_ascii_8z($0, $1, flags) }, name), isPlainName(ascii) else { return nil }
        return readsBack(ascii) ? ascii : nil
    }

    /// Whether every `xn--` label of an ASCII name means something, and exactly one thing. Names without such labels are
    /// sound. The name must consist of letters, digits, hyphens and dots.
    package static func isSound(_ ascii: String) -> Bool {
        guard ascii.utf8.count <= maxBytes else { return false }
        let lower = ascii.lowercased()
        guard hasEncodedLabel(lower) else { return true }
        return isPlainName(lower) && readsBack(lower)
    }

    private static let flags = Int32(bitPattern: UInt32(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue))

    /// ASCII letters, digits, hyphens and dots beside the others; no label that is encoded already, because a name is
    /// either written out or encoded; and not the capital sharp s, which older tables map to two letters and newer ones to
    /// one.
    private static func isPlainInput(_ name: String) -> Bool {
        for scalar in name.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", ".", "-": continue
            default: guard scalar.value >= 0x80, scalar.value != 0x1E9E else { return false }
            }
        }
        return !hasEncodedLabel(name.lowercased())
    }

    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 254
            && name.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func hasEncodedLabel(_ name: String) -> Bool {
        name.utf8.split(separator: UInt8(ascii: ".")).contains { $0.starts(with: "xn--".utf8) }
    }

    private static func readsBack(_ ascii: String) -> Bool {
        guard let written = call({ idn2_to_unicode_8z8z($0, $1, 0) }, ascii) else { return false }
        guard call({ idn2_to_ascii_8z($0, $1, flags) }, written) == ascii else { return false }
        let dot = UInt8(ascii: ".")
        let encoded = ascii.utf8.split(separator: dot, omittingEmptySubsequences: false)
        let labels = written.utf8.split(separator: dot, omittingEmptySubsequences: false)
        guard encoded.count == labels.count else { return false }
        for (short, long) in zip(encoded, labels) {
            let isEncoded = short.starts(with: "xn--".utf8)
            guard isEncoded == long.contains(where: { $0 >= 0x80 }), isEncoded || short.elementsEqual(long) else { return false }
        }
        let scalars = labels.map { Array(String(decoding: $0, as: UTF8.self).unicodeScalars) }
        return scalars.allSatisfy(hasKnownJoiners) && RightToLeftRule.allows(scalars)
    }

    /// Where joiners may stand depends on tables that differ between readers for the scripts outside of the basic plane.
    private static func hasKnownJoiners(_ label: [Unicode.Scalar]) -> Bool {
        !label.contains { $0.value == 0x200C || $0.value == 0x200D } || label.allSatisfy { $0.value <= 0xFFFF }
    }

    /// Calls a function of libidn2 that answers a text of its own.
    private static func call(
        _ function: (UnsafePointer<CChar>, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Int32, _ text: String
    ) -> String? {
        // To C the text would end there.
        guard !text.utf8.contains(0) else { return nil }
        var out: UnsafeMutablePointer<CChar>?
        let status = text.withCString { function($0, &out) }
        defer { idn2_free(out) }
        guard status == IDN2_OK.rawValue, let out else { return nil }
        return String(validatingCString: out)
    }
}

/// The rule of RFC 5893 for names that hold right-to-left letters, on the narrow side: what it leaves open is refused.
private enum RightToLeftRule {
    static func allows(_ labels: [[Unicode.Scalar]]) -> Bool {
        guard labels.contains(where: { $0.contains(where: isRightToLeft) }) else { return true }
        return labels.allSatisfy { $0.isEmpty || ($0.contains(where: isRightToLeft) ? allowsRight($0) : allowsLeft($0)) }
    }

    /// A letter first, then letters, marks, hyphens and digits of one kind; no hyphen last.
    private static func allowsRight(_ label: [Unicode.Scalar]) -> Bool {
        var hasEuropean = false
        var hasArabic = false
        for scalar in label {
            switch scalar.value {
            case 0x2D: continue
            case 0x30...0x39, 0x6F0...0x6F9: hasEuropean = true
            case 0x660...0x669, 0x10D30...0x10D39, 0x10D40...0x10D49: hasArabic = true
            default:
                guard isLetter(scalar) && isRightToLeft(scalar) || isMark(scalar) else { return false }
            }
        }
        guard let first = label.first, let last = label.last(where: { !isMark($0) }) else { return false }
        return isLetter(first) && isRightToLeft(first) && last.value != 0x2D && !(hasEuropean && hasArabic)
    }

    /// A label beside a right-to-left one: a letter first, then letters, marks, ASCII digits and hyphens; no hyphen last.
    private static func allowsLeft(_ label: [Unicode.Scalar]) -> Bool {
        guard let first = label.first, isPlainLetter(first) else { return false }
        guard let last = label.last(where: { !isMark($0) }), last.value != 0x2D else { return false }
        return label.allSatisfy { isPlainLetter($0) || isMark($0) || (0x30...0x39).contains($0.value) || $0.value == 0x2D }
    }

    private static func isPlainLetter(_ scalar: Unicode.Scalar) -> Bool {
        let category = scalar.properties.generalCategory
        return category == .lowercaseLetter || category == .otherLetter
    }

    /// The blocks of right-to-left scripts, digits and marks included.
    private static func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0590...0x08FF, 0xFB1D...0xFDFF, 0xFE70...0xFEFF, 0x10800...0x10FFF, 0x1E800...0x1EFFF: true
        default: false
        }
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        isPlainLetter(scalar) || scalar.properties.generalCategory == .modifierLetter
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .nonspacingMark
            || scalar.value == 0x200C || scalar.value == 0x200D
    }
}
