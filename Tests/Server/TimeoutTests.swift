import NIOCore
import NIOPosix
import Testing

@testable import SwiftletServer

@Suite("Waiting for a time") struct TimeoutTests {
    @Test func `a line answers as a list would that is sorted each time`() {
        var random = Steps(state: 7)
        var line = WaitingLine<Int>()
        var list: [(name: Int, time: UInt64, place: WaitingLine<Int>.Place)] = []
        var taken = 0
        for name in 0..<20_000 {
            switch random.next(5) {
            case 0, 1:
                // Mostly in order, as times of requests are.
                let time = UInt64(name) + (random.next(8) == 0 ? 0 : 500) + UInt64(random.next(20))
                let place = line.add(name, until: time)
                list.insert((name, time, place), at: list.firstIndex { $0.time > time } ?? list.count)
            case 2 where !list.isEmpty:
                line.remove(list.remove(at: random.next(list.count)).place)
            default:
                let due = list.first.flatMap { $0.time <= UInt64(name) ? $0.name : nil }
                if due != nil { list.removeFirst() }
                if due != nil { taken += 1 }
                #expect(line.takeDue(at: UInt64(name)) == due)
            }
            #expect(line.nextTime == list.first?.time)
        }
        #expect(taken > 1000)
        while let first = list.first {
            #expect(line.takeDue(at: .max) == first.name)
            list.removeFirst()
        }
        #expect(line.takeDue(at: .max) == nil)
    }

    @Test func `who left is not kept, and places are used again`() {
        final class Waiter {}
        var line = WaitingLine<Waiter>()
        weak var gone: Waiter?
        let long = line.add(Waiter(), until: 1_000_000)
        var highest = long
        for time in 0..<10_000 as Range<UInt64> {
            let waiter = Waiter()
            gone = waiter
            let place = line.add(waiter, until: time)
            highest = max(highest, place)
            line.remove(place)
        }
        #expect(gone == nil)
        #expect(highest == 1, "one waits long, and never two beside it")
        #expect(line.nextTime == 1_000_000)
        line.remove(long)
        #expect(line.nextTime == nil)
    }

    @Test func `after a crowd the line starts anew`() {
        var line = WaitingLine<Int>()
        for time in 0..<10_000 as Range<UInt64> { _ = line.add(Int(time), until: time) }
        while line.takeDue(at: .max) != nil {}
        #expect(line.add(1, until: 1) == 0)
        #expect(line.takeDue(at: 1) == 1)
    }

    @Test func `each is told in its turn, whoever left is not, and a time that comes sooner than the timer counts`() async throws
    {
        final class Waiter: TimeoutWaiter {
            let tell: () -> Void
            init(_ tell: @escaping () -> Void) { self.tell = tell }
            func timedOut() { tell() }
        }
        final class State {
            var told: [String] = []
        }
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let told = try await loop.flatSubmit {
            let done = loop.makePromise(of: [String].self)
            let timeouts = Timeouts(eventLoop: loop)
            let state = State()
            func wait(_ name: String, _ milliseconds: UInt64, of length: UInt64 = 1) -> Timeouts.Wait {
                let waiter = Waiter {
                    state.told.append(name)
                    // Holds the timeouts, whom nobody else holds here.
                    if name == "last" { withExtendedLifetime(timeouts) { done.succeed(state.told) } }
                }
                return timeouts.add(waiter, in: milliseconds * 1_000_000, of: length)
            }
            _ = wait("for ever", .max / 2_000_000, of: 3)
            let gone = wait("gone", 1)
            _ = wait("last", 60)
            _ = wait("second", 30)
            _ = wait("first of another length", 2, of: 2)
            let goneToo = wait("gone too", 40)
            timeouts.cancel(gone)
            timeouts.cancel(goneToo)
            return done.futureResult
        }.get()
        #expect(told == ["first of another length", "second", "last"])
    }
}

/// Numbers that look random and are the same each time.
private struct Steps {
    var state: UInt64
    mutating func next(_ below: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(below))
    }
}
