import SwiftletSanitize

/// The same text with every run of blanks written with other blanks.
private func respelled(_ bytes: UnsafeBufferPointer<UInt8>, with blank: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var inBlank = false
    for byte in bytes {
        if byte == 0x20 || byte == 0x09 {
            if !inBlank { result += blank }
            inBlank = true
        } else {
            result.append(byte)
            inBlank = false
        }
    }
    return result
}

private func verdict(_ bytes: [UInt8], in context: ContentContext) -> MaliciousContent {
    bytes.withUnsafeBufferPointer { detectMaliciousContent($0, in: context) }
}

/// Scores stay in their range, blanks are blanks however they are written, and a verdict depends on the text alone.
func fuzzMalicious(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    for context in [ContentContext.chat, .field, .prompt] {
        let content = detectMaliciousContent(bytes, in: context)
        guard (0...100).contains(content.score), content.safe == (content.reason == nil) else {
            fatalError("a score out of its range")
        }
        if let reason = content.reason {
            guard let threshold = context.threshold(for: reason), content.score >= threshold else {
                fatalError("a reason below its threshold")
            }
        }
        guard detectMaliciousContent(bytes, in: context) == content else { fatalError("two verdicts on one text") }
    }
    // A plus sign is a blank only in a text without blanks, and blanks end base64 and escapes: they may be respelled, not removed.
    let plain = verdict(respelled(bytes, with: [0x20]), in: .prompt)
    for blank: [UInt8] in [[0x20, 0x20], [0x20, 0x09], [0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20]] {
        guard verdict(respelled(bytes, with: blank), in: .prompt) == plain else { fatalError("other blanks, another verdict") }
    }
    return 0
}
