import Corpus
import SwiftletSanitize
import TestSupport
import Testing

private let png: [UInt8] = [
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0, 0, 1,
]

@Suite struct FileTests {
    @Test(.enabled(if: CorpusFiles.areHere, "the shared test data is not beside the repository"))
    func `the declared type counts only when the bytes say the same`() throws {
        var wrong: [String] = []
        for row in try CorpusFiles.rows("files/declared_vs_actual.jsonl")
        where judgeFile(row)["got"] as? String != row["expect"] as? String { wrong.append(row["id"] as? String ?? "") }
        #expect(wrong == [])
    }

    @Test func `name, type and bytes must agree`() {
        #expect(validateFile(name: "a.png", size: 24, declaredType: "image/png", head: png).valid)
        #expect(validateFile(name: "a.PNG", size: 24, declaredType: "Image/PNG; x=y", head: png).valid)
        #expect(validateFile(name: "a.png", size: 24, declaredType: "image/png").valid)
        #expect(validateFile(name: "a.jpg", size: 24, declaredType: "image/png", head: png).errors == [.typeMismatch])
        #expect(validateFile(name: "a.jpg", size: 24, declaredType: "image/jpeg", head: png).errors == [.typeMismatch])
        #expect(validateFile(name: "a", size: 24, declaredType: "image/png", head: png).errors == [.typeMismatch])
        #expect(
            validateFile(name: "a.png", size: 24, declaredType: "application/octet-stream", head: png).errors.first
                == .typeNotAllowed)
        #expect(validateFile(name: "a.png", size: 24, declaredType: "png", head: png).errors == [.typeNotAllowed])
    }

    @Test func `sizes are judged at the limit`() {
        let rules = FileRules(maxBytes: 100)
        #expect(validateFile(name: "a.png", size: 100, declaredType: "image/png", rules: rules).valid)
        #expect(validateFile(name: "a.png", size: 101, declaredType: "image/png", rules: rules).errors == [.tooLarge])
        #expect(validateFile(name: "a.png", size: 0, declaredType: "image/png", rules: rules).errors == [.empty])
        #expect(validateFile(name: "a.png", size: .min, declaredType: "image/png", rules: rules).errors == [.empty])
        #expect(validateFile(name: "a.png", size: 5, declaredType: "image/png", head: [], rules: rules).errors == [.empty])
    }

    @Test func `what runs is taken only when the rules name it`() {
        let svg = Array("<svg xmlns=\"http://www.w3.org/2000/svg\"/>".utf8)
        #expect(
            validateFile(name: "a.svg", size: 9, declaredType: "image/svg+xml", head: svg).errors == [.badName, .typeNotAllowed])
        let wild = FileRules(allowedTypes: ["image/*"])
        #expect(
            validateFile(name: "a.svg", size: 9, declaredType: "image/svg+xml", head: svg, rules: wild).errors == [
                .badName, .typeNotAllowed,
            ])
        #expect(validateFile(name: "a.bmp", size: 9, declaredType: "image/bmp", rules: wild).valid)
        let named = FileRules(allowedTypes: ["image/svg+xml"])
        #expect(validateFile(name: "a.svg", size: 9, declaredType: "image/svg+xml", head: svg, rules: named).valid)
        #expect(
            validateFile(name: "a.svg.exe", size: 9, declaredType: "image/svg+xml", head: svg, rules: named).errors.contains(
                .badName))
    }

    @Test(arguments: [
        ("GIF89a/*\u{0}*/=1;alert(1)", "image/gif"), ("GIF89a=1;alert(1);//", "image/gif"),
        ("%PDF-1.4 <script>x</script>", "application/pdf"),
        ("RIFF....WEBPVP8 <?php x", "image/webp"), ("OggS<html>", "audio/ogg"),
    ])
    func `two files in one are refused`(head: String, type: String) throws {
        let ending = try #require(FileType.named(type)?.extensions.first)
        let result = validateFile(name: "a.\(ending)", size: 99, declaredType: type, head: Array(head.utf8))
        #expect(result.errors == [.typeMismatch])
    }

    @Test(arguments: [
        ("", FileSniffer.Finding.unknown), ("hello", .text), ("MZ is a band", .text),
        ("  \n<b>", .types(["text/html", "application/xhtml+xml", "application/xml"])),
        ("a < b", .text), ("<3 you", .text), ("#!/bin/sh", .types(["text/x-shellscript"])), ("a\u{0}b", .unknown),
        ("RIFF\u{0}\u{0}\u{0}\u{0}WAVEfmt ", .types(["audio/wav"])), ("fLaC\u{0}", .types(["audio/flac"])),
        ("\u{0}\u{0}\u{0}\u{18}ftypheic", .types(["image/heic"])), ("\u{0}\u{0}\u{0}\u{18}ftypqt  ", .types(["video/quicktime"])),
        (
            "PK\u{3}\u{4}" + String(repeating: "\u{0}", count: 26) + "META-INF/M",
            .types(["application/java-archive", "application/zip"])
        ),
    ])
    func `a file is told by its start`(head: String, finding: FileSniffer.Finding) {
        #expect(FileSniffer.sniff(Array(head.utf8)) == finding)
    }

    @Test func `office documents are told from other archives`() {
        let start = "PK\u{3}\u{4}" + String(repeating: "\u{0}", count: 26)
        let type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        #expect(
            validateFile(name: "レポート.docx", size: 9, declaredType: type, head: Array((start + "[Content_Types].xml").utf8)).valid)
        #expect(
            validateFile(name: "a.docx", size: 9, declaredType: type, head: Array((start + "evil.exe").utf8)).errors == [
                .typeMismatch
            ])
    }

    @Test func `a letter cut off at the end of the head is still text`() {
        let head = Array((String(repeating: "x", count: 511) + "é").utf8.prefix(512))
        #expect(validateFile(name: "a.txt", size: 600, declaredType: "text/plain", head: head).valid)
        #expect(!validateFile(name: "a.txt", size: 3, declaredType: "text/plain", head: [0x61, 0xC3]).valid)
    }
}

