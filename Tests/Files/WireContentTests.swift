import Foundation
import SwiftletSanitize
import SwiftletFiles
import TestSupport
import Testing

/// Files made by real tools, whole, cut and lengthened. `Samples/make.py` writes them.
enum ContentSample {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Samples")
    static let office = "application/vnd.openxmlformats-officedocument."

    static let types: [(name: String, type: String)] = [
        ("rgb.png", "image/png"), ("palette.png", "image/png"), ("animated.png", "image/png"), ("baseline.jpg", "image/jpeg"),
        ("progressive.jpg", "image/jpeg"), ("exif.jpg", "image/jpeg"), ("two_pictures.jpg", "image/jpeg"),
        ("motion.jpg", "image/jpeg"),
        ("samsung.jpg", "image/jpeg"), ("still.gif", "image/gif"), ("moving.gif", "image/gif"), ("lossy.webp", "image/webp"),
        ("lossless.webp", "image/webp"), ("moving.webp", "image/webp"), ("alpha.webp", "image/webp"),
        ("still.heic", "image/heic"),
        ("still.avif", "image/avif"), ("page.pdf", "application/pdf"), ("tone.wav", "audio/wav"), ("tone.ogg", "audio/ogg"),
        ("tone.opus", "audio/ogg"), ("tone.mp3", "audio/mpeg"), ("tone.flac", "audio/flac"), ("tone.m4a", "audio/mp4"),
        ("film.mp4", "video/mp4"), ("faststart.mp4", "video/mp4"), ("fragments.mp4", "video/mp4"),
        ("film.mov", "video/quicktime"),
        ("film.webm", "video/webm"), ("deflated.zip", "application/zip"), ("stored.zip", "application/zip"),
        ("nested.zip", "application/zip"), ("streamed.zip", "application/zip"), ("wide.zip", "application/zip"),
        ("piped.zip", "application/zip"), ("empty.zip", "application/zip"), ("letter.docx", office + "wordprocessingml.document"),
        ("table.xlsx", office + "spreadsheetml.sheet"), ("talk.pptx", office + "presentationml.presentation"),
        ("plain.txt", "text/plain"), ("table.csv", "text/csv"),
    ]
    static let names = types.map(\.name)
    /// Their cut is not told, or not everywhere: see the type's comment.
    static let sniffedOnly: Set<String> = ["tone.mp3", "tone.flac", "film.webm", "plain.txt", "table.csv"]
    static let rules = FileRules(allowedTypes: FileRules.common.union(["application/zip"]))

    static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appendingPathComponent(name))) }
    static func type(_ name: String) -> String { types.first { $0.name == name }?.type ?? "" }

    static func judge(
        _ bytes: [UInt8], _ ending: String, _ type: String, piece: Int = .max, rules: FileRules = rules,
        limits: ContentLimits = .init()
    ) -> ContentJudge.Verdict {
        var judge = ContentJudge(declared: type, fileExtension: ending, rules: rules, limits: limits)
        var start = 0
        var early: ContentRefusal?
        while start < bytes.count {
            let end = min(bytes.count, start + min(piece, bytes.count))
            early = early ?? judge.feed(Array(bytes[start..<end]))
            start = end
        }
        let verdict = judge.finish()
        if let early { #expect(verdict == .refused(early)) }
        return verdict
    }

    static func judge(_ bytes: [UInt8], like name: String, piece: Int = .max, limits: ContentLimits = .init())
        -> ContentJudge.Verdict
    {
        judge(bytes, String(name.split(separator: ".").last ?? ""), type(name), piece: piece, limits: limits)
    }
}

@Suite struct WireContentTests {
    typealias Sample = ContentSample

