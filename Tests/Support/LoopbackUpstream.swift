import Foundation

/// A server on an ephemeral loopback port whose behaviour is a closure, run on a thread for each connection. It can
/// misbehave in any way a socket allows.
package final class LoopbackUpstream: @unchecked Sendable {
    package let port: UInt16
    private let listener: Int32
    private let handler: @Sendable (UpstreamConnection) -> Void
    private let open = Locked<(count: Int, all: [Int32: UpstreamConnection], isStopped: Bool)>((0, [:], false))

    package init(_ handler: @escaping @Sendable (UpstreamConnection) -> Void) throws {
        self.handler = handler
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(listener, raw, length) == 0 && listen(listener, 512) == 0 && getsockname(listener, raw, &length) == 0
            }
        }
        guard listener >= 0, status else { throw POSIXError(.EADDRNOTAVAIL) }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        let thread = Thread { [self] in accept() }
        thread.stackSize = 512 << 10
        thread.start()
    }

    package var origin: String { "http://127.0.0.1:\(port)" }

    /// Connections accepted so far.
    package var accepted: Int { open.withLock { $0.count } }

    package func stop() {
        let all = open.withLock { open in
            open.isStopped = true
            return Array(open.all.values)
        }
        shutdown(listener, Int32(SHUT_RDWR))
        all.forEach { $0.end() }
    }

    private func accept() {
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            if socket < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                break
            }
            let connection = open.withLock { open -> UpstreamConnection? in
                if open.isStopped { return nil }
                open.count += 1
                let made = UpstreamConnection(socket: socket, number: open.count)
                open.all[socket] = made
                return made
            }
            guard let connection else {
                close(socket)
                continue
            }
            let thread = Thread { [self] in
                handler(connection)
                open.withLock { _ = $0.all.removeValue(forKey: socket) }
                connection.close()
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
        close(listener)
    }
}

/// The server's end of one connection.
package final class UpstreamConnection: @unchecked Sendable {
    /// 1 for the first that the server accepted.
    package let number: Int
    private let socket: Int32
    private var buffer: [UInt8] = []

    init(socket: Int32, number: Int) {
        self.socket = socket
        self.number = number
    }

    package struct Head: Sendable {
        package var line: String
        package var fields: [(name: String, value: String)]

        package func value(_ name: String) -> String? {
            fields.first { $0.name == name }?.value
        }

        package var target: String {
            let parts = line.split(separator: " ")
            return parts.count > 1 ? String(parts[1]) : ""
        }
    }

    /// The next request head, nil when the peer closed.
    package func readHead() -> Head? {
        while true {
            if let end = endOfHead() {
                let text = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeFirst(end + 4)
                var lines = text.components(separatedBy: "\r\n")
                let line = lines.removeFirst()
                return Head(
                    line: line,
                    fields: lines.map { row in
                        let parts = row.split(separator: ":", maxSplits: 1)
                        return (
                            parts.first.map { $0.lowercased() } ?? "",
                            parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
                        )
                    })
            }
            guard fill() else { return nil }
        }
    }

    /// Exactly `count` body bytes, or nil when the peer closed before.
    package func readBody(_ count: Int) -> [UInt8]? {
        while buffer.count < count {
            guard fill() else { return nil }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// One chunk of a chunked body; empty for the last one.
    package func readChunk() -> [UInt8]? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let size = String(decoding: buffer[..<end], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
                guard let count = Int(size, radix: 16) else { return nil }
                buffer.removeFirst(end + 1)
                guard let chunk = readBody(count + 2) else { return nil }
                return Array(chunk.dropLast(2))
            }
            guard fill() else { return nil }
        }
    }

    @discardableResult
    package func write(_ bytes: [UInt8]) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                send(socket, raw.baseAddress.map { $0 + offset }, bytes.count - offset, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            offset += count
        }
        return true
    }

    @discardableResult
    package func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    /// A complete small answer that keeps the connection.
    @discardableResult
    package func answer(_ status: Int = 200, _ body: String = "ok", fields: [String] = []) -> Bool {
        let lines = fields.map { "\($0)\r\n" }.joined()
        return write("HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(lines)\r\n\(body)")
    }

    /// Reads and drops until the peer closes.
    package func waitForClose() {
        while fill() { buffer.removeAll() }
    }

    /// Closes so that the peer sees a reset.
    package func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    func end() { shutdown(socket, Int32(SHUT_RDWR)) }

    func close() { Glibc.close(socket) }

    private func endOfHead() -> Int? {
        guard buffer.count >= 4 else { return nil }
        return (0...(buffer.count - 4)).first {
            buffer[$0] == 13 && buffer[$0 + 1] == 10 && buffer[$0 + 2] == 13 && buffer[$0 + 3] == 10
        }
    }

    private func fill() -> Bool {
        var piece = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: piece[..<count])
        return true
    }
}

/// Something that happens once, to be waited for from tasks and from threads.
package final class Happening: Sendable {
    private let state = Locked<(happened: Bool, waiters: [@Sendable () -> Void])>((false, []))

    package init() {}

    package func happen() {
        let waiters = state.withLock { state in
            state.happened = true
            defer { state.waiters = [] }
            return state.waiters
        }
        waiters.forEach { $0() }
    }

    package func wait() async {
        await withCheckedContinuation { continuation in
            then { continuation.resume() }
        }
    }

    package func block() {
        let semaphore = DispatchSemaphore(value: 0)
        then { semaphore.signal() }
        semaphore.wait()
    }

    private func then(_ body: @escaping @Sendable () -> Void) {
        let isPast = state.withLock { state in
            if !state.happened { state.waiters.append(body) }
            return state.happened
        }
        if isPast { body() }
    }
}
