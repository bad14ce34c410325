import Foundation
import SwiftletFiles
import Testing

@Suite struct WireMultipartTests {
    struct Seen: Equatable {
        var part: MultipartReader.Part
        var body: [UInt8] = []
        var isEnded = false
    }

    struct Outcome: Equatable {
        var parts: [Seen] = []
        var isEnded = false
        var fault: MultipartFault?
    }

    static func read(
        _ body: [UInt8], type: String = "multipart/form-data; boundary=x", limits: MultipartLimits = .init(), piece: Int = .max
    ) -> Outcome {
        var out = Outcome()
        do {
            var reader = try MultipartReader(contentType: type, limits: limits)
            var start = 0
            while start < body.count {
                let input = Array(body[start..<min(body.count, start + min(piece, body.count))])
                start += input.count
                try input.withUnsafeBytes { bytes in
                    var offset = 0
                    while let event = try reader.next(bytes, from: &offset) {
                        let last = out.parts.count - 1
                        switch event {
                        case .partBegan(let part): out.parts.append(Seen(part: part))
                        case .body(let range):
                            #expect(!range.isEmpty)
                            out.parts[last].body += bytes[range]
                        case .held(let held):
                            #expect(!held.isEmpty && held.count < 80)
                            out.parts[last].body += held
                        case .partEnded: out.parts[last].isEnded = true
                        case .ended: out.isEnded = true
                        }
                    }
                }
            }
            try reader.finish()
        } catch { out.fault = error as? MultipartFault }
        return out
    }

    static func form(_ text: String) -> [UInt8] { Array(text.replacingOccurrences(of: "\n", with: "\r\n").utf8) }

    static func one(_ disposition: String) -> [UInt8] {
        form("--x\nContent-Disposition: form-data; \(disposition)\n\nv\n--x--\n")
    }

    static let samples = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Samples")

