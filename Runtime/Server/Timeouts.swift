import NIOCore

/// Is told when its time is over.
package protocol TimeoutWaiter: AnyObject {
    func timedOut()
}

/// Times that are mostly over before they come: those of requests. Used on its loop only.
///
/// A timer of the loop is an allocation or three, and cancelling one looks through all there are. Here everybody who waits equally long stands in
/// one line, and only the first of the line has a timer; when that one leaves early, the timer is left to find out (measured: a twentieth
/// of the work of an isolated request).
package final class Timeouts {
    /// One wait that was begun. Good until it is cancelled or its waiter has been told.
    package struct Wait {
        fileprivate let line: Int
        fileprivate let place: WaitingLine<any TimeoutWaiter>.Place
    }

    private struct Line {
        let length: UInt64
        var waiters = WaitingLine<any TimeoutWaiter>()
        var timer: Scheduled<Void>?
        /// When the timer fires.
        var due: UInt64 = .max
    }

    private let eventLoop: any EventLoop
    /// A line for each length there is: as many as functions at most.
    private var lines: [Line] = []

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Tells `waiter` in `left` nanoseconds, who waits for `length` in all.
    package func add(_ waiter: any TimeoutWaiter, in left: UInt64, of length: UInt64) -> Wait {
        eventLoop.assertInEventLoop()
        let index = line(length)
        // More than a century is for ever, and can be added to any time.
        let time = NIODeadline.now().uptimeNanoseconds &+ min(left, 1 << 62)
        let place = lines[index].waiters.add(waiter, until: time)
        if time < lines[index].due { arm(index) }
        return Wait(line: index, place: place)
    }

    package func cancel(_ wait: Wait) {
        eventLoop.assertInEventLoop()
        lines[wait.line].waiters.remove(wait.place)
    }

    private func line(_ length: UInt64) -> Int {
        for index in lines.indices where lines[index].length == length { return index }
        lines.append(Line(length: length))
        return lines.count - 1
    }

    private func arm(_ index: Int) {
        lines[index].timer?.cancel()
        lines[index].timer = nil
        lines[index].due = lines[index].waiters.nextTime ?? .max
        guard lines[index].due < .max else { return }
        let due = NIODeadline.uptimeNanoseconds(lines[index].due)
        // Not weakly: to whom a weak reference leads, every other one costs more. The loop forgets its timers when it ends.
        lines[index].timer = eventLoop.assumeIsolated().scheduleTask(deadline: due) { self.fired(index) }
    }

    private func fired(_ index: Int) {
        lines[index].timer = nil
        lines[index].due = .max
        let now = NIODeadline.now().uptimeNanoseconds
        while let waiter = lines[index].waiters.takeDue(at: now) { waiter.timedOut() }
        arm(index)
    }
}
