/// An Ogg file: pages from the first, which begins a stream, to one that ends a stream, and nothing between or behind.
struct OggWalk: Sendable {
    private enum State { case header, lengths, body }

    private var state = State.header
    private var gather = Gather()
    private var segments = 0
    private var isFirst = true
    private var isEnd = false

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count {
            switch state {
            case .header:
                guard gather.fill(27, input, &at) else { return nil }
                guard gather.starts("OggS"), gather.byte(4) == 0 else { return isEnd ? .trailingData : .malformed }
                let flags = gather.byte(5)
                guard flags < 8, !isFirst || flags & 2 != 0 else { return .malformed }
                isFirst = false
                isEnd = flags & 4 != 0
                segments = gather.byte(26)
                gather.clear()
                state = segments > 0 ? .lengths : .header
            case .lengths:
                guard gather.fill(segments, input, &at) else { return nil }
                gather.left = gather.bytes.reduce(0) { $0 + Int($1) }
                gather.clear()
                state = gather.left > 0 ? .body : .header
            case .body: if gather.skip(input, &at) { state = .header }
            }
        }
        return nil
    }

    func finish() -> ContentRefusal? {
        if state == .header, isEnd { return gather.bytes.isEmpty ? nil : .trailingData }
        return .truncated
    }
}
