import SwiftletSanitize

/// Spans are in order and inside of the text; a redacted text holds nothing more, stays valid UTF-8, and keeps what was between.
func fuzzSensitive(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    let data = detectSensitiveData(bytes: bytes, types: .all)
    var last = 0
    for span in data.spans {
        guard span.range.lowerBound >= last, !span.range.isEmpty, span.range.upperBound <= count else { fatalError("bad span") }
        last = span.range.upperBound
    }
    let text = String(decoding: bytes, as: UTF8.self)
    for types in [Set.default, Set.all] {
        let (redacted, all) = redactSensitiveData(text, types: types)
        guard detectSensitiveData(redacted, types: types).spans.isEmpty else { fatalError("something is left") }
        var expected: [UInt8] = []
        let original = Array(text.utf8)
        var position = 0
        for span in all.spans {
            guard span.range.lowerBound >= position else { fatalError("bad span of a redaction") }
            expected += original[position..<span.range.lowerBound]
            expected += "[\(span.type.rawValue)]".utf8
            position = span.range.upperBound
        }
        expected += original[position...]
        guard expected == Array(redacted.utf8) else { fatalError("something else changed") }
    }
    return 0
}
