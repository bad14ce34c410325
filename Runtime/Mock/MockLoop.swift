import Glibc
import NIOCore
import SwiftletHTTP

/// What all connections of one mock share. It lives on one event loop, and so needs no lock.
final class MockLoop: @unchecked Sendable {
    static let maxConnections = 4096
    /// Most bytes of a request's body.
    static let maxBody = 16 * 1024 * 1024

    let eventLoop: any EventLoop
    var desk: MockDesk
    var connections = 0
    private let start = NIODeadline.now()
    private var held: [MockConnection] = []
    private var second = 0
    private var dateLine: [UInt8] = []

    init(eventLoop: any EventLoop, desk: MockDesk) {
        self.eventLoop = eventLoop
        self.desk = desk
    }

    /// Nanoseconds since the mock started.
    var now: Int64 { (NIODeadline.now() - start).nanoseconds }

    /// The `Date` line, made once a second.
    var date: [UInt8] {
        let now = time(nil)
        if now != second {
            second = now
            dateLine = HTTPDate.line(unixSeconds: now)
        }
        return dateLine
    }

    func hold(_ connection: MockConnection) { held.append(connection) }

    func letGo(_ connection: MockConnection) { held.removeAll { $0 === connection } }

    func release() -> Int {
        let waiting = held
        held = []
        for connection in waiting { connection.play() }
        return waiting.count
    }
}
