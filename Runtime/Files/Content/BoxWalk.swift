/// A file of boxes (ISO 14496-12: MP4, QuickTime, HEIC, AVIF) that end exactly where the file ends.
struct BoxWalk: Sendable {
    enum Kind { case film, heic, avif }

    private enum State { case header, wideHeader, brands, full, sides, body, open }

    private static let ftyp = 0x6674_7970
    private static let moov = 0x6D6F_6F76
    private static let meta = 0x6D65_7461
    private static let iprp = 0x6970_7270
    private static let ipco = 0x6970_636F
    private static let ispe = 0x6973_7065

    private let kind: Kind
    private let limits: ContentLimits
    private var state = State.header
    private var gather = Gather()
    private var name = 0
    /// Bytes of this box that are still to come.
    private var left = 0
    /// What is left of the boxes around this one, the inner ones last. Only the way to a picture's size is entered.
    private var around: [Int] = []
    private var isFirst = true
    private var hasMovie = false
    private var hasMeta = false

    init(_ kind: Kind, _ limits: ContentLimits) {
        self.kind = kind
        self.limits = limits
    }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count {
            switch state {
            case .header:
                guard gather.fill(8, input, &at) else { return nil }
                name = gather.big(4, 4)
                let size = gather.big(0, 4)
                guard size != 1 else {
                    state = .wideHeader
                    continue
                }
                gather.clear()
                if size == 0, around.isEmpty, !isFirst {
                    note()
                    state = .open
                } else if let refusal = enter(size - 8, headBytes: 8) {
                    return refusal
                }
            case .wideHeader:
                guard gather.fill(16, input, &at) else { return nil }
                guard gather.byte(8) < 0x40 else { return .malformed }
                let size = gather.big(8, 8)
                gather.clear()
                if let refusal = enter(size - 16, headBytes: 16) { return refusal }
            case .brands:
                guard gather.fill(min(left, 256), input, &at) else { return nil }
                guard agrees() else { return .typeMismatch }
                left -= gather.bytes.count
                gather.clear()
                proceed()
            case .full:
                guard gather.fill(4, input, &at) else { return nil }
                gather.clear()
                left -= 4
                descend()
            case .sides:
                guard gather.fill(12, input, &at) else { return nil }
                if let refusal = limits.refuses(width: gather.big(4, 4), height: gather.big(8, 4)) { return refusal }
                gather.clear()
                left -= 12
                proceed()
            case .body:
                let step = min(left, input.count - at)
                at += step
                left -= step
                if left == 0 { proceed() }
            case .open: at = input.count
            }
        }
        return nil
    }

    func finish() -> ContentRefusal? {
        guard state == .open || state == .header && around.isEmpty else { return .truncated }
        guard gather.bytes.isEmpty else { return .trailingData }
        return kind == .film ? (hasMovie ? nil : .truncated) : (hasMeta || hasMovie ? nil : .truncated)
    }

    private mutating func note() {
        if name == Self.moov { hasMovie = true }
        if name == Self.meta { hasMeta = true }
    }

    private mutating func enter(_ size: Int, headBytes: Int) -> ContentRefusal? {
        guard size >= 0, isFirst == (name == Self.ftyp) else { return .malformed }
        if let last = around.indices.last {
            guard around[last] - headBytes >= size else { return .malformed }
            around[last] -= headBytes + size
        }
        if around.isEmpty { note() }
        left = size
        if isFirst {
            isFirst = false
            guard size >= 8 else { return .malformed }
            state = .brands
        } else if kind != .film, name == Self.meta, around.isEmpty {
            guard size >= 4 else { return .malformed }
            state = .full
        } else if name == Self.iprp && around.count == 1 || name == Self.ipco && around.count == 2 {
            descend()
        } else if name == Self.ispe, around.count == 3 {
            guard size >= 12 else { return .malformed }
            state = .sides
        } else {
            proceed()
        }
        return nil
    }

    private mutating func descend() {
        around.append(left)
        left = 0
        proceed()
    }

    private mutating func proceed() {
        guard left == 0 else {
            state = .body
            return
        }
        while around.last == 0 { around.removeLast() }
        state = .header
    }

    /// `mif1` says only that it is a picture: the other brands say of which kind.
    private func agrees() -> Bool {
        guard kind != .film, gather.starts("mif1") || gather.starts("msf1") else { return true }
        let count = gather.bytes.count
        let isAVIF = stride(from: 8, to: count - 3, by: 4).contains {
            gather.starts("avif", at: $0) || gather.starts("avis", at: $0)
        }
        return isAVIF == (kind == .avif)
    }
}
