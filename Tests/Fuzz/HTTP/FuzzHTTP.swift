import SwiftletHTTP

// Build and run, in a folder of its own (an incremental build can lose the instrumentation):
//
//     SWIFTLET_FUZZ=1 swift build --sanitize fuzzer -c release --product fuzz-http \
//         --scratch-path .build-fuzz -Xswiftc -parse-as-library
//     python3 Tests/Fuzz/HTTP/make-seeds.py ../shared/corpora seeds
//     SWIFT_BACKTRACE=enable=no .build-fuzz/release/fuzz-http seeds -max_total_time=60
//
// The first byte of the input chooses what is tested, the second how it is cut into pieces.

func fuzzHTTP(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
    guard size >= 2 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: data + 2, count: size - 2))
    let cuts = Cuts(seed: data[1])
    switch data[0] % 4 {
    case 0, 1: checkStream(input, cuts)
    case 2: checkChunks(input, cuts)
    default: checkProxy(input, cuts)
    }
    return 0
}

/// Small limits, so that short inputs reach them.
private let limits = HTTPLimits(
    requestLine: 256, field: 200, fields: 1024, fieldCount: 12, method: 16, chunkExtensions: 64, trailers: 128
)

/// Lengths of pieces, always the same for a seed.
private struct Cuts: Sequence, IteratorProtocol {
    private var state: UInt32
    private let isByteByByte: Bool

    init(seed: UInt8) {
        state = UInt32(seed) &* 2_654_435_761 | 1
        isByteByByte = seed == 0
    }

    mutating func next() -> Int? {
        if isByteByByte { return 1 }
        state = state &* 1_664_525 &+ 1_013_904_223
        return 1 + Int(state >> 24) % 19
    }
}

/// What a connection made of its bytes.
private enum Event: Equatable {
    case head(String)
    case body([UInt8])
    case refused(Int, HTTPRefusal.Kind, Int)
}

/// Reads requests one after the other, as a server does, with the input cut as given; nil means in one piece.
private func readStream(_ input: [UInt8], _ cuts: Cuts?) -> [Event] {
    var events: [Event] = []
    var reader = RequestReader(limits: limits)
    var decoder: ChunkedDecoder?
    var length = 0
    var body: [UInt8] = []
    var cuts = cuts
    var at = 0
    while at < input.count {
        let end = Swift.min(input.count, at + (cuts?.next() ?? input.count))
        while at < end {
            let piece = Array(input[at..<end])
            if length > 0 {
                let count = min(length, piece.count)
                body += piece[..<count]
                length -= count
                at += count
                if length == 0 {
                    events.append(.body(body))
                    body = []
                }
                continue
            }
            if var open = decoder {
                let (consumed, outcome) = piece.withUnsafeBytes { open.read($0) }
                decoder = open
                at += consumed
                switch outcome {
                case .needMore: break
                case .data(let range): body += piece[range]
                case .end:
                    events.append(.body(body))
                    body = []
                    decoder = nil
                case .refused(let refusal):
                    events.append(.refused(refusal.status, refusal.kind, refusal.offset))
                    return events
                }
                continue
            }
            let (consumed, outcome) = piece.withUnsafeBytes { reader.read($0) }
            at += consumed
            switch outcome {
            case .needMore: precondition(at == end, "input was left")
            case .head(let head):
                checkHead(head)
                events.append(.head(describe(head)))
                switch head.framing {
                case .none, .length(0): events.append(.body([]))
                case .length(let count): length = count
                case .chunked: decoder = ChunkedDecoder(limits: limits)
                }
            case .refused(let refusal):
                events.append(.refused(refusal.status, refusal.kind, refusal.offset))
                let again = piece.withUnsafeBytes { reader.read($0) }
                guard case .refused(refusal) = again.outcome else { fatalError("a refusal was forgotten") }
                return events
            }
        }
    }
    return events
}

private func checkStream(_ input: [UInt8], _ cuts: Cuts) {
    let whole = readStream(input, nil)
    let pieces = readStream(input, cuts)
    precondition(whole == pieces, "cut differently: \(whole) and \(pieces)")
}

