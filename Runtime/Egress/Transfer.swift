import CCurl
import HTTPTypes
import SwiftletNet

/// One hop on its way: what the transfer thread knows about it. Everything but the constants and the two channels
/// belongs to that thread alone.
final class Transfer: @unchecked Sendable {
    let request: EgressRequest
    let url: WebURL
    let host: String
    let grant: EgressGrant
    let channel = ResponseChannel()
    let upload: UploadPipe?

    // Of the transfer thread:
    var timer: TransferTimer
    var state = State.waiting
    var slot: EasySlot?
    var lists: [UnsafeMutablePointer<curl_slist>] = []
    /// Judged addresses not yet tried.
    var addresses: [IPAddress] = []
    var triedAddress: IPAddress?
    var head = HeadReader()
    var received = 0
    var codedBody = false
    /// What a callback decided; it explains the error that curl then reports.
    var verdict: EgressError?
    var isReceivePaused = false
    var isSendPaused = false
    var wasReady = false
    var bodyBytes: UnsafeMutableRawBufferPointer?
    /// Something was written for its reader in this round.
    var isStirred = false
    unowned let loop: TransferLoop

    enum State {
        case waiting
        case resolving
        case running
        case ended
    }

    init(
        request: EgressRequest, url: WebURL, grant: EgressGrant, totalDeadline: Int64, now: Int64, loop: TransferLoop,
        upload: UploadPipe?
    ) {
        self.request = request
        self.url = url
        self.grant = grant
        self.loop = loop
        self.upload = upload
        host = url.hostname
        timer = TransferTimer(timeouts: request.timeouts, totalDeadline: totalDeadline, now: now)
    }

    deinit {
        bodyBytes?.deallocate()
    }

    func error(_ code: EgressError.Code, _ denial: EgressDenial? = nil) -> EgressError {
        EgressError(code, host: host, denial: denial)
    }

    /// How much may wait for the reader. HTTP/2 shares one connection among transfers, and a stopped one can hold up
    /// the rest until what is on the way to it is taken, so it may run further ahead.
    private var bufferLimit: Int { isMultiplexed ? 1 << 20 : 256 << 10 }
    private var isMultiplexed = false

    // MARK: Called by curl, on the transfer thread

    func permits(_ address: IPAddress?) -> Bool {
        guard let address else {
            verdict = error(.denied, .badURL(.badHost))
            return false
        }
        guard let denial = grant.denial(of: address) else { return true }
        verdict = error(.denied, denial)
        return false
    }

    func ready(peer: IPAddress?) -> Bool {
        guard permits(peer) else { return false }
        wasReady = true
        let now = monotonicNow()
        timer.enter(upload == nil ? .awaitingHead : .sending, at: now)
        return true
    }

    func readHeaderLine(_ line: UnsafeRawBufferPointer) -> Bool {
        let now = monotonicNow()
        if timer.phase != .receiving { timer.enter(.receiving, at: now) } else { timer.moved(at: now) }
        switch head.read(line) {
        case .more: return true
        case .tooLarge: verdict = error(.tooLarge)
        case .malformed: verdict = error(.protocolError)
        case .complete(let head):
            let coding = head.fields[.contentEncoding]?.lowercased()
            codedBody = coding != nil && coding != "identity"
            isMultiplexed = head.version == .http2
            if !codedBody, request.method != .head, let text = head.fields[.contentLength], let length = Int(text),
                length > request.maxResponseBytes
            {
                verdict = error(.tooLarge)
                return false
            }
            channel.deliver(head)
            loop.stir(self)
            return true
        }
        return false
    }

    /// Bytes taken: all, none with an error noted, or a pause.
    func readBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard bytes.count > 0 else { return 0 }
        // Coded bytes are counted here only to end what could not fit in any sane coding; the reader counts decoded ones.
        let limit = min(request.maxResponseBytes, 1 << 50)
        guard bytes.count <= (codedBody ? limit + limit / 256 + 1_024 : limit) - received else {
            verdict = error(.tooLarge)
            return 0
        }
        guard channel.append(bytes, limit: bufferLimit) else {
            isReceivePaused = true
            timer.hold()
            return ccurl_write_pause()
        }
        loop.stir(self)
        received += bytes.count
        timer.moved(at: monotonicNow())
        return bytes.count
    }

    func writeBody(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let upload else { return 0 }
        switch upload.read(into: buffer) {
        case .bytes(let count):
            timer.moved(at: monotonicNow())
            return count
        case .end:
            if timer.phase == .sending { timer.enter(.awaitingHead, at: monotonicNow()) }
            return 0
        case .wait:
            isSendPaused = true
            timer.hold()
            return ccurl_read_pause()
        case .failed:
            verdict = error(.uploadFailed)
            return ccurl_read_abort()
        }
    }

    /// Names the end that curl reports.
    func failure(_ code: CURLcode) -> EgressError {
        if let verdict { return verdict }
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return error(.dnsFailed)
        case CURLE_COULDNT_CONNECT: return error(.connectFailed)
        case CURLE_OPERATION_TIMEDOUT: return error(wasReady ? .totalTimeout : .connectTimeout)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_USE_SSL_FAILED,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH:
            return error(.tlsFailed)
        case CURLE_PARTIAL_FILE: return error(.truncated)
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM,
            CURLE_SEND_FAIL_REWIND:
            return error(.connectionReset)
        case CURLE_OUT_OF_MEMORY: return error(.overloaded)
        default: return error(.protocolError)
        }
    }
}

/// A curl handle and the small memory its callbacks need; used again for other transfers.
final class EasySlot {
    let handle: UnsafeMutableRawPointer
    let open: UnsafeMutablePointer<ccurl_open_context>

    init?() {
        guard let handle = curl_easy_init() else { return nil }
        self.handle = handle
        open = .allocate(capacity: 1)
        open.initialize(to: ccurl_open_context())
    }

    deinit {
        curl_easy_cleanup(handle)
        open.deinitialize(count: 1)
        open.deallocate()
    }
}
