/// A PDF that ends as one: `%%EOF` in its last 1024 bytes, and only blanks behind the last of them. What stands between is a
/// language of its own, and is not read.
struct PDFWalk: Sendable {
    private static let length = 1_024
    private var tail: [UInt8] = []

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        if input.count >= Self.length {
            tail = Array(input.suffix(Self.length))
        } else {
            tail.reserveCapacity(2 * Self.length)
            tail.removeFirst(max(0, tail.count + input.count - Self.length))
            tail += input
        }
        return nil
    }

    func finish() -> ContentRefusal? {
        let mark = Array("%%EOF".utf8)
        guard tail.count >= mark.count else { return .truncated }
        var start = tail.count - mark.count
        while !tail[start...].starts(with: mark) {
            guard start > 0 else { return .truncated }
            start -= 1
        }
        return tail[(start + mark.count)...].allSatisfy { [0, 9, 10, 12, 13, 32].contains($0) } ? nil : .trailingData
    }
}