    static let recorded: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: samples.path)) ?? []).filter { $0.hasSuffix(".form") }.sorted()

    @Test(arguments: recorded) func `what real clients write is read`(name: String) throws {
        let bytes = [UInt8](try Data(contentsOf: Self.samples.appendingPathComponent(name)))
        let end = try #require(bytes.firstIndex(of: 0x0A))
        let type = String(decoding: bytes[..<end], as: UTF8.self)
        let body = Array(bytes[(end + 1)...])
        let wanted = ["ascii": "f 1.png", "quotes": "a \"b\" c.png", "letters": "Grüße 日本.png"]
        let label = try #require(name.split(separator: "-").last?.split(separator: ".").first)
        let content = [0x89] + Array("PNG\r\n\u{1a}\n\r\n--not the boundary\r\n-\r\n\0".utf8) + [0xFF]
        for piece in [1, 2, 3, 7, 64, .max] {
            let out = Self.read(body, type: type, piece: piece)
            #expect(out.fault == nil && out.isEnded)
            #expect(out.parts.map(\.part.name) == ["cacheControl", "file"])
            #expect(out.parts.first?.body == Array("3600".utf8))
            #expect(out.parts.last?.part.fileName == wanted[String(label)])
            #expect(out.parts.last?.part.contentType == "image/png")
            #expect(out.parts.last?.part.isFile == true)
            #expect(out.parts.last?.body == content)
        }
    }

    @Test func `a file under the empty name, as browsers' and Swift's clients send it, is read`() {
        let body = Self.form(
            "--x\nContent-Disposition: form-data; name=\"cacheControl\"\n\n3600\n--x\n"
                + "Content-Disposition: form-data; name=\"\"; filename=\"photo.png\"\nContent-Type: image/png\n\nDATA\n--x--\n")
        let out = Self.read(body)
        #expect(out.fault == nil)
        #expect(
            out.parts.last?.part.name == "" && out.parts.last?.part.fileName == "photo.png" && out.parts.last?.part.isFile == true
        )
        #expect(out.parts.last?.body == Array("DATA".utf8))
    }

    static let bodies: [[UInt8]] = [
        form("--x\nContent-Disposition: form-data; name=a\n\n\n--x--"),
        form("--x\nContent-Disposition: form-data; name=a\n\n--x--"),
        form("\n--x\nContent-Disposition: form-data; name=a\n\n\n-\n--\n--\n--y\n--x--\nrest"), form("--x--"),
        form("--x \t \nContent-Disposition: form-data; name=a\n\n\r\r\n\r\r\n\r-\r\n--x--"), form("--x--more\n--x\n"),
        form("--x\nContent-Disposition: form-data; name=a\n\nb\n--xy"),
        form("--x\nContent-Disposition: form-data; name=a\n\nb\n--x"),
        form("\n\n--x--"), form("pre\n--x--"), form("--x\n\n\n--x--"), form("--x\n a: b\n\n--x--"), Array("--x\n".utf8),
        Array("--x\r\nContent-Disposition: form-data; name=a\n\r\n".utf8),
        Array("--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv\n--x--\r\n".utf8), Array("\r--x--".utf8), [],
    ]

    @Test(arguments: bodies) func `pieces do not change what is read`(body: [UInt8]) {
        let whole = Self.read(body)
        for piece in 1..<max(2, min(body.count, 40)) { #expect(Self.read(body, piece: piece) == whole) }
    }

    @Test func `what is read and what is refused`() {
        let outcomes = Self.bodies.map { Self.read($0) }
        #expect(
            outcomes.map(\.fault) == [
                nil, nil, nil, nil, nil, nil, .badBoundaryLine, .truncated, .noFirstBoundary, .noFirstBoundary, .badDisposition,
                .badHead,
                .bareLineEnd, .bareLineEnd, .truncated, .noFirstBoundary, .truncated,
            ])
        #expect(outcomes[0].parts.map(\.body) == [[]])
        #expect(outcomes[1].parts.map(\.body) == [[]])
        #expect(outcomes[2].parts.map(\.body) == [Self.form("\n-\n--\n--\n--y")])
        #expect(outcomes[4].parts.map(\.body) == [Self.form("\r\r\n\r\r\n\r-\r")])
    }

    @Test func `every cut of a body is an error`() {
        let body = Self.form(
            "--x\nContent-Disposition: form-data; name=a\n\nb\n--x\nContent-Disposition: form-data; name=f; filename=g\n\nc\n--x--"
        )
        #expect(Self.read(body).fault == nil)
        for count in 0..<body.count { #expect(Self.read(Array(body.prefix(count))).fault == .truncated) }
    }

    @Test func `names are read as clients write them`() {
        let cases: [(String, String, String?)] = [
            ("name=\"a\"; filename=\"f 1.png\"", "a", "f 1.png"), ("name=a; filename=b", "a", "b"),
            ("name=\"a\"; filename=\"say %22hi%22.png\"", "a", "say \"hi\".png"),
            ("name=\"a\"; filename=\"say \\\"hi\\\".png\"", "a", "say \"hi\".png"),
            ("name=\"a\"; filename=\"C:\\\\x\\y.png\"", "a", "C:\\x\\y.png"),
            ("name=\"a\"; filename=\"x;y=z.png\"", "a", "x;y=z.png"),
            ("name=\"a\"; filename=\"x.png\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.png", "a", "Grüße.png"),
            ("name=\"a\"; filename*=utf-8'de'%e2%82%ac.png", "a", "€.png"), ("name*=utf-8''%C3%BC; filename=\"\"", "ü", ""),
            ("name=\"日本\"", "日本", nil), ("NAME=\"a\" ; FileName=\"b\" ;", "a", "b"), ("name=\"100%.png\"", "100%.png", nil),
            ("name=\"a%0D%0Ab\"", "a%0D%0Ab", nil),
        ]
        for (text, name, file) in cases {
            let out = Self.read(Self.one(text))
            #expect(out.fault == nil, "\(text)")
            #expect(out.parts.first?.part.name == name, "\(text)")
            #expect(out.parts.first?.part.fileName == file, "\(text)")
            #expect(out.parts.first?.part.isFile == (file != nil), "\(text)")
        }
    }

    @Test func `names that cannot be read are refused`() {
        let cases: [(String, MultipartFault)] = [
            ("filename=\"a\"", .badDisposition), ("name=\"a", .badDisposition), ("name=", .badDisposition),
            ("name=\"a\"; name=\"b\"", .badDisposition), ("name=\"a\"; filename=\"b\"; filename=\"c\"", .badDisposition),
            ("name=\"a\"b", .badDisposition), ("name=\"a\"; filename*=b", .badName), ("name=\"a\"; filename*=UTF-8''%", .badName),
            ("name=\"a\"; filename*=UTF-8''%FF", .badName), ("name=\"a\"; filename*=UTF-8''%00", .badName),
            ("name=\"a\"; filename*=ISO-8859-1''%E4", .badName), ("name=\"a\u{0}\"", .badHead), ("name=\"a\u{7f}\"", .badHead),
        ]
        for (text, fault) in cases { #expect(Self.read(Self.one(text)).fault == fault, "\(text)") }
        let latin = Array("--x\r\nContent-Disposition: form-data; name=\"".utf8) + [0xE4] + Array("\"\r\n\r\nv\r\n--x--".utf8)
        #expect(Self.read(latin).fault == .badName)
    }

    @Test func `heads that mean two things are refused`() {
        let disposition = "Content-Disposition: form-data; name=a\n"
        let cases: [(String, MultipartFault?)] = [
            (disposition + disposition, .badDisposition), (disposition + "Content-Type: a/b\nContent-Type: c/d\n", .badHead),
            (disposition + "Content-Transfer-Encoding: base64\n", .encodedPart),
            (disposition + "Content-Transfer-Encoding: Binary\n", nil),
            (disposition + "X-Other: y\n", nil), (disposition + " folded\n", .badHead), (disposition + "no colon\n", .badHead),
            (disposition + ": empty\n", .badHead), (disposition + "a b: c\n", .badHead), ("Content-Type: a/b\n", .badDisposition),
            ("Content-Disposition: attachment; name=a\n", .badDisposition), ("Content-Disposition: form-data\n", .badDisposition),
        ]
        for (head, fault) in cases { #expect(Self.read(Self.form("--x\n\(head)\nv\n--x--")).fault == fault, "\(head)") }
    }

    @Test func `forms have limits`() {
        func field(_ value: String) -> String { "--x\nContent-Disposition: form-data; name=a\n\n\(value)\n" }
        let file = "--x\nContent-Disposition: form-data; name=a; filename=b\n\nc\n"
        let raw = "--x\nContent-Disposition: form-data; name=a\nContent-Type: application/octet-stream\n\nc\n"
        func fault(_ text: String) -> MultipartFault? { Self.read(Self.form(text)).fault }
        #expect(fault(String(repeating: field("v"), count: 10) + "--x--") == nil)
        #expect(fault(String(repeating: field("v"), count: 11) + "--x--") == .tooManyFields)
        #expect(fault(file + "--x--") == nil)
        #expect(fault(file + file + "--x--") == .tooManyFiles)
        #expect(fault(file + raw + "--x--") == .tooManyFiles)
        let half = String(repeating: "v", count: 1 << 19)
        #expect(fault(field(half) + field(half) + "--x--") == nil)
        #expect(fault(field(half) + field(half) + field("v") + "--x--") == .fieldsTooLarge)
        #expect(fault("--x\nX: " + String(repeating: "y", count: 9_000)) == .headTooLarge)
        #expect(fault("--x\n" + String(repeating: "X: y\n", count: 2_000)) == .headTooLarge)
        #expect(fault("--x--" + String(repeating: "y", count: 4_096)) == nil)
        #expect(fault("--x--" + String(repeating: "y", count: 4_097)) == .epilogueTooLarge)
        #expect(fault("--x" + String(repeating: " ", count: 65) + "\n") == .badBoundaryLine)
    }

    @Test func `a reader that has refused keeps refusing`() throws {
        var reader = try MultipartReader(contentType: "multipart/form-data; boundary=x")
        var faults: [MultipartFault?] = []
        for text in ["y", "--x--"] {
            do { try Array(text.utf8).withUnsafeBytes { try reader.feed($0) { _ in } } } catch {
                faults.append(error as? MultipartFault)
            }
        }
        do { try reader.finish() } catch { faults.append(error) }
        #expect(faults == [.noFirstBoundary, .noFirstBoundary, .noFirstBoundary])
    }

    @Test func `a boundary is one of RFC 2046`() {
        let long = String(repeating: "a", count: 70)
        let good = [
            "multipart/form-data; boundary=x": "x", "Multipart/Form-Data;BOUNDARY=\"x y\"": "x y",
            "multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundaryAbc": "----WebKitFormBoundaryAbc",
            "multipart/form-data; boundary=\(long)": long, "multipart/form-data; boundary=\"a:b,c=d?'()+_./\"": "a:b,c=d?'()+_./",
        ]
        for (type, boundary) in good { #expect(MultipartBoundary.parse(type) == Array(boundary.utf8), "\(type)") }
        for type in [
            "", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"\"",
            "multipart/form-data; boundary=\(long)a", "multipart/form-data; boundary=\"x \"",
            "multipart/form-data; boundary=x; boundary=y",
            "multipart/form-data; boundary=\"x", "multipart/form-data; boundary=ä", "multipart/form-data; boundary=\"x\r\ny\"",
            "multipart/form-data boundary=x", "multipart/form-data; boundary=x y", "multipart/form-data; boundary=a@b",
        ] { #expect(MultipartBoundary.parse(type) == nil, "\(type)") }
    }

    @Test func `a body full of near boundaries is read whole`() {
        for piece in ["\r\n--", "\r\n--boundar", "\r", "\r\n", "\r\n--boundary2".replacingOccurrences(of: "y2", with: "Y")] {
            let content = Array(String(repeating: piece, count: 3_000).utf8)
            let body =
                Self.form("--boundary\nContent-Disposition: form-data; name=f; filename=g\n\n") + content
                + Self.form("\n--boundary--")
            for size in [1, 5, 4_096, .max] {
                let out = Self.read(body, type: "multipart/form-data; boundary=boundary", piece: size)
                #expect(out.fault == nil && out.parts.first?.body == content)
            }
        }
    }
}
