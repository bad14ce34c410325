/// Writes response heads as bytes: status line, `Date`, framing, connection, then the given fields, always in that
/// order.
package enum ResponseHeadEncoder {
    package enum Framing: Sendable, Hashable {
        case length(Int)
        case chunked
        /// No framing field: 204 and 304, or a body that ends with the connection.
        case none
    }

    package enum Connection: Sendable, Hashable {
        /// The default of the version, nothing written.
        case implied
        case close
        /// Said aloud to an HTTP/1.0 client that asked for it.
        case keepAlive
    }

    /// Final statuses that a handler may answer with.
    package static func isFinal(_ status: Int) -> Bool { status >= 200 && status <= 599 }

    /// Whether a response of this status never has a body, whatever the request was.
    package static func isBodyless(_ status: Int) -> Bool { status == 204 || status == 304 }

    /// An upper bound of what `write` needs for these fields.
    @inlinable
    package static func maximumSize(fieldsSize: Int) -> Int { fieldsSize &+ 192 }

    /// Writes a head.
    ///
    /// - Parameters:
    ///   - status: 200 to 599; another number is written as 500.
    ///   - date: a `Date` line from `HTTPDate.line`.
    ///   - output: at least `maximumSize` bytes; nothing is written when it is smaller.
    /// - Returns: the bytes written.
    package static func write(
        status: Int,
        date: UnsafeRawBufferPointer,
        framing: Framing,
        connection: Connection,
        fields: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard output.count >= maximumSize(fieldsSize: fields.count &+ max(0, date.count &- HTTPDate.lineLength)) else { return 0 }
        var writer = ByteWriter(output)
        writer.writeStatusLine(isFinal(status) ? status : 500)
        writer.write(date)
        switch framing {
        case .length(let length):
            writer.write("Content-Length: ")
            writer.writeDecimal(length)
            writer.write("\r\n")
        case .chunked: writer.write("Transfer-Encoding: chunked\r\n")
        case .none: break
        }
        switch connection {
        case .implied: break
        case .close: writer.write("Connection: close\r\n")
        case .keepAlive: writer.write("Connection: keep-alive\r\n")
        }
        writer.write(fields)
        writer.write("\r\n")
        return writer.count
    }

    /// The interim response that asks for the body.
    package static let `continue`: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"
}

/// Writes into memory whose size was settled before.
struct ByteWriter {
    private let output: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ output: UnsafeMutableRawBufferPointer) { self.output = output }

    @inline(__always)
    mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, let target = output.baseAddress, bytes.count <= output.count &- count else {
            return
        }
        (target + count).copyMemory(from: source, byteCount: bytes.count)
        count &+= bytes.count
    }

    @inline(__always)
    mutating func write(byte: UInt8) {
        guard count < output.count else { return }
        output[count] = byte
        count &+= 1
    }

    mutating func writeDecimal(_ value: Int) {
        guard value >= 10 else { return write(byte: 0x30 &+ UInt8(truncatingIfNeeded: max(value, 0))) }
        var divisor = 1
        while value / divisor >= 10 { divisor &*= 10 }
        while divisor > 0 {
            write(byte: 0x30 &+ UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    mutating func writeStatusLine(_ status: Int) {
        if status == 200 { return write("HTTP/1.1 200 OK\r\n") }
        write("HTTP/1.1 ")
        writeDecimal(status)
        write(byte: 0x20)
        write(Self.reason(status))
        write("\r\n")
    }

    /// The usual phrase, or none: it means nothing to a client.
    private static func reason(_ status: Int) -> StaticString {
        switch status {
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 425: "Too Early"
        case 426: "Upgrade Required"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: ""
        }
    }
}
