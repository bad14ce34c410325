import Foundation
import Glibc

/// A blocking client on a plain socket: sends exactly the bytes it is told to, and sees exactly what comes back.
final class Client {
    struct Failure: Error, CustomStringConvertible { let description: String }

    /// One response as it came.
    struct Response {
        var status: Int
        var head: String
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }

        func field(_ name: String) -> String? {
            for line in head.components(separatedBy: "\r\n").dropFirst() {
                guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name.lowercased() else { continue }
                return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
            return nil
        }
    }

    let descriptor: Int32
    private(set) var received: [UInt8] = []
    private(set) var isEnded = false
    private(set) var wasReset = false

    /// Connects to a port on loopback.
    init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        if var size = receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect: \(errno)") }
        setTimeout()
    }

    /// Connects to a socket file.
    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect: \(errno)") }
        setTimeout()
    }

    deinit { Glibc.close(descriptor) }

    private func setTimeout() {
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
    }

    /// - Returns: false when the server did not take all of it.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var at = 0
        while at < bytes.count {
            let sent = bytes[at...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if sent <= 0 { return false }
            at += sent
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

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
        if count < 0, errno == EAGAIN {
            throw Failure(description: "nothing came in time; so far: \(String(decoding: received, as: UTF8.self))")
        }
        wasReset = count < 0
        isEnded = true
        return false
    }

    /// Reads to the end of the stream.
    func receiveAll() throws { while try receive() {} }

    /// The next final response, interim ones skipped; nil when the stream ends before it is complete.
    func response(toHead: Bool = false) throws -> Response? {
        while true {
            if let (response, used) = Self.parse(received, toHead: toHead, ended: isEnded) {
                received.removeFirst(used)
                if response.status == 100 { continue }
                return response
            }
            if try !receive() {
                if let (response, used) = Self.parse(received, toHead: toHead, ended: true) {
                    received.removeFirst(used)
                    return response
                }
                return nil
            }
        }
    }

    /// Sends a request and reads its response.
    func ask(_ text: String) throws -> Response? {
        send(text)
        return try response()
    }

    /// One response at the start of the bytes, and its length.
    static func parse(_ bytes: [UInt8], toHead: Bool, ended: Bool) -> (Response, Int)? {
        var end = 0
        let mark = Array("\r\n\r\n".utf8)
        while end + 4 <= bytes.count, Array(bytes[end..<end + 4]) != mark { end += 1 }
        guard end + 4 <= bytes.count else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        let words = head.split(separator: " ")
        var response = Response(status: words.count > 1 ? Int(words[1]) ?? 0 : 0, head: head, body: [])
        let start = end + 4
        if toHead || response.status < 200 || response.status == 204 || response.status == 304 { return (response, start) }
        if let length = response.field("Content-Length").flatMap({ Int($0) }) {
            guard bytes.count >= start + length else { return nil }
            response.body = Array(bytes[start..<start + length])
            return (response, start + length)
        }
        if response.field("Transfer-Encoding") == "chunked" {
            var at = start
            while true {
                guard let line = bytes[at...].firstIndex(of: 0x0A) else { return nil }
                guard let size = Int(String(decoding: bytes[at..<line - 1], as: UTF8.self), radix: 16) else { return nil }
                let next = line + 1 + size + 2
                guard bytes.count >= next else { return nil }
                if size == 0 { return (response, next) }
                response.body += bytes[line + 1..<line + 1 + size]
                at = next
            }
        }
        guard ended else { return nil }
        response.body = Array(bytes[start...])
        return (response, bytes.count)
    }

    /// All statuses in the bytes received so far.
    func statuses(toHead: Bool = false) -> [Int] {
        var rest = received
        var all: [Int] = []
        while let (response, used) = Self.parse(rest, toHead: toHead, ended: true) {
            all.append(response.status)
            rest.removeFirst(used)
        }
        return all
    }
}
