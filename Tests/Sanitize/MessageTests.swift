import Corpus
import SwiftletSanitize
import TestSupport
import Testing

@Suite struct MessageTests {
    @Test(.enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"))
    func `ordinary messages are valid and come back unchanged`() throws {
        var changed: [String] = []
        var refused: [String] = []
        for row in try CorpusFiles.rows("benign/messages.jsonl") {
            let answer = judgeBenign(row)
            let input = row["input"] as? String ?? ""
            if (answer["output"] as? String)?.utf8.elementsEqual(input.utf8) != true {
                changed.append(row["id"] as? String ?? "")
            }
            if answer["valid"] as? Bool != true { refused.append(row["id"] as? String ?? "") }
        }
        #expect(changed == [])
        #expect(refused == [])
    }

    @Test func `lengths are judged at the limit, in letters and in bytes`() {
        #expect(validateMessage(String(repeating: "a", count: 10_000)).valid)
        #expect(validateMessage(String(repeating: "a", count: 10_001)).errors == [.tooLong])
        #expect(validateMessage(String(repeating: "😀", count: 10_000)).valid)
        #expect(validateMessage(String(repeating: "👩‍👩‍👧‍👦", count: 1_600)).valid)
        #expect(validateMessage(String(repeating: "👩‍👩‍👧‍👦", count: 1_601)).errors == [.tooLong])
        #expect(validateMessage(String(repeating: "e\u{301}", count: 10_000)).valid)
        #expect(validateMessage("abc", limits: MessageLimits(maxCharacters: -1)).errors == [.tooLong])
    }

    @Test(arguments: ["", " \n\t ", "\u{200b}\u{200d}", "\u{3164}", "\u{2800}\u{ad}", "\u{202e}\u{feff}"])
    func `a message without anything to see is empty`(text: String) {
        #expect(validateMessage(text).errors == [.empty])
        #expect(validateMessage(text, attachments: 1).valid)
    }

    @Test func `controls are found, line ends are none`() {
        #expect(validateMessage("a\r\nb\tc\rd").valid)
        for text in ["a\u{0}", "a\u{1b}[0m", "a\u{7f}", "a\u{85}", "a\u{8}"] {
            #expect(validateMessage(text).errors == [.controlCharacters])
        }
        #expect(validateMessage("__\u{8}\u{8}up").valid)
        #expect(validateMessage("__\u{8}_\u{8}\u{8}up").errors == [.controlCharacters])
    }

    @Test func `bytes that are not UTF-8 are found`() {
        for bytes in [[0xFF], [0xED, 0xA0, 0x80], [0xC0, 0xAF], [0x61, 0xE2, 0x82]] as [[UInt8]] {
            #expect(bytes.withUnsafeBufferPointer { validateMessage($0) }.errors == [.invalidUTF8])
        }
        let large = [UInt8](repeating: 0xFF, count: 40_001)
        #expect(large.withUnsafeBufferPointer { validateMessage($0) }.errors == [.tooLong])
    }

    @Test func `links, mentions and attachments are counted`() {
        let limits = MessageLimits(maxLinks: 2, maxMentions: 2, maxAttachments: 2)
        #expect(validateMessage("http://a https://b/www.x?http://y xhttp://n", limits: limits).valid)
        #expect(validateMessage("(HTTP://a) <https://b> \"www.c\"", limits: limits).errors == [.tooManyLinks])
        #expect(validateMessage("www.a http://b http:// www.", limits: limits).valid)
        #expect(validateMessage("@ann (@bo) me@x.org @ @@ a.@c https://x/@u/@v", limits: limits).valid)
        #expect(validateMessage("@ann @bo,@cy", limits: limits).errors == [.tooManyMentions])
        #expect(validateMessage("@анна @名 😀@ok", limits: limits).errors == [.tooManyMentions])
        #expect(validateMessage("a", attachments: 2, limits: limits).valid)
        #expect(validateMessage("a", attachments: 3, limits: limits).errors == [.tooManyAttachments])
    }
}
