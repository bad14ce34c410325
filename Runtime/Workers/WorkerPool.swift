import NIOConcurrencyHelpers
package import NIOCore
package import Swiftlet

/// The workers of one function: who takes a request, who waits, who is started, replaced and ended.
///
/// All of it lives on one event loop. Requests that come in on another hop there and back.
package final class WorkerPool: Invoker, @unchecked Sendable {
    let name: FunctionName
    let policy: Policy
    let site: InvokerSite
    let settings: WorkerSettings
    private let launcher: any WorkerLauncher
    private let turns: BootTurns
    /// Set once, before any request.
    private var home: (any EventLoop)?
    var loop: any EventLoop {
        guard let home else { preconditionFailure("a pool of workers is used before it was started") }
        return home
    }

    // On the loop only.
    private var workers: [Worker] = []
    private var waiting: CircularBuffer<Dispatch> = []
    private var history = CrashHistory()
    private var restart: Scheduled<Void>?
    private var ticker: RepeatedTask?
    /// Workers of an older generation hold older secrets.
    private(set) var generation = 0
    private var isDemanded = false
    private var asksForTurn = false
    private var isStopping = false
    private var stopped: EventLoopPromise<Void>?
    let logs: WorkerLog

    private var lastCrash: (end: WorkerEnd, at: UInt64)?
    private let shown = NIOLockedValueBox(InvokerCondition())

    init(
        _ registration: Registration, site: InvokerSite, settings: WorkerSettings, launcher: any WorkerLauncher, turns: BootTurns
    ) {
        name = registration.name
        policy = registration.policy
        self.site = site
        self.settings = settings
        self.launcher = launcher
        self.turns = turns
        logs = WorkerLog(function: registration.name, logger: site.capabilities.logger, clock: site.clock)
    }

    package var condition: InvokerCondition { shown.withLockedValue { $0 } }

    // MARK: Requests

    package func invoke(_ invocation: Invocation, reply: any InvocationReply) -> any RunningInvocation {
        let dispatch = Dispatch(invocation, reply: reply, pool: self)
        if loop.inEventLoop { place(dispatch) } else { loop.execute { self.place(dispatch) } }
        return dispatch
    }

    /// Gives it to the worker with the least to do, or lets it wait for one.
    private func place(_ dispatch: Dispatch) {
        guard !dispatch.isOver else { return }
        if dispatch.isCancelled { return dispatch.finish { $0.broken(WorkerPool.gone) } }
        if let worker = leastLoaded {
            guard worker.send(dispatch) else {
                return dispatch.finish { $0.broken(WorkerPool.headTooLarge) }
            }
            return
        }
        guard !isStopping else { return dispatch.finish { $0.broken(WorkerPool.stopping) } }
        // With no start due and nobody coming (the last one ended for want of work) this request is what brings the next one.
        if history.isLoop, restart != nil || workers.contains(where: { $0.isComing }) {
            return dispatch.finish { $0.broken(crashLoop) }
        }
        guard waiting.count < settings.room else { return dispatch.finish { $0.broken(WorkerPool.full) } }
        waiting.append(dispatch)
        dispatch.waitTimer = loop.scheduleTask(in: settings.boot.timeAmount) {
            guard let index = self.waiting.firstIndex(where: { $0 === dispatch }) else { return }
            self.waiting.remove(at: index)
            dispatch.finish { $0.broken(WorkerPool.full) }
        }
        isDemanded = true
        ensure()
    }

    private var leastLoaded: Worker? {
        var best: Worker?
        for worker in workers where worker.takesRequests && worker.load < (best?.load ?? .max) { best = worker }
        return best
    }

    func cancel(_ dispatch: Dispatch, _ reason: CancelReason) {
        guard !dispatch.isOver, !dispatch.isCancelled else { return }
        dispatch.isCancelled = true
        dispatch.cancelledAt = site.clock.monotonic()
        if let worker = dispatch.worker { return worker.cancel(dispatch, reason) }
        if let index = waiting.firstIndex(where: { $0 === dispatch }) { waiting.remove(at: index) }
        dispatch.finish { $0.broken(WorkerPool.gone) }
    }

    /// Once more, for those whose worker ended before it began them.
    func resend(_ dispatches: [Dispatch]) {
        guard !dispatches.isEmpty else { return }
        site.report(.resent(count: dispatches.count))
        for dispatch in dispatches { place(dispatch) }
    }

    private func serveWaiting() {
        while leastLoaded != nil, let dispatch = waiting.popFirst() {
            dispatch.waitTimer?.cancel()
            dispatch.waitTimer = nil
            place(dispatch)
        }
    }

    private func failWaiting(_ error: HTTPError) {
        while let dispatch = waiting.popFirst() { dispatch.finish { $0.broken(error) } }
    }

    static let gone = HTTPError(499, .badRequest, "The client went away")
    static let full = HTTPError(
        503, .overloaded, "No worker of the function is ready; try again in a moment", fields: [.init("retry-after", "1")])
    static let stopping = HTTPError(
        503, .shuttingDown, "The host is stopping; try again in a moment", fields: [.init("retry-after", "1")])
    static let headTooLarge = HTTPError(431, "HEADERS_TOO_LARGE", "The header fields are too large or too many")

    private var crashLoop: HTTPError {
        HTTPError(
            503, .bootError, "Function failed to start (please check logs)",
            cause: "its workers ended \(history.failures) times in a row; the next start is due",
            fields: [.init("retry-after", String(history.retryAfter))])
    }

    // MARK: Workers

    package func start(on loop: any EventLoop) {
        home = loop
        loop.execute {
            let tick = TimeAmount.milliseconds(50)
            // Until `stop`. Not weakly: to whom a weak reference leads, every other one costs more.
            self.ticker = loop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in self.tick() }
            self.ensure()
        }
    }

    private var wanted: Int { isStopping ? 0 : settings.areWarm || isDemanded ? max(1, policy.workers) : 0 }

    /// Workers to be started, unless a crash makes them wait.
    private var missing: Int {
        guard restart == nil else { return 0 }
        let missing = wanted - workers.count { $0.generation == generation && $0.isComing }
        // Last: it reads each of them.
        return missing > 0 && site.secrets() != nil ? missing : 0
    }

    /// Starts what is missing: a worker that requests wait for at once, the others when it is their turn.
    func ensure() {
        defer { show() }
        if !waiting.isEmpty, !workers.contains(where: { $0.isComing }), missing > 0 {
            turns.take()
            guard launch() else { return }
        }
        guard !asksForTurn, missing > 0 else { return }
        asksForTurn = true
        turns.ask { self.loop.execute { self.turn() } }
    }

    private func turn() {
        asksForTurn = false
        guard missing > 0 else { return turns.giveBack() }
        if launch() { ensure() }
    }

    private func giveBackTurn(of worker: Worker) {
        guard worker.hasTurn else { return }
        worker.hasTurn = false
        turns.giveBack()
    }

    /// Starts a worker in the turn that was taken for it.
    private func launch() -> Bool {
        guard let secrets = site.secrets() else {
            turns.giveBack()
            return false
        }
        var boot = BootFrame(function: name, executionID: site.newExecutionID(), parent: ProcessID.own)
        boot.secrets = secrets
        boot.settings = site.settings
        boot.allowsPrivateEgress = site.allowsPrivateEgress
        boot.memoryBytes = UInt64(policy.limits.memoryHard.bytes)
        boot.user = settings.user
        do {
            workers.append(try Worker(try launcher.launch(name), boot: boot, generation: generation, pool: self))
            return true
        } catch {
            turns.giveBack()
            crashed(.bootFailure("\(error)"), upFor: 0)
            site.report(
                .ended(
                    .bootFailure("\(error)"), executionID: boot.executionID, process: 0, inFlight: 0, tail: [], suspect: nil,
                    asAsked: false))
            return false
        }
    }

    /// A worker says that it takes requests: those that wait get it, and who holds older secrets may go.
    func ready(_ worker: Worker) {
        history.gotReady()
        serveWaiting()
        giveBackTurn(of: worker)
        replaceOlder()
        show()
    }

    /// Lets those that hold older secrets go, the oldest first, as far as newer ones take their place. In whichever order they get ready:
    /// secrets may be read again while a worker boots.
    private func replaceOlder() {
        let current = workers.count { $0.generation == generation && $0.takesRequests }
        let older = workers.filter { $0.generation < generation && $0.takesRequests }
        for worker in older.dropLast(max(0, wanted - current)) { worker.retire(.termination, as: .replaced) }
    }

    /// A worker takes no more requests: another one takes its place at once.
    func retiring(_ worker: Worker) {
        if worker.endsIdle, !workers.contains(where: { $0.isComing }) { isDemanded = false }
        ensure()
    }

    /// A worker has ended, whatever the reason.
    func ended(_ worker: Worker, _ end: WorkerEnd, asAsked: Bool) {
        workers.removeAll { $0 === worker }
        giveBackTurn(of: worker)
        if end.isCrash, !asAsked, !isStopping {
            crashed(end, upFor: site.clock.monotonic().subtractingClamped(worker.startedAt))
        } else {
            ensure()
        }
        if isStopping, workers.isEmpty { finishStopping() }
    }

    private func crashed(_ end: WorkerEnd, upFor uptime: UInt64) {
        let now = site.clock.monotonic()
        lastCrash = (end, now)
        var isBoot = false
        if case .bootFailure = end { isBoot = true }
        let delay = end.isFromOutside ? history.killed(beforeReady: isBoot) : history.crashed(upFor: uptime)
        if isBoot, !end.isFromOutside, !workers.contains(where: { $0.isComing }) { failWaiting(end.answer) }
        if history.isLoop {
            failWaiting(crashLoop)
            site.report(.crashLoop(failures: history.failures, retryAfter: .nanoseconds(Int64(delay))))
        }
        restart?.cancel()
        restart = nil
        guard delay > 0 else { return ensure() }
        show()
        restart = loop.scheduleTask(in: .nanoseconds(Int64(delay))) {
            self.restart = nil
            self.ensure()
        }
    }

    /// A worker held for a while: what happened before is forgotten.
    private func tick() {
        let now = site.clock.monotonic()
        // A copy: a worker may end while it is looked at.
        for worker in workers {
            worker.tick(now)
            // One that takes much longer than others holds nobody up.
            if now.subtractingClamped(worker.startedAt) > 1_000_000_000 { giveBackTurn(of: worker) }
        }
        if history.failures > 0,
            workers.contains(where: { $0.takesRequests && now.subtractingClamped($0.startedAt) > CrashHistory.quiet })
        {
            history = CrashHistory()
            show()
        }
        logs.tick()
    }

    package func reload() {
        loop.execute {
            self.generation += 1
            self.history = CrashHistory()
            self.restart?.cancel()
            self.restart = nil
            self.ensure()
        }
    }

    package func stop(grace: Duration) async {
        let promise = loop.makePromise(of: Void.self)
        loop.execute {
            self.isStopping = true
            self.restart?.cancel()
            self.failWaiting(WorkerPool.stopping)
            self.stopped = promise
            for worker in self.workers { worker.retire(.termination, as: .asked, grace: grace) }
            if self.workers.isEmpty { self.finishStopping() }
        }
        try? await promise.futureResult.get()
    }

    private func finishStopping() {
        ticker?.cancel()
        ticker = nil
        stopped?.succeed(())
        stopped = nil
    }

    private func show() {
        var condition = InvokerCondition()
        condition.isolated = true
        condition.ready = workers.count { $0.takesRequests }
        condition.wanted = wanted
        condition.lastCrash = lastCrash
        condition.processes = workers.map(\.process)
        if history.isLoop { condition.trouble = "its workers end as soon as they start" }
        shown.withLockedValue { $0 = condition }
    }
}

extension Duration {
    var timeAmount: TimeAmount { .nanoseconds(clampedNanoseconds) }
}