    @Test(arguments: Sample.names) func `an honest file is taken, however it is cut into pieces`(name: String) throws {
        let bytes = try Sample.bytes(name)
        for piece in [.max, 1, 3, 512, 513, 1_000] {
            #expect(
                Sample.judge(bytes, like: name, piece: piece) == .accepted(mediaType: Sample.type(name)), "pieces of \(piece)")
        }
    }

    @Test(arguments: Sample.names) func `a file that is cut is refused`(name: String) throws {
        let bytes = try Sample.bytes(name)
        guard !Sample.sniffedOnly.contains(name) else { return }
        for cut in Array(stride(from: 1, to: bytes.count, by: max(1, bytes.count / 40))) + [bytes.count - 1] {
            guard case .accepted = Sample.judge(Array(bytes.prefix(cut)), like: name) else { continue }
            #expect(mayEnd(bytes, at: cut, name), "cut at \(cut) of \(bytes.count)")
        }
    }

    /// What is whole although it is not all: the first picture of two, with zeros behind it; a film without its last fragments; a
    /// PDF without its last line end.
    private func mayEnd(_ bytes: [UInt8], at end: Int, _ name: String) -> Bool {
        if name == "page.pdf" { return end >= bytes.count - 2 }
        if name.hasSuffix("mp4") {
            return ["moof", "mdat", "mfra"].contains { bytes[end...].dropFirst(4).starts(with: $0.utf8) }
        }
        let picture = bytes[..<end].reversed().drop { $0 == 0 }
        return name.hasSuffix("jpg") && picture.starts(with: [0xD9, 0xFF])
    }

    static let tails: [(String, [UInt8])] = [
        ("html", Array("<html><script>alert(1)</script></html>".utf8)), ("php", Array("<?php system($_GET['c']); ?>".utf8)),
        ("text", Array("hello hello hello".utf8)), ("binary", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), ("one byte", [0x41]),
    ]

    @Test(arguments: Sample.names) func `a file with something behind it is refused`(name: String) throws {
        // Raw streams and text have no end of their own.
        guard !Sample.sniffedOnly.contains(name) else { return }
        let bytes = try Sample.bytes(name)
        for (label, tail) in Self.tails {
            guard case .refused = Sample.judge(bytes + tail, like: name) else {
                Issue.record("\(label) behind \(name) was taken")
                continue
            }
        }
        for other in ["stored.zip", "letter.docx", "page.pdf", "tone.mp3"] where other != name {
            // A second PDF behind the first is an ordinary update of it to every reader.
            guard case .refused = Sample.judge(bytes + (try Sample.bytes(other)), like: name) else {
                Issue.record("\(other) behind \(name) was taken")
                continue
            }
        }
    }

    @Test func `an archive at the end of any binary file is refused`() throws {
        let archive = try Sample.bytes("stored.zip")
        for name in Sample.names
        where Sample.type(name) != "application/zip" && !name.hasSuffix("x") && !Sample.type(name).hasPrefix("text/") {
            guard case .refused = Sample.judge(try Sample.bytes(name) + archive, like: name) else {
                Issue.record("\(name) + zip was taken")
                continue
            }
        }
        // Hidden in a chunk of its own, with the rest of the picture as the archive's comment.
        let film = try Sample.bytes("film.mp4")
        let box = be32(archive.count + 8) + Array("free".utf8) + archive
        #expect(Sample.judge(film + box, like: "film.mp4") == .refused(.hiddenArchive))
        #expect(Sample.judge(film + box, like: "film.mp4", piece: 1) == .refused(.hiddenArchive))
        #expect(
            Sample.judge(film + box + [0, 0, 0, 8] + Array("free".utf8), like: "film.mp4") == .accepted(mediaType: "video/mp4"))
        // One record hides in another.
        let decoy: [UInt8] = [0x50, 0x4B, 5, 6, 0, 0, 0, 0]
        let end = Array(archive.suffix(22))
        let hidden = be32(decoy.count + end.count + 8) + Array("free".utf8) + decoy + end
        #expect(Sample.judge(film + hidden, like: "film.mp4") == .refused(.hiddenArchive))
        #expect(Sample.judge(film + hidden, like: "film.mp4", piece: 5) == .refused(.hiddenArchive))
        let many = Array([[UInt8]](repeating: [0x50, 0x4B, 5, 6] + [UInt8](repeating: 0xFF, count: 18), count: 100).joined())
        let crowd = be32(many.count + 8) + Array("free".utf8) + many
        #expect(Sample.judge(film + crowd, like: "film.mp4") == .refused(.hiddenArchive))
    }

    private func be32(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    private func le32(_ value: Int) -> [UInt8] { be32(value).reversed() }

    @Test func `files that are two things, or another thing, are refused`() throws {
        func judge(_ text: String, _ ending: String, _ type: String) -> ContentJudge.Verdict {
            Sample.judge(Array(text.utf8), ending, type)
        }
        let png = try Sample.bytes("rgb.png")
        #expect(Sample.judge(Array(png.prefix(8)) + Array("<html>".utf8), "png", "image/png") == .refused(.typeMismatch))
        #expect(
            judge("GIF89a/*" + String(repeating: "x", count: 90) + "*/=1;alert(1)", "gif", "image/gif") == .refused(.typeMismatch)
        )
        let comment = "<!--" + String(repeating: "x", count: 2_000) + "-->"
        for ending in ["txt", "svg", "png"] {
            #expect(judge(comment + "<svg onload=alert(1)>", ending, "text/plain") != .accepted(mediaType: "text/plain"))
        }
        #expect(
            judge(String(repeating: " \n", count: 900) + "<svg onload=alert(1)>", "txt", "text/plain") == .refused(.typeMismatch))
        #expect(judge(String(repeating: " ", count: 511) + "<html><script>", "txt", "text/plain") == .refused(.typeMismatch))
        #expect(judge(String(repeating: "\n", count: 600) + "hello", "txt", "text/plain") == .accepted(mediaType: "text/plain"))
        #expect(
            Sample.judge([UInt8](repeating: 0x41, count: 100) + (try Sample.bytes("page.pdf")), "pdf", "application/pdf")
                == .refused(.typeMismatch))
        #expect(judge("MZ" + String(repeating: "\0", count: 100), "txt", "text/plain") == .refused(.typeMismatch))
        #expect(Sample.judge(png, "jpg", "image/jpeg") == .refused(.typeMismatch))
        #expect(Sample.judge(png, "png", "image/jpeg") == .refused(.typeMismatch))
        #expect(Sample.judge(png, "png", "text/html") == .refused(.typeNotAllowed))
        #expect(Sample.judge(png, "exe", "image/png") == .refused(.badName))
        #expect(Sample.judge([], "png", "image/png") == .refused(.empty))
        #expect(Sample.judge(try Sample.bytes("letter.docx"), "xlsx", Sample.type("table.xlsx")) == .refused(.typeMismatch))
        #expect(Sample.judge(try Sample.bytes("still.heic"), "avif", "image/avif") == .refused(.typeMismatch))
        // Behind the first look, in the middle of the text.
        #expect(judge(String(repeating: "text ", count: 200) + "\u{1}", "txt", "text/plain") == .refused(.notText))
        #expect(
            Sample.judge(Array(String(repeating: "text ", count: 200).utf8) + [0xFF], "txt", "text/plain") == .refused(.notText))
        #expect(
            Sample.judge(Array(String(repeating: "text ", count: 200).utf8) + [0xE2, 0x82], "txt", "text/plain")
                == .refused(.notText))
    }

    @Test func `text is UTF-8 as the standard says`() {
        let pad = [UInt8](repeating: 0x61, count: 600)
        let edges: [UInt8] = [
            0x61, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
            0xC0,
        ]
        for length in 1...6 {
            for _ in 0..<400 {
                let piece = (0..<length).map { _ in Bool.random() ? UInt8.random(in: 0...255) : edges.randomElement() ?? 0 }
                let isGood =
                    String(validating: piece, as: UTF8.self) != nil
                    && !piece.contains { $0 < 0x09 || $0 == 0x0B || ($0 > 0x0D && $0 < 0x20) || $0 == 0x7F }
                let verdict = Sample.judge(pad + piece + pad, "txt", "text/plain", piece: 601)
                #expect((verdict == .accepted(mediaType: "text/plain")) == isGood, "\(piece)")
            }
        }
        for scalar in [0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF].compactMap({ Unicode.Scalar($0 as UInt32) })
        {
            let bytes = pad + Array(String(Character(scalar)).utf8) + pad
            #expect(Sample.judge(bytes, "txt", "text/plain") == .accepted(mediaType: "text/plain"))
        }
    }

    @Test func `what telephones put behind a picture has rules`() throws {
        let picture = try Sample.bytes("baseline.jpg")
        let samsung = Array(try Sample.bytes("samsung.jpg").dropFirst(picture.count))
        let accepted = ContentJudge.Verdict.accepted(mediaType: "image/jpeg")
        func judge(_ bytes: [UInt8], piece: Int = .max) -> ContentJudge.Verdict {
            Sample.judge(bytes, like: "baseline.jpg", piece: piece)
        }
        #expect(judge(picture + [UInt8](repeating: 0, count: 4_000)) == accepted)
        #expect(judge(picture + [UInt8](repeating: 0, count: 70_000)) == .refused(.trailingData))
        #expect(judge(picture + [0, 0, 0] + picture + picture) == accepted)
        #expect(judge(Array([[UInt8]](repeating: picture, count: 17).joined())) == accepted)
        #expect(judge(Array([[UInt8]](repeating: picture, count: 18).joined())) == .refused(.trailingData))
        #expect(judge(picture + picture.dropLast()) != accepted)
        for piece in [1, 7, .max] {
            for hidden in ["PK\u{3}\u{4}", "<?PHP x", "<ScRipt>", "%PDF-1.4", "<!DOCTYPE x>", "<svg onload=x>"] {
                let trailer = Array(samsung.prefix(20)) + Array(hidden.utf8) + Array(samsung.dropFirst(20))
                #expect(judge(picture + trailer, piece: piece) == .refused(.trailingData), "\(hidden)")
            }
            let padded = Array(samsung.prefix(20)) + [UInt8](repeating: 0x20, count: 40_000) + Array(samsung.dropFirst(20))
            #expect(judge(picture + padded, piece: max(piece, 100)) == accepted)
        }
        // The film of a motion photo is noise to the search.
        var seed: UInt64 = 88_172_645_463_325_252
        let noise = (0..<150_000).map { _ -> UInt8 in
            seed ^= seed << 13
            seed ^= seed >> 7
            seed ^= seed << 17
            return UInt8(truncatingIfNeeded: seed >> 32)
        }
        #expect(judge(picture + Array(samsung.prefix(20)) + noise + Array(samsung.dropFirst(20)), piece: 5_000) == accepted)
        #expect(judge(picture + samsung.dropLast()) == .refused(.trailingData))
        #expect(judge(picture + samsung + [0]) == .refused(.trailingData))
    }

    @Test func `pictures larger than the limit are refused before anything decodes them`() throws {
        var limits = ContentLimits()
        limits.pixels = 48 * 32 - 1
        for name in [
            "rgb.png", "baseline.jpg", "progressive.jpg", "still.gif", "lossy.webp", "lossless.webp", "alpha.webp", "still.heic",
            "still.avif",
        ] {
            #expect(Sample.judge(try Sample.bytes(name), like: name, limits: limits) == .refused(.tooManyPixels), "\(name)")
        }
        limits.pixels = 64 * 64
        for name in [
            "rgb.png", "baseline.jpg", "still.gif", "lossy.webp", "lossless.webp", "alpha.webp", "still.heic", "still.avif",
        ] {
            #expect(
                Sample.judge(try Sample.bytes(name), like: name, limits: limits) == .accepted(mediaType: Sample.type(name)),
                "\(name)")
        }
    }

    @Test func `a flipped bit in a PNG is refused`() throws {
        let bytes = try Sample.bytes("rgb.png")
        for place in stride(from: 30, to: bytes.count, by: 7) {
            var changed = bytes
            changed[place] ^= 0x10
            guard case .refused = Sample.judge(changed, like: "rgb.png") else {
                Issue.record("byte \(place)")
                continue
            }
        }
    }

    @Test func `archives that unpack to too much are refused`() throws {
        let bytes = try Sample.bytes("deflated.zip")
        var limits = ContentLimits()
        limits.archiveEntries = 1
        #expect(Sample.judge(bytes, like: "deflated.zip", limits: limits) == .refused(.archiveTooLarge))
        limits = ContentLimits()
        limits.unpackedBytes = 100
        limits.ratio = 2
        #expect(Sample.judge(bytes, like: "deflated.zip", limits: limits) == .refused(.archiveTooLarge))
        limits.ratio = 1_000
        #expect(Sample.judge(bytes, like: "deflated.zip", limits: limits) == .accepted(mediaType: "application/zip"))
        // Two entries of the directory for the same bytes: what some bombs are made of.
        let name = Array("a".utf8)
        let data = [UInt8](repeating: 7, count: 100)
        func header(_ offset: Int) -> [UInt8] {
            [0x50, 0x4B, 1, 2, 20, 0, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0] + le32(1) + le32(100) + le32(1_000) + [1, 0, 0, 0, 0, 0]
                + [0, 0, 0, 0] + le32(0) + le32(offset) + name
        }
        func archive(_ entries: Int) -> [UInt8] {
            let local: [UInt8] =
                [0x50, 0x4B, 3, 4, 20, 0, 0, 0, 8, 0, 0, 0, 0, 0] + le32(1) + le32(100) + le32(1_000) + [1, 0, 0, 0] + name + data
            let directory = Array((0..<entries).map { _ in header(0) }.joined())
            return local + directory + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + [UInt8(entries), 0, UInt8(entries), 0]
                + le32(directory.count)
                + le32(local.count) + [0, 0]
        }
        #expect(Sample.judge(archive(1), like: "stored.zip") == .accepted(mediaType: "application/zip"))
        #expect(Sample.judge(archive(2), like: "stored.zip") == .refused(.archiveTooLarge))
    }

    @Test func `a document with macros or without its parts is refused`() throws {
        var bytes = try Sample.bytes("letter.docx")
        // The same length, so that every offset stays right.
        let part = Array("word/document.xml".utf8)
        func replace(_ new: String) {
            while let place = (0..<(bytes.count - part.count)).first(where: { bytes[$0..<($0 + part.count)].elementsEqual(part) })
            {
                bytes.replaceSubrange(place..<(place + part.count), with: Array(new.utf8))
            }
        }
        replace("x/_vbaProject.bin")
        #expect(Sample.judge(bytes, like: "letter.docx") == .refused(.macros))
        bytes = try Sample.bytes("letter.docx")
        replace("xy/document00.xml")
        #expect(Sample.judge(bytes, like: "letter.docx") == .refused(.typeMismatch))
        let packed = Array(try Sample.bytes("letter.docx"))
        #expect(Sample.judge(packed, "zip", "application/zip") == .accepted(mediaType: "application/zip"))
    }

    @Test func `types that only the rules know are served as the rules name them`() {
        let rules = FileRules(allowedTypes: ["model/gltf-binary", "chemical/*"])
        let bytes = Array("glTF".utf8) + [2, 0, 0, 0, 0xFF]
        #expect(Sample.judge(bytes, "glb", "model/gltf-binary", rules: rules) == .accepted(mediaType: "model/gltf-binary"))
        #expect(Sample.judge(bytes, "cif", "chemical/x-cif", rules: rules) == .accepted(mediaType: "application/octet-stream"))
        #expect(Sample.judge(Array("<html>".utf8), "cif", "chemical/x-cif", rules: rules) == .refused(.typeMismatch))
        let svg = FileRules(allowedTypes: ["image/svg+xml"])
        #expect(
            Sample.judge(Array("<svg></svg>".utf8), "svg", "image/svg+xml", rules: svg) == .accepted(mediaType: "image/svg+xml"))
    }

    @Test(.enabled(if: CorpusFiles.has("files/declared_vs_actual.jsonl"), "the shared test data is not here"))
    func `no file of the shared test data that is to be refused is taken`() throws {
        var wrong: [String] = []
        for row in try CorpusFiles.rows("files/declared_vs_actual.jsonl") where row["expect"] as? String == "reject" {
            guard let text = row["head_b64"] as? String, let head = Data(base64Encoded: text),
                let declared = row["declared"] as? String, let id = row["id"] as? String
            else { continue }
            let endings = FileType.named(declared)?.extensions ?? ["bin"]
            for ending in endings {
                if case .accepted = Sample.judge([UInt8](head), ending, declared) { wrong.append(id) }
            }
        }
        #expect(wrong.isEmpty, "\(wrong)")
    }

    @Test func `every refusal has one sentence`() {
        for refusal in ContentRefusal.allCases {
            #expect(refusal.message.hasSuffix("."))
        }
        #expect(MultipartFault.allCases.allSatisfy { $0.message.hasSuffix(".") })
        #expect(Set(MultipartFault.allCases.map(\.message)).count == MultipartFault.allCases.count)
    }

    @Test func `what can be said before the first byte is said`() {
        #expect(ContentJudge(declared: "image/png", fileExtension: "PNG").early() == nil)
        #expect(ContentJudge(declared: "image/png", fileExtension: "jpg").early() == .typeMismatch)
        #expect(ContentJudge(declared: "text/html", fileExtension: "html").early() == .typeNotAllowed)
    }

    static let peer = ["/usr/bin/file", "/bin/file"].first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(.enabled(if: peer != nil, "the program `file` is not here: apt-get install file"))
    func `libmagic says the same of every honest file`() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.peer))
        process.currentDirectoryURL = Sample.folder
        process.arguments = ["--brief", "--mime-type"] + Sample.names
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).split(separator: "\n").map(
            String.init)
        process.waitUntilExit()
        try #require(said.count == Sample.names.count)
        for ((name, type), peer) in zip(Sample.types, said) {
            let ours = FileType.named(type)?.name
            #expect(FileType.named(peer)?.name == ours, "\(name): \(peer)")
        }
    }
}
