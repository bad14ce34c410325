/// Reads request heads out of a byte stream that arrives in pieces of any size.
///
/// The verdict depends on the bytes alone, never on where the stream was cut: every check happens when its byte is
/// read, so a whole buffer and the same buffer byte by byte end in the same head or in the same refusal at the same
/// offset. A malformed head is refused as early as it can be known, without waiting for its end.
///
/// Strict on purpose: lines end in CR LF and nothing else; no folded fields, no space before a colon, no byte
/// outside of the grammar. One empty line before the request line is skipped, as old clients send one after a body.
package struct RequestReader: Sendable {
    package enum Outcome: Sendable {
        /// All input was taken; the head is not complete.
        case needMore
        case head(RequestHead)
        /// Nothing may be read from this connection any more; asking again gives the same refusal.
        case refused(HTTPRefusal)
    }

    enum State: UInt8, Sendable {
        case start, startLineFeed, method, target, version, lineLineFeed
        case fieldStart, name, padding, value, valueLineFeed, endLineFeed, done
    }

    package let limits: HTTPLimits

    /// The bytes of a head that came in more than one piece; empty while a head arrives whole.
    var pending: [UInt8] = []
    var state = State.start
    /// How far the head is scanned.
    var position = 0
    var lineStart = 0
    var fieldsStart = 0
    var targetStart = 0
    var targetEnd = 0
    var nameEnd = 0
    var valueStart = 0
    var entries: [HeaderFields.Entry] = []
    var facts = Facts()
    var refusal: HTTPRefusal?

    package init(limits: HTTPLimits = HTTPLimits()) {
        self.limits = limits
    }

    /// Whether part of a head has been read.
    package var isInsideHead: Bool { !pending.isEmpty }

    /// How much of the unfinished head has been read.
    package var bytesRead: Int { pending.count }

    /// Reads until a head is complete or the input is used up.
    ///
    /// - Returns: how many bytes were taken, and what they made. After `.head` the bytes that were not taken belong to
    ///   the body or to the next request; the reader is ready for the next head.
    package mutating func read(_ input: UnsafeRawBufferPointer) -> (consumed: Int, outcome: Outcome) {
        if let refusal { return (0, .refused(refusal)) }
        guard let base = input.baseAddress, input.count > 0 else { return (0, .needMore) }
        if pending.isEmpty {
            let verdict = scan(UnsafeRawBufferPointer(start: base, count: input.count))
            switch verdict {
            case .incomplete:
                pending.append(contentsOf: input)
                return (input.count, .needMore)
            case .refused(let refusal):
                self.refusal = refusal
                return (min(refusal.offset, input.count), .refused(refusal))
            case .complete:
                let used = position
                return finish(UnsafeRawBufferPointer(rebasing: input[0..<used]), consumed: used)
            }
        }
        // Only as much as a head can have is kept: whatever is longer is refused inside these bytes.
        let before = pending.count
        let taken = min(input.count, max(limits.head + 2 - before, 1))
        pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[0..<taken]))
        let verdict = withPending { reader, bytes in reader.scan(bytes) }
        switch verdict {
        case .incomplete:
            return (taken, .needMore)
        case .refused(let refusal):
            self.refusal = refusal
            pending = []
            return (max(0, min(refusal.offset - before, taken)), .refused(refusal))
        case .complete:
            let used = position
            var whole: [UInt8] = []
            swap(&whole, &pending)
            return whole.withUnsafeBytes { finish(UnsafeRawBufferPointer(rebasing: $0[0..<used]), consumed: used - before) }
        }
    }

    /// Lends the pending bytes to a closure that changes the reader.
    private mutating func withPending<R>(_ body: (inout RequestReader, UnsafeRawBufferPointer) -> R) -> R {
        var bytes: [UInt8] = []
        swap(&bytes, &pending)
        defer { swap(&bytes, &pending) }
        return bytes.withUnsafeBytes { body(&self, $0) }
    }

    private mutating func finish(_ text: UnsafeRawBufferPointer, consumed: Int) -> (consumed: Int, outcome: Outcome) {
        let head = makeHead(text)
        reset()
        return (consumed, .head(head))
    }

    private mutating func reset() {
        state = .start
        position = 0
        lineStart = 0
        // The memory for the next head's, unless they were many.
        entries.removeAll(keepingCapacity: entries.capacity <= 32)
        facts = Facts()
    }

    enum Verdict {
        case incomplete
        case complete
        case refused(HTTPRefusal)
    }

    // MARK: Scanning

    /// Goes on scanning at `position`. `bytes` starts with the first byte of the head.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        let end = bytes.count
        var at = position

        func refuse(_ kind: HTTPRefusal.Kind, _ status: Int = 400) -> Verdict {
            .refused(HTTPRefusal(status: status, kind: kind, offset: at))
        }
        /// Names the byte that may not stand where it stands.
        func misplaced(_ byte: UInt8, otherwise kind: HTTPRefusal.Kind) -> Verdict {
            switch byte {
            case 0x0A: refuse(.bareLineFeed)
            case 0x0D: refuse(.bareCarriageReturn)
            case 0x00: refuse(.nul)
            default: refuse(kind)
            }
        }

        while at < end {
            switch state {
            case .start:
                let byte = bytes[at]
                if byte == 0x0D, at == 0 {
                    state = .startLineFeed
                    at &+= 1
                    continue
                }
                guard ByteClass.token.contains(byte) else { return misplaced(byte, otherwise: .method) }
                lineStart = at
                state = .method

            case .startLineFeed:
                guard bytes[at] == 0x0A else { return refuse(.bareCarriageReturn) }
                at &+= 1
                state = .start

            case .method:
                let limit = min(lineStart &+ limits.method, lineStart &+ limits.requestLine)
                let stop = min(end, limit)
                while at < stop, ByteClass.token.contains(bytes[at]) { at &+= 1 }
                if at == end { break }
                let byte = bytes[at]
                guard byte == 0x20 else {
                    if at == limit { return refuse(.method, 501) }
                    return misplaced(byte, otherwise: .method)
                }
                at &+= 1
                targetStart = at
                state = .target

            case .target:
                let limit = lineStart &+ limits.requestLine
                let stop = min(end, limit)
                while at < stop, ByteClass.isTarget(bytes[at]) { at &+= 1 }
                if at == end { break }
                if at >= limit { return refuse(.requestLineTooLong, 414) }
                let byte = bytes[at]
                guard byte == 0x20 else {
                    // A line that ends here is HTTP/0.9.
                    return byte == 0x0D ? refuse(.version) : misplaced(byte, otherwise: .target)
                }
                targetEnd = at
                if let kind = judgeTarget(bytes) { return refuse(kind) }
                at &+= 1
                state = .version

            case .version:
                let index = at &- targetEnd &- 1
                if at >= lineStart &+ limits.requestLine, index < 8 { return refuse(.requestLineTooLong, 414) }
                let byte = bytes[at]
                switch index {
                case 0..<5:
                    guard byte == Self.versionName[index] else {
                        return byte == 0x0D ? refuse(.version) : misplaced(byte, otherwise: .version)
                    }
                case 5, 7:
                    guard ByteClass.isDigit(byte) else { return misplaced(byte, otherwise: .version) }
                    if index == 5 { facts.major = byte &- 0x30 } else { facts.minor = byte &- 0x30 }
                    if index == 7, facts.major != 1 || facts.minor > 1 { return refuse(.version, 505) }
                case 6:
                    guard byte == UInt8(ascii: ".") else { return misplaced(byte, otherwise: .version) }
                default:
                    guard byte == 0x0D else { return misplaced(byte, otherwise: .version) }
                    state = .lineLineFeed
                }
                at &+= 1

            case .lineLineFeed:
                guard bytes[at] == 0x0A else { return refuse(.bareCarriageReturn) }
                at &+= 1
                fieldsStart = at
                state = .fieldStart

            case .fieldStart:
                let byte = bytes[at]
                if byte == 0x0D {
                    at &+= 1
                    state = .endLineFeed
                    continue
                }
                if byte == 0x20 || byte == 0x09 { return refuse(.obsoleteFold) }
                if entries.count &+ facts.dropped >= limits.fieldCount { return refuse(.tooManyFields, 431) }
                guard ByteClass.token.contains(byte) else { return misplaced(byte, otherwise: .fieldName) }
                lineStart = at
                state = .name

            case .name:
                let limit = min(lineStart &+ limits.field, fieldsStart &+ limits.fields)
                let stop = min(end, limit)
                while at < stop, ByteClass.token.contains(bytes[at]) { at &+= 1 }
                if at == end { break }
                if at >= limit { return refuse(tooLong(limit), 431) }
                let byte = bytes[at]
                guard byte == UInt8(ascii: ":") else {
                    if byte == 0x20 || byte == 0x09 { return refuse(.spaceBeforeColon) }
                    return misplaced(byte, otherwise: .fieldName)
                }
                nameEnd = at
                at &+= 1
                state = .padding

            case .padding:
                let limit = min(lineStart &+ limits.field, fieldsStart &+ limits.fields)
                let stop = min(end, limit)
                while at < stop, bytes[at] == 0x20 || bytes[at] == 0x09 { at &+= 1 }
                if at == end { break }
                if at >= limit, bytes[at] != 0x0D { return refuse(tooLong(limit), 431) }
                valueStart = at
                state = .value

            case .value:
                let limit = min(lineStart &+ limits.field, fieldsStart &+ limits.fields)
                let stop = min(end, limit)
                at = Self.skipValue(bytes, from: at, to: stop)
                if at == end { break }
                let byte = bytes[at]
                guard byte == 0x0D else {
                    if at >= limit { return refuse(tooLong(limit), 431) }
                    return misplaced(byte, otherwise: .control)
                }
                at &+= 1
                state = .valueLineFeed

            case .valueLineFeed:
                guard bytes[at] == 0x0A else { return refuse(.bareCarriageReturn) }
                if let refusal = takeField(bytes, valueEnd: at &- 1) {
                    return refuse(refusal.kind, refusal.status)
                }
                at &+= 1
                if at &- fieldsStart > limits.fields { return refuse(.fieldsTooLong, 431) }
                state = .fieldStart

            case .endLineFeed:
                guard bytes[at] == 0x0A else { return refuse(.bareCarriageReturn) }
                if let kind = judgeHead(bytes) { return refuse(kind) }
                at &+= 1
                position = at
                state = .done
                return .complete

            case .done:
                return .complete
            }
        }
        position = at
        return .incomplete
    }

    private static let versionName: StaticStringBytes = StaticStringBytes("HTTP/")

    private func tooLong(_ limit: Int) -> HTTPRefusal.Kind {
        limit == lineStart &+ limits.field ? .fieldTooLong : .fieldsTooLong
    }

    /// The first byte at or after `start` that may not stand in a field value, or `stop`. Eight bytes at a time.
    @inline(__always)
    private static func skipValue(_ bytes: UnsafeRawBufferPointer, from start: Int, to stop: Int) -> Int {
        var at = start
        while at &+ 8 <= stop {
            let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            // Sets the top bit of every byte below 0x20, and of every 0x7F.
            let ones: UInt64 = 0x0101_0101_0101_0101
            let tops: UInt64 = 0x8080_8080_8080_8080
            let low = (word &- ones &* 0x20) & ~word & tops
            let delete = word ^ (ones &* 0x7F)
            let deletes = (delete &- ones) & ~delete & tops
            if low | deletes != 0 { break }
            at &+= 8
        }
        while at < stop, ByteClass.isValue(bytes[at]) { at &+= 1 }
        return at
    }
}

/// A static text read by index.
struct StaticStringBytes: Sendable {
    private let text: StaticString

    init(_ text: StaticString) { self.text = text }

    subscript(index: Int) -> UInt8 { index < text.utf8CodeUnitCount ? text.utf8Start[index] : 0 }
}
