/// How long a text may be. Longer ones are cut where a letter ends for a reader, never inside an emoji or before its marks.
public struct TextLimits: Hashable, Sendable {
    /// In letters as a reader counts them (grapheme clusters).
    public var maxCharacters: Int
    /// In UTF-8 bytes.
    public var maxBytes: Int

    public init(maxCharacters: Int = .max, maxBytes: Int = .max) {
        self.maxCharacters = max(0, maxCharacters)
        self.maxBytes = max(0, maxBytes)
    }

    /// Nothing is cut: the size of the text is bounded elsewhere.
    public static let none = TextLimits()
    /// What `validateMessage` accepts: 10,000 characters, 40,000 bytes.
    public static let message = TextLimits(maxCharacters: 10_000, maxBytes: 40_000)
}

/// Plain text without what cannot be seen: safe to store, to compare and to show. Tags are text here; use `sanitizeHTML` for
/// a page.
///
/// The answer is well-formed Unicode in normalisation form C. Taken out: control characters but tab and line feed (carriage
/// returns and Unicode's line and paragraph separators become line feeds), direction controls, zero-width characters, tag
/// characters, noncharacters, marks past the twentieth on one letter. Kept: joiners and variation selectors inside emoji
/// and where a script needs them, flags of regions, backspaces over underscores (underlining in old plain texts). What was
/// clean comes back unchanged, and sanitising again changes nothing.
public func sanitizeText(_ text: String, limits: TextLimits = .none) -> String {
    SanitizedText.of(text, limits: limits)
}

/// The same for bytes that should be UTF-8: what is not becomes U+FFFD.
package func sanitizeText(_ bytes: UnsafeBufferPointer<UInt8>, limits: TextLimits = .none) -> String {
    SanitizedText.of(String(decoding: bytes, as: UTF8.self), limits: limits)
}

package enum SanitizedText {
    static func of(_ text: String, limits: TextLimits) -> String {
        var text = text
        var steps = 0
        let changed: [UInt8]? = text.withUTF8 { isClean($0) ? nil : clean($0, steps: &steps) }
        return cut(changed.map { String(decoding: $0, as: UTF8.self) } ?? text, limits)
    }

    /// Steps that cleaning a text takes, a measure that does not depend on the machine.
    package static func steps(_ text: String) -> Int {
        var text = text
        var steps = 0
        text.withUTF8 { _ = clean($0, steps: &steps) }
        return steps
    }

    /// Printable ASCII, tabs and line feeds only: most texts.
    private static func isClean(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A || $0 == 0x09 }
    }

    /// Nil when nothing changes. Composing can put letters where the filter had seen others, so both go on until they agree:
    /// twice is enough for every text, and the bound is there for the day it is not.
    private static func clean(_ bytes: UnsafeBufferPointer<UInt8>, steps: inout Int) -> [UInt8]? {
        let first = TextFilter.filter(bytes)
        steps &+= first.steps
        guard first.isUnstable else { return first.dropped ? first.text : nil }
        var current = first.text
        var isChanged = first.dropped
        var keptSpecial = first.keptSpecial
        for _ in 0..<4 {
            let composed = current.withUnsafeBufferPointer { TextComposer.compose($0) }
            steps &+= composed.steps
            if composed.text == current { break }
            isChanged = true
            current = composed.text
            guard keptSpecial || composed.hasLongRun else { break }
            let again = current.withUnsafeBufferPointer { TextFilter.filter($0) }
            steps &+= again.steps
            guard again.dropped else { break }
            current = again.text
            keptSpecial = again.keptSpecial
        }
        return isChanged ? current : nil
    }

    private static func cut(_ text: String, _ limits: TextLimits) -> String {
        guard text.utf8.count > min(limits.maxBytes, limits.maxCharacters) else { return text }
        // No text has more characters than scalars: this is cheaper to count.
        if text.utf8.count <= limits.maxBytes, text.unicodeScalars.count <= limits.maxCharacters { return text }
        var end = text.startIndex
        var bytes = 0
        var characters = 0
        while end < text.endIndex, characters < limits.maxCharacters {
            let next = text.index(after: end)
            let length = text.utf8.distance(from: end, to: next)
            guard bytes + length <= limits.maxBytes else { break }
            bytes += length
            characters += 1
            end = next
        }
        guard end < text.endIndex else { return text }
        // What was between two letters may be last now.
        return SanitizedText.of(String(text[..<end]), limits: .none)
    }
}
