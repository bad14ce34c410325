import CCurl
import Glibc
import SwiftletNet

/// The one thread that drives curl. Others reach it through a locked queue and a wake-up.
final class TransferLoop: @unchecked Sendable {
    enum Command {
        case start(Transfer)
        case resolved(Transfer, Result<[IPAddress], ResolveFailure>)
        case cancel(Transfer)
        case resumeReceiving(Transfer)
        case resumeSending(Transfer)
        case stop((@Sendable () -> Void)?)
    }

    private struct Inbox {
        var commands: [Command] = []
        var isClosed = false
        var metrics = EgressMetrics()
    }

    private let options: EgressClient.Options
    private let multi: UnsafeMutableRawPointer
    private let inbox = Guarded(Inbox())

    // Of the transfer thread:
    private var transfers: [ObjectIdentifier: Transfer] = [:]
    private var idleSlots: [EasySlot] = []
    /// Which address last answered for a host: tried first, so that names with turning answers keep their connection.
    private var lastGood: [String: IPAddress] = [:]
    private var detourTargets: Set<IPAddress> = []
    private var stirred: [Transfer] = []
    private var isStopping = false
    private var stopWaiters: [@Sendable () -> Void] = []
    private var hasStarted = false

    private static let maxIdleSlots = 64
    private static let maxRemembered = 1_024

    private static let curlIsReady: Bool = ccurl_global_start() == CURLE_OK