private func describe(_ head: RequestHead) -> String {
    var text = "\(head.methodBytes) \(head.targetBytes) \(head.minorVersion) \(head.form) \(head.path) \(head.query ?? "-")"
    text += " \(head.host) \(head.framing) \(head.keepAlive) \(head.expectation) \(head.upgrade)"
    head.fields.forEach { name, value in text += " \(Array(name))=\(Array(value))" }
    return text
}

private func checkHead(_ head: RequestHead) {
    // What was accepted, written again, is accepted again and means the same.
    var text = head.methodBytes + [0x20] + head.targetBytes + Array(" HTTP/1.\(head.minorVersion)\r\n".utf8)
    head.fields.forEach { name, value in text += Array(name) + Array(": ".utf8) + Array(value) + [0x0D, 0x0A] }
    text += [0x0D, 0x0A]
    // A field without padding grows by a byte when it is written again.
    var reader = RequestReader(limits: HTTPLimits(requestLine: 256, field: 201, fields: 1100, fieldCount: 12, method: 16))
    let (consumed, outcome) = text.withUnsafeBytes { reader.read($0) }
    guard case .head(let again) = outcome, consumed == text.count else { fatalError("not accepted again: \(outcome)") }
    precondition(describe(again) == describe(head), "means something else: \(describe(again)), \(describe(head))")

    // Read naively, the accepted bytes hold no second framing, no bare line end and no odd byte.
    let raw = head.text
    var lengths = 0
    var codings = 0
    for line in raw.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
        precondition(line.last == 0x0D && line.dropLast().firstIndex(of: 0x0D) == nil, "a bare line end")
        precondition(line.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }, "a control character")
        let name = line.prefix { $0 != 0x3A }.filter { $0 > 0x20 }.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        if name == Array("content-length".utf8) { lengths += 1 }
        if name == Array("transfer-encoding".utf8) { codings += 1 }
    }
    precondition(lengths + codings <= 1, "two framings")
    switch head.framing {
    case .none: precondition(lengths + codings == 0)
    case .length: precondition(lengths == 1)
    case .chunked: precondition(codings == 1)
    }
}

// MARK: Chunks

private enum Chunked: Equatable {
    case complete([UInt8], consumed: Int)
    case incomplete([UInt8])
    case refused
}

private func decode(_ input: [UInt8], _ cuts: Cuts?) -> (result: Chunked, refusal: HTTPRefusal?) {
    var decoder = ChunkedDecoder(limits: limits)
    var body: [UInt8] = []
    var cuts = cuts
    var at = 0
    while at < input.count {
        let end = min(input.count, at + (cuts?.next() ?? input.count))
        while at < end {
            let piece = Array(input[at..<end])
            let (consumed, outcome) = piece.withUnsafeBytes { decoder.read($0) }
            at += consumed
            switch outcome {
            case .needMore: precondition(at == end, "input was left")
            case .data(let range): body += piece[range]
            case .end: return (.complete(body, consumed: at), nil)
            case .refused(let refusal): return (.refused, refusal)
            }
        }
    }
    return (.incomplete(body), nil)
}

private func checkChunks(_ input: [UInt8], _ cuts: Cuts) {
    let whole = decode(input, nil)
    let pieces = decode(input, cuts)
    precondition(whole.result == pieces.result && whole.refusal == pieces.refusal, "cut differently: \(whole), \(pieces)")
    var slow = SlowDecoder(input)
    let expected = slow.run()
    switch (whole.result, expected) {
    case (.complete, .complete), (.refused, .refused): precondition(whole.result == expected, "\(whole.result), \(expected)")
    // The slow one waits for whole lines, the fast one refuses within them, and hands out parts of chunks.
    case (.refused, .incomplete), (.incomplete, .incomplete): break
    default: fatalError("the slow decoder disagrees: \(whole.result), \(expected)")
    }
}

/// The same grammar, written in another way: whole lines, whole chunks, text.
private struct SlowDecoder {
    private let input: [UInt8]
    private var at = 0

    init(_ input: [UInt8]) { self.input = input }

    /// The next line without its end; nil when there is none yet. A line with a bare CR or LF is no line.
    private mutating func line() -> (text: [UInt8]?, isBroken: Bool) {
        guard let end = input[at...].firstIndex(of: 0x0A) else { return (nil, false) }
        let line = Array(input[at..<end])
        at = end + 1
        guard line.last == 0x0D, !line.dropLast().contains(0x0D) else { return (nil, true) }
        return (Array(line.dropLast()), false)
    }

