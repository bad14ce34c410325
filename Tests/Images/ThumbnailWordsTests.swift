import SwiftletFiles
import Testing

@testable import SwiftletImages

@Suite struct ThumbnailWordsTests {
    let ask = AskWords(
        source: .heic, made: .jpeg, fit: .filling, width: 300, height: 200, quality: 80, count: 5_000_000, most: 8 << 20,
        pixels: 100_000_000)

    @Test func `words are read as they were written`() {
        #expect(AskWords(ask.bytes) == ask)
        #expect(ask.bytes.count == AskWords.size)
        for boot in [BootWords(parent: 77), BootWords(parent: 77, user: 1000, group: 100), BootWords(parent: 7, user: 0)] {
            #expect(BootWords(boot.bytes) == boot)
            #expect(boot.bytes.count == BootWords.size)
        }
        let answer = AnswerWords(.pixels, count: 12)
        #expect(AnswerWords(answer.bytes) == answer)
        #expect(answer.bytes.count == AnswerWords.size)
    }

    @Test func `words with a number out of bounds, too short or too long, are no words`() {
        for place in stride(from: 0, to: 28, by: 4) {
            for value: UInt8 in [0xff, 0] where !(place == 12 && value == 0) {
                var bytes = ask.bytes
                for index in place..<(place + 4) { bytes[index] = value }
                #expect(AskWords(bytes) == nil, "\(place) \(value)")
            }
        }
        for count in 0..<AskWords.size { #expect(AskWords(Array(ask.bytes.prefix(count))) == nil) }
        #expect(AskWords(ask.bytes + [0]) == nil)
        #expect(AnswerWords(AnswerWords(.none, count: 0).bytes + [0]) == nil)
        #expect(AnswerWords([UInt8](repeating: 0, count: 12)) == nil)
        #expect(BootWords([]) == nil)
    }

    @Test func `attachments of a WebP file are left out, and its size is right`() throws {
        func chunk(_ name: String, _ bytes: [UInt8]) -> [UInt8] {
            Array(name.utf8) + [UInt8(bytes.count), 0, 0, 0] + bytes + (bytes.count % 2 == 1 ? [0] : [])
        }
        func file(_ chunks: [[UInt8]]) -> [UInt8] {
            let body = Array("WEBP".utf8) + chunks.joined()
            return Array("RIFF".utf8) + [UInt8(body.count), 0, 0, 0] + body
        }
        func trimmed(_ bytes: [UInt8]) -> [UInt8]? { bytes.withUnsafeBytes { WebPTrim.trimmed($0) } }
        let rest: [UInt8] = [0, 0, 0, 9, 0, 0, 9, 0, 0]
        let whole = file([
            chunk("VP8X", [0x3c] + rest), chunk("ICCP", [1, 2, 3]), chunk("VP8 ", [7, 7, 7]), chunk("EXIF", [4]),
            chunk("XMP ", [5, 5]),
        ])
        #expect(trimmed(whole) == file([chunk("VP8X", [0x10] + rest), chunk("VP8 ", [7, 7, 7])]))
        for count in 0..<whole.count { _ = trimmed(Array(whole.prefix(count))) }
        #expect(trimmed(Array(whole.dropLast())) == nil)
        var lying = whole
        for index in 16..<20 { lying[index] = 0xff }
        #expect(trimmed(lying) == nil)
    }

    private final class Somebody {}

    @Test func `the desk gives out pictures in order, once each, and has bounded room`() {
        var desk = ThumbnailDesk<Int, Somebody>(hands: 1, places: 2, people: 5)
        let people = (0..<6).map { _ in Somebody() }
        #expect(desk.admit("a", people[0], at: 1, 10) == .queued)
        #expect(desk.admit("b", people[1], at: 2, 20) == .queued)
        #expect(desk.admit("a", people[2], at: 3, 11) == .joined)
        #expect(desk.admit("c", people[3], at: 4, 30) == .queued)
        #expect(desk.admit("d", people[4], at: 5, 40) == .full)
        #expect(desk.admit("c", people[4], at: 5, 30) == .joined)
        #expect(desk.admit("c", people[5], at: 5, 30) == .full)
        let first = desk.next()
        #expect(first?.name == "a" && first?.work == 10 && first?.since == 1)
        #expect(desk.admit("d", people[5], at: 5, 40) == .full)
        let left = desk.leave("b", people[1])
        #expect(left)
        let again = desk.leave("b", people[1])
        #expect(!again)
        #expect(desk.waiting == 1)
        let finished = desk.finish("a")
        #expect(finished.count == 2 && finished[0] === people[0] && finished[1] === people[2])
        #expect(desk.next()?.name == "c")
        #expect(desk.next() == nil)
        // It is being made, so it goes on without anybody.
        for person in [people[3], people[4]] {
            let left = desk.leave("c", person)
            #expect(left)
        }
        #expect(desk.running == 1)
        #expect(desk.admit("c", people[0], at: 9, 30) == .joined)
        #expect(desk.finish("c").count == 1)
        #expect(desk.running == 0)
    }

    @Test func `closing the desk names everybody whose picture was not begun`() {
        var desk = ThumbnailDesk<Int, Somebody>(hands: 1, places: 2, people: 5)
        let people = (0..<3).map { _ in Somebody() }
        for (index, person) in people.enumerated() { _ = desk.admit("\(index)", person, at: 1, index) }
        _ = desk.next()
        #expect(desk.close().count == 2)
        #expect(desk.running == 1 && desk.waiting == 0)
        #expect(desk.finish("0").count == 1)
    }
}
