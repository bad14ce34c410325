import Glibc

/// Client frames of RFC 6455 and the messages of the Phoenix protocol inside them.
enum Wire {
    enum Kind: UInt8 { case text = 1, binary = 2, close = 8, ping = 9, pong = 10 }

    /// The key of RFC 6455's own example, so that the answer is known without a hash.
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    static let accept: StaticString = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    static func handshake(_ options: Options) -> [UInt8] {
        let version = options.dialect == .v1 ? "1.0.0" : "2.0.0"
        return Array(
            ("GET \(options.path)?apikey=\(options.key)&vsn=\(version) HTTP/1.1\r\nHost: 127.0.0.1:\(options.port)\r\nUpgrade: websocket\r\n"
                + "Connection: Upgrade\r\nSec-WebSocket-Key: \(key)\r\nSec-WebSocket-Version: 13\r\n\r\n").utf8)
    }

    /// One masked frame.
    static func frame(_ kind: Kind, _ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0x80 | kind.rawValue]
        bytes.reserveCapacity(payload.count + 14)
        switch payload.count {
        case ..<126: bytes.append(0x80 | UInt8(payload.count))
        case ..<65536: bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xff)]
        default:
            bytes.append(0x80 | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: payload.count >> shift)) }
        }
        let mask = UInt32.random(in: .min ... .max)
        for place in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: mask >> (8 * UInt32(place)))) }
        for (place, byte) in payload.enumerated() {
            bytes.append(byte ^ UInt8(truncatingIfNeeded: mask >> (8 * UInt32(place & 3))))
        }
        return bytes
    }

    static func topic(_ number: Int) -> String { "realtime:bench-\(number)" }

    static func join(_ options: Options, _ topic: Int, ref: Int32) -> [UInt8] {
        let payload =
            #"{"config":{"broadcast":{"ack":false,"self":false},"presence":{"key":"","enabled":false},"postgres_changes":[],"#
            + #""private":false},"access_token":"\#(options.key)"}"#
        return text(options, Wire.topic(topic), "phx_join", payload, ref: ref, joinRef: "\"\(ref)\"")
    }

    static func leave(_ options: Options, _ topic: Int, ref: Int32, joinRef: Int32) -> [UInt8] {
        text(options, Wire.topic(topic), "phx_leave", "{}", ref: ref, joinRef: "\"\(joinRef)\"")
    }

    static func heartbeat(_ options: Options, ref: Int32) -> [UInt8] {
        text(options, "phoenix", "heartbeat", "{}", ref: ref, joinRef: "null")
    }

    static func text(_ options: Options, _ topic: String, _ event: String, _ payload: String, ref: Int32, joinRef: String)
        -> [UInt8]
    {
        let message =
            options.dialect == .v1
            ? #"{"topic":"\#(topic)","event":"\#(event)","payload":\#(payload),"ref":"\#(ref)","join_ref":\#(joinRef)}"#
            : #"[\#(joinRef),"\#(ref)","\#(topic)","\#(event)",\#(payload)]"#
        return frame(.text, Array(message.utf8))
    }

    /// Where `what` begins, or `nil`.
    static func find(_ what: StaticString, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        let length = what.utf8CodeUnitCount
        let first = Int32(what.utf8Start[0])
        var at = 0
        while count - at >= length {
            guard let hit = memchr(bytes + at, first, count - at - length + 1) else { return nil }
            let start = UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - bytes
            if memcmp(bytes + start, what.utf8Start, length) == 0 { return start }
            at = start + 1
        }
        return nil
    }
}

/// A broadcast whose payload tells, in digits of fixed width, who sent it, its number, and when.
struct Message {
    static let mark: StaticString = "SL-MARK:"
    /// The mark, then 5 digits of the publisher, 10 of the number, 20 of the time in nanoseconds.
    static let markSize = 43
    static let leastSize = 70

    private let payload: [UInt8]
    private let at: Int
    private let kind: Wire.Kind

