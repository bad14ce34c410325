/// Decodes a chunked body that arrives in pieces of any size. Data is given back as ranges of the input: no byte is
/// copied.
///
/// Strict: sizes are hexadecimal digits and nothing else, lines end in CR LF, extensions follow the grammar without
/// spaces and are dropped, trailers are checked like field lines and dropped.
package struct ChunkedDecoder: Sendable {
    package enum Outcome: Sendable, Hashable {
        /// All input was taken; the body goes on.
        case needMore
        /// The range of the input that is body; call again with the rest.
        case data(Range<Int>)
        /// The body is complete; what was not taken belongs to the next request.
        case end
        /// The body is malformed for good.
        case refused(HTTPRefusal)
    }

    private enum State: UInt8, Sendable {
        case sizeStart, size, extensionStart, extensionName, extensionValueStart, extensionValue
        case extensionQuoted, extensionEscape, extensionClosed, sizeLineFeed
        case data, dataReturn, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, endLineFeed
        case done
    }

    private let extensionLimit: Int
    private let trailerLimit: Int
    private let trailerCount: Int
    private var state = State.sizeStart
    private var remaining = 0
    private var digits = 0
    private var extensionBytes = 0
    private var trailerBytes = 0
    private var trailers = 0
    /// The first bytes of a trailer's name, in lower case: enough to recognise the names that frame a message.
    private var trailerName: (hash: UInt64, length: Int) = (0, 0)
    private var offset = 0
    private var refusal: HTTPRefusal?

    package init(limits: HTTPLimits = HTTPLimits()) {
        extensionLimit = limits.chunkExtensions
        trailerLimit = limits.trailers
        trailerCount = limits.fieldCount
    }

    package var isComplete: Bool { state == .done }

    /// Reads until there is data to hand out, the body ends, or the input is used up.
    package mutating func read(_ input: UnsafeRawBufferPointer) -> (consumed: Int, outcome: Outcome) {
        if let refusal { return (0, .refused(refusal)) }
        var at = 0
        let end = input.count
        while at < end {
            if state == .data {
                let length = min(remaining, end &- at)
                let range = at..<at &+ length
                remaining &-= length
                offset &+= length
                if remaining == 0 { state = .dataReturn }
                return (range.upperBound, .data(range))
            }
            if state == .done { break }
            if let fault = step(input[at]) {
                let refusal = HTTPRefusal(status: fault == .fieldsTooLong ? 431 : 400, kind: fault, offset: offset)
                self.refusal = refusal
                return (at, .refused(refusal))
            }
            at &+= 1
            offset &+= 1
        }
        return (at, state == .done ? .end : .needMore)
    }

    /// Takes one byte of the framing.
    private mutating func step(_ byte: UInt8) -> HTTPRefusal.Kind? {
        switch state {
        case .sizeStart, .size:
            if let value = ByteClass.hexValue(byte) {
                // Fifteen digits keep every size far below the range of Int.
                guard digits < 15 else { return .chunkSize }
                digits &+= 1
                remaining = remaining &<< 4 | Int(value)
                state = .size
            } else if state == .size, byte == 0x0D {
                state = .sizeLineFeed
            } else if state == .size, byte == UInt8(ascii: ";") {
                return countExtension(next: .extensionStart)
            } else {
                return byte == 0x0A ? .bareLineFeed : .chunkSize
            }
        case .extensionStart, .extensionName, .extensionValueStart, .extensionValue, .extensionQuoted, .extensionEscape,
            .extensionClosed:
            return stepExtension(byte)
        case .sizeLineFeed:
            guard byte == 0x0A else { return .bareCarriageReturn }
            digits = 0
            state = remaining == 0 ? .trailerStart : .data
        case .data, .done: return nil
        case .dataReturn:
            guard byte == 0x0D else { return .chunkEnd }
            state = .dataLineFeed
        case .dataLineFeed:
            guard byte == 0x0A else { return .chunkEnd }
            state = .sizeStart
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .endLineFeed:
            return stepTrailer(byte)
        }
        return nil
    }

    private mutating func countExtension(next: State) -> HTTPRefusal.Kind? {
        extensionBytes &+= 1
        guard extensionBytes <= extensionLimit else { return .chunkExtension }
        state = next
        return nil
    }

    private mutating func stepExtension(_ byte: UInt8) -> HTTPRefusal.Kind? {
        let isToken = ByteClass.token.contains(byte)
        switch state {
        case .extensionStart:
            return isToken ? countExtension(next: .extensionName) : .chunkExtension
        case .extensionName:
            if isToken { return countExtension(next: .extensionName) }
            if byte == UInt8(ascii: "=") { return countExtension(next: .extensionValueStart) }
        case .extensionValueStart:
            if isToken { return countExtension(next: .extensionValue) }
            return byte == UInt8(ascii: "\"") ? countExtension(next: .extensionQuoted) : .chunkExtension
        case .extensionValue:
            if isToken { return countExtension(next: .extensionValue) }
        case .extensionQuoted:
            if byte == UInt8(ascii: "\"") { return countExtension(next: .extensionClosed) }
            if byte == UInt8(ascii: "\\") { return countExtension(next: .extensionEscape) }
            return ByteClass.isValue(byte) ? countExtension(next: .extensionQuoted) : .chunkExtension
        case .extensionEscape:
            return ByteClass.isValue(byte) ? countExtension(next: .extensionQuoted) : .chunkExtension
        default: break
        }
        // A complete name or value may end the line or begin the next extension.
        if byte == UInt8(ascii: ";") { return countExtension(next: .extensionStart) }
        if byte == 0x0D {
            state = .sizeLineFeed
            return nil
        }
        return .chunkExtension
    }

    private mutating func stepTrailer(_ byte: UInt8) -> HTTPRefusal.Kind? {
        if state != .endLineFeed, !(state == .trailerStart && byte == 0x0D) {
            trailerBytes &+= 1
            guard trailerBytes <= trailerLimit else { return .fieldsTooLong }
        }
        switch state {
        case .trailerStart:
            if byte == 0x0D {
                state = .endLineFeed
                return nil
            }
            guard ByteClass.token.contains(byte), trailers < trailerCount else { return .trailer }
            trailers &+= 1
            trailerName = (UInt64(ByteClass.lowered(byte)), 1)
            state = .trailerName
        case .trailerName:
            if ByteClass.token.contains(byte) {
                trailerName.hash = trailerName.hash &* 31 &+ UInt64(ByteClass.lowered(byte))
                trailerName.length &+= 1
            } else if byte == UInt8(ascii: ":") {
                // A reader that merges trailers into the head must not find another framing there.
                if Self.framing.contains(where: { $0 == trailerName }) { return .trailer }
                state = .trailerValue
            } else {
                return .trailer
            }
        case .trailerValue:
            if byte == 0x0D {
                state = .trailerLineFeed
            } else if !ByteClass.isValue(byte) {
                return .trailer
            }
        case .trailerLineFeed:
            guard byte == 0x0A else { return .bareCarriageReturn }
            state = .trailerStart
        case .endLineFeed:
            guard byte == 0x0A else { return .bareCarriageReturn }
            state = .done
        default: break
        }
        return nil
    }

    private static let framing: [(hash: UInt64, length: Int)] = ["content-length", "transfer-encoding", "host"].map { name in
        (name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }, name.utf8.count)
    }
}
