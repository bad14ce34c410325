import Logging

extension LogSink {
    /// What the line of one request says. The request id, names, codes and addresses are plain; the path is not, and is escaped here.
    package struct Request: ~Copyable {
        package var wallNanoseconds: Int64
        package var executionID: String
        package var function: String
        package var method: StaticString
        package var status: Int
        package var code: String?
        package var durationNanoseconds: UInt64
        package var clientAddress: String
        package var caller: StaticString
        package var subjectHash: UInt64?
        package var bytesIn: Int
        package var bytesOut: Int

        package init(
            wallNanoseconds: Int64, executionID: String, function: String, method: StaticString, status: Int, code: String?,
            durationNanoseconds: UInt64, clientAddress: String, caller: StaticString, subjectHash: UInt64?, bytesIn: Int,
            bytesOut: Int
        ) {
            self.wallNanoseconds = wallNanoseconds
            self.executionID = executionID
            self.function = function
            self.method = method
            self.status = status
            self.code = code
            self.durationNanoseconds = durationNanoseconds
            self.clientAddress = clientAddress
            self.caller = caller
            self.subjectHash = subjectHash
            self.bytesIn = bytesIn
            self.bytesOut = bytesOut
        }
    }

    /// The one line of a request, at level info.
    /// - Parameters:
    ///   - id: letters, digits, `-` and `_`.
    ///   - path: without the query.
    package func request(_ request: borrowing Request, id: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer) {
        guard level <= .info else { return }
        append { bytes, stamp in
            var line = LogLine(format: format, colour: colour)
            line.beginRequest(&bytes, &stamp, request.wallNanoseconds)
            line.addPlain("request_id", id, to: &bytes)
            if !request.executionID.isEmpty { line.addPlain("execution_id", request.executionID, to: &bytes) }
            if !request.function.isEmpty { line.addPlain("function", request.function, to: &bytes) }
            line.addPlain("method", request.method, to: &bytes)
            line.add("path", path, to: &bytes)
            line.add("status", request.status, to: &bytes)
            if let code = request.code { line.addPlain("code", code, to: &bytes) }
            line.addMilliseconds("duration_ms", nanoseconds: request.durationNanoseconds, to: &bytes)
            if !request.clientAddress.isEmpty { line.addPlain("client_ip", request.clientAddress, to: &bytes) }
            line.addPlain("caller", request.caller, to: &bytes)
            if let hash = request.subjectHash { line.addPlain("sub", hexadecimal: hash, to: &bytes) }
            line.add("bytes_in", request.bytesIn, to: &bytes)
            line.add("bytes_out", request.bytesOut, to: &bytes)
            line.end(&bytes)
        }
    }
}
