import SwiftletJSON

/// What the mock says: always the same sixty words, so that a missing one shows.
package enum Words {
    package static let text = """
        This is the Swiftlet mock of Gemini, not Gemini itself: nothing you read here was written by a model. It always answers with \
        exactly these sixty words, so that half an answer shows. A naïve reader may count them, sip some coffee, smile 🙂 and count \
        again: none is missing, none comes twice, and the very last one is goodbye.
        """

    package static let all = text.split(separator: " ").map(String.init)

    /// As they travel in a stream: every word but the first brings the space before it.
    static let pieces = [all[0]] + all.dropFirst().map { " " + $0 }

    /// The same as JSON strings, quotes included.
    static let encodedText = JSON.string(text).bytes
    static let encodedPieces = pieces.map { JSON.string($0).bytes }

    /// So many bytes of whole answers, one after the other.
    static func repeated(_ bytes: Int) -> [UInt8] {
        let once = Array((text + "\n").utf8)
        var all: [UInt8] = []
        all.reserveCapacity(bytes + once.count)
        while all.count < bytes { all += once }
        return all
    }
}