@Suite struct FileNameTests {
    @Test(arguments: [
        "photo.jpg", "レポート.docx", "a'b&c (1).png", "v1.2.notes.txt", "naïve.txt", "😀.png", "README", "100% sure.pdf",
        "a+b=c,d.csv",
        "example.com.png",
    ])
    func `an ordinary name stays`(name: String) { #expect(sanitizeFileName(name) == name) }

    @Test(arguments: [
        ("../../etc/passwd", "passwd"), ("C:\\dir\\a.png", "a.png"), (".env.txt", "env.txt"), ("a.png. . .", "a.png"),
        (" a.png ", "a.png"),
        ("con", "_con"), ("COM1.jpg", "_COM1.jpg"), ("lpt\u{b9}.txt", "_lpt\u{b9}.txt"), ("a|b?.png", "a_b_.png"),
        ("a\u{202e}gnp.txt", "agnp.txt"),
        ("a%2fb.png", "a_2fb.png"), ("a..b.png", "a.b.png"), ("a\nb.png", "a_b.png"), ("cafe\u{301}.png", "caf\u{e9}.png"),
        ("x\u{200b}.png", "x.png"),
    ])
    func `a risky name is made safe`(name: String, safe: String) {
        #expect(sanitizeFileName(name)?.utf8.elementsEqual(safe.utf8) == true, "\(sanitizeFileName(name) ?? "nil")")
        #expect(sanitizeFileName(safe) == safe)
    }

    @Test(arguments: [
        "", ".", "..", "...", "   ", "~", "a.exe", "a.jpg.exe", "shell.php.jpg", "x.php7", "x.pHp5.txt", "a.svg", "a.html",
        "desktop.ini",
        "Thumbs.db", "web.config", "x.p\u{455}f", "a/", "x.exe\u{202e}", "x.exe .", "a.php\u{0}.jpg",
    ])
    func `a name that runs or says nothing is refused`(name: String) { #expect(sanitizeFileName(name) == nil) }

    @Test func `a name of plain letters is judged as any other`() {
        let endings = [
            "jpg", "PHP", "php5", "phps", "phpx", "exe", "Exe", "svg", "html", "txt", "ini", "tar", "gz", "phar", "x", "js",
            "cgi",
            "bin", "db", "config", "png ",
        ]
        for one in endings {
            for two in endings + ["", "a b"] {
                // An underscore takes the long way.
                for rest in ["\(one)", "\(one).\(two)", "a.\(one).\(two)", "\(one).b.\(two)"] {
                    let (plain, other) = (sanitizeFileName("holidayphoto.\(rest)"), sanitizeFileName("holiday_photo.\(rest)"))
                    #expect((plain == nil) == (other == nil), "\(rest)")
                    #expect(plain?.dropFirst("holidayphoto.".count) == other?.dropFirst("holiday_photo.".count), "\(rest)")
                }
            }
        }
        #expect(sanitizeFileName("holiday photo") == "holiday photo" && sanitizeFileName("ehthumbs.db") == nil)
    }

    @Test(
        arguments: [
            ("image/png", "image/png"), ("IMAGE/Png", "image/png"), (" image/png ;q=1", "image/png"),
            ("a-b/c.d+e_f", "a-b/c.d+e_f"),
            ("image//png", nil), ("/png", nil), ("image/", nil), ("image", nil), ("a/b/c", nil), ("", nil), ("/", nil),
            ("image/pñg", nil),
            ("image/\"png", nil),
        ] as [(String, String?)])
    func `a type is brought to one spelling`(text: String, wanted: String?) { #expect(FileType.normalised(text) == wanted) }

    @Test func `long names keep their extension`() throws {
        let name = try #require(sanitizeFileName(String(repeating: "é", count: 300) + ".png"))
        #expect(name.utf8.count <= 255 && name.hasSuffix("é.png"))
        #expect(sanitizeFileName(name) == name)
        #expect(sanitizeFileName(String(repeating: "a", count: 1_000_000)) == nil)
    }
}
