/// Collects the few bytes of a field that may be spread over several inputs, and counts off bytes that nobody needs.
struct Gather: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Bytes still to be skipped.
    var left = 0

    /// True once `count` bytes are there; false when the input is used up before.
    mutating func fill(_ count: Int, _ input: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        guard bytes.count < count else { return true }
        let end = min(input.count, at + (count - bytes.count))
        bytes += input[at..<end]
        at = end
        return bytes.count == count
    }

    mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    /// True once `left` bytes have gone by.
    mutating func skip(_ input: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        let step = min(left, input.count - at)
        left -= step
        at += step
        return left == 0
    }

    // 0 behind the end: every field's length is known before it is read.
    func byte(_ offset: Int) -> Int { offset < bytes.count ? Int(bytes[offset]) : 0 }

    func big(_ offset: Int, _ count: Int) -> Int {
        var value = 0
        for place in 0..<count { value = value &<< 8 | byte(offset + place) }
        return value
    }

    func little(_ offset: Int, _ count: Int) -> Int {
        var value = 0
        for place in (0..<count).reversed() { value = value &<< 8 | byte(offset + place) }
        return value
    }

    func starts(_ text: StaticString, at offset: Int = 0) -> Bool {
        guard offset + text.utf8CodeUnitCount <= bytes.count else { return false }
        for place in 0..<text.utf8CodeUnitCount where bytes[offset + place] != text.utf8Start[place] { return false }
        return true
    }
}

extension ContentLimits {
    /// Nil when a picture of these sides is fine.
    func refuses(width: Int, height: Int) -> ContentRefusal? {
        guard width > 0, height > 0 else { return .malformed }
        let (area, overflow) = width.multipliedReportingOverflow(by: height)
        return overflow || area > pixels ? .tooManyPixels : nil
    }
}
