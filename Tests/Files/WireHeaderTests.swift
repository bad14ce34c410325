import Foundation
import SwiftletJSON
import SwiftletFiles
import Testing

@Suite struct WireHeaderTests {
    @Test func `a name is written in any letters`() {
        #expect(ContentDisposition.attachment(name: nil).text == "attachment;")
        #expect(ContentDisposition.attachment(name: "").text == "attachment;")
        #expect(ContentDisposition.inline(name: "a b.png").text == "inline; filename=a%20b.png; filename*=UTF-8''a%20b.png")
        #expect(
            ContentDisposition.attachment(name: "Grüße.pdf").text
                == "attachment; filename=Gr%C3%BC%C3%9Fe.pdf; filename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf")
    }

    @Test func `nothing in a name gets out of its header`() throws {
        let hostile = [
            "a\r\nSet-Cookie: x=y", "a\"; filename=\"b", "a;b", "a'b", "a\u{0}b", "../../etc/passwd", "..\\..\\x",
            "a\u{2028}b\u{2029}c",
            "a\u{202E}gnp.exe", "\u{FEFF}a", "a\u{85}b", "%0d%0aX: y", "a,b", "a=b", "<script>", "\u{7f}", "..", " . ",
            "a\u{E0001}b",
            "emoji 👩‍👩‍👧.png", "\u{FFFD}", String(repeating: "ü", count: 5_000) + ".png", String(repeating: "a", count: 300),
        ]
        for name in hostile {
            let text = ContentDisposition.attachment(name: name).text
            #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C && $0 != 0x2C }, "\(name)")
            #expect(text.utf8.filter { $0 == UInt8(ascii: ";") }.count <= 2, "\(name)")
            #expect(text.utf8.count < 1_700, "\(name)")
            guard text != "attachment;" else { continue }
            let encoded = try #require(text.components(separatedBy: "UTF-8''").last)
            let decoded = try #require(encoded.removingPercentEncoding)
            #expect(decoded.utf8.count <= 255)
            #expect(
                !decoded.unicodeScalars.contains {
                    $0.value < 0x20 || (0x7F...0x9F).contains($0.value) || (0x202A...0x202E).contains($0.value) || $0 == "/"
                        || $0 == "\\"
                }, "\(name)")
        }
        #expect(ContentDisposition.attachment(name: "..").text == "attachment;")
        #expect(ContentDisposition.attachment(name: String(repeating: "ü", count: 500) + ".png").text.hasSuffix(".png"))
    }

    private func fault<T>(_ work: () throws(TusHeaders.Fault) -> T) -> Int? {
        do throws(TusHeaders.Fault) {
            _ = try work()
            return nil
        } catch {
            #expect(error.message.hasSuffix("\n") && error.message.count > 5)
            return error.status
        }
    }

    @Test func `TUS numbers and versions are read or refused with their status`() throws {
        #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.checkVersion("1.0.0") } == nil)
        for version in [nil, "", "1.0", "0.2.2", "1.0.0 "] {
            #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.checkVersion(version) } == 412)
        }
        #expect(try TusHeaders.length(uploadLength: "0", maxBytes: 10) == 0)
        #expect(try TusHeaders.length(uploadLength: "10", maxBytes: 10) == 10)
        for (length, status) in [
            (nil, 400), ("", 400), ("-1", 400), ("+1", 400), ("1e3", 400), (" 1", 400), ("11", 413), ("9223372036854775807", 413),
            ("9223372036854775808", 400), ("99999999999999999999", 400), ("٣", 400),
        ] as [(String?, Int)] {
            #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.length(uploadLength: length, maxBytes: 10) } == status)
        }
        #expect(
            fault { () throws(TusHeaders.Fault) in try TusHeaders.length(uploadLength: nil, deferLength: "1", maxBytes: 1) }
                == 501)
        #expect(
            fault { () throws(TusHeaders.Fault) in try TusHeaders.length(uploadLength: "1", concat: "partial", maxBytes: 1) }
                == 501)
        #expect(TusHeaders.tooLarge.status == 413 && TusHeaders.tooLarge.message == "Maximum size exceeded\n")
        #expect(try TusHeaders.offset("6291456") == 6_291_456)
        for offset in [nil, "", "-1", "x"] as [String?] {
            #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.offset(offset) } == 400)
        }
        #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.checkPatchType("application/offset+octet-stream") } == nil)
        #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.checkPatchType("application/octet-stream") } == 415)
        #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.checkPatchType(nil) } == 415)
    }

    @Test func `TUS metadata is read`() throws {
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let header =
            "bucketName \(base64("files")),objectName \(base64("u1/Grüße.png")), contentType \(base64("image/png")),"
            + "cacheControl \(base64("3600")),metadata \(base64("{\"a\":1}")),isPrivate"
        let metadata = try TusHeaders.metadata(header)
        #expect(metadata.bucketName == "files")
        #expect(metadata.objectName == "u1/Grüße.png")
        #expect(metadata.contentType == "image/png")
        #expect(metadata.cacheControl == "3600")
        #expect(metadata.metadata == "{\"a\":1}")
        #expect(metadata["isPrivate"] == "")
        #expect(metadata.keys.count == 6)
        #expect(try TusHeaders.metadata(nil).keys.isEmpty)
        #expect(try TusHeaders.metadata("").keys.isEmpty)
        for length in 0..<60 {
            let text = String(repeating: "é", count: length) + "x"
            #expect(try TusHeaders.metadata("a \(base64(text))")["a"] == text)
            #expect(try TusHeaders.metadata("a \(base64(text).replacingOccurrences(of: "=", with: ""))")["a"] == text)
        }
    }

    @Test func `TUS metadata that cannot be read is refused`() {
        for header in [
            "a YQ==,a YQ==", "a YQ=", "a Y", "a YR==", "a Y*==", "a YQ== b", ",", "a YQ==,", "ä YQ==", "a /w==", "a YQ===",
            "a ====", "a\tYQ==",
            String(repeating: "k", count: 65), (0..<17).map { "k\($0) YQ==" }.joined(separator: ","),
            "a " + String(repeating: "YWFh", count: 5_000), "\"a\" YQ==",
        ] { #expect(fault { () throws(TusHeaders.Fault) in try TusHeaders.metadata(header) } == 400, "\(header)") }
    }

    @Test func `transform parameters are read, clamped and written one way`() throws {
        let cases: [(String, String?)] = [
            ("", nil), ("token=x", nil), ("width=0&height=0", nil), ("resize=fill", nil), ("format=origin", nil),
            ("width=300", "300x0,cover,origin,80"), ("token=a.b&height=9999&resize=contain", "0x2000,contain,origin,80"),
            ("width=10&height=20&resize=fill&format=webp&quality=20&gravity=center", "10x20,fill,webp,20"),
            ("%77idth=5", nil), ("width=%31%30", "10x0,cover,origin,80"),
            ("width=99999999999999999999999", "2000x0,cover,origin,80"),
            ("quality=80", "0x0,cover,origin,80"), ("width=0010", "10x0,cover,origin,80"),
        ]
        for (query, canonical) in cases {
            let request = try ThumbnailRequest.parse(query: query)
            #expect(request?.canonical == canonical, "\(query)")
            if let canonical { #expect(ThumbnailRequest(canonical: canonical) == request) }
        }
        let faults: [(String, ThumbnailRequest.Fault)] = [
            ("width=-1", .badWidth), ("width=", .badWidth), ("width", .badWidth), ("width=1.5", .badWidth),
            ("width=%zz", .badWidth),
            ("height=1e3", .badHeight), ("resize=stretch", .badResize), ("resize=Cover", .badResize), ("format=png", .badFormat),
            ("quality=19", .badQuality), ("quality=101", .badQuality), ("width=1&width=1", .repeated), ("height=١", .badHeight),
        ]
        for (query, fault) in faults {
            #expect(throws: fault, "\(query)") { try ThumbnailRequest.parse(query: query) }
        }
        for text in [
            "", "300x0,cover,origin", "0300x0,cover,origin,80", "300x0,cover,origin,80,", "3000x0,cover,origin,80",
            "0x0,fill,origin,101",
        ] {
            #expect(ThumbnailRequest(canonical: text) == nil, "\(text)")
        }
    }

    @Test func `transform members of JSON are read like a query`() throws {
        var object = JSON.Object()
        object["width"] = .number(.integer(300))
        object["height"] = .string("200")
        object["resize"] = .string("contain")
        object["quality"] = .null
        object["other"] = .array([])
        #expect(try ThumbnailRequest.parse(json: object)?.canonical == "300x200,contain,origin,80")
        #expect(try ThumbnailRequest.parse(json: object) == ThumbnailRequest.parse(query: "height=200&width=300&resize=contain"))
        object["width"] = .number(.decimal(1.5))
        #expect(throws: ThumbnailRequest.Fault.badWidth) { try ThumbnailRequest.parse(json: object) }
        object["width"] = .number(.integer(-1))
        #expect(throws: ThumbnailRequest.Fault.badWidth) { try ThumbnailRequest.parse(json: object) }
        #expect(try ThumbnailRequest.parse(json: JSON.Object()) == nil)
    }
}
