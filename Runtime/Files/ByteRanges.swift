/// The `Range` header (RFC 9110 section 14.2).
package enum ByteRanges {
    package enum Answer: Hashable, Sendable {
        /// No range, one that cannot be read, or several: all of it is sent.
        case whole
        /// Never empty, within the size.
        case partial(Range<Int>)
        /// Starts behind the end: 416 with `Content-Range: bytes */size`.
        case unsatisfiable
    }

    /// Several ranges are answered with everything: RFC 9110 allows it, and small ranges by the hundred are an old way to make
    /// a server work.
    package static func parse(_ header: String, size: Int) -> Answer {
        let bytes = Array(header.utf8)
        guard bytes.count <= 4_096, let equals = bytes.firstIndex(of: UInt8(ascii: "=")),
            String(decoding: bytes[..<equals], as: UTF8.self).lowercased() == "bytes"
        else { return .whole }
        let spec = HeaderParameters.trimmed(bytes[(equals + 1)...])
        guard let dash = spec.firstIndex(of: UInt8(ascii: "-")), !spec.contains(UInt8(ascii: ",")) else { return .whole }
        let (first, last) = (spec[spec.startIndex..<dash], spec[(dash + 1)...])
        if first.isEmpty {
            guard let count = number(last) else { return .whole }
            guard count > 0 else { return .unsatisfiable }
            return size > 0 ? .partial(max(0, size - min(count, size))..<size) : .whole
        }
        guard let start = number(first) else { return .whole }
        var end = size
        if !last.isEmpty {
            guard let place = number(last), place >= start else { return .whole }
            end = place < size ? place + 1 : size
        }
        return start < size ? .partial(start..<end) : .unsatisfiable
    }

    /// `bytes 0-4/10`
    package static func contentRange(_ range: Range<Int>, size: Int) -> String {
        "bytes \(range.lowerBound)-\(max(range.lowerBound, range.upperBound - 1))/\(size)"
    }

    /// For 416.
    package static func contentRange(unsatisfiable size: Int) -> String { "bytes */\(size)" }

    /// Numbers too large to hold are as good as the largest.
    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard !digits.isEmpty else { return nil }
        var value = 0
        for byte in digits {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            let (product, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, more) = product.addingReportingOverflow(Int(byte - 0x30))
            value = over || more ? .max : sum
        }
        return value
    }
}
