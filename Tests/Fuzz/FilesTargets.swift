import SwiftletHTTP
import SwiftletJSON
import SwiftletSanitize
import SwiftletFiles

/// A form read in pieces is the form read whole; body bytes lie in their input.
func fuzzMultipart(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    _ = MultipartBoundary.parse(String(decoding: bytes.prefix(200), as: UTF8.self))
    // The first byte says how the rest is cut; the boundary is short, so that chance finds it.
    let piece = max(1, Int(bytes.first ?? 1) % 70)
    let body = Array(bytes.dropFirst())
    func read(_ piece: Int) -> (String, [UInt8]) {
        guard var reader = try? MultipartReader(contentType: "multipart/form-data; boundary=xy") else {
            fatalError("a good boundary")
        }
        var log = ""
        var content: [UInt8] = []
        var offset = 0
        do {
            while offset < body.count {
                let input = Array(body[offset..<min(body.count, offset + piece)])
                offset += input.count
                try input.withUnsafeBytes { raw in
                    var at = 0
                    while let event = try reader.next(raw, from: &at) {
                        switch event {
                        case .partBegan(let part): log += "(\(part.name)|\(part.fileName ?? "-")|\(part.contentType ?? "-")|"
                        case .body(let range): content += raw[range]
                        case .held(let held): content += held
                        case .partEnded: log += "\(content.count))"
                        case .ended: log += "."
                        }
                    }
                    guard at == raw.count else { fatalError("input left over") }
                }
            }
            try reader.finish()
            guard reader.isComplete else { fatalError("whole without an end") }
        } catch { log += "\(error)" }
        return (log, content)
    }
    let whole = read(max(1, body.count))
    let parts = read(piece)
    guard whole.0 == parts.0, whole.0.contains("fieldsTooLarge") || whole.1 == parts.1 else {
        fatalError("pieces change the form")
    }
    return 0
}

/// A file judged in pieces is the file judged whole, and what was refused early stays refused.
func fuzzContent(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let types = [
        ("png", "image/png"), ("jpg", "image/jpeg"), ("gif", "image/gif"), ("webp", "image/webp"), ("wav", "audio/wav"),
        ("pdf", "application/pdf"), ("mp4", "video/mp4"), ("mov", "video/quicktime"), ("heic", "image/heic"),
        ("avif", "image/avif"),
        ("zip", "application/zip"), ("ogg", "audio/ogg"), ("txt", "text/plain"), ("json", "application/json"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ]
    let rules = FileRules(allowedTypes: FileRules.common.union(["application/zip", "application/json"]))
    let body = Array(bytes.dropFirst())
    let piece = max(1, Int(bytes.first ?? 1) * 3)
    let finding = FileSniffer.sniff(body)
    for (ending, type) in types {
        // The others are refused at the first look.
        switch finding {
        case .types(let names): guard names.contains(type) else { continue }
        case .text: guard ending == "txt" || ending == "json" else { continue }
        default: guard ending == "png" else { continue }
        }
        func judge(_ piece: Int) -> ContentJudge.Verdict {
            var judge = ContentJudge(declared: type, fileExtension: ending, rules: rules)
            var offset = 0
            var early: ContentRefusal?
            while offset < body.count {
                let found = judge.feed(Array(body[offset..<min(body.count, offset + piece)]))
                if let early, found != early { fatalError("changed its mind") }
                early = found
                offset += piece
            }
            let verdict = judge.finish()
            if let early, verdict != .refused(early) { fatalError("changed its mind") }
            return verdict
        }
        let whole = judge(max(1, body.count))
        if case .accepted(let served) = whole, served != type { fatalError("served as something else") }
        let parts = judge(piece)
        switch (whole, parts) {
        case (.accepted, .accepted), (.refused, .refused): continue
        default: fatalError("pieces change the verdict")
        }
    }
    return 0
}

/// Headers are read without trapping, ranges lie within the size, what is written is safe and is read back.
func fuzzStorageHeaders(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    for size in [0, 1, 10, Int.max] {
        for header in [text, "bytes=" + text] {
            if case .partial(let range) = ByteRanges.parse(header, size: size) {
                guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= size else { fatalError("a range outside") }
            }
        }
    }
    if let time = HTTPDate.parse(text, now: 1_800_000_000), time >= 0 {
        guard HTTPDate.parse(HTTPDate.text(time), now: 0) == time else { fatalError("a date that changes") }
    }
    let all = Preconditions(
        range: text, ifRange: text, ifMatch: text, ifNoneMatch: text, ifModifiedSince: text, ifUnmodifiedSince: text)
    _ = all.judge(method: .get, size: 10, etag: text, lastModified: 0, now: 0)
    _ = Preconditions(ifNoneMatch: text).judge(method: .other, size: 10, etag: "\"a\"", lastModified: 0, now: 0)
    for value in [ContentDisposition.attachment(name: text).text, ContentDisposition.inline(name: text).text] {
        guard value.utf8.count < 1_700, value.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) else {
            fatalError("a name got out")
        }
    }
    if let metadata = try? TusHeaders.metadata(text), metadata.keys.count > TusHeaders.maxPairs { fatalError("too many pairs") }
    _ = try? TusHeaders.length(uploadLength: text, maxBytes: .max)
    if let request = try? ThumbnailRequest.parse(query: text) {
        guard ThumbnailRequest(canonical: request.canonical) == request, (20...100).contains(request.quality) else {
            fatalError("a request that changes")
        }
    }
    _ = ThumbnailRequest(canonical: text)
    return 0
}
