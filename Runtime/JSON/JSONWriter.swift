/// Encodes `Encodable` types to JSON bytes, written as they come.
///
/// Throws `EncodingError` for what JSON cannot hold (infinities, NaN), for nesting beyond ``JSONLimits/deepest`` and for an encoder that is
/// used after its value has ended. Not promised: that a name a type writes twice into one object is written once.
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
            defer { output.release() }
            output.begin()
            try output.write(value)
            return output.whole(body)
        }
    }
}
