import Foundation
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import SwiftletWorkers

@Suite struct WorkerLoopTests {
    /// A loop on a thread of its own, and the other end of its socket, which blocks.
    private final class Running: @unchecked Sendable {
        let other: Int32
        private(set) var loop: WorkerLoop?
        private let hasEnded = DispatchSemaphore(value: 0)
        private let received = NIOLockedValueBox<[UInt8]>([])

        /// - Parameter prepare: called on the loop's thread before it runs.
        init(
            prepare: @escaping @Sendable (WorkerLoop) -> Void = { _ in },
            turned: @escaping @Sendable (WorkerLoop) -> Void = { _ in },
            received: (@Sendable (WorkerLoop, ByteBuffer) -> Void)? = nil
        ) throws {
            var ends: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            let socket = ends[0]
            other = ends[1]
            let isMade = DispatchSemaphore(value: 0)
            Thread { [self] in
                let loop = WorkerLoop(socket: socket)
                self.loop = loop
                isMade.signal()
                prepare(loop)
                loop.run(
                    received: { bytes in
                        self.received.withLockedValue { $0 += bytes.readableBytesView }
                        received?(loop, bytes)
                    }, turned: { turned(loop) })
                close(socket)
                hasEnded.signal()
            }.start()
            isMade.wait()
        }

        func send(_ bytes: [UInt8]) { #expect(write(other, bytes, bytes.count) == bytes.count) }

        func read(_ count: Int) -> [UInt8] {
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65_536)
            while bytes.count < count {
                let got = Glibc.read(other, &chunk, chunk.count)
                guard got > 0 else { break }
                bytes += chunk[0..<got]
            }
            return bytes
        }

        /// Closes the other end, and gives all that came once the loop has ended.
        func end() -> [UInt8] {
            close(other)
            hasEnded.wait()
            return received.withLockedValue { $0 }
        }
    }

    /// Blocking calls of a test do not take the threads its tasks need.
    private func apart<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in Thread { continuation.resume(returning: body()) }.start() }
    }

    @Test func `what the socket does not take at once comes later, in order, and the loop reads meanwhile`() async throws {
        let parts = (0..<400).map { part in (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ part) } }
        let heard = DispatchSemaphore(value: 0)
        let running = try Running(
            prepare: { loop in
                for part in parts {
                    var bytes = ByteBuffer(bytes: part)
                    loop.send(&bytes)
                    #expect(bytes.readableBytes == 0)
                }
            }, received: { _, _ in heard.signal() })
        // A socket does not hold four million bytes that nobody reads; what its other end says is heard all the same.
        let bytes = await apart {
            running.send([1, 2, 3])
            heard.wait()
            return running.read(4_000_000)
        }
        #expect(bytes == parts.flatMap { $0 })
        #expect(await apart { running.end() } == [1, 2, 3])
    }

    @Test func `a buffer is used again, and a huge one is let go`() async throws {
        let rooms = NIOLockedValueBox<[Int]>([])
        let running = try Running(prepare: { loop in
            var bytes = ByteBuffer(repeating: 1, count: 100)
            let room = bytes.storageCapacity
            loop.send(&bytes)
            #expect(bytes.storageCapacity == room)
            bytes.writeRepeatingByte(2, count: 100_000)
            loop.send(&bytes)
            rooms.withLockedValue { $0 = [bytes.readableBytes, bytes.storageCapacity] }
        })
        #expect(await apart { running.read(100_100) }.count == 100_100)
        _ = await apart { running.end() }
        let left = rooms.withLockedValue { $0 }
        #expect(left[0] == 0 && left[1] <= 65_536)
    }

    @Test func `bytes come whole and in order, however many there are`() async throws {
        let running = try Running()
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
        #expect(
            await apart {
                var sent = 0
                while sent < bytes.count {
                    let count = bytes[sent...].withUnsafeBytes { write(running.other, $0.baseAddress, $0.count) }
                    guard count > 0 else { break }
                    sent += count
                }
                return running.end()
            } == bytes)
    }

    @Test func `work of other threads wakes a loop that sleeps, is done in order, and what it sends goes out`() async throws {
        let running = try Running()
        let loop = try #require(running.loop)
        let seen = NIOLockedValueBox<[Int]>([])
        #expect(!loop.isCurrent)
        await apart {
            for number in 0..<1_000 {
                // Each time the loop has gone to sleep, or is about to.
                loop.execute {
                    #expect(loop.isCurrent)
                    seen.withLockedValue { $0.append(number) }
                    var bytes = ByteBuffer(bytes: [UInt8(truncatingIfNeeded: number)])
                    loop.send(&bytes)
                }
                #expect(running.read(1) == [UInt8(truncatingIfNeeded: number)])
            }
        }
        #expect(seen.withLockedValue { $0 } == Array(0..<1_000))
        _ = await apart { running.end() }
    }

    @Test func `a task that prefers it goes on there after it has waited`() async throws {
        let running = try Running()
        let loop = try #require(running.loop)
        let places = await Task(executorPreference: loop) {
            var places = [loop.isCurrent]
            for _ in 0..<100 {
                await withCheckedContinuation { continuation in Thread { continuation.resume() }.start() }
                places.append(loop.isCurrent)
            }
            return places
        }.value
        #expect(places == Array(repeating: true, count: 101))
        _ = await apart { running.end() }
    }

    /// Work that always leaves more work; it ends with the loop.
    private final class Restless: @unchecked Sendable {
        func again(on loop: WorkerLoop) { loop.execute { self.again(on: loop) } }
    }

    @Test func `work without end does not keep the socket waiting, and each turn is told`() async throws {
        let turns = NIOLockedValueBox(0)
        let running = try Running(
            prepare: { Restless().again(on: $0) }, turned: { _ in turns.withLockedValue { $0 += 1 } },
            received: { loop, bytes in
                var answer = bytes
                loop.send(&answer)
            })
        // All in one go: the loop keeps a core busy meanwhile.
        let heard = await apart {
            for byte in UInt8(0)..<100 {
                running.send([byte])
                #expect(running.read(1) == [byte])
            }
            return running.end()
        }
        #expect(heard == Array(0..<100))
        #expect(turns.withLockedValue { $0 } >= 100)
    }

    @Test func `it ends when the other end is gone, with bytes that nobody took`() async throws {
        let running = try Running(prepare: { loop in
            var bytes = ByteBuffer(repeating: 7, count: 1_000_000)
            loop.send(&bytes)
        })
        #expect(await apart { running.end() } == [])
    }

    private final class Kept: Sendable {}

    @Test func `what is given to a loop that has ended is let go of, and not done`() async throws {
        let running = try Running()
        let loop = try #require(running.loop)
        _ = await apart { running.end() }
        let isDone = NIOLockedValueBox(false)
        weak var kept: Kept?
        do {
            let given = Kept()
            kept = given
            loop.execute { withExtendedLifetime(given) { isDone.withLockedValue { $0 = true } } }
        }
        #expect(kept == nil)
        #expect(!isDone.withLockedValue { $0 })
    }
}
