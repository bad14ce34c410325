/// What the lines of a head mean: the fields that frame the message, and the target.
extension RequestReader {
    /// What was learned so far about the head being read.
    struct Facts: Sendable {
        var major: UInt8 = 0
        var minor: UInt8 = 0
        var form = RequestHead.TargetForm.origin
        var path = RequestHead.Span(0, 0)
        var query: RequestHead.Span?
        var authority: RequestHead.Span?
        var host: RequestHead.Span?
        var length: Int?
        var chunked = false
        var close = false
        var keepAlive = false
        var upgradeNamed = false
        var upgrade = RequestHead.Upgrade.none
        var expectation = RequestHead.Expectation.none
        var dropped = 0
    }

    typealias Fault = (kind: HTTPRefusal.Kind, status: Int)

    // MARK: The target

    /// Splits the target; called at its end. Gives the reason when it is none that this server answers.
    mutating func judgeTarget(_ bytes: UnsafeRawBufferPointer) -> HTTPRefusal.Kind? {
        let method = UnsafeRawBufferPointer(rebasing: bytes[lineStart..<targetStart &- 1])
        if method.equals("CONNECT") { return .connect }
        if method.equals("PRI") { return .version }
        guard targetEnd > targetStart else { return .target }
        var start = targetStart
        if bytes[start] == UInt8(ascii: "/") {
            facts.form = .origin
        } else if bytes[start] == UInt8(ascii: "*"), targetEnd == start &+ 1 {
            facts.form = .asterisk
            facts.path = RequestHead.Span(start, targetEnd)
            return nil
        } else {
            let target = UnsafeRawBufferPointer(rebasing: bytes[start..<targetEnd])
            let scheme: Int
            if target.count > 7, UnsafeRawBufferPointer(rebasing: target[0..<7]).equalsLowercase("http://") {
                scheme = 7
            } else if target.count > 8, UnsafeRawBufferPointer(rebasing: target[0..<8]).equalsLowercase("https://") {
                scheme = 8
            } else {
                return .target
            }
            facts.form = .absolute
            start &+= scheme
            var authorityEnd = start
            while authorityEnd < targetEnd, bytes[authorityEnd] != UInt8(ascii: "/"), bytes[authorityEnd] != UInt8(ascii: "?") {
                authorityEnd &+= 1
            }
            guard Self.isHost(UnsafeRawBufferPointer(rebasing: bytes[start..<authorityEnd])) else { return .target }
            facts.authority = RequestHead.Span(start, authorityEnd)
            if authorityEnd == targetEnd || bytes[authorityEnd] == UInt8(ascii: "?") {
                // No path means `/`: the last slash of `://` lends its byte.
                facts.path = RequestHead.Span(start &- 1, start)
                if authorityEnd < targetEnd { facts.query = RequestHead.Span(authorityEnd &+ 1, targetEnd) }
                return nil
            }
            start = authorityEnd
        }
        var pathEnd = start
        while pathEnd < targetEnd, bytes[pathEnd] != UInt8(ascii: "?") {
            // A backslash is a slash to some proxies and a letter to others.
            if bytes[pathEnd] == UInt8(ascii: "\\") { return .target }
            pathEnd &+= 1
        }
        facts.path = RequestHead.Span(start, pathEnd)
        if pathEnd < targetEnd { facts.query = RequestHead.Span(pathEnd &+ 1, targetEnd) }
        return nil
    }

    /// `uri-host [ ":" port ]`: a registered name, an IPv4 address or a bracketed literal; not empty.
    static func isHost(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > 0 else { return false }
        var at = 0
        if bytes[0] == UInt8(ascii: "[") {
            at = 1
            while at < bytes.count, bytes[at] != UInt8(ascii: "]") {
                let byte = bytes[at]
                guard ByteClass.hexValue(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") else {
                    return false
                }
                at &+= 1
            }
            guard at > 1, at < bytes.count else { return false }
            at &+= 1
        } else {
            while at < bytes.count, bytes[at] != UInt8(ascii: ":") {
                let byte = bytes[at]
                guard ByteClass.host.contains(byte), byte != UInt8(ascii: "["), byte != UInt8(ascii: "]") else { return false }
                at &+= 1
            }
            guard at > 0 else { return false }
        }
        if at == bytes.count { return true }
        guard bytes[at] == UInt8(ascii: ":") else { return false }
        let port = bytes.count &- at &- 1
        guard port <= 5 else { return false }
        for index in at &+ 1..<bytes.count where !ByteClass.isDigit(bytes[index]) { return false }
        return true
    }

    // MARK: Fields

    /// Keeps a field, and learns from it when it concerns the framing of the message or the connection.
    @inline(__always)
    mutating func takeField(_ bytes: UnsafeRawBufferPointer, valueEnd: Int) -> Fault? {
        var end = valueEnd
        while end > valueStart, bytes[end &- 1] == 0x20 || bytes[end &- 1] == 0x09 { end &-= 1 }
        let name = UnsafeRawBufferPointer(rebasing: bytes[lineStart..<nameEnd])
        let value = UnsafeRawBufferPointer(rebasing: bytes[valueStart..<end])
        switch name.count {
        case 4, 6, 7, 10, 14, 17:
            if let fault = learn(name, value, valueEnd: end) { return fault }
        default: break
        }
        if Self.isShadow(name) {
            facts.dropped &+= 1
            return nil
        }
        if entries.capacity == 0 { entries.reserveCapacity(16) }
        entries.append(
            HeaderFields.Entry(
                nameOffset: UInt32(truncatingIfNeeded: lineStart),
                nameLength: UInt32(truncatingIfNeeded: name.count),
                valueOffset: UInt32(truncatingIfNeeded: valueStart),
                valueLength: UInt32(truncatingIfNeeded: value.count)
            )
        )
        return nil
    }

