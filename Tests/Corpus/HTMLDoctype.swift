import Foundation

/// What a doctype says. The sanitiser only needs to know where one ends; the test data wants to know all of it.
package struct HTMLDoctype {
    private var name: String?
    private var publicID: String?
    private var systemID: String?
    private var isCorrect = true
    private let bytes: [UInt8]
    private var at = 0

    package var token: [Any] { ["DOCTYPE", name ?? NSNull(), publicID ?? NSNull(), systemID ?? NSNull(), isCorrect] as [Any] }

    /// - Parameter bytes: what stands between `<!doctype` and `>`, or the end of the text.
    package init(_ bytes: [UInt8], isCutOff: Bool) {
        self.bytes = bytes
        let isWhole = read()
        if !isWhole || isCutOff && !isBogus { isCorrect = false }
    }

    /// The rest was skipped up to the bracket: then it does not matter how it ended.
    private var isBogus = false

    private mutating func read() -> Bool {
        skipSpace()
        guard at < bytes.count else { return false }
        name = String(decoding: word().map { 0x41...0x5A ~= $0 ? $0 | 0x20 : $0 }, as: UTF8.self)
        skipSpace()
        guard at < bytes.count else { return true }
        if keyword("public") {
            guard let text = identifier() else { return false }
            publicID = text.text
            guard text.isClosed else { return false }
            skipSpace()
            guard at < bytes.count else { return true }
        } else if !keyword("system") {
            isBogus = true
            return false
        }
        guard let text = identifier() else {
            isBogus = at < bytes.count
            return false
        }
        systemID = text.text
        guard text.isClosed else { return false }
        skipSpace()
        isBogus = at < bytes.count
        return true
    }

    private mutating func skipSpace() {
        while at < bytes.count, isSpace(bytes[at]) { at += 1 }
    }

    private mutating func word() -> [UInt8] {
        let start = at
        while at < bytes.count, !isSpace(bytes[at]) { at += 1 }
        return Array(bytes[start..<at])
    }

    private mutating func keyword(_ word: String) -> Bool {
        let end = at + word.utf8.count
        guard end <= bytes.count, String(decoding: bytes[at..<end], as: UTF8.self).lowercased() == word else { return false }
        at = end
        return true
    }

    private mutating func identifier() -> (text: String, isClosed: Bool)? {
        skipSpace()
        guard at < bytes.count, bytes[at] == 0x22 || bytes[at] == 0x27 else { return nil }
        let quote = bytes[at]
        at += 1
        let start = at
        while at < bytes.count, bytes[at] != quote { at += 1 }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        let isClosed = at < bytes.count
        if isClosed { at += 1 }
        return (text, isClosed)
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0C }
}
