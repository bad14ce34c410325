import CEpoll
import Glibc

/// The least a server can do: it hands each broadcast to everybody who has joined anything, with one `send` each of bytes that are ready,
/// and knows no topics, tokens or slow readers. What it needs is the system's own price of a delivery: no server that sends each message to
/// each socket on its own gets below.
final class Floor {
    private let epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    private let events = UnsafeMutablePointer<bench_event>.allocate(capacity: Int(BENCH_BATCH))
    private let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << 20)
    private var isUpgraded: Set<Int32> = []
    private var members: [Int32] = []
    private let port: UInt16

    init(_ options: Options) { port = options.port }

    func run() -> Never {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, size)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard bound == 0, listen(listener, 1024) == 0 else { stop("can't listen on \(port): \(errno)") }
        _ = bench_watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN.rawValue, UInt32(listener))
        while true {
            for place in 0..<max(0, Int(bench_wait(epoll, events, -1))) {
                let descriptor = Int32(events[place].who)
                guard descriptor == listener else {
                    receive(descriptor)
                    continue
                }
                let client = accept(listener, nil, nil)
                guard client >= 0 else { continue }
                _ = fcntl(client, F_SETFL, O_NONBLOCK)
                setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
                _ = bench_watch(epoll, EPOLL_CTL_ADD, client, EPOLLIN.rawValue, UInt32(client))
            }
        }
    }

    private func receive(_ descriptor: Int32) {
        let got = recv(descriptor, buffer, 1 << 20, 0)
        guard got > 0 else {
            if got < 0 && errno == EAGAIN { return }
            close(descriptor)
            isUpgraded.remove(descriptor)
            if let place = members.firstIndex(of: descriptor) {
                members.swapAt(place, members.count - 1)
                members.removeLast()
            }
            return
        }
        guard isUpgraded.contains(descriptor) else {
            isUpgraded.insert(descriptor)
            return answer(
                descriptor,
                Array(
                    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        + "Sec-WebSocket-Accept: \(Wire.accept)\r\n\r\n").utf8))
        }
        var at = 0
        while got - at >= 8 {
            let kind = buffer[at] & 0x0f
            var size = Int(buffer[at + 1] & 0x7f)
            var header = 6
            if size == 126 {
                size = Int(buffer[at + 2]) << 8 | Int(buffer[at + 3])
                header = 8
            }
            // The load's frames are small and come one at a time: a piece of one is not worth keeping here.
            guard size < 126 << 9, got - at >= header + size else { return }
            let payload = buffer + (at + header)
            for place in 0..<size { payload[place] ^= buffer[at + header - 4 + (place & 3)] }
            at += header + size
            if Wire.find(Message.mark, payload, size) != nil {
                let bytes = Floor.frame(kind, payload, size)
                for member in members where member != descriptor { answer(member, bytes) }
            } else if Wire.find("\"phx_join\"", payload, size) != nil {
                members.append(descriptor)
                let reply: StaticString = #"[null,null,"bench","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]"#
                answer(descriptor, Floor.frame(1, reply.utf8Start, reply.utf8CodeUnitCount))
            }
        }
    }

    private func answer(_ descriptor: Int32, _ bytes: [UInt8]) {
        bytes.withUnsafeBytes { _ = send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    private static func frame(_ kind: UInt8, _ payload: UnsafePointer<UInt8>, _ size: Int) -> [UInt8] {
        let head = size < 126 ? [0x80 | kind, UInt8(size)] : [0x80 | kind, 126, UInt8(size >> 8), UInt8(size & 0xff)]
        return head + UnsafeBufferPointer(start: payload, count: size)
    }
}
