// Signs of a document type with entities, and of line breaks that begin a header field.
extension MaliciousScan {
    /// `<!ENTITY`, `<!DOCTYPE … [`, `<![CDATA[<]]>`.
    func entityDeclaration(_ place: Int) {
        if tokens.isWord("entity", place) {
            entity.add(weighed(10, place), at: place)
        } else if tokens.isWord("doctype", place) {
            for next in place + 1..<place + 12 {
                let kind = tokens.kind(next)
                if kind == UInt8(ascii: ">") || kind == MaliciousToken.end { return }
                if kind == UInt8(ascii: "[") { return entity.add(weighed(6, place), at: place) }
                if tokens.isWord("system", next) { return entity.add(weighed(8, place), at: place) }
            }
        } else if tokens.isWord("element", place) || tokens.isWord("attlist", place) {
            entity.add(weighed(4, place), at: place)
        } else if tokens.kind(place) == UInt8(ascii: "["), tokens.isWord("cdata", place + 1),
            tokens.kind(place + 2) == UInt8(ascii: "[")
        {
            let first = tokens.kind(place + 3)
            let second = tokens.kind(place + 4)
            if first == UInt8(ascii: "<"), second == UInt8(ascii: "]") || tokens.roles(place + 4).tag != .none {
                entity.add(weighed(10, place), at: place)
            } else {
                entity.add(weighed(3, place), at: place)
            }
        }
    }

    func line(_ place: Int) {
        lineStart = place + 1
        // A break that was spelled out separates commands.
        if decoded, isShort { brokenLine(place + 1) }
        // Only a text that begins with the break is made to be put behind a field.
        guard place == 0, context.kind != .prompt else { return }
        var next = place
        while tokens.kind(next) == MaliciousToken.line || tokens.kind(next) == 0x0D, next < 4 { next += 1 }
        guard tokens.kind(0) == 0x0D, next >= 2 else { return }
        mailVerb(next, 10)
        if tokens.roles(next + 1).shell == .mail, tokens[next].kind == MaliciousToken.word, tokens[next].length <= 3 {
            mailVerb(next + 2, 10)
        }
        // `A1 QUIT`: a tag of letters and digits.
        if tokens[next].kind == MaliciousToken.word, tokens.roles(next).shell == .none, tokens[next].length <= 5 {
            mailVerb(next + 1, 10)
        }
    }

    private func mailVerb(_ place: Int, _ points: Int) {
        guard tokens.roles(place).shell == .mail || tokens.isWord("mail", place) || tokens.isWord("data", place) else { return }
        header.add(weighed(points, place), at: place)
    }

    /// A percent sign: an encoded line break before a field, an encoded step up, an encoded NUL.
    func percent(_ place: Int) {
        let start = Int(tokens[place].start)
        let bytes = tokens.bytes
        forVariable(place)
        guard tokens[place + 1].glued, tokens.kind(place + 1) <= MaliciousToken.hex else { return }
        if bytes[start + 1] == 0x30, bytes[start + 2] == 0x61 || bytes[start + 2] == 0x64 {
            encodedBreak(place, start + 3)
        } else if bytes.holds("%e5%98%8a", at: start) || bytes.holds("%e5%98%8d", at: start) {
            encodedBreak(place, start + 9)
        } else if bytes.holds("%00", at: start) {
            path.add(weighed(4, place), at: place)
            if bytes[start + 3] == 0x2E || bytes[start - 1] == 0x2E { path.add(weighed(4, place), at: place) }
        } else if bytes.holds("%2e", at: start) {
            encodedDot(place, start)
        } else if bytes.holds("%c0", at: start) || bytes.holds("%c1", at: start) || bytes.holds("%e0%80", at: start)
            || bytes.holds("%f0%80", at: start) || bytes.holds("%f8", at: start) || bytes.holds("%fc", at: start)
            || bytes.holds("%uf025", at: start)
            || bytes.holds("%uefc8", at: start) || bytes.holds("%252e", at: start) || bytes.holds("%252f", at: start)
            || bytes.holds("%255c", at: start) || bytes.holds("%u2215", at: start)
            || bytes.holds("%u2216", at: start) || bytes.holds("%uff0e", at: start)
        {
            path.add(weighed(5, place), at: place)
        } else if tokens.isWord("systemroot", place + 1) || tokens.isWord("windir", place + 1)
            || tokens.isWord("comspec", place + 1)
        {
            shell.add(weighed(7, place), at: place)
        }
    }

    /// After an encoded break: a name, a colon.
    private func encodedBreak(_ place: Int, _ start: Int) {
        var at = start
        let bytes = tokens.bytes
        // The first of several breaks has looked already.
        if bytes[start - 6] == 0x25, bytes[start - 5] == 0x30, bytes[start - 4] == 0x61 || bytes[start - 4] == 0x64 { return }
        let stop = start + 60
        while bytes[at] == 0x25, at < stop { at += 3 }
        let first = at
        while isName(bytes[at]), at < stop { at += 1 }
        let length = at - first
        guard length > 1 else { return }
        if bytes[at] == 0x3A || bytes.holds("%3a", at: at) {
            header.add(weighed(10, place), at: place)
        } else if bytes.holds("http/1", at: first) || bytes.holds("<", at: first) || bytes.holds("%3c", at: at) {
            header.add(weighed(8, place), at: place)
        }
    }

    private func isName(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x5F
    }

    /// A field on a line of its own: what comes of a break, and ordinary in talk about HTTP.
    func headerField(_ colon: Int) {
        guard tokens.roles(colon - 1).code == .header else { return }
        var first = colon - 1
        while tokens.kind(first - 1) == UInt8(ascii: "-"), tokens.kind(first - 2) == MaliciousToken.word, colon - first < 8 {
            first -= 2
        }
        let before = tokens.kind(first - 1)
        let raw = before == MaliciousToken.line || before == 0x0D
        // The letters `\r\n`, spelled out.
        let spelled =
            tokens.isWord("n", first - 1) || (tokens[first].length > 1 && tokens.bytes[Int(tokens[first].start) - 1] == 0x5C)
        guard raw || spelled else { return }
        let attacks = tokens.isWord("set", first) || tokens.isWord("location", first)
        // A value that goes on in a field on the next line, with nothing in between, was one line.
        let oneLine = raw && tokens.kind(first - 2) == 0x0D
        header.add(weighed(spelled ? 8 : (attacks ? (oneLine && isShort ? 8 : 5) : 2), colon), at: colon)
        if attacks, oneLine, isShort { header.add(weighed(3, colon), at: colon) }
    }
}