    private mutating func learn(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, valueEnd: Int
    ) -> Fault? {
        switch name.count {
        case 4 where name.equalsLowercase("host"):
            if facts.host != nil { return (.hostDuplicate, 400) }
            guard Self.isHost(value) else { return (.hostInvalid, 400) }
            facts.host = RequestHead.Span(valueStart, valueEnd)
        case 6 where name.equalsLowercase("expect"):
            let continues = value.equalsLowercase("100-continue")
            facts.expectation = continues && facts.expectation != .unknown ? .continue : .unknown
        case 7 where name.equalsLowercase("upgrade"):
            facts.upgrade = value.equalsLowercase("websocket") && facts.upgrade != .other ? .webSocket : .other
        case 10 where name.equalsLowercase("connection"):
            value.forEachListElement { element in
                if element.equalsLowercase("close") { facts.close = true }
                if element.equalsLowercase("keep-alive") { facts.keepAlive = true }
                if element.equalsLowercase("upgrade") { facts.upgradeNamed = true }
            }
        case 14 where name.equalsLowercase("content-length"):
            if facts.length != nil { return (.contentLengthDuplicate, 400) }
            if facts.chunked { return (.bothFramings, 400) }
            guard let length = Self.parseLength(value) else { return (.contentLength, 400) }
            facts.length = length
        case 17 where name.equalsLowercase("transfer-encoding"):
            if facts.chunked { return (.transferEncodingDuplicate, 400) }
            if facts.length != nil { return (.bothFramings, 400) }
            if facts.minor == 0 { return (.transferEncodingVersion, 400) }
            guard value.equalsLowercase("chunked") else {
                return (.transferEncoding, Self.isCodingList(value) ? 501 : 400)
            }
            facts.chunked = true
        default: break
        }
        return nil
    }

    /// Digits only, up to 18 of them: no sign, no list, nothing that two readers could read differently.
    static func parseLength(_ value: UnsafeRawBufferPointer) -> Int? {
        guard value.count > 0, value.count <= 18 else { return nil }
        var length = 0
        for byte in value {
            guard ByteClass.isDigit(byte) else { return nil }
            length = length &* 10 &+ Int(byte &- 0x30)
        }
        return length
    }

    /// A well-formed list of codings that this server does not know, as against a malformed one.
    private static func isCodingList(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let first = value.first, let last = value.last else { return false }
        guard ByteClass.token.contains(first), ByteClass.token.contains(last) else { return false }
        return value.allSatisfy { ByteClass.token.contains($0) || $0 == UInt8(ascii: ",") || $0 == 0x20 }
    }

    /// Whether a name with underscores stands for one with dashes that a proxy or the host gives meaning to. Gateways
    /// that turn both into the same variable would let a client speak in the name of the proxy.
    private static func isShadow(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.contains(UInt8(ascii: "_")) else { return false }
        func shadows(_ text: StaticString, prefix: Bool = false) -> Bool {
            let length = text.utf8CodeUnitCount
            guard prefix ? name.count >= length : name.count == length else { return false }
            for index in 0..<length {
                let byte = name[index] == UInt8(ascii: "_") ? UInt8(ascii: "-") : ByteClass.lowered(name[index])
                if byte != text.utf8Start[index] { return false }
            }
            return true
        }
        return shadows("x-forwarded-", prefix: true) || shadows("x-real-ip") || shadows("x-client-", prefix: true)
            || shadows("x-request-id") || shadows("content-length") || shadows("content-type")
            || shadows("transfer-encoding") || shadows("true-client-ip") || shadows("cf-connecting-ip")
            || shadows("sb-", prefix: true)
    }

    // MARK: The whole head

    /// Checks that need all fields; called at the very end.
    func judgeHead(_ bytes: UnsafeRawBufferPointer) -> HTTPRefusal.Kind? {
        guard let host = facts.host else { return facts.minor == 1 ? .hostMissing : nil }
        if let authority = facts.authority {
            let named = UnsafeRawBufferPointer(rebasing: bytes[authority.range])
            let sent = UnsafeRawBufferPointer(rebasing: bytes[host.range])
            if !named.equalsIgnoringCase(sent) { return .hostMismatch }
        }
        return nil
    }

    func makeHead(_ text: UnsafeRawBufferPointer) -> RequestHead {
        let framing: RequestHead.Framing
        if facts.chunked {
            framing = .chunked
        } else if let length = facts.length {
            framing = .length(length)
        } else {
            framing = .none
        }
        let methodStart = Int(targetStart) &- 1
        var start = 0
        if text.count > 2, text[0] == 0x0D { start = 2 }
        let method = HTTPMethod(UnsafeRawBufferPointer(rebasing: text[start..<methodStart]))
        let modern = facts.minor == 1
        var expectation = facts.expectation
        // HTTP/1.0 knows no `Expect`, and without a body there is nothing to wait for.
        if expectation == .continue, !modern || (framing == .none || framing == .length(0)) { expectation = .none }
        return RequestHead(
            fields: HeaderFields(text: text, entries: entries),
            method: method,
            form: facts.form,
            minorVersion: facts.minor,
            framing: framing,
            keepAlive: modern ? !facts.close : facts.keepAlive && !facts.close,
            expectation: expectation,
            upgrade: facts.upgradeNamed && modern ? facts.upgrade : .none,
            droppedFields: facts.dropped,
            methodSpan: RequestHead.Span(start, methodStart),
            targetSpan: RequestHead.Span(targetStart, targetEnd),
            pathSpan: facts.path,
            querySpan: facts.query,
            hostSpan: facts.host ?? RequestHead.Span(0, 0)
        )
    }
}
