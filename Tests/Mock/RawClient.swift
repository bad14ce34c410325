import Glibc

/// A blocking client on a plain socket.
final class RawClient {
    struct Failure: Error { let what: String }

    private let descriptor: Int32
    private(set) var received: [UInt8] = []
    /// The connection ended with a reset, not with a FIN.
    private(set) var wasReset = false
    private(set) var isEnded = false

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(what: "connect: \(errno)") }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        var at = 0
        while at < bytes.count {
            let count = bytes[at...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            at += count
        }
    }

    /// Reads once; false at the end of the stream.
    @discardableResult
    func receive() throws -> Bool {
        if isEnded { return false }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count > 0 {
            received += buffer[..<count]
            return true
        }
        if count < 0, errno == EAGAIN { throw Failure(what: "nothing came in time") }
        wasReset = count < 0
        isEnded = true
        return false
    }

    var text: String { String(decoding: received, as: UTF8.self) }

    func receiveAll() throws { while try receive() {} }

    /// Reads until this text has come.
    func receive(until mark: String) throws {
        while !text.contains(mark) {
            guard try receive() else { throw Failure(what: "ended before \(mark): \(text)") }
        }
    }

    /// One response whose length is told; taken off what was received.
    func response() throws -> (status: Int, body: String) {
        try receive(until: "\r\n\r\n")
        let head = String(text[..<(text.firstRange(of: "\r\n\r\n")?.upperBound ?? text.endIndex)])
        let field = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
        let (start, length) = (head.utf8.count, field.flatMap { Int($0.dropFirst(16)) } ?? 0)
        while received.count < start + length {
            guard try receive() else { throw Failure(what: "ended inside of a body") }
        }
        let body = String(decoding: received[start..<start + length], as: UTF8.self)
        received.removeFirst(start + length)
        return (Int(head.dropFirst(9).prefix(3)) ?? 0, body)
    }
}
