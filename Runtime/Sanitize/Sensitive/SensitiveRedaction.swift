/// What stands in the place of a value that was taken out.
public enum SensitiveReplacement: Hashable, Sendable {
    /// The type in brackets, such as `[credit_card]`.
    case label
    /// Eight asterisks, whatever the length of the value.
    case asterisks

    fileprivate func text(for type: SensitiveType) -> String {
        switch self {
        case .label: "[\(type.rawValue)]"
        case .asterisks: "********"
        }
    }
}

/// `text` with every value that `detectSensitiveData` finds replaced; everything else stays byte for byte.
///
/// Redacting the answer again changes nothing. The spans of `data` are places in `text`, not in the answer. There may be
/// a few more than `detectSensitiveData` alone reports: those that show only once their neighbour is gone.
public func redactSensitiveData(
    _ text: String, types: Set<SensitiveType> = .default, with replacement: SensitiveReplacement = .label
) -> (text: String, data: SensitiveData) {
    var text = text
    let (bytes, data) = text.withUTF8 { redactSensitiveData(bytes: $0, types: types, with: replacement) }
    return data.found ? (String(decoding: bytes, as: UTF8.self), data) : (text, data)
}

/// The same on bytes, which need not be valid UTF-8.
package func redactSensitiveData(
    bytes: UnsafeBufferPointer<UInt8>, types: Set<SensitiveType> = .default, with replacement: SensitiveReplacement = .label
) -> (bytes: [UInt8], data: SensitiveData) {
    var spans = detectSensitiveData(bytes: bytes, types: types).spans
    var redacted = SensitiveRedaction(bytes, spans: spans, with: replacement)
    // A replacement is a new neighbour, and a neighbour can be what kept a number from being read as a card. Each round takes
    // something out; the bound only keeps a text that was built for it from costing more than a few scans.
    for _ in 0..<SensitiveRedaction.rounds where !spans.isEmpty {
        let more = redacted.bytes.withUnsafeBufferPointer { detectSensitiveData(bytes: $0, types: types).spans }
        if more.isEmpty { break }
        spans = redacted.merge(more, into: spans)
        redacted = SensitiveRedaction(bytes, spans: spans, with: replacement)
    }
    return (redacted.bytes, SensitiveData(spans: spans))
}

/// A redacted text, and the way back from its offsets to those of the original.
private struct SensitiveRedaction {
    static let rounds = 16

    private(set) var bytes: [UInt8] = []
    /// Where a kept piece starts, here and in the original; in ascending order, the end of the text last.
    private var pieces: [(here: Int, original: Int)] = []

    init(_ original: UnsafeBufferPointer<UInt8>, spans: [SensitiveData.Span], with replacement: SensitiveReplacement) {
        bytes.reserveCapacity(original.count)
        var position = 0
        for span in spans {
            pieces.append((bytes.count, position))
            bytes.append(contentsOf: original[position..<span.range.lowerBound])
            bytes.append(contentsOf: replacement.text(for: span.type).utf8)
            position = span.range.upperBound
        }
        pieces.append((bytes.count, position))
        bytes.append(contentsOf: original[position...])
    }

    /// The offset in the original; a place inside a replacement becomes the end of the value it stands for.
    private func original(_ offset: Int) -> Int {
        var (low, high) = (0, pieces.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if pieces[middle].here <= offset { low = middle } else { high = middle }
        }
        let place = pieces[low].original + (offset - pieces[low].here)
        return low + 1 < pieces.count ? min(place, pieces[low + 1].original) : place
    }

    func merge(_ more: [SensitiveData.Span], into spans: [SensitiveData.Span]) -> [SensitiveData.Span] {
        let moved = more.map {
            SensitiveData.Span(
                type: $0.type, rule: $0.rule, range: original($0.range.lowerBound)..<original($0.range.upperBound))
        }
        var all: [SensitiveData.Span] = []
        for span in (spans + moved).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            guard let last = all.last, last.range.upperBound > span.range.lowerBound else {
                all.append(span)
                continue
            }
            let end = max(last.range.upperBound, span.range.upperBound)
            all[all.count - 1] = SensitiveData.Span(type: last.type, rule: last.rule, range: last.range.lowerBound..<end)
        }
        return all
    }
}
