/// Encodes `Encodable` types to JSON bytes, written as they come.
///
/// Not promised: two nested containers of one value filled in turns. Fill one, then the next; anything else throws.
public struct JSONWriter: Sendable {
    public init() {}

    public func encode(_ value: some Encodable) throws -> [UInt8] {
        try JSONWriter.output(of: value) { [UInt8]($0) }
    }

    /// Appends; on an error `bytes` is as before.
    public func encode(_ value: some Encodable, into bytes: inout [UInt8]) throws {
        try JSONWriter.output(of: value) { bytes.append(contentsOf: $0) }
    }

    private static func output<Result>(of value: some Encodable, _ body: (UnsafeBufferPointer<UInt8>) -> Result) throws -> Result
    {
        try withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { storage in
            let output = JSONOutput(lent: storage)
            // Encoders that outlive the call must not find the lent storage.
            defer { output.buffer.release() }
            output.begin()
            try output.write(value)
            return body(output.buffer.written)
        }
    }
}
