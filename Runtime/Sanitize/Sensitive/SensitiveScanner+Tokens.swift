/// Web tokens and private keys.
extension SensitiveScanner {
    /// Three parts in base64url, of which the first is a JSON head that names an algorithm; five for an encrypted one.
    mutating func webToken(at start: Int) {
        guard wants(.jwt), !SensitiveAlphabet.base64URL.has(at(start - 1)) || startsWord(start) else { return }
        let headEnd = end(of: .base64URL, from: start, most: 4096)
        guard headEnd - start >= 16, at(headEnd) == UInt8(ascii: "."), namesAlgorithm(slice(start, headEnd)) else { return }
        var last = end(of: .base64URL, from: headEnd + 1, most: Int.max / 2)
        guard last > headEnd + 4 else { return }
        let isSigned = at(last) == UInt8(ascii: ".")
        guard isSigned || bytes[headEnd + 1] == UInt8(ascii: "e") else { return }
        for _ in 0..<3 where at(last) == UInt8(ascii: ".") {
            let next = end(of: .base64URL, from: last + 1, most: Int.max / 2)
            // A full stop behind an unsigned token is not a part of it, but may as well go.
            last = next
        }
        while last < count, bytes[last] == UInt8(ascii: "=") { last += 1 }
        add(.jwt, "jwt", start, last)
    }

    private static let algorithm = Array("\"alg\"".utf8)
    private static let privateKeyWords = Array("private key".utf8)

    /// Whether this decodes to the start of an object with `"alg"` in it.
    private mutating func namesAlgorithm(_ part: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        let head = SensitiveBase64.decode(part, most: 2048)
        look(part.count)
        let isWhole = head.count < 2048
        let last = head.last(where: { !SensitiveAlphabet.space.has($0) })
        guard head.first == UInt8(ascii: "{"), !isWhole || last == UInt8(ascii: "}") else { return false }
        return head.withUnsafeBufferPointer { SensitiveRandomness.contains(SensitiveScanner.algorithm, in: $0[...]) }
    }

    /// A web token packed in base64 once more.
    mutating func wrappedWebToken(at start: Int) {
        guard wants(.jwt), !SensitiveAlphabet.base64.has(at(start - 1)) || startsWord(start) else { return }
        guard bytes[start] == UInt8(ascii: "Z"), at(start + 1) == UInt8(ascii: "X"), at(start + 3) == UInt8(ascii: "K") else {
            return
        }
        let last = end(of: SensitiveScanner.anyBase64, from: start, most: Int.max / 2)
        guard last - start >= 48 else { return }
        let inner = SensitiveBase64.decode(slice(start, last), most: 512)
        // `{"` and the start of a name: what follows need not decode.
        let isToken = inner.withUnsafeBufferPointer { inner -> Bool in
            let head = SensitiveBase64.decode(inner.prefix(16), most: 5)
            return head.starts(with: "{\"".utf8) && head.dropFirst(2).allSatisfy(SensitiveAlphabet.word.has)
        }
        if isToken { add(.jwt, "jwt-base64", start, last) }
    }

    /// The line that opens the key file of a Google service account.
    mutating func serviceAccount(at start: Int, end: Int) {
        guard wants(.apiKey), at(start - 1) == UInt8(ascii: "\""), at(end) == UInt8(ascii: "\"") else { return }
        let gap = self.start(of: SensitiveAlphabet("\": \t\r\n"), before: start, most: 8)
        guard gap >= 4, slice(gap - 4, gap).elementsEqual("type".utf8) else { return }
        add(.apiKey, "gcp-service-account", start, end)
    }

    /// A PEM block, from its first dash to its last, or to where the text breaks off. Line breaks may be escaped.
    mutating func privateKey(at start: Int, textEnd: Int) {
        guard wants(.privateKey) else { return }
        let label = end(of: SensitiveScanner.label, from: textEnd, most: 128)
        let title = slice(textEnd, label)
        guard slice(label, min(count, label + 3)).elementsEqual("---".utf8) || title.count > 3,
            SensitiveRandomness.contains(SensitiveScanner.privateKeyWords, in: title)
        else { return }
        let body = label
        var (index, letters) = (body, 0)
        while index < count, SensitiveScanner.pemBody.has(bytes[index]) {
            if bytes[index] == UInt8(ascii: "-"), isDashes(index), index > body + 5 { break }
            if SensitiveAlphabet.base64.has(bytes[index]) { letters += 1 }
            index += 1
        }
        look(index - start)
        guard letters >= 60 else { return }
        if isDashes(index) {
            let tail = end(of: SensitiveScanner.labelAndDashes, from: index, most: 128)
            if SensitiveRandomness.contains(Array("key".utf8), in: slice(index, tail)),
                SensitiveRandomness.contains(Array("end".utf8), in: slice(index, tail))
            {
                // Only the dashes of its own end: the next block may follow on the same line.
                var last = index + 5
                while last < tail, !isDashes(last) { last += 1 }
                index = min(tail, last + 5)
            }
        }
        add(.privateKey, "private-key", start, index)
    }

    private static let anyBase64 = SensitiveAlphabet.base64.union(SensitiveAlphabet("_-="))
    private static let labelAndDashes = label.union(SensitiveAlphabet("-"))
    private static let label = SensitiveAlphabet.word.union(SensitiveAlphabet(" "))
    private static let pemBody = SensitiveAlphabet.base64.union(SensitiveAlphabet("=-\\ \t\r\n:,.\"'_"))

    private func isDashes(_ index: Int) -> Bool {
        guard index >= 0, index + 5 <= count else { return false }
        return slice(index, index + 5).allSatisfy { $0 == UInt8(ascii: "-") }
    }

    /// The private lines of a PuTTY key file.
    mutating func puttyKey(after start: Int) {
        guard wants(.privateKey) else { return }
        var index = end(of: SensitiveAlphabet.digits.union(.space), from: start, most: 16)
        let body = index
        while index < count {
            let line = end(of: SensitiveAlphabet.base64.union(SensitiveAlphabet("=")), from: index, most: 80)
            guard line > index, line - index >= 16 || at(line - 1) == UInt8(ascii: "=") else { break }
            index = line
            while index < count, index < line + 2, SensitiveAlphabet.space.has(bytes[index]) { index += 1 }
            if index == line { break }
        }
        if index - body >= 40 { add(.privateKey, "putty-private-key", body, index) }
    }
}
