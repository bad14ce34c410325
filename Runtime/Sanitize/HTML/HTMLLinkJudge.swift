/// Judges the target of a link or an image the way a browser reads it: no text that a browser takes for a scheme passes as another one.
///
/// The judgement is on the value after its references were decoded. Browsers strip controls and blanks at both ends, and drop every tab and
/// line end; then letters, digits, `+`, `-` and `.` up to a colon are the scheme, whatever their case.
struct HTMLLinkJudge {
    enum Scheme: UInt8 {
        case http, https, mailto, tel

        init(_ scheme: HTMLPolicy.LinkScheme) {
            switch scheme {
            case .http: self = .http
            case .https: self = .https
            case .mailto: self = .mailto
            case .tel: self = .tel
            }
        }

        var bit: UInt8 { 1 << rawValue }
        static var all: UInt8 { 0xF }
    }

    let schemes: UInt8
    let keepsRelative: Bool

    /// Whether a link may lead there. Web addresses must write `//` before the host: without it they may be relative.
    func allows(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        var reader = HTMLLinkReader(value)
        var packed = HTMLPackedName()
        var byte = reader.next()
        let first = byte
        guard let letter = byte, letter.isASCIILetter else { return keepsRelative && staysHere(first, reader.next()) }
        while let next = byte, next.isASCIILetterOrDigit || next == 0x2B || next == 0x2D || next == 0x2E {
            packed.append(next.asciiLowercased)
            byte = reader.next()
        }
        // A letter comes first, so it cannot be the address of another server.
        guard byte == UInt8(ascii: ":") else { return keepsRelative }
        guard packed.length <= 8, let scheme = scheme(packed.low), schemes & scheme.bit != 0 else { return false }
        guard scheme == .http || scheme == .https else { return true }
        return reader.next() == UInt8(ascii: "/") && reader.next() == UInt8(ascii: "/")
    }

    private func scheme(_ packed: UInt64) -> Scheme? {
        switch packed {
        case 0x7074_7468: .http
        case 0x73_7074_7468: .https
        case 0x6F74_6C69_616D: .mailto
        case 0x6C_6574: .tel
        default: nil
        }
    }

    /// Two slashes of either kind at the start name another server.
    private func staysHere(_ first: UInt8?, _ second: UInt8?) -> Bool {
        !(isSlash(first) && isSlash(second))
    }

    private func isSlash(_ byte: UInt8?) -> Bool { byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") }
}

/// The bytes of an address as a browser sees them.
private struct HTMLLinkReader {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
        while at < bytes.count, bytes[at] <= 0x20 { at += 1 }
    }

    mutating func next() -> UInt8? {
        while at < bytes.count {
            let byte = bytes[at]
            at += 1
            if byte != 0x09, byte != 0x0A, byte != 0x0D { return byte }
        }
        return nil
    }
}
