/// Judges a document while it arrives, in parts of any size: the same verdict as ``JSON/parse(_:limits:)``, as soon as a byte decides it.
///
/// It keeps none of the document but the name or number it is in, one bit per open container, and eight bytes per member name of the
/// open objects. Two names of one object are taken for the same when a keyed hash of 64 bits is, seeded anew in every process.
public struct JSONIntake: Sendable {
    private enum State: UInt8 {
        /// A value must follow; after `[` its end may too.
        case value, valueOrEnd
        /// A name must follow; after `{` its end may too.
        case name, nameOrEnd
        case colon
        /// A comma or an end, or nothing when no container is open.
        case after
        case string, escape, hex, lowSurrogate, lowSurrogateU
        /// The bytes of a character after its first.
        case continuation
        case minus, zero, whole, point, fraction, exponentMark, exponentSign, exponent
        case word
    }

    private struct Failure: Error {
        let code: JSONError.Code
        init(_ code: JSONError.Code) { self.code = code }
    }

    private let limits: JSONLimits
    private var state = State.value
    private var isName = false
    private var depth = 0
    /// A bit for each open container, set for objects.
    private var containers: [UInt64] = []
    private var inObject = false
    private var members = 0
    private var elements = 0
    /// Bytes judged so far.
    private var position = 0
    /// Where the string or number that is open began.
    private var start = 0
    private var digits = 0
    private var exponentDigits = 0
    /// The text of the open name (escapes resolved) or number.
    private var text: [UInt8] = []
    /// Of the open objects, the innermost last.
    private var names = JSONIntakeNames()
    private var hexLeft = 0
    private var unit: UInt32 = 0
    private var highSurrogate: UInt32 = 0
    /// Of an open character: how many bytes are to come, and between which the next must be.
    private var continuations = 0
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF
    /// What is left of `true`, `false` or `null`.
    private var word: StaticString = ""
    private var wordIndex = 0

    public init(limits: JSONLimits = .standard) { self.limits = limits }

    /// Takes the next part. After an error it takes no more.
    public mutating func take(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var index = 0
        let base = position
        do throws(Failure) {
            while index < bytes.count {
                if state == .string { index = try plain(bytes, from: index, base: base) }
                guard index < bytes.count else { break }
                position = base &+ index
                try take(bytes[index])
                index &+= 1
            }
            position = base &+ bytes.count
        } catch {
            throw JSONError(error.code, at: position)
        }
    }

    /// Says that nothing more comes.
    public mutating func finish() throws(JSONError) {
        do throws(Failure) {
            switch state {
            case .zero, .whole, .fraction, .exponent: try endNumber()
            case .minus, .point, .exponentMark, .exponentSign: throw Failure(.invalidNumber)
            default: break
            }
        } catch {
            throw JSONError(error.code, at: start)
        }
        guard state == .after, depth == 0 else { throw JSONError(.unexpectedEnd, at: position) }
    }

    private mutating func take(_ byte: UInt8) throws(Failure) {
        switch state {
        case .value, .valueOrEnd: try takeValue(byte)
        case .name, .nameOrEnd:
            if JSONIntake.isSpace(byte) { return }
            if byte == UInt8(ascii: "}"), state == .nameOrEnd { return close() }
            guard byte == UInt8(ascii: "\"") else { throw Failure(.unexpectedByte) }
            members &+= 1
            guard members <= limits.members else { throw Failure(.tooManyMembers) }
            openString(isName: true)
        case .colon:
            if JSONIntake.isSpace(byte) { return }
            guard byte == UInt8(ascii: ":") else { throw Failure(.unexpectedByte) }
            state = .value
        case .after: try takeAfter(byte)
        case .string, .escape, .hex, .lowSurrogate, .lowSurrogateU, .continuation: try takeText(byte)
        case .minus, .zero, .whole, .point, .fraction, .exponentMark, .exponentSign, .exponent: try takeNumber(byte)
        case .word:
            guard byte == word.utf8Start[wordIndex] else { throw Failure(.unexpectedByte) }
            wordIndex &+= 1
            if wordIndex == word.utf8CodeUnitCount { state = .after }
        }
    }

    // MARK: Structure

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private mutating func takeValue(_ byte: UInt8) throws(Failure) {
        if JSONIntake.isSpace(byte) { return }
        if byte == UInt8(ascii: "]"), state == .valueOrEnd { return close() }
        if depth > 0, !inObject {
            elements &+= 1
            guard elements <= limits.elements else { throw Failure(.tooManyElements) }
        }
        switch byte {
        case UInt8(ascii: "\""): openString(isName: false)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard depth < limits.depth else { throw Failure(.tooDeep) }
            open(isObject: byte == UInt8(ascii: "{"))
        case UInt8(ascii: "-"): openNumber(.minus, byte)
        case UInt8(ascii: "0"): openNumber(.zero, byte)
        case UInt8(ascii: "1")...UInt8(ascii: "9"): openNumber(.whole, byte)
        case UInt8(ascii: "t"): open(word: "true")
        case UInt8(ascii: "f"): open(word: "false")
        case UInt8(ascii: "n"): open(word: "null")
        default: throw Failure(.unexpectedByte)
        }
    }

