/// A GIF from its screen to its trailer, with a picture in it and nothing behind it.
struct GIFWalk: Sendable {
    private enum State { case screen, colours, block, label, picture, codeSize, pieces, pieceBody, done }

    private let limits: ContentLimits
    private var state = State.screen
    private var gather = Gather()
    /// What follows a colour table.
    private var afterColours = State.block
    private var hasPicture = false

    init(_ limits: ContentLimits) { self.limits = limits }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count {
            switch state {
            case .screen:
                guard gather.fill(13, input, &at) else { return nil }
                if let refusal = limits.refuses(width: gather.little(6, 2), height: gather.little(8, 2)) { return refusal }
                colours(gather.byte(10), then: .block)
            case .colours: if gather.skip(input, &at) { state = afterColours }
            case .block:
                at += 1
                switch input[at - 1] {
                case 0x21: state = .label
                case 0x2C: state = .picture
                case 0x3B:
                    guard hasPicture else { return .malformed }
                    state = .done
                default: return .malformed
                }
            case .label:
                at += 1
                state = .pieces
            case .picture:
                guard gather.fill(9, input, &at) else { return nil }
                if let refusal = limits.refuses(width: gather.little(4, 2), height: gather.little(6, 2)) { return refusal }
                hasPicture = true
                colours(gather.byte(8), then: .codeSize)
            case .codeSize:
                guard (1...11).contains(input[at]) else { return .malformed }
                at += 1
                state = .pieces
            case .pieces:
                gather.left = Int(input[at])
                at += 1
                state = gather.left == 0 ? .block : .pieceBody
            case .pieceBody: if gather.skip(input, &at) { state = .pieces }
            case .done: return .trailingData
            }
        }
        return nil
    }

    func finish() -> ContentRefusal? { state == .done ? nil : .truncated }

    private mutating func colours(_ packed: Int, then next: State) {
        gather.clear()
        afterColours = next
        gather.left = packed & 0x80 != 0 ? 3 << ((packed & 7) + 1) : 0
        state = gather.left > 0 ? .colours : next
    }
}
