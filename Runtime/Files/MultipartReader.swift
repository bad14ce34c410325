import Glibc

/// Reads `multipart/form-data` (RFC 7578) as it comes, in pieces of any size; the pieces do not change what comes out, only
/// where body bytes are cut.
///
/// Hand the same input to `next` until it returns nil, then the next input, then call `finish`. Body bytes come out as ranges
/// of the input; only what looked like a boundary at the end of a piece is held back and comes out as bytes. Nothing may stand
/// before the first boundary but one line end. Where the boundary's letters follow a line end, a boundary is meant: anything but
/// a boundary line there is an error, so no two readers can disagree about it.
package struct MultipartReader: Sendable {
    package struct Part: Hashable, Sendable {
        /// May be empty: some clients send their file so.
        package let name: String
        package let fileName: String?
        /// As sent, without blanks around it.
        package let contentType: String?
        /// It has a file name, or none but the type of raw bytes.
        package let isFile: Bool
    }

    package enum Event: Hashable, Sendable {
        case partBegan(Part)
        /// Body bytes: offsets in the input, never empty.
        case body(Range<Int>)
        /// Body bytes held back from earlier input; shorter than a boundary.
        case held([UInt8])
        case partEnded
        /// The last boundary was read. What follows is ignored up to a limit.
        case ended
    }

    private enum State {
        case start, boundary, padding(Int), lineEnd, dash, head, body, epilogue(Int)
        case failed(MultipartFault)
    }

    private let limits: MultipartLimits
    /// CR LF, two dashes, the boundary. CR stands at its start only, so a failed match never has to be looked at again.
    private let delimiter: [UInt8]
    private var state = State.start
    /// How much of the delimiter has been read. The first boundary needs no line end before it.
    private var matched = 2
    /// How many of the matched bytes are not the body's.
    private var virtual = 0
    private var isFirstByte = true
    private var owesPartEnd = false
    private var head: [UInt8] = []
    private var fields = 0
    private var files = 0
    private var fieldBytes = 0
    private var isFile = false
    /// Whether the last boundary has been read.
    package private(set) var isComplete = false

    /// - Parameter contentType: the value of the request's header.
    package init(contentType: String, limits: MultipartLimits = MultipartLimits()) throws(MultipartFault) {
        guard let boundary = MultipartBoundary.parse(contentType) else { throw .badContentType }
        delimiter = Array("\r\n--".utf8) + boundary
        self.limits = limits
    }

    /// The next event of `input` from `offset` on, which it moves; nil when the input is used up.
    package mutating func next(
        _ input: UnsafeRawBufferPointer, from offset: inout Int
    ) throws(MultipartFault) -> Event? {
        do throws(MultipartFault) {
            return try step(input, &offset)
        } catch {
            state = .failed(error)
            throw error
        }
    }

    /// Everything in one input, in order.
    package mutating func feed(
        _ input: UnsafeRawBufferPointer, _ use: (Event) -> Void
    ) throws(MultipartFault) {
        var offset = 0
        while let event = try next(input, from: &offset) { use(event) }
    }

    /// To be called when the body has ended; throws when it was cut.
    package mutating func finish() throws(MultipartFault) {
        if case .failed(let fault) = state { throw fault }
        guard isComplete else {
            state = .failed(.truncated)
            throw .truncated
        }
    }

    private mutating func step(
        _ input: UnsafeRawBufferPointer, _ at: inout Int
    ) throws(MultipartFault) -> Event? {
        if owesPartEnd {
            owesPartEnd = false
            return .partEnded
        }
        while at >= 0, at < input.count {
            switch state {
            case .failed(let fault): throw fault
            case .start: try start(input, &at)
            case .body:
                if let event = try body(input, &at) { return event }
            case .boundary, .padding: try boundaryLine(input[at], &at)
            case .lineEnd:
                guard input[at] == UInt8(ascii: "\n") else { throw .bareLineEnd }
                at += 1
                head.removeAll(keepingCapacity: true)
                state = .head
            case .dash:
                guard input[at] == UInt8(ascii: "-") else { throw .badBoundaryLine }
                at += 1
                isComplete = true
                state = .epilogue(0)
                return .ended
            case .head:
                if let part = try readHead(input, &at) { return .partBegan(part) }
            case .epilogue(let count):
                let total = count + (input.count - at)
                at = input.count
                guard total <= limits.epilogue else { throw .epilogueTooLarge }
                state = .epilogue(total)
            }
        }
        if case .failed(let fault) = state { throw fault }
        return nil
    }

    // MARK: boundaries

    private mutating func start(_ input: UnsafeRawBufferPointer, _ at: inout Int) throws(MultipartFault) {
        if isFirstByte, input[at] == UInt8(ascii: "\r") { matched = 0 }
        isFirstByte = false
        while at < input.count, matched < delimiter.count {
            guard input[at] == delimiter[matched] else { throw .noFirstBoundary }
            matched += 1
            at += 1
        }
        if matched == delimiter.count { state = .boundary }
    }

    /// After the letters of a boundary: dashes, or blanks and a line end.
    private mutating func boundaryLine(_ byte: UInt8, _ at: inout Int) throws(MultipartFault) {
        at += 1
        var blanks = 0
        if case .padding(let count) = state { blanks = count }
        switch byte {
        case UInt8(ascii: "\r"): state = .lineEnd
        case UInt8(ascii: "\n"): throw .bareLineEnd
        case UInt8(ascii: "-") where blanks == 0: state = .dash
        case UInt8(ascii: " "), UInt8(ascii: "\t"):
            guard blanks < 64 else { throw .badBoundaryLine }
            state = .padding(blanks + 1)
        default: throw .badBoundaryLine
        }
    }

    // MARK: heads

    private mutating func readHead(_ input: UnsafeRawBufferPointer, _ at: inout Int) throws(MultipartFault) -> Part? {
        while at < input.count {
            let byte = input[at]
            at += 1
            guard head.count < limits.head else { throw .headTooLarge }
            if byte == UInt8(ascii: "\n"), head.last != UInt8(ascii: "\r") { throw .bareLineEnd }
            if byte != UInt8(ascii: "\n"), head.last == UInt8(ascii: "\r") { throw .bareLineEnd }
            head.append(byte)
            guard byte == UInt8(ascii: "\n") else { continue }
            let count = head.count
            let isEmptyLine = count == 2 || count >= 4 && head[count - 3] == UInt8(ascii: "\n")
            guard isEmptyLine else { continue }
            let part = try MultipartHead.read(head)
            if part.isFile {
                files += 1
                guard files <= limits.files else { throw .tooManyFiles }
            } else {
                fields += 1
                guard fields <= limits.fields else { throw .tooManyFields }
            }
            isFile = part.isFile
            // A part without a body may end here: its empty line is the boundary's line end then.
            matched = 2
            virtual = 2
            state = .body
            return part
        }
        return nil
    }

    // MARK: bodies

    private mutating func body(_ input: UnsafeRawBufferPointer, _ at: inout Int) throws(MultipartFault) -> Event? {
        if matched > 0 { return try decide(input, &at) }
        guard let base = input.baseAddress else { return nil }
        let start = at
        var from = at
        while from < input.count, let hit = memchr(base + from, 0x0D, input.count - from) {
            let place = UnsafeRawPointer(hit) - base
            var length = 1
            while length < delimiter.count, place + length < input.count, input[place + length] == delimiter[length] {
                length += 1
            }
            if length == delimiter.count {
                at = place + length
                state = .boundary
                guard place > start else { return .partEnded }
                owesPartEnd = true
                return try counted(start..<place)
            }
            if place + length == input.count {
                at = input.count
                matched = length
                return place > start ? try counted(start..<place) : nil
            }
            from = place + length
            // Rows of carriage returns would cost a search each.
            while from + 1 < input.count, input[from] == 0x0D, input[from + 1] == 0x0D { from += 1 }
        }
        at = input.count
        return try counted(start..<input.count)
    }

    /// Goes on where the last input ended with the start of a boundary, or where a body begins.
    private mutating func decide(_ input: UnsafeRawBufferPointer, _ at: inout Int) throws(MultipartFault) -> Event? {
        while at < input.count, matched < delimiter.count {
            guard input[at] == delimiter[matched] else {
                let held = Array(delimiter[min(virtual, matched)..<matched])
                matched = 0
                virtual = 0
                guard !held.isEmpty else { return try body(input, &at) }
                try count(held.count)
                return .held(held)
            }
            matched += 1
            at += 1
        }
        guard matched == delimiter.count else { return nil }
        virtual = 0
        state = .boundary
        return .partEnded
    }

    private mutating func counted(_ range: Range<Int>) throws(MultipartFault) -> Event {
        try count(range.count)
        return .body(range)
    }

    private mutating func count(_ bytes: Int) throws(MultipartFault) {
        guard !isFile else { return }
        fieldBytes += bytes
        guard fieldBytes <= limits.fieldBytes else { throw .fieldsTooLarge }
    }
}