    private mutating func takeAfter(_ byte: UInt8) throws(Failure) {
        if JSONIntake.isSpace(byte) { return }
        guard depth > 0 else { throw Failure(.trailingBytes) }
        if byte == UInt8(ascii: ",") {
            state = inObject ? .name : .value
        } else if byte == (inObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
            close()
        } else {
            throw Failure(.unexpectedByte)
        }
    }

    private mutating func open(isObject: Bool) {
        if depth & 63 == 0, depth >> 6 == containers.count { containers.append(0) }
        let bit = UInt64(1) << UInt64(depth & 63)
        if isObject { containers[depth >> 6] |= bit } else { containers[depth >> 6] &= ~bit }
        depth &+= 1
        inObject = isObject
        if isObject { names.open() }
        state = isObject ? .nameOrEnd : .valueOrEnd
    }

    private mutating func close() {
        if inObject { names.close() }
        depth &-= 1
        inObject = depth > 0 && containers[(depth &- 1) >> 6] & (UInt64(1) << UInt64((depth &- 1) & 63)) != 0
        state = .after
    }

    private mutating func open(word: StaticString) {
        self.word = word
        wordIndex = 1
        state = .word
    }

    // MARK: Strings

    private mutating func openString(isName: Bool) {
        self.isName = isName
        start = position &+ 1
        if isName { text.removeAll(keepingCapacity: true) }
        state = .string
    }