    private static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
        let marks = Array("!#$%&'*+-.^_`|~".utf8)
        return !bytes.isEmpty
            && bytes.allSatisfy {
                ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x61 && $0 <= 0x7A) || marks.contains($0)
            }
    }

    private static func isText(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.allSatisfy { ($0 >= 0x20 && $0 != 0x7F) || $0 == 9 }
    }

    /// `;name`, `;name=token` or `;name="text"`, any number of them.
    private static func areExtensions(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard rest.removeFirst() == 0x3B else { return false }
            let name = rest.prefix { $0 != 0x3B && $0 != 0x3D }
            guard isToken(name) else { return false }
            rest = rest.dropFirst(name.count)
            guard rest.first == 0x3D else { continue }
            rest = rest.dropFirst()
            if rest.first == 0x22 {
                rest = rest.dropFirst()
                var isEscaped = false
                var isClosed = false
                while let byte = rest.popFirst() {
                    guard isText([byte]) else { return false }
                    if isEscaped {
                        isEscaped = false
                    } else if byte == 0x5C {
                        isEscaped = true
                    } else if byte == 0x22 {
                        isClosed = true
                        break
                    }
                }
                guard isClosed else { return false }
            } else {
                let value = rest.prefix { $0 != 0x3B }
                guard isToken(value) else { return false }
                rest = rest.dropFirst(value.count)
            }
        }
        return true
    }

    mutating func run() -> Chunked {
        var body: [UInt8] = []
        var extensions = 0
        while true {
            let (text, isBroken) = line()
            if isBroken { return .refused }
            guard let text else { return .incomplete(body) }
            let digits = text.prefix { $0 != 0x3B }
            guard digits.count >= 1, digits.count <= 15, digits.first != 0x2B, digits.first != 0x2D,
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return .refused }
            let tail = Array(text.dropFirst(digits.count))
            extensions += tail.count
            guard Self.areExtensions(tail), extensions <= 64 else { return .refused }
            if size == 0 { break }
            guard input.count - at >= size else { return .incomplete(body) }
            body += input[at..<at + size]
            at += size
            if at < input.count, input[at] != 0x0D { return .refused }
            if at + 1 < input.count, input[at + 1] != 0x0A { return .refused }
            guard input.count - at >= 2 else { return .incomplete(body) }
            at += 2
        }
        var trailers = 0
        var bytes = 0
        while true {
            let (text, isBroken) = line()
            if isBroken { return .refused }
            guard let text else { return .incomplete(body) }
            if text.isEmpty { return .complete(body, consumed: at) }
            trailers += 1
            bytes += text.count + 2
            let name = text.prefix { $0 != 0x3A }
            let lowered = String(decoding: name, as: UTF8.self).lowercased()
            guard trailers <= 12, bytes <= 128, Self.isToken(name), name.count < text.count,
                Self.isText(text.dropFirst(name.count)), !["content-length", "transfer-encoding", "host"].contains(lowered)
            else { return .refused }
        }
    }
}

// MARK: PROXY headers

private func checkProxy(_ input: [UInt8], _ cuts: Cuts) {
    func read(_ cuts: Cuts?) -> (ProxyProtocol.Outcome, Int) {
        var proxy = ProxyProtocol()
        var cuts = cuts
        var at = 0
        while at < input.count {
            let end = min(input.count, at + (cuts?.next() ?? input.count))
            while at < end {
                let (consumed, outcome) = input[at..<end].withUnsafeBytes { proxy.read($0) }
                at += consumed
                if outcome != .needMore { return (outcome, at) }
                precondition(at == end, "input was left")
            }
        }
        return (.needMore, at)
    }
    let whole = read(nil)
    let pieces = read(cuts)
    precondition(whole.0 == pieces.0, "cut differently: \(whole), \(pieces)")
    if case .header(let header) = whole.0 {
        precondition(whole.1 == pieces.1, "took another length")
        // An address that is written out is read back.
        if let client = header.client { precondition(PeerAddress(client.description) == client, "\(client)") }
    }
    if let text = String(validating: input, as: UTF8.self), let address = PeerAddress(text) {
        precondition(PeerAddress(address.description) == address, "\(address)")
    }
}