    init(_ options: Options, publisher: Int, topic: Int, joinRef: Int32) {
        let head = #"{"mark":"\#(Message.mark)"#
        let tail = String(repeating: "0", count: Message.markSize - Message.mark.utf8CodeUnitCount) + #"","pad":""#
        let pad = options.size - head.utf8.count - tail.utf8.count - 2
        let inner = head + tail + String(repeating: "x", count: max(0, pad)) + "\"}"
        let name = Wire.topic(topic)
        let around = #"{"type":"broadcast","event":"m","payload":\#(inner)}"#
        switch options.dialect {
        case .v1:
            payload = Array(
                #"{"topic":"\#(name)","event":"broadcast","payload":\#(around),"ref":"9","join_ref":"\#(joinRef)"}"#.utf8)
            kind = .text
        case .v2Text:
            payload = Array(#"["\#(joinRef)","9","\#(name)","broadcast",\#(around)]"#.utf8)
            kind = .text
        case .v2:
            let join = Array("\(joinRef)".utf8)
            let topic = Array(name.utf8)
            payload =
                [3, UInt8(join.count), 1, UInt8(topic.count), 1, 0, 1] + join + Array("9".utf8) + topic + Array("m".utf8)
                + Array(inner.utf8)
            kind = .binary
        }
        let place = payload.withUnsafeBufferPointer { all in
            all.baseAddress.flatMap { Wire.find(Message.mark, $0, all.count) } ?? 0
        }
        at = place + Message.mark.utf8CodeUnitCount
        self.publisher = publisher
    }

    let publisher: Int

    func frame(number: Int, time: Int64) -> [UInt8] {
        var bytes = payload
        Message.write(publisher, 5, &bytes, at)
        Message.write(number, 10, &bytes, at + 5)
        Message.write(Int(time), 20, &bytes, at + 15)
        return Wire.frame(kind, bytes)
    }

    private static func write(_ value: Int, _ width: Int, _ bytes: inout [UInt8], _ at: Int) {
        var rest = value
        for place in stride(from: at + width - 1, through: at, by: -1) {
            bytes[place] = UInt8(48 + rest % 10)
            rest /= 10
        }
    }
}

/// Reads marks. A server puts them at the same place in each frame, so they are looked for there first.
struct MarkReader {
    private(set) var publisher = 0
    private(set) var number = 0
    private(set) var time: Int64 = 0
    private var guess = (text: 0, binary: 0)
    private let last = UnsafeMutablePointer<UInt8>.allocate(capacity: Message.markSize)

    init() { last.initialize(repeating: 0, count: Message.markSize) }

    /// Whether the frame holds a mark; then the three fields are its.
    @inline(__always) mutating func read(_ bytes: UnsafePointer<UInt8>, _ count: Int, isBinary: Bool) -> Bool {
        let place = isBinary ? guess.binary : guess.text
        if place &+ Message.markSize <= count, memcmp(bytes + place, last, Message.markSize) == 0 { return true }
        return search(bytes, count, isBinary: isBinary)
    }

    @inline(never) private mutating func search(_ bytes: UnsafePointer<UInt8>, _ count: Int, isBinary: Bool) -> Bool {
        guard let place = Wire.find(Message.mark, bytes, count), place + Message.markSize <= count else { return false }
        let digits = bytes + place + Message.mark.utf8CodeUnitCount
        publisher = MarkReader.number(digits, 5)
        number = MarkReader.number(digits + 5, 10)
        time = Int64(MarkReader.number(digits + 15, 20))
        memcpy(last, bytes + place, Message.markSize)
        if isBinary { guess.binary = place } else { guess.text = place }
        return true
    }

    private static func number(_ digits: UnsafePointer<UInt8>, _ width: Int) -> Int {
        var value = 0
        for place in 0..<width { value = value &* 10 &+ Int(digits[place] &- 48) }
        return value
    }
}
