import CCurl
import Glibc
import HTTPTypes
import SwiftletNet

extension Transfer {
    /// Sets every option of one attempt. False when curl has no memory left.
    func configure(_ slot: EasySlot, connectTo address: IPAddress?, options: EgressClient.Options, now: Int64) -> Bool {
        let handle = slot.handle
        let context = Unmanaged.passUnretained(self).toOpaque()
        curl_easy_reset(handle)
        var isFine = true
        func set(_ option: CURLoption, _ value: Int) {
            if ccurl_set_long(handle, option, value) != CURLE_OK { isFine = false }
        }
        func set(_ option: CURLoption, _ value: String) {
            if ccurl_set_string(handle, option, value) != CURLE_OK { isFine = false }
        }
        set(CURLOPT_URL, url.origin + url.requestTarget)
        set(CURLOPT_PATH_AS_IS, 1)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, url.scheme)
        set(CURLOPT_REDIR_PROTOCOLS_STR, "https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        // The environment names no proxy and no credentials here.
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOPROXY, "*")
        set(CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue))
        set(CURLOPT_HTTP_CONTENT_DECODING, 0)
        set(CURLOPT_HTTP09_ALLOWED, 0)
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let file = options.certificateAuthorities {
            set(CURLOPT_CAINFO, file)
        }
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        // Wait for a connection that is being made and can be shared, rather than opening one more.
        set(CURLOPT_PIPEWAIT, url.scheme == "https" ? 1 : 0)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_MAXAGE_CONN, options.maxIdleSeconds)
        set(CURLOPT_MAXLIFETIME_CONN, options.maxConnectionSeconds)
        let left = max(1, (timer.connectDeadline - now) / 1_000_000)
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(address != nil && !addresses.isEmpty ? max(1, left / 2) : left))
        if let address {
            // Empty host and port fit any: this hop has one URL. The peer becomes part of what makes two connections
            // the same to curl, so a connection is only shared among transfers judged for this very address.
            let text = address.family == .v6 ? "[\(address)]" : address.description
            let port = url.effectivePort ?? 443
            guard let list = curl_slist_append(nil, "::\(text):\(port)") else { return false }
            lists.append(list)
            if ccurl_set_list(handle, CURLOPT_CONNECT_TO, list) != CURLE_OK { isFine = false }
        }
        slot.open.pointee = ccurl_open_context(callback: openSocketCallback, context: context)
        if ccurl_set_open(handle, slot.open) != CURLE_OK { isFine = false }
        // Sockets outlive transfers: their count belongs to the loop.
        let loopContext = Unmanaged.passUnretained(loop).toOpaque()
        if ccurl_set_close(handle, closeSocketCallback, loopContext) != CURLE_OK { isFine = false }
        if ccurl_set_ready(handle, readyCallback, context) != CURLE_OK { isFine = false }
        if ccurl_set_data(handle, CURLOPT_WRITEFUNCTION, bodyCallback, CURLOPT_WRITEDATA, context) != CURLE_OK {
            isFine = false
        }
        if ccurl_set_data(handle, CURLOPT_HEADERFUNCTION, headerCallback, CURLOPT_HEADERDATA, context) != CURLE_OK {
            isFine = false
        }
        if ccurl_set_pointer(handle, CURLOPT_PRIVATE, context) != CURLE_OK { isFine = false }
        set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        guard configureBody(handle, context), configureFields(handle, options) else { return false }
        return isFine
    }

    private func configureBody(_ handle: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer) -> Bool {
        var codes: [CURLcode] = []
        switch request.body {
        case .none:
            switch request.method {
            case .head: codes.append(ccurl_set_long(handle, CURLOPT_NOBODY, 1))
            case .post, .put, .patch:
                // Announces a length of zero, which these methods should.
                codes.append(ccurl_set_string(handle, CURLOPT_POSTFIELDS, ""))
                codes.append(ccurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, 0))
            default: codes.append(ccurl_set_long(handle, CURLOPT_HTTPGET, 1))
            }
        case .bytes(let bytes):
            if bodyBytes == nil {
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
                copy.copyBytes(from: bytes)
                bodyBytes = copy
            }
            codes.append(ccurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
            codes.append(ccurl_set_pointer(handle, CURLOPT_POSTFIELDS, bodyBytes?.baseAddress))
        case .stream(let length, _):
            codes.append(ccurl_set_long(handle, CURLOPT_UPLOAD, 1))
            codes.append(ccurl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(length ?? -1)))
            codes.append(ccurl_set_data(handle, CURLOPT_READFUNCTION, uploadCallback, CURLOPT_READDATA, context))
            // A kept connection may turn out dead after bytes were drawn that cannot be drawn again.
            codes.append(ccurl_set_long(handle, CURLOPT_FRESH_CONNECT, 1))
        }
        // The method set before stays: it is what CUSTOMREQUEST is for.
        return codes.allSatisfy { $0 == CURLE_OK }
    }

    private func configureFields(_ handle: UnsafeMutableRawPointer, _ options: EgressClient.Options) -> Bool {
        var list: UnsafeMutablePointer<curl_slist>?
        func append(_ line: String) -> Bool {
            guard let longer = curl_slist_append(list, line) else { return false }
            list = longer
            return true
        }
        var isFine = append("Expect:")
        var namesType = false
        var namesAgent = false
        for field in request.fields {
            let name = field.name.canonicalName
            if EgressRequest.isConnectionField(name) { continue }
            if request.acceptsCompressed, name == "accept-encoding" { continue }
            if name == "content-type" { namesType = true }
            if name == "user-agent" { namesAgent = true }
            let line = field.value.isEmpty ? "\(field.name.rawName);" : "\(field.name.rawName): \(field.value)"
            // `HTTPField` lets none through; a line end here would be a second header.
            if line.utf8.contains(where: { $0 == 10 || $0 == 13 || $0 == 0 }) { continue }
            isFine = append(line) && isFine
        }
        if !namesType { isFine = append("Content-Type:") && isFine }
        if !namesAgent { isFine = append("User-Agent: \(options.userAgent)") && isFine }
        if request.acceptsCompressed { isFine = append("Accept-Encoding: gzip, deflate") && isFine }
        if let list {
            lists.append(list)
            isFine = ccurl_set_list(handle, CURLOPT_HTTPHEADER, list) == CURLE_OK && isFine
        }
        return isFine
    }

    func releaseLists() {
        lists.forEach { curl_slist_free_all($0) }
        lists = []
    }
}