    init?(options: EgressClient.Options) {
        guard TransferLoop.curlIsReady, let multi = curl_multi_init() else { return nil }
        self.options = options
        self.multi = multi
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, options.maxIdleConnections)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, options.maxConnections)
        _ = ccurl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.maxConnectionsPerHost)
        _ = ccurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
    }

    deinit {
        // The thread cleans up at its end; it holds this object until then.
        if !hasStarted { curl_multi_cleanup(multi) }
    }

    func start() -> Bool {
        hasStarted = startThread(named: "\(options.threadName)") { [self] in run() }
        return hasStarted
    }

    // MARK: From any thread

    var metrics: EgressMetrics { inbox.withLock { $0.metrics } }

    func count(_ update: (inout EgressMetrics) -> Void) {
        inbox.withLock { update(&$0.metrics) }
    }

    func send(_ command: Command) {
        let isClosed = inbox.withLock { inbox in
            if inbox.isClosed { return true }
            inbox.commands.append(command)
            // Under the lock: the handle is gone soon after the inbox closes.
            curl_multi_wakeup(multi)
            return false
        }
        if isClosed {
            switch command {
            case .start(let transfer): refuse(transfer)
            case .stop(let done): done?()
            default: break
            }
        }
    }

    // MARK: The thread

    private func run() {
        while true {
            let commands = inbox.withLock { inbox in
                defer { inbox.commands.removeAll(keepingCapacity: true) }
                return inbox.commands
            }
            for command in commands { handle(command) }
            if isStopping { break }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            collect()
            let wait = expire()
            wakeReaders()
            if inbox.withLock({ !$0.commands.isEmpty }) { continue }
            curl_multi_poll(multi, nil, 0, wait, nil)
        }
        for transfer in Array(transfers.values) { end(transfer, .failure(transfer.error(.shutDown))) }
        wakeReaders()
        idleSlots = []
        let left = inbox.withLock { inbox in
            inbox.isClosed = true
            defer { inbox.commands = [] }
            return inbox.commands
        }
        curl_multi_cleanup(multi)
        for command in left {
            switch command {
            case .start(let transfer): refuse(transfer)
            case .stop(let done): if let done { stopWaiters.append(done) }
            default: break
            }
        }
        stopWaiters.forEach { $0() }
    }

    private func handle(_ command: Command) {
        switch command {
        case .start(let transfer): begin(transfer)
        case .resolved(let transfer, let result): resolved(transfer, result)
        case .cancel(let transfer): end(transfer, .failure(transfer.error(.cancelled)))
        case .resumeReceiving(let transfer):
            guard transfer.state == .running, transfer.isReceivePaused else { return }
            transfer.isReceivePaused = false
            transfer.timer.moved(at: monotonicNow())
            unpause(transfer)
        case .resumeSending(let transfer):
            guard transfer.state == .running, transfer.isSendPaused else { return }
            transfer.isSendPaused = false
            transfer.timer.moved(at: monotonicNow())
            unpause(transfer)
        case .stop(let done):
            isStopping = true
            if let done { stopWaiters.append(done) }
        }
    }

    private func unpause(_ transfer: Transfer) {
        guard let slot = transfer.slot else { return }
        var mask: Int32 = 0
        if transfer.isReceivePaused { mask |= CURLPAUSE_RECV }
        if transfer.isSendPaused { mask |= CURLPAUSE_SEND }
        let code = curl_easy_pause(slot.handle, mask)
        if code != CURLE_OK { end(transfer, .failure(transfer.failure(code))) }
    }

    private func begin(_ transfer: Transfer) {
        guard transfer.state == .waiting else { return }
        guard transfers.count < options.maxTransfers else {
            transfer.state = .ended
            transfer.upload?.close()
            transfer.channel.finish(.failure(transfer.error(.overloaded)))
            stir(transfer)
            count { $0.failed[EgressError.Code.overloaded.rawValue, default: 0] += 1 }
            return
        }
        transfers[ObjectIdentifier(transfer)] = transfer
        count {
            $0.started += 1
            $0.activeTransfers += 1
        }
        guard case .name(let name) = transfer.url.host else {
            guard case .address(let address) = transfer.url.host, transfer.permits(address) else {
                end(transfer, .failure(transfer.verdict ?? transfer.error(.denied)))
                return
            }
            attempt(transfer, address: nil)
            return
        }
        transfer.state = .resolving
        options.resolver.resolve(name) { [weak self] result in
            self?.send(.resolved(transfer, result))
        }
    }

    private func resolved(_ transfer: Transfer, _ result: Result<[IPAddress], ResolveFailure>) {
        guard transfer.state == .resolving else { return }
        switch result {
        case .failure(.overloaded): end(transfer, .failure(transfer.error(.overloaded)))
        case .failure(.notFound): end(transfer, .failure(transfer.error(.dnsFailed)))
        case .success(let addresses):
            guard let first = addresses.first else {
                end(transfer, .failure(transfer.error(.dnsFailed)))
                return
            }
            if let denial = transfer.grant.denial(of: addresses) {
                end(transfer, .failure(transfer.error(.denied, denial)))
                return
            }
            var order = addresses
            if let good = lastGood[transfer.url.origin], good != first, let index = order.firstIndex(of: good) {
                order.remove(at: index)
                order.insert(good, at: 0)
            }
            transfer.addresses = Array(order.prefix(options.maxAddresses))
            attempt(transfer, address: transfer.addresses.removeFirst())
        }
    }

    private func attempt(_ transfer: Transfer, address: IPAddress?) {
        transfer.state = .running
        transfer.triedAddress = address
        guard let slot = transfer.slot ?? idleSlots.popLast() ?? EasySlot() else {
            end(transfer, .failure(transfer.error(.overloaded)))
            return
        }
        transfer.slot = slot
        guard transfer.configure(slot, connectTo: address, options: options, now: monotonicNow()),
            curl_multi_add_handle(multi, slot.handle) == CURLM_OK
        else {
            end(transfer, .failure(transfer.error(.overloaded)))
            return
        }
    }

    private func collect() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
            let code = ccurl_message_result(message)
            var context: UnsafeMutablePointer<CChar>?
            _ = ccurl_get_string(handle, CURLINFO_PRIVATE, &context)
            guard let context else { continue }
            done(Unmanaged<Transfer>.fromOpaque(UnsafeRawPointer(context)).takeUnretainedValue(), handle, code)
        }
    }

    private func done(_ transfer: Transfer, _ handle: UnsafeMutableRawPointer, _ code: CURLcode) {
        if code == CURLE_OK {
            var connects = 0
            _ = ccurl_get_long(handle, CURLINFO_NUM_CONNECTS, &connects)
            if connects == 0 { count { $0.reusedConnections += 1 } }
            if let address = transfer.triedAddress {
                if lastGood.count >= TransferLoop.maxRemembered { lastGood.removeAll() }
                lastGood[transfer.url.origin] = address
            }
            end(transfer, .success(()))
            return
        }
        // Nothing was sent yet: another judged address of the same answer may do better.
        let mayRetry = code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT
        if mayRetry, !transfer.wasReady, transfer.verdict == nil, !transfer.addresses.isEmpty,
            monotonicNow() < transfer.timer.connectDeadline
        {
            curl_multi_remove_handle(multi, handle)
            transfer.releaseLists()
            attempt(transfer, address: transfer.addresses.removeFirst())
            return
        }
        end(transfer, .failure(transfer.failure(code)))
    }

    /// Ends what is overdue; answers for how many milliseconds nothing is.
    private func expire() -> Int32 {
        let now = monotonicNow()
        var next = now + 60_000_000_000
        var overdue: [(Transfer, EgressError.Code)] = []
        for transfer in transfers.values {
            if let code = transfer.timer.expired(at: now) {
                overdue.append((transfer, code))
            } else {
                next = min(next, transfer.timer.deadline)
            }
        }
        for (transfer, code) in overdue { end(transfer, .failure(transfer.error(code))) }
        return Int32(clamping: (next - now + 999_999) / 1_000_000)
    }

    private func end(_ transfer: Transfer, _ result: Result<Void, EgressError>) {
        guard transfer.state != .ended else { return }
        let wasKnown = transfers.removeValue(forKey: ObjectIdentifier(transfer)) != nil
        transfer.state = .ended
        if let slot = transfer.slot {
            transfer.slot = nil
            curl_multi_remove_handle(multi, slot.handle)
            transfer.releaseLists()
            if idleSlots.count < TransferLoop.maxIdleSlots {
                curl_easy_reset(slot.handle)
                idleSlots.append(slot)
            }
        }
        transfer.upload?.close()
        count { metrics in
            if wasKnown { metrics.activeTransfers -= 1 }
            switch result {
            case .success: metrics.completed += 1
            case .failure(let error):
                metrics.failed[error.code.rawValue, default: 0] += 1
                if let denial = error.denial { metrics.denied[denial.label, default: 0] += 1 }
            }
        }
        transfer.channel.finish(result)
        stir(transfer)
    }

    // MARK: Readers

    /// Its reader is woken at the end of the round: once for head, body and end, where they come together, instead of three times.
    func stir(_ transfer: Transfer) {
        guard !transfer.isStirred else { return }
        transfer.isStirred = true
        stirred.append(transfer)
    }

    private func wakeReaders() {
        guard !stirred.isEmpty else { return }
        for transfer in stirred {
            transfer.isStirred = false
            transfer.channel.wake { send(.resumeReceiving(transfer)) }
        }
        stirred.removeAll(keepingCapacity: true)
    }

    private func refuse(_ transfer: Transfer) {
        transfer.upload?.close()
        transfer.channel.finish(.failure(transfer.error(.shutDown)))
        transfer.channel.wake {}
    }

    // MARK: Sockets

    func openSocket(family: Int32, type: Int32, proto: Int32, address: UnsafePointer<sockaddr>) -> curl_socket_t {
        if let detour = options.detour { take(detour, UnsafeMutableRawPointer(mutating: address), family: family) }
        let socket = Glibc.socket(family, type | Int32(SOCK_CLOEXEC.rawValue), proto)
        guard socket >= 0 else { return ccurl_bad_socket() }
        count { $0.openConnections += 1 }
        return socket
    }

    func closeSocket(_ socket: curl_socket_t) -> Int32 {
        count { $0.openConnections -= 1 }
        return close(socket)
    }

    /// Puts the test's address in place of the judged one; curl connects to what stands there afterwards.
    private func take(_ detour: EgressClient.Detour, _ address: UnsafeMutableRawPointer, family: Int32) {
        guard family == AF_INET else { return }
        let bytes = UnsafeRawBufferPointer(start: address, count: MemoryLayout<sockaddr_in>.size)
        let name = address.assumingMemoryBound(to: sockaddr_in.self)
        guard let judged = IPAddress(socketAddress: bytes),
            let target = detour(judged, UInt16(bigEndian: name.pointee.sin_port)), target.address.family == .v4
        else { return }
        name.pointee.sin_port = target.port.bigEndian
        name.pointee.sin_addr.s_addr = UInt32(truncatingIfNeeded: target.address.low).bigEndian
        detourTargets.insert(target.address)
    }

    /// The address that stands for a peer: the peer itself, or the one a detour replaced.
    func judgedPeer(_ peer: IPAddress?, of transfer: Transfer) -> IPAddress? {
        guard options.detour != nil, let peer, detourTargets.contains(peer) else { return peer }
        return transfer.triedAddress ?? peer
    }
}
