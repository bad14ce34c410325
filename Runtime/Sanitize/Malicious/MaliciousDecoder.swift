import Glibc

/// Undoes one layer of each way in which a text can be spelled for a web page, an address or a script.
enum MaliciousDecoder {
    /// What a text holds that may be worth decoding.
    struct Signs {
        /// Percent signs, ampersands, backslashes or plus signs.
        var coded = false
        /// A run of letters and digits long enough to be base64 of an attack.
        var longRun = false
    }

    static let shortestRun = 20

    static func signs(in source: UnsafeBufferPointer<UInt8>) -> Signs {
        var signs = Signs()
        guard let base = source.baseAddress else { return signs }
        for sign in [UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "\\"), UInt8(ascii: "+")] where !signs.coded {
            signs.coded = memchr(base, Int32(sign), source.count) != nil
        }
        // Every run that is long enough covers a place that is looked at.
        var place = shortestRun - 1
        while place < source.count {
            guard digits.base[Int(base[place])] != noDigit else {
                place &+= shortestRun
                continue
            }
            var first = place
            while first > 0, place &- first < shortestRun, digits.base[Int(base[first &- 1])] != noDigit { first &-= 1 }
            var stop = place &+ 1
            while stop < source.count, stop &- first < shortestRun, digits.base[Int(base[stop])] != noDigit { stop &+= 1 }
            if stop &- first >= shortestRun {
                signs.longRun = true
                break
            }
            place &+= shortestRun
        }
        return signs
    }

    private static let noDigit: UInt8 = 0xFF

    /// What each byte is worth in base64, in both alphabets.
    private static let digits = MaliciousTable<UInt8>(count: 256) { byte in
        switch byte {
        case 0x41...0x5A: UInt8(byte - 0x41)
        case 0x61...0x7A: UInt8(byte - 0x47)
        case 0x30...0x39: UInt8(byte + 4)
        case 0x2B, 0x2D: 62
        case 0x2F, 0x5F: 63
        default: noDigit
        }
    }

    /// The text with one layer of percent escapes, then one of entities and escapes undone; `nil` when that changes nothing. The caller frees it.
    static func decoded(_ source: UnsafeBufferPointer<UInt8>) -> UnsafeMutableBufferPointer<UInt8>? {
        guard let base = source.baseAddress else { return nil }
        let result = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: source.count)
        guard let written = result.baseAddress else { return nil }
        let bytes = MaliciousBytes(base: base, count: source.count)
        // A plus sign is a blank in a form, which has no other blanks.
        let plusIsBlank =
            memchr(base, 0x2B, bytes.count) != nil && memchr(base, 0x20, bytes.count) == nil
            && memchr(base, 0x0A, bytes.count) == nil
        let hasPercents = plusIsBlank || memchr(base, 0x25, bytes.count) != nil
        let first = hasPercents ? percent(bytes, plusIsBlank, into: written) : (count: bytes.count, changed: false)
        // In place where there was a first layer: what is written never overtakes what is read.
        let inner = hasPercents ? MaliciousBytes(base: UnsafePointer(written), count: first.count) : bytes
        let second = escapes(inner, into: written)
        guard first.changed || second.changed else {
            result.deallocate()
            return nil
        }
        return UnsafeMutableBufferPointer(start: written, count: second.count)
    }

    private static func percent(_ bytes: MaliciousBytes, _ plusIsBlank: Bool, into out: UnsafeMutablePointer<UInt8>) -> (
        count: Int, changed: Bool
    ) {
        var read = 0
        var count = 0
        var changed = false
        while read < bytes.count {
            let byte = bytes.base[read]
            if byte == 0x25, let high = hex(bytes[read + 1]), let low = hex(bytes[read + 2]) {
                out[count] = high << 4 | low
                read &+= 3
                changed = true
            } else if byte == 0x25, bytes[read + 1] | 0x20 == 0x75, let (code, length) = hexRun(bytes, read + 2, exactly: 4) {
                count &+= write(code, out + count)
                read &+= 2 &+ length
                changed = true
                continue
            } else if byte == 0x2B, plusIsBlank, bytes[read + 1] != 0x41 {
                out[count] = 0x20
                read &+= 1
                changed = true
            } else {
                out[count] = byte
                read &+= 1
            }
            count &+= 1
        }
        return (count, changed)
    }

    private static func escapes(_ bytes: MaliciousBytes, into out: UnsafeMutablePointer<UInt8>) -> (count: Int, changed: Bool) {
        var read = 0
        var count = 0
        var changed = false
        while read < bytes.count {
            let byte = bytes.base[read]
            var found: (code: UInt32, length: Int)?
            if byte == 0x26 {
                found = entity(bytes, read)
            } else if byte == 0x5C {
                found = escape(bytes, read)
            } else if byte == 0x2B {
                found = seven(bytes, read)
            }
            if let found {
                count &+= write(found.code, out + count)
                read &+= found.length
                changed = true
            } else {
                out[count] = byte
                count &+= 1
                read &+= 1
            }
        }
        return (count, changed)
    }

    private static func entity(_ bytes: MaliciousBytes, _ place: Int) -> (code: UInt32, length: Int)? {
        let second = bytes[place + 1] | 0x20
        guard bytes[place + 1] == 0x23 || (0x61...0x7A).contains(second) else { return nil }
        if bytes[place + 1] == 0x23 {
            var next = place + 2
            let isHex = bytes[next] | 0x20 == 0x78
            if isHex { next += 1 }
            let first = next
            var code: UInt32 = 0
            while next - first < 10, let digit = hex(bytes[next]), isHex || digit < 10 {
                code = min(code &* (isHex ? 16 : 10) &+ UInt32(digit), 0x11_0000)
                next += 1
            }
            guard next > first, code > 0, code < 0x11_0000 else { return nil }
            if bytes[next] == 0x3B { next += 1 }
            return (code, next - place)
        }
        let range = ranges.base[Int(second &- 0x61)]
        for index in Int(range.first)..<Int(range.stop) {
            let (name, code) = names[index]
            let length = name.utf8CodeUnitCount
            guard place + length < bytes.count else { continue }
            var same = true
            for offset in 0..<length where bytes[place + 1 + offset] | 0x20 != name.utf8Start[offset] {
                same = false
                break
            }
            if same {
                let next = place + 1 + length
                if bytes[next] == 0x3B { return (code, length + 2) }
                // Old names do without the semicolon.
                if code == 0x3C || code == 0x3E || code == 0x22 || code == 0x26 { return (code, length + 1) }
            }
        }
        return nil
    }

    /// Where the names with each first letter are.
    private static let ranges = MaliciousTable<(first: UInt8, stop: UInt8)>(count: 26) { letter in
        let first = names.firstIndex { $0.0.utf8Start[0] == UInt8(letter + 0x61) } ?? 0
        let stop = names.lastIndex { $0.0.utf8Start[0] == UInt8(letter + 0x61) }.map { $0 + 1 } ?? 0
        return (UInt8(first), UInt8(stop))
    }

    /// In the order of their first letters.
    private static let names: [(StaticString, UInt32)] = [
        ("amp", 0x26), ("apos", 0x27), ("ast", 0x2A), ("bsol", 0x5C), ("colon", 0x3A), ("comma", 0x2C), ("commat", 0x40),
        ("dollar", 0x24), ("equals", 0x3D), ("excl", 0x21), ("grave", 0x60), ("gt", 0x3E), ("hat", 0x5E), ("lbrace", 0x7B),
        ("lbrack", 0x5B), ("lcub", 0x7B), ("lowbar", 0x5F), ("lpar", 0x28), ("lsqb", 0x5B), ("lt", 0x3C), ("nbsp", 0x20),
        ("newline", 0x0A), ("num", 0x23), ("percnt", 0x25), ("period", 0x2E), ("plus", 0x2B), ("quest", 0x3F), ("quot", 0x22),
        ("rbrace", 0x7D), ("rbrack", 0x5D), ("rcub", 0x7D), ("rpar", 0x29), ("rsqb", 0x5D), ("semi", 0x3B), ("sol", 0x2F),
        ("tab", 0x09), ("vert", 0x7C),
    ]

    private static func escape(_ bytes: MaliciousBytes, _ place: Int) -> (code: UInt32, length: Int)? {
        switch bytes[place + 1] {
        case 0x78:
            return hexRun(bytes, place + 2, exactly: 2).map { ($0.0, 4) }
        case 0x75:
            if bytes[place + 2] == 0x7B {
                var next = place + 3
                var code: UInt32 = 0
                while next - place < 11, let digit = hex(bytes[next]) {
                    code = min(code &* 16 &+ UInt32(digit), 0x11_0000)
                    next += 1
                }
                guard next > place + 3, bytes[next] == 0x7D, code < 0x11_0000 else { return nil }
                return (code, next + 1 - place)
            }
            return hexRun(bytes, place + 2, exactly: 4).map { ($0.0, 6) }
        case 0x6E: return (0x0A, 2)
        case 0x72: return (0x0D, 2)
        case 0x74: return (0x09, 2)
        default:
            return nil
        }
    }

    /// `+ADw-` and `+AD4-`: angle brackets in UTF-7.
    private static func seven(_ bytes: MaliciousBytes, _ place: Int) -> (code: UInt32, length: Int)? {
        guard bytes[place + 1] == 0x41, bytes[place + 2] == 0x44, bytes[place + 4] == 0x2D else { return nil }
        if bytes[place + 3] == 0x77 { return (0x3C, 5) }
        return bytes[place + 3] == 0x34 ? (0x3E, 5) : nil
    }

    private static func hexRun(_ bytes: MaliciousBytes, _ place: Int, exactly length: Int) -> (UInt32, Int)? {
        var code: UInt32 = 0
        for offset in 0..<length {
            guard let digit = hex(bytes[place + offset]) else { return nil }
            code = code << 4 | UInt32(digit)
        }
        return (code, length)
    }

    /// Writes a character as UTF-8, a lone surrogate as its three bytes; never more bytes than its escape took.
    private static func write(_ code: UInt32, _ out: UnsafeMutablePointer<UInt8>) -> Int {
        func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: code >> shift & 0x3F) }
        switch code {
        case 0..<0x80:
            out[0] = UInt8(truncatingIfNeeded: code)
            return 1
        case 0x80..<0x800:
            out[0] = 0xC0 | UInt8(truncatingIfNeeded: code >> 6)
            out[1] = tail(0)
            return 2
        case 0x800..<0x1_0000:
            out[0] = 0xE0 | UInt8(truncatingIfNeeded: code >> 12)
            out[1] = tail(6)
            out[2] = tail(0)
            return 3
        default:
            out[0] = 0xF0 | UInt8(truncatingIfNeeded: code >> 18)
            out[1] = tail(12)
            out[2] = tail(6)
            out[3] = tail(0)
            return 4
        }
    }

    @inline(__always) private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    /// What the base64 runs of a text hold, where that is text, a line each; `nil` when there is none. The caller frees it.
    static func unpacked(_ source: UnsafeBufferPointer<UInt8>) -> UnsafeMutableBufferPointer<UInt8>? {
        guard let base = source.baseAddress else { return nil }
        let bytes = MaliciousBytes(base: base, count: source.count)
        let result = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: source.count)
        guard let out = result.baseAddress else { return nil }
        let worth = digits.base
        var place = 0
        var count = 0
        while place < bytes.count {
            let first = place
            while place < bytes.count, worth[Int(base[place])] != noDigit { place &+= 1 }
            if place - first >= shortestRun {
                let written = unpack(bytes, first, place, worth, out + count)
                if written > 0 {
                    count += written
                    out[count] = 0x0A
                    count += 1
                }
            }
            place += 1
        }
        guard count > 0 else {
            result.deallocate()
            return nil
        }
        return UnsafeMutableBufferPointer(start: out, count: count)
    }

    /// Decodes one run; 0 when it does not hold text.
    private static func unpack(
        _ bytes: MaliciousBytes, _ first: Int, _ stop: Int, _ worth: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var held: UInt32 = 0
        var bits = 0
        var count = 0
        for place in first..<stop {
            held = held << 6 | UInt32(worth[Int(bytes[place])] & 0x3F)
            bits += 6
            guard bits >= 8 else { continue }
            bits -= 8
            let byte = UInt8(truncatingIfNeeded: held >> UInt32(bits))
            // A handful of random bytes is enough to see that this is none.
            guard byte >= 0x20 && byte < 0x7F || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return 0 }
            out[count] = byte
            count += 1
        }
        return count
    }

}
