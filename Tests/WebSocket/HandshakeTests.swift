import SwiftletHTTP
import SwiftletWebSocket
import Testing

@Suite struct `Handshakes` {
    static let good = [
        "Host: a.example", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]

    /// The good request, with the fields of the same names replaced.
    private func head(_ line: String = "GET /realtime/v1/websocket HTTP/1.1", _ fields: [String] = [], without: [String] = [])
        throws
        -> RequestHead
    {
        func name(_ field: String) -> String { String(field.prefix { $0 != ":" }).lowercased() }
        let replaced = Set(fields.map(name) + without.map { $0.lowercased() })
        let all = Self.good.filter { !replaced.contains(name($0)) } + fields
        let bytes = Array((line + "\r\n" + all.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
        var reader = RequestReader()
        guard case .head(let head) = bytes.withUnsafeBytes({ reader.read($0).outcome }) else {
            throw HTTPRefusal(status: 400, kind: .method, offset: 0)
        }
        return head
    }

    private func status(_ head: RequestHead) -> Int {
        switch WebSocketHandshake.judge(head) {
        case .accept: 101
        case .refuse(let status, _, _): status
        }
    }

    @Test func `the key of RFC 6455 is answered with its accept value`() throws {
        guard case .accept(let key) = WebSocketHandshake.judge(try head()) else {
            Issue.record("refused")
            return
        }
        #expect(key == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        var fields = EncodedFields()
        try fields.append("X-Request-Id", "7")
        #expect(
            String(decoding: WebSocketHandshake.response(accepting: key, fields: fields), as: UTF8.self)
                == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Request-Id: 7\r\n\r\n")
    }

    @Test(arguments: [
        ["Upgrade: WebSocket"], ["Upgrade: h2c, websocket"], ["Upgrade: h2c", "Upgrade: WEBSOCKET"],
        ["Connection: keep-alive, Upgrade"],
        ["Connection: keep-alive", "Connection: upgrade"], ["Connection: ,upgrade ,"], ["Content-Length: 0"],
        ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
        ["Sec-WebSocket-Protocol: phoenix, base64url.bearer.x"],
        ["Origin: null"], ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="], ["sec-websocket-VERSION: 13"],
    ]) func `what clients and proxies make of a good request is accepted`(fields: [String]) throws {
        let head = try head("GET /realtime/v1/websocket HTTP/1.1", fields)
        #expect(WebSocketHandshake.isUpgrade(head))
        #expect(status(head) == 101)
    }

    @Test(arguments: [
        (["Upgrade: websockets"], 426), (["Upgrade: websocket/13"], 426), (["Upgrade: web socket"], 426),
        (["Connection: close"], 426),
        (["Connection: upgraded"], 426), (["Sec-WebSocket-Version: 8"], 426), (["Sec-WebSocket-Version: 13, 8"], 426),
        (["Sec-WebSocket-Version: 013"], 426), (["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"], 426),
        (["Sec-WebSocket-Version:"], 426), (["Sec-WebSocket-Key:"], 400), (["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"], 400),
        (["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE="], 400), (["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-Q=="], 400),
        (["Sec-WebSocket-Key: AAAA===================="], 400), (["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==="], 400),
        (
            [
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ], 400
        ),
        (["Content-Length: 5"], 400), (["Transfer-Encoding: chunked"], 400), (["Sec-WebSocket-Protocol: a b"], 400),
        (["Sec-WebSocket-Protocol: a, \"b\""], 400),
    ]) func `a bad field is refused`(fields: [String], expected: Int) throws {
        let head = try head("GET /realtime/v1/websocket HTTP/1.1", fields)
        #expect(WebSocketHandshake.isUpgrade(head))
        #expect(status(head) == expected)
    }

    @Test func `a refused version learns the right one`() throws {
        guard
            case .refuse(426, _, let headers) = WebSocketHandshake.judge(
                try head("GET / HTTP/1.1", ["Sec-WebSocket-Version: 12"]))
        else {
            Issue.record("another verdict")
            return
        }
        #expect(
            headers.map { "\($0.name): \($0.value)" } == [
                "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            ])
    }

    @Test func `the method, the version of HTTP and every field are needed`() throws {
        #expect(status(try head("POST / HTTP/1.1")) == 405)
        #expect(status(try head("get / HTTP/1.1")) == 405)
        #expect(status(try head("GET / HTTP/1.0")) == 400)
        for field in Self.good.dropFirst() {
            let name = String(field.prefix { $0 != ":" })
            #expect([400, 426].contains(status(try head("GET / HTTP/1.1", without: [name]))), "\(name)")
        }
    }

    @Test func `a plain request asks for no WebSocket`() throws {
        #expect(!WebSocketHandshake.isUpgrade(try head("GET / HTTP/1.1", ["Upgrade: h2c"], without: ["Sec-WebSocket-Key"])))
        #expect(!WebSocketHandshake.isUpgrade(try head("GET / HTTP/1.1", without: ["Upgrade", "Sec-WebSocket-Key"])))
        #expect(WebSocketHandshake.isUpgrade(try head("GET / HTTP/1.1", without: ["Upgrade"])))
        #expect(WebSocketHandshake.isUpgrade(try head("GET / HTTP/1.1", without: ["Connection", "Sec-WebSocket-Key"])))
    }
}
