/// One token of a view: a word, a number, a line break, or one character.
struct MaliciousToken {
    /// The kinds that are no character of their own; every other kind is the ASCII character itself.
    static let end: UInt8 = 0
    static let word: UInt8 = 1
    static let number: UInt8 = 2
    static let hex: UInt8 = 3
    static let line: UInt8 = 0x0A

    var start: UInt32 = 0
    var length: UInt32 = 0
    /// The word's id, 0 for a word without a meaning.
    var word: UInt16 = 0
    var kind: UInt8 = 0
    /// Nothing stands between this token and the one before.
    var glued = false

    var stop: Int { Int(start) &+ Int(length) }
}

/// The tokens of one stretch of a view. Reads outside answer the end.
struct MaliciousTokens {
    let base: UnsafePointer<MaliciousToken>
    let count: Int
    let bytes: MaliciousBytes
    let roles: UnsafePointer<MaliciousWords.Roles>

    @inline(__always) subscript(_ place: Int) -> MaliciousToken {
        UInt(bitPattern: place) < UInt(bitPattern: count) ? base[place] : MaliciousToken()
    }

    @inline(__always) func kind(_ place: Int) -> UInt8 {
        UInt(bitPattern: place) < UInt(bitPattern: count) ? base[place].kind : MaliciousToken.end
    }

    /// Whether the token is this character, right behind the token before it.
    @inline(__always) func glued(_ character: UInt8, _ place: Int) -> Bool {
        let token = self[place]
        return token.kind == character && token.glued
    }

    @inline(__always) func roles(_ place: Int) -> MaliciousWords.Roles { roles[Int(self[place].word)] }

    /// Whether the token is this word.
    @inline(__always) func isWord(_ text: StaticString, _ place: Int) -> Bool {
        let token = self[place]
        return token.kind == MaliciousToken.word && token.length == UInt32(truncatingIfNeeded: text.utf8CodeUnitCount)
            && bytes.holds(text, at: Int(token.start))
    }
}

/// Cuts a view into tokens.
enum MaliciousLexer {
    private enum Class { static let other: UInt8 = 0, blank: UInt8 = 1, letter: UInt8 = 2, digit: UInt8 = 3, line: UInt8 = 4 }

    private static let classes = MaliciousTable<UInt8>(count: 256) { byte in
        switch byte {
        case 0x20: Class.blank
        case 0x0A, 0x0D: Class.line
        case 0x30...0x39: Class.digit
        case 0x61...0x7A, 0x5F, 0x80...0xFF: Class.letter
        default: Class.other
        }
    }

    /// Tokens kept of a run of one sign.
    private static let longestRun = 12

    /// Writes the tokens of `bytes` from `start` to `stop`, at most one per byte, and answers how many.
    static func cut(_ bytes: MaliciousBytes, _ start: Int, _ stop: Int, into tokens: UnsafeMutablePointer<MaliciousToken>) -> Int
    {
        let words = MaliciousWords.table
        let classes = classes.base
        let base = bytes.base
        var place = start
        var count = 0
        var glued = false
        var sign: UInt8 = 0
        var run = 0
        while place < stop {
            let byte = base[place]
            let first = place
            var token = MaliciousToken(start: UInt32(truncatingIfNeeded: first), glued: glued)
            switch classes[Int(byte)] {
            case Class.blank:
                place &+= 1
                glued = false
                continue
            case Class.letter:
                repeat { place &+= 1 } while place < stop && classes[Int(base[place])] & 2 != 0
                token.kind = MaliciousToken.word
                token.word = words.id(MaliciousWords.key(base + first, place &- first))
            case Class.digit:
                token.kind = MaliciousToken.number
                if byte == 0x30, bytes[first + 1] == 0x78, isHex(bytes[first + 2]) {
                    place &+= 2
                    while place < stop, isHex(base[place]) { place &+= 1 }
                    token.kind = MaliciousToken.hex
                } else {
                    while place < stop,
                        classes[Int(base[place])] == Class.digit
                            || (base[place] == 0x2E && classes[Int(bytes[place + 1])] == Class.digit)
                    {
                        place &+= 1
                    }
                }
            case Class.line:
                place &+= 1
                token.kind = byte
                glued = false
                token.length = 1
                tokens[count] = token
                count &+= 1
                continue
            default:
                place &+= 1
                token.kind = byte
                // A long run of one sign says no more than a short one.
                if glued, byte == sign {
                    run &+= 1
                    if run >= longestRun { continue }
                } else {
                    run = 0
                }
                sign = byte
            }
            token.length = UInt32(truncatingIfNeeded: place &- first)
            tokens[count] = token
            count &+= 1
            glued = true
        }
        return count
    }

    private static func isHex(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }
}