    /// Passes over what needs no look at single bytes; answers where that ends.
    private mutating func plain(_ bytes: UnsafeRawBufferPointer, from first: Int, base: Int) throws(Failure) -> Int {
        var index = first
        // Eight bytes at a time, as the parser does it.
        while index &+ 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let quote = word ^ 0x2222_2222_2222_2222
            let slash = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let flags =
                ((word &- 0x2020_2020_2020_2020) | (quote &- 0x0101_0101_0101_0101) | (slash &- 0x0101_0101_0101_0101) | word)
                & 0x8080_8080_8080_8080
            if flags != 0 {
                index &+= flags.trailingZeroBitCount &>> 3
                break
            }
            index &+= 8
        }
        if index > first {
            if isName { text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[first..<index])) }
            guard base &+ index &- start <= limits.stringBytes else {
                position = start
                throw Failure(.stringTooLong)
            }
        }
        return index
    }

    private mutating func takeText(_ byte: UInt8) throws(Failure) {
        switch state {
        case .escape:
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): keep(UInt32(byte))
            case UInt8(ascii: "b"): keep(0x08)
            case UInt8(ascii: "f"): keep(0x0C)
            case UInt8(ascii: "n"): keep(0x0A)
            case UInt8(ascii: "r"): keep(0x0D)
            case UInt8(ascii: "t"): keep(0x09)
            case UInt8(ascii: "u"):
                hexLeft = 4
                unit = 0
                state = .hex
                return
            default: throw Failure(.invalidEscape)
            }
            state = .string
        case .hex: try takeHex(byte)
        case .lowSurrogate:
            guard byte == UInt8(ascii: "\\") else { throw Failure(.loneSurrogate) }
            state = .lowSurrogateU
        case .lowSurrogateU:
            guard byte == UInt8(ascii: "u") else { throw Failure(.loneSurrogate) }
            hexLeft = 4
            unit = 0
            state = .hex
        case .continuation:
            guard byte >= lowest, byte <= highest else { throw Failure(.invalidUTF8) }
            (lowest, highest) = (0x80, 0xBF)
            continuations &-= 1
            if isName { text.append(byte) }
            if continuations == 0 { state = .string }
        default: try takeCharacter(byte)
        }
    }

    private mutating func takeCharacter(_ byte: UInt8) throws(Failure) {
        if byte == UInt8(ascii: "\"") { return try closeString() }
        guard byte >= 0x20 else { throw Failure(.controlCharacter) }
        if byte == UInt8(ascii: "\\") {
            state = .escape
        } else if byte < 0x80 {
            if isName { text.append(byte) }
        } else {
            // No overlong forms, no surrogates, nothing past U+10FFFF.
            switch byte {
            case 0xC2...0xDF: continuations = 1
            case 0xE0: (continuations, lowest) = (2, 0xA0)
            case 0xED: (continuations, highest) = (2, 0x9F)
            case 0xE1...0xEF: continuations = 2
            case 0xF0: (continuations, lowest) = (3, 0x90)
            case 0xF4: (continuations, highest) = (3, 0x8F)
            case 0xF1...0xF3: continuations = 3
            default: throw Failure(.invalidUTF8)
            }
            if isName { text.append(byte) }
            state = .continuation
        }
    }

    private mutating func takeHex(_ byte: UInt8) throws(Failure) {
        let digit: UInt8
        if byte.isDigit {
            digit = byte &- UInt8(ascii: "0")
        } else if (byte | 0x20) &- UInt8(ascii: "a") < 6 {
            digit = (byte | 0x20) &- UInt8(ascii: "a") &+ 10
        } else {
            throw Failure(highSurrogate == 0 ? .invalidEscape : .loneSurrogate)
        }
        unit = unit &<< 4 | UInt32(digit)
        hexLeft &-= 1
        guard hexLeft == 0 else { return }
        if highSurrogate != 0 {
            guard unit & 0xFC00 == 0xDC00 else { throw Failure(.loneSurrogate) }
            keep(0x10000 &+ (highSurrogate & 0x3FF) &<< 10 &+ (unit & 0x3FF))
            highSurrogate = 0
            state = .string
        } else if unit & 0xFC00 == 0xDC00 {
            throw Failure(.loneSurrogate)
        } else if unit & 0xFC00 == 0xD800 {
            highSurrogate = unit
            state = .lowSurrogate
        } else {
            keep(unit)
            state = .string
        }
    }

    private mutating func keep(_ scalar: UInt32) {
        guard isName, let scalar = Unicode.Scalar(scalar) else { return }
        text.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
    }

    private mutating func closeString() throws(Failure) {
        guard position &- start <= limits.stringBytes else {
            position = start
            throw Failure(.stringTooLong)
        }
        guard isName else {
            state = .after
            return
        }
        if limits.duplicateNames == .refuse, !names.insert(text) {
            position = start &- 1
            throw Failure(.duplicateName)
        }
        state = .colon
    }

    // MARK: Numbers

    private mutating func openNumber(_ state: State, _ byte: UInt8) {
        self.state = state
        start = position
        text.removeAll(keepingCapacity: true)
        text.append(byte)
        digits = byte.isDigit ? 1 : 0
        exponentDigits = 0
    }

    private mutating func takeNumber(_ byte: UInt8) throws(Failure) {
        if byte.isDigit {
            switch state {
            case .zero: throw Failure(.invalidNumber)
            case .minus: state = byte == UInt8(ascii: "0") ? .zero : .whole
            case .point: state = .fraction
            case .exponentMark, .exponentSign: state = .exponent
            default: break
            }
            digits &+= 1
            if state == .exponent { exponentDigits &+= 1 }
            guard digits <= limits.digits else {
                position = start
                throw Failure(.numberTooLong)
            }
            text.append(byte)
            return
        }
        switch (state, byte) {
        case (.zero, UInt8(ascii: ".")), (.whole, UInt8(ascii: ".")): state = .point
        case (.zero, UInt8(ascii: "e")), (.whole, UInt8(ascii: "e")), (.fraction, UInt8(ascii: "e")),
            (.zero, UInt8(ascii: "E")), (.whole, UInt8(ascii: "E")), (.fraction, UInt8(ascii: "E")):
            state = .exponentMark
        case (.exponentMark, UInt8(ascii: "+")), (.exponentMark, UInt8(ascii: "-")): state = .exponentSign
        case (.zero, _), (.whole, _), (.fraction, _), (.exponent, _):
            try endNumber()
            return try takeAfter(byte)
        default: throw Failure(.invalidNumber)
        }
        text.append(byte)
    }

    private mutating func endNumber() throws(Failure) {
        state = .after
        // Only these can be too large for a Double.
        guard exponentDigits > 2 || text.count > 200 else { return }
        let isFinite = text.withUnsafeBufferPointer { JSON.Number.double($0).isFinite }
        guard isFinite else {
            position = start
            throw Failure(.invalidNumber)
        }
    }
}

/// The member names of the open objects, as hashes: a few are looked through, many are kept as a set.
private struct JSONIntakeNames: Sendable {
    private var hashes: [Int] = []
    /// Where the names of each open object begin in `hashes`, and the set it has when they are many.
    private var objects: [(first: Int, many: Set<Int>?)] = []
    private static let compared = 16

    mutating func open() { objects.append((hashes.count, nil)) }

    mutating func close() {
        guard let object = objects.popLast() else { return }
        hashes.removeLast(hashes.count - object.first)
    }

    /// False when the innermost object has the name already.
    mutating func insert(_ name: [UInt8]) -> Bool {
        guard let object = objects.indices.last else { return true }
        var hasher = Hasher()
        name.withUnsafeBytes { hasher.combine(bytes: $0) }
        let hash = hasher.finalize()
        if objects[object].many != nil { return objects[object].many?.insert(hash).inserted ?? true }
        let mine = hashes[objects[object].first...]
        guard !mine.contains(hash) else { return false }
        if mine.count == JSONIntakeNames.compared {
            objects[object].many = Set(mine)
            objects[object].many?.insert(hash)
        } else {
            hashes.append(hash)
        }
        return true
    }
}
