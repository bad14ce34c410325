/// A set of ASCII characters.
struct SensitiveAlphabet: Hashable, Sendable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ characters: StaticString) {
        self.init(UnsafeBufferPointer(start: characters.utf8Start, count: characters.utf8CodeUnitCount))
    }

    init(_ characters: some Sequence<UInt8>) {
        for byte in characters where byte < 128 {
            if byte < 64 { low |= 1 << UInt64(byte) } else { high |= 1 << UInt64(byte & 63) }
        }
    }

    @inline(__always) func has(_ byte: UInt8) -> Bool {
        byte < 64 ? low >> UInt64(byte) & 1 != 0 : byte < 128 && high >> UInt64(byte & 63) & 1 != 0
    }

    func union(_ other: SensitiveAlphabet) -> SensitiveAlphabet {
        var both = self
        both.low |= other.low
        both.high |= other.high
        return both
    }

    static let digits = SensitiveAlphabet("0123456789")
    static let lower = SensitiveAlphabet("abcdefghijklmnopqrstuvwxyz")
    static let upper = SensitiveAlphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    static let letters = lower.union(upper)
    static let alphanumeric = letters.union(digits)
    static let hex = SensitiveAlphabet("0123456789abcdefABCDEF")
    static let word = alphanumeric.union(SensitiveAlphabet("_"))
    /// Names of settings: `api.key`, `api-key`, `api_key`.
    static let name = word.union(SensitiveAlphabet(".-"))
    static let base64URL = word.union(SensitiveAlphabet("-"))
    static let base64 = alphanumeric.union(SensitiveAlphabet("+/"))
    /// What an unquoted value is made of.
    static let value = word.union(SensitiveAlphabet(".=/+%:~@-|"))
    static let blank = SensitiveAlphabet(" \t")
    static let space = SensitiveAlphabet(" \t\n\r")

    /// The letters that stand for an alphabet in the rule table.
    static func named(_ letter: UInt8) -> SensitiveAlphabet? {
        switch letter {
        case UInt8(ascii: "n"): digits
        case UInt8(ascii: "h"): SensitiveAlphabet("0123456789abcdef")
        case UInt8(ascii: "H"): hex
        case UInt8(ascii: "l"): lower.union(digits)
        case UInt8(ascii: "u"): upper.union(digits)
        case UInt8(ascii: "z"): letters
        case UInt8(ascii: "a"): alphanumeric
        case UInt8(ascii: "d"): alphanumeric.union(SensitiveAlphabet("-"))
        case UInt8(ascii: "w"): base64URL
        case UInt8(ascii: "e"): base64URL.union(SensitiveAlphabet("="))
        case UInt8(ascii: "k"): base64URL.union(SensitiveAlphabet("=."))
        case UInt8(ascii: "b"): base64
        case UInt8(ascii: "c"): base64.union(SensitiveAlphabet("_=-"))
        case UInt8(ascii: "t"): base64URL.union(SensitiveAlphabet(".~"))
        case UInt8(ascii: "="): SensitiveAlphabet("=")
        case UInt8(ascii: "x"): SensitiveAlphabet((0x21...0x7e).filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "'") })
        default: nil
        }
    }
}

extension UInt8 {
    @inline(__always) var isASCIIDigit: Bool { self &- 0x30 < 10 }
    /// `SensitiveAlphabet.word`, without the table.
    @inline(__always) var isWord: Bool { (self | 0x20) &- 0x61 < 26 || self &- 0x30 < 10 || self == 0x5f }
    @inline(__always) var isASCIIAlphanumeric: Bool { (self | 0x20) &- 0x61 < 26 || self &- 0x30 < 10 }
    /// Capitals become small letters; everything else stays.
    @inline(__always) var asciiFolded: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
}
