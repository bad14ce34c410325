/// A PNG from its signature to the checksum of `IEND`, and nothing behind it.
struct PNGWalk: Sendable {
    private enum State { case signature, header, size, body, checksum, done }

    private let limits: ContentLimits
    private var state = State.signature
    private var gather = Gather()
    private var name = 0
    private var crc: UInt32 = 0
    private var isFirst = true
    private var hasData = false
    private var hasEndedData = false

    private static let ihdr = 0x4948_4452
    private static let idat = 0x4944_4154
    private static let iend = 0x4945_4E44
    private static let plte = 0x504C_5445

    init(_ limits: ContentLimits) { self.limits = limits }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count || state == .body && gather.left == 0 {
            switch state {
            case .signature:
                guard gather.fill(8, input, &at) else { return nil }
                gather.clear()
                state = .header
            case .header:
                guard gather.fill(8, input, &at) else { return nil }
                if let refusal = open() { return refusal }
            case .size:
                guard gather.fill(13, input, &at) else { return nil }
                if let refusal = limits.refuses(width: gather.big(0, 4), height: gather.big(4, 4)) { return refusal }
                crc = gather.bytes.withUnsafeBytes { CRC32.update(crc, $0) }
                gather.clear()
                state = .checksum
            case .body:
                let start = at
                let isWhole = gather.skip(input, &at)
                crc = CRC32.update(crc, UnsafeRawBufferPointer(rebasing: input[start..<at]))
                if isWhole { state = .checksum }
            case .checksum:
                guard gather.fill(4, input, &at) else { return nil }
                guard gather.big(0, 4) == Int(~crc) else { return .malformed }
                gather.clear()
                state = name == Self.iend ? .done : .header
            case .done: return .trailingData
            }
        }
        return nil
    }

    func finish() -> ContentRefusal? { state == .done ? nil : .truncated }

    private mutating func open() -> ContentRefusal? {
        let length = gather.big(0, 4)
        name = gather.big(4, 4)
        let isName = gather.bytes.suffix(4).allSatisfy { $0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A }
        guard isName, length <= Int(Int32.max), isFirst == (name == Self.ihdr) else { return .malformed }
        switch name {
        case Self.ihdr: guard length == 13 else { return .malformed }
        // The data stands together, the palette before it.
        case Self.idat: guard !hasEndedData else { return .malformed }
        case Self.plte: guard !hasData else { return .malformed }
        case Self.iend: guard length == 0, hasData else { return .malformed }
        // A chunk that a reader must know, and nobody does.
        default: guard gather.byte(4) & 0x20 != 0 else { return .malformed }
        }
        if name == Self.idat { hasData = true } else if hasData { hasEndedData = true }
        crc = gather.bytes.suffix(4).withUnsafeBytes { CRC32.update(~0, $0) }
        gather.clear()
        gather.left = length
        state = isFirst ? .size : .body
        isFirst = false
        return nil
    }
}
