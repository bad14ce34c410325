/// A RIFF file (WebP, WAV) whose size is what it says, and whose chunks fill it.
struct RIFFWalk: Sendable {
    private enum State { case header, chunk, size, body, done }

    private let isPicture: Bool
    private let limits: ContentLimits
    private var state = State.header
    private var gather = Gather()
    /// Bytes of the file's size that no chunk has taken yet.
    private var left = 0
    private var isPadded = false
    private var hasContent = false
    private var isFirst = true
    /// One more byte may follow when the size is odd.
    private var mayPad = false

    init(isPicture: Bool, _ limits: ContentLimits) {
        self.isPicture = isPicture
        self.limits = limits
    }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count {
            switch state {
            case .header:
                guard gather.fill(12, input, &at) else { return nil }
                let size = gather.little(4, 4)
                guard size >= 12 else { return .malformed }
                left = size - 4
                mayPad = size & 1 == 1
                gather.clear()
                state = .chunk
            case .chunk:
                guard gather.fill(8, input, &at) else { return nil }
                if let refusal = open() { return refusal }
            case .size:
                guard gather.fill(10, input, &at) else { return nil }
                guard let (width, height) = sides() else { return .malformed }
                if let refusal = limits.refuses(width: width, height: height) { return refusal }
                gather.clear()
                proceed()
            case .body: if gather.skip(input, &at) { proceed() }
            case .done:
                guard mayPad, input[at] == 0 else { return .trailingData }
                mayPad = false
                at += 1
            }
        }
        return nil
    }

    func finish() -> ContentRefusal? {
        guard state == .done else { return .truncated }
        return hasContent ? nil : .malformed
    }

    private var kind = 0
    private static let lossy = 0x5650_3820
    private static let lossless = 0x5650_384C
    private static let extended = 0x5650_3858

    private mutating func open() -> ContentRefusal? {
        kind = gather.big(0, 4)
        let length = gather.little(4, 4)
        guard left >= 8, length <= left - 8 else { return .malformed }
        left -= 8 + length
        // The last chunk's padding may be outside of the size.
        let padding = length & 1 == 1 && left > 0 ? 1 : 0
        left -= padding
        let isData = kind == Self.lossy || kind == Self.lossless
        let hasSize = isPicture && (isData || isFirst && kind == Self.extended)
        guard !isPicture || !isFirst || hasSize else { return .malformed }
        if isPicture {
            hasContent = hasContent || isData || kind == 0x414E_4D46
        } else {
            hasContent = hasContent || kind == 0x6461_7461
        }
        isFirst = false
        gather.clear()
        gather.left = length + padding
        guard hasSize else {
            state = .body
            if gather.left == 0 { proceed() }
            return nil
        }
        guard length >= 10 else { return .malformed }
        gather.left -= 10
        state = .size
        return nil
    }

    private mutating func proceed() {
        if gather.left > 0 { state = .body } else { state = left > 0 ? .chunk : .done }
    }

    private func sides() -> (Int, Int)? {
        switch kind {
        case Self.extended: return (gather.little(4, 3) + 1, gather.little(7, 3) + 1)
        case Self.lossless:
            guard gather.byte(0) == 0x2F else { return nil }
            let bits = gather.little(1, 4)
            return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        default:
            guard gather.little(3, 3) == 0x2A_019D else { return nil }
            return (gather.little(6, 2) & 0x3FFF, gather.little(8, 2) & 0x3FFF)
        }
    }
}
