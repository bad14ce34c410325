internal import SwiftletCrypto
package import SwiftletHTTP

/// Judges the request that opens a WebSocket (RFC 6455 section 4.2). Subprotocols and extensions are not negotiated: the answer names
/// none, and the client goes on without. Who may connect, and from which origin, is for the host to say.
package enum WebSocketHandshake {
    package enum Verdict: Sendable {
        /// The request is good; `key` is the value for `Sec-WebSocket-Accept`.
        case accept(key: String)
        /// `message` may be shown to the client; `headers` belong to the answer. Close the connection after it: what a client sends
        /// after a failed handshake may be frames.
        case refuse(status: Int, message: String, headers: [(name: StaticString, value: StaticString)])
    }

    /// Whether the request asks for a WebSocket at all, be it well or badly. A request that lost its `Upgrade` to a proxy counts, so
    /// that it gets an answer which says what is wrong.
    package static func isUpgrade(_ head: RequestHead) -> Bool {
        head.upgrade == .webSocket || head.fields.contains("sec-websocket-key") || lists(head, "upgrade", "websocket")
    }

    package static func judge(_ head: RequestHead) -> Verdict {
        guard head.method == .get else {
            return .refuse(status: 405, message: "A WebSocket is opened with GET.", headers: [("Allow", "GET")])
        }
        guard head.minorVersion == 1 else { return bad("A WebSocket needs HTTP/1.1.") }
        guard lists(head, "upgrade", "websocket"), lists(head, "connection", "upgrade") else {
            return upgradeRequired("Upgrade to websocket is required; a proxy in between must pass Upgrade and Connection on.")
        }
        guard let version = single(head, "sec-websocket-version", { $0.equals("13") }), version else {
            return upgradeRequired("Sec-WebSocket-Version must be 13.")
        }
        switch head.framing {
        case .none, .length(0): break
        default: return bad("A WebSocket request has no body.")
        }
        guard areTokens(head, "sec-websocket-protocol") else { return bad("Sec-WebSocket-Protocol is malformed.") }
        guard let key = single(head, "sec-websocket-key", { isKey($0) ? acceptValue($0) : nil }), let key else {
            return bad("Sec-WebSocket-Key must be 16 bytes in base64.")
        }
        return .accept(key: key)
    }

    /// The whole answer to a request that was accepted, with further fields of the host's.
    package static func response(accepting key: String, fields: EncodedFields = EncodedFields()) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(160 + fields.bytes.count)
        bytes.append(contentsOf: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n".utf8)
        bytes.append(contentsOf: "Sec-WebSocket-Accept: ".utf8)
        bytes.append(contentsOf: key.utf8)
        bytes.append(contentsOf: "\r\n".utf8)
        bytes.append(contentsOf: fields.bytes)
        bytes.append(contentsOf: "\r\n".utf8)
        return bytes
    }

    /// The value of `Sec-WebSocket-Accept` for a key.
    static func acceptValue(_ key: UnsafeRawBufferPointer) -> String {
        var text = [UInt8](key)
        text.append(contentsOf: "258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)
        // Twenty bytes leave one character of padding.
        let encoded = Base64URL.encode(SHA1.hash(text)).utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: byte
            }
        }
        return String(decoding: encoded, as: UTF8.self) + "="
    }

    // MARK: Refusals

    private static func bad(_ message: String) -> Verdict { .refuse(status: 400, message: message, headers: []) }

    private static func upgradeRequired(_ message: String) -> Verdict {
        .refuse(
            status: 426, message: message,
            headers: [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")])
    }

    // MARK: Fields

    /// What `body` makes of the only field of that name; nil when there is none, or more than one.
    private static func single<Value>(
        _ head: RequestHead, _ name: StaticString, _ body: (UnsafeRawBufferPointer) -> Value
    ) -> Value? {
        head.fields.count(of: name) == 1 ? head.fields.withValue(name, body) : nil
    }

    /// Whether the fields of that name, which are one list, hold `element`, whatever the case of its letters.
    private static func lists(_ head: RequestHead, _ name: StaticString, _ element: StaticString) -> Bool {
        var found = false
        head.fields.forEachValue(of: name) { value in
            forEachElement(value) { if $0.equalsLowercase(element) { found = true } }
        }
        return found
    }

    private static func areTokens(_ head: RequestHead, _ name: StaticString) -> Bool {
        var good = true
        head.fields.forEachValue(of: name) { value in
            forEachElement(value) { if !$0.allSatisfy(isTokenByte) { good = false } }
        }
        return good
    }

    /// Elements between commas, without the blanks around them; empty ones are left out.
    private static func forEachElement(_ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        for part in value.split(separator: UInt8(ascii: ",")) {
            var part = part.drop(while: isBlank)
            while let last = part.last, isBlank(last) { part.removeLast() }
            if !part.isEmpty { body(UnsafeRawBufferPointer(rebasing: part)) }
        }
    }

    /// `tchar` of RFC 9110.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        // From ^ over _ and ` to z.
        case UInt8(ascii: "^")...UInt8(ascii: "z"): true
        case UInt8(ascii: "!"), UInt8(ascii: "#")...UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"): true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "|"), UInt8(ascii: "~"): true
        default: false
        }
    }

    /// Base64 of sixteen bytes: 22 characters and two of padding. Which bits the last character leaves unused is not looked at: the key
    /// is only repeated.
    private static func isKey(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.count == 24, value[22] == UInt8(ascii: "="), value[23] == UInt8(ascii: "=") else { return false }
        return value.prefix(22).allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "+"), UInt8(ascii: "/"): true
            default: false
            }
        }
    }
}
