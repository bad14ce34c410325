import Swiftlet

/// The text of a dotenv file, understood and still whole, so that it can be changed in place.
///
/// `NAME=value` a line, optionally after `export`; `#` starts a comment at the start of a line, after a quoted value, and after white
/// space behind a bare value. Values may stand in `'`, `"` or a backtick and then run over lines; only in `"` are `\n`, `\r`, `\"`, `\\` and `\$`
/// escapes, any other backslash stands for itself. Nothing is interpolated. CR LF reads as LF, a byte order mark is skipped.
struct DotEnv {
    struct Entry {
        let name: String
        let value: [UInt8]
        /// Counted from 1.
        let line: Int
        /// Where the value stands, quotes included.
        let valueRange: Range<Int>
        /// From the start of its first line to the end of its last, line end included.
        let range: Range<Int>
    }

    /// What is wrong with a line; holds no part of it but a name.
    struct Problem: Error, Equatable {
        let line: Int
        let reason: String
    }

    let bytes: [UInt8]
    let entries: [Entry]

    init(_ bytes: [UInt8]) throws(Problem) {
        self.bytes = bytes
        var reader = Reader(bytes: bytes)
        entries = try reader.entries()
    }

    private init() {
        bytes = []
        entries = []
    }

    /// A file without a line.
    static let empty = DotEnv()

    /// Writes a value so that it reads back byte for byte, here and in a shell.
    static func quoted(_ value: String) -> [UInt8] {
        let bytes = Array(value.utf8)
        let plain = bytes.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "_-./:+=@,%".utf8.contains($0) }
        if plain, !bytes.isEmpty { return bytes }
        let quote = UInt8(ascii: "'")
        if bytes.allSatisfy({ $0 != quote && $0 >= 0x20 }) { return [quote] + bytes + [quote] }
        var result = [UInt8(ascii: "\"")]
        for byte in bytes {
            switch byte {
            case 0x0A: result += "\\n".utf8
            case 0x0D: result += "\\r".utf8
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"): result += [UInt8(ascii: "\\"), byte]
            default: result.append(byte)
            }
        }
        return result + [UInt8(ascii: "\"")]
    }
}

private struct Reader {
    let bytes: [UInt8]
    var at = 0
    var line = 1

    /// The byte at the place, `nil` at the end.
    var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    var atLineEnd: Bool {
        guard let next else { return true }
        return next == 0x0A || (next == 0x0D && at + 1 < bytes.count && bytes[at + 1] == 0x0A)
    }

    mutating func entries() throws(DotEnv.Problem) -> [DotEnv.Entry] {
        var result: [DotEnv.Entry] = []
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        while at < bytes.count {
            let start = at
            skipSpace()
            if atLineEnd || next == UInt8(ascii: "#") {
                try skipLine()
                continue
            }
            let first = line
            let name = try name()
            let (value, range) = try value(of: name)
            skipSpace()
            guard atLineEnd || next == UInt8(ascii: "#") else { throw problem("text after the closing quote of \(name)") }
            try skipLine()
            guard value.count <= SecretLimits.valueBytes else {
                throw DotEnv.Problem(line: first, reason: "the value of \(name) is longer than 48 KiB")
            }
            result.append(DotEnv.Entry(name: name, value: value, line: first, valueRange: range, range: start..<at))
        }
        return result
    }

    func problem(_ reason: String) -> DotEnv.Problem { DotEnv.Problem(line: line, reason: reason) }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 { at += 1 }
    }

    /// To the start of the next line.
    mutating func skipLine() throws(DotEnv.Problem) {
        while let byte = next, byte != 0x0A {
            guard byte != 0 else { throw problem("a NUL byte: is this a text file?") }
            at += 1
        }
        if next != nil {
            at += 1
            line += 1
        }
    }

    mutating func word() -> ArraySlice<UInt8> {
        let start = at
        while let byte = next, byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "_") { at += 1 }
        return bytes[start..<at]
    }

    /// Reads `export NAME =`.
    mutating func name() throws(DotEnv.Problem) -> String {
        var name = word()
        if name.elementsEqual("export".utf8), next == 0x20 || next == 0x09 {
            let mark = at
            skipSpace()
            // `export = x` sets a variable of that name.
            if next == UInt8(ascii: "=") { at = mark } else { name = word() }
        }
        skipSpace()
        // What stands here may be a stray part of a value, so it is not shown.
        guard next == UInt8(ascii: "="), let first = name.first else { throw problem("expected NAME=VALUE") }
        guard !first.isASCIIDigit else { throw problem("a name must not start with a digit") }
        guard name.count <= SecretLimits.nameBytes else { throw problem("a name is longer than 256 characters") }
        at += 1
        return String(decoding: name, as: UTF8.self)
    }

    mutating func value(of name: String) throws(DotEnv.Problem) -> ([UInt8], Range<Int>) {
        let empty = at
        skipSpace()
        switch next {
        case UInt8(ascii: "\"")?, UInt8(ascii: "'")?, UInt8(ascii: "`")?: return try quoted(name)
        case UInt8(ascii: "#")? where at > empty: return ([], empty..<empty)
        default: break
        }
        if atLineEnd { return ([], empty..<empty) }
        return try bare(name)
    }

    private mutating func bare(_ name: String) throws(DotEnv.Problem) -> ([UInt8], Range<Int>) {
        let start = at
        var end = at
        while !atLineEnd, let byte = next {
            if byte == UInt8(ascii: "#"), at > end { break }
            let isSpace = byte == 0x20 || byte == 0x09
            guard isSpace || (byte >= 0x20 && byte != 0x7F) else {
                throw problem("a control character in the value of \(name): put the value in quotes")
            }
            at += 1
            if !isSpace { end = at }
        }
        return (Array(bytes[start..<end]), start..<end)
    }

    private mutating func quoted(_ name: String) throws(DotEnv.Problem) -> ([UInt8], Range<Int>) {
        let start = at
        let opened = line
        let quote = bytes[at]
        at += 1
        var value: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case quote: return (value, start..<at)
            case 0: throw problem("a NUL byte in the value of \(name)")
            case 0x0A:
                line += 1
                value.append(byte)
            case 0x0D where next == 0x0A: continue
            case UInt8(ascii: "\\") where quote == UInt8(ascii: "\""):
                switch next {
                case UInt8(ascii: "n")?: value.append(0x0A)
                case UInt8(ascii: "r")?: value.append(0x0D)
                case UInt8(ascii: "\"")?: value.append(UInt8(ascii: "\""))
                case UInt8(ascii: "\\")?: value.append(UInt8(ascii: "\\"))
                case UInt8(ascii: "$")?: value.append(UInt8(ascii: "$"))
                default:
                    value.append(byte)
                    continue
                }
                at += 1
            default: value.append(byte)
            }
        }
        throw DotEnv.Problem(line: opened, reason: "the quote that opens the value of \(name) is never closed")
    }
}
