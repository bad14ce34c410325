import SwiftletHTTP

/// The HTTP around an answer: heads and chunks, for one connection as it stands.
struct Wire: Sendable {
    /// The `Date` line.
    var date: [UInt8]
    /// Whether another request may follow.
    var keepsAlive: Bool
    /// HTTP/1.1: may be answered in chunks.
    var isModern: Bool

    enum Kind: Sendable {
        case json, events
    }

    enum Extra: Sendable, Hashable {
        case retryAfter(Int)
        case gzip
    }

    func head(_ status: Int, _ kind: Kind, length: Int?, extras: [Extra] = []) -> [UInt8] {
        var fields = EncodedFields()
        switch kind {
        case .json: fields.appendOwn("Content-Type", "application/json; charset=UTF-8")
        case .events: fields.appendOwn("Content-Type", "text/event-stream")
        }
        fields.appendOwn("Server", "swiftlet-mock")
        for extra in extras {
            switch extra {
            case .retryAfter(let seconds): fields.appendOwn("Retry-After") { $0.append(contentsOf: String(seconds).utf8) }
            case .gzip: fields.appendOwn("Content-Encoding", "gzip")
            }
        }
        let framing: ResponseHeadEncoder.Framing = length.map { .length($0) } ?? (isModern ? .chunked : .none)
        let connection: ResponseHeadEncoder.Connection =
            !keepsAlive || (length == nil && !isModern) ? .close : isModern ? .implied : .keepAlive
        return [UInt8](unsafeUninitializedCapacity: ResponseHeadEncoder.maximumSize(fieldsSize: fields.bytes.count)) {
            buffer, count in
            count = fields.bytes.withUnsafeBytes { fields in
                date.withUnsafeBytes { date in
                    ResponseHeadEncoder.write(
                        status: status, date: date, framing: framing, connection: connection, fields: fields,
                        into: UnsafeMutableRawBufferPointer(buffer))
                }
            }
        }
    }

    func whole(_ status: Int, _ body: [UInt8], extras: [Extra] = []) -> [UInt8] {
        head(status, .json, length: body.count, extras: extras) + body
    }

    /// A part of a body whose length is not told; nothing of nothing, which would end it.
    func chunk(_ bytes: [UInt8]) -> [UInt8] {
        guard isModern, !bytes.isEmpty else { return bytes }
        var out = Array(String(bytes.count, radix: 16).utf8)
        out.reserveCapacity(out.count + bytes.count + 4)
        out += [0x0D, 0x0A]
        out += bytes
        out += [0x0D, 0x0A]
        return out
    }

    var lastChunk: [UInt8] { isModern ? Array("0\r\n\r\n".utf8) : [] }

    /// Whether the connection lives on after a body that was framed like this.
    func survives(chunked: Bool) -> Bool { keepsAlive && (isModern || !chunked) }
}
