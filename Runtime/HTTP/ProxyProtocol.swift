/// Reads the PROXY protocol header, version 1 or 2, that a load balancer sends before the first request.
///
/// It is only ever read where it is required: a connection that does not begin with it is refused. The caller asks
/// for trust before anything that is said here is believed.
package struct ProxyProtocol: Sendable {
    package struct Header: Sendable, Hashable {
        /// The client; nil when the proxy speaks for itself (`LOCAL`, `UNKNOWN`, or a family without addresses): then
        /// the peer itself is the client.
        package var client: PeerAddress?
        /// Whether the proxy says that its client came over TLS. Version 1 cannot say so.
        package var isSecure: Bool

        package init(client: PeerAddress?, isSecure: Bool) {
            self.client = client
            self.isSecure = isSecure
        }
    }

    package enum Outcome: Sendable, Hashable {
        case needMore
        case header(Header)
        case refused(HTTPRefusal)
    }

    /// The longest header of version 1, line end included.
    static let textLimit = 107
    /// The longest header of version 2 that is read: addresses and a few kilobytes of extensions.
    static let binaryLimit = 4 * 1024

    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    private var pending: [UInt8] = []

    package init() {}

    /// Whether part of a header has been read.
    package var isInsideHeader: Bool { !pending.isEmpty }

    /// Reads until the header is complete. Bytes that were not taken belong to the first request.
    package mutating func read(_ input: UnsafeRawBufferPointer) -> (consumed: Int, outcome: Outcome) {
        let before = pending.count
        let taken = min(input.count, Self.binaryLimit + 17 - before)
        pending.append(contentsOf: UnsafeRawBufferPointer(rebasing: input[0..<max(taken, 0)]))
        let (used, outcome) = pending.withUnsafeBytes { Self.parse($0) }
        switch outcome {
        case .needMore: return (taken, .needMore)
        case .header, .refused:
            pending = []
            return (max(0, min(used - before, input.count)), outcome)
        }
    }

    private static func parse(_ bytes: UnsafeRawBufferPointer) -> (used: Int, outcome: Outcome) {
        func refused(_ offset: Int) -> (used: Int, outcome: Outcome) {
            (offset, .refused(HTTPRefusal(status: 400, kind: .proxyHeader, offset: offset)))
        }
        guard let first = bytes.first else { return (0, .needMore) }
        if first == UInt8(ascii: "P") { return parseText(bytes) }
        for index in 0..<min(bytes.count, signature.count) where bytes[index] != signature[index] { return refused(index) }
        guard bytes.count > 12 else { return (0, .needMore) }
        guard bytes[12] >> 4 == 2, bytes[12] & 0x0F <= 1 else { return refused(12) }
        guard bytes.count > 13 else { return (0, .needMore) }
        let family = bytes[13]
        guard bytes.count >= 16 else { return (0, .needMore) }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard length <= binaryLimit else { return refused(14) }
        let addressed: Int
        switch (bytes[12] & 0x0F, family) {
        // A health check of the proxy itself: whatever follows is skipped.
        case (0, _), (1, 0x00): addressed = 0
        case (1, 0x11): addressed = 12
        case (1, 0x21): addressed = 36
        case (1, 0x31): addressed = 216
        // Datagrams, and families that are not assigned, have no business on a stream of requests.
        default: return refused(13)
        }
        guard length >= addressed else { return refused(14) }
        guard bytes.count >= 16 + length else { return (0, .needMore) }
        let body = UnsafeRawBufferPointer(rebasing: bytes[16..<16 + length])
        var header = Header(client: nil, isSecure: false)
        switch addressed {
        case 12: header.client = .v4(UInt32(truncatingIfNeeded: bigEndian(body, 0, 4)))
        case 36: header.client = .fromV6(high: bigEndian(body, 0, 8), low: bigEndian(body, 8, 8))
        default: break
        }
        if addressed > 0 {
            guard let secure = readExtensions(UnsafeRawBufferPointer(rebasing: body[addressed...])) else { return refused(16) }
            header.isSecure = secure
        }
        return (16 + length, .header(header))
    }

    /// Walks the type-length-value list; nil when it does not fill its room exactly.
    private static func readExtensions(_ bytes: UnsafeRawBufferPointer) -> Bool? {
        var at = 0
        var secure = false
        while at < bytes.count {
            guard at + 3 <= bytes.count else { return nil }
            let length = Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
            guard at + 3 + length <= bytes.count else { return nil }
            // PP2_TYPE_SSL: the first byte is a bit field, bit 0 says that the client spoke TLS.
            if bytes[at] == 0x20, length >= 5 { secure = bytes[at + 3] & 1 == 1 }
            at += 3 + length
        }
        return secure
    }

    private static func bigEndian(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in start..<start + count { value = value &<< 8 | UInt64(bytes[index]) }
        return value
    }

    // MARK: Version 1

    private static func parseText(_ bytes: UnsafeRawBufferPointer) -> (used: Int, outcome: Outcome) {
        func refused(_ offset: Int) -> (used: Int, outcome: Outcome) {
            (offset, .refused(HTTPRefusal(status: 400, kind: .proxyHeader, offset: offset)))
        }
        let prefix: StaticString = "PROXY "
        for index in 0..<min(bytes.count, 6) where bytes[index] != prefix.utf8Start[index] { return refused(index) }
        var end = 0
        while end < bytes.count, bytes[end] != 0x0A {
            end += 1
            if end >= textLimit { return refused(end) }
        }
        guard end < bytes.count else { return (0, .needMore) }
        guard end >= 7, bytes[end - 1] == 0x0D else { return refused(end) }
        let line = UnsafeRawBufferPointer(rebasing: bytes[6..<end - 1])
        let used = end + 1
        if line.equals("UNKNOWN") || UnsafeRawBufferPointer(rebasing: line[0..<min(line.count, 8)]).equals("UNKNOWN ") {
            return (used, .header(Header(client: nil, isSecure: false)))
        }
        var words: [UnsafeRawBufferPointer] = []
        var start = 0
        for index in 0...line.count where index == line.count || line[index] == 0x20 {
            words.append(UnsafeRawBufferPointer(rebasing: line[start..<index]))
            start = index + 1
            if words.count > 5 { return refused(used) }
        }
        guard words.count == 5, isPort(words[3]), isPort(words[4]) else { return refused(used) }
        if words[0].equals("TCP4"), let client = PeerAddress.parseV4(words[1]), PeerAddress.parseV4(words[2]) != nil {
            return (used, .header(Header(client: .v4(client), isSecure: false)))
        }
        if words[0].equals("TCP6"), let client = PeerAddress.parseV6(words[1]), PeerAddress.parseV6(words[2]) != nil {
            return (used, .header(Header(client: .fromV6(high: client.high, low: client.low), isSecure: false)))
        }
        return refused(used)
    }

    private static func isPort(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count > 0, text.count <= 5, text.count == 1 || text[0] != 0x30 else { return false }
        var value = 0
        for byte in text {
            guard ByteClass.isDigit(byte) else { return false }
            value = value &* 10 &+ Int(byte &- 0x30)
        }
        return value <= 65_535
    }
}