private func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
}

private func openSocketCallback(
    _ context: UnsafeMutableRawPointer?, _ family: Int32, _ type: Int32, _ proto: Int32,
    _ address: UnsafePointer<sockaddr>?, _ length: UInt32
) -> curl_socket_t {
    guard let transfer = transfer(context), let address else { return ccurl_bad_socket() }
    let bytes = UnsafeRawBufferPointer(start: address, count: Int(length))
    guard transfer.permits(IPAddress(socketAddress: bytes)) else { return ccurl_bad_socket() }
    return transfer.loop.openSocket(family: family, type: type, proto: proto, address: address)
}

private func closeSocketCallback(_ context: UnsafeMutableRawPointer?, _ socket: curl_socket_t) -> Int32 {
    guard let context else { return close(socket) }
    return Unmanaged<TransferLoop>.fromOpaque(context).takeUnretainedValue().closeSocket(socket)
}

private func readyCallback(
    _ context: UnsafeMutableRawPointer?, _ peer: UnsafeMutablePointer<CChar>?, _ local: UnsafeMutablePointer<CChar>?,
    _ peerPort: Int32, _ localPort: Int32
) -> Int32 {
    guard let transfer = transfer(context), let peer else { return CURL_PREREQFUNC_ABORT }
    let text = UnsafeRawBufferPointer(start: peer, count: strlen(peer))
    let address = transfer.loop.judgedPeer(IPAddress(bytes: text), of: transfer)
    return transfer.ready(peer: address) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

private func headerCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = transfer(context), let buffer else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: buffer, count: size &* count)
    return transfer.readHeaderLine(bytes) ? bytes.count : 0
}

private func bodyCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = transfer(context), let buffer else { return 0 }
    return transfer.readBody(UnsafeRawBufferPointer(start: buffer, count: size &* count))
}

private func uploadCallback(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = transfer(context), let buffer else { return ccurl_read_abort() }
    return transfer.writeBody(into: UnsafeMutableRawBufferPointer(start: buffer, count: size &* count))
}
