import CZlib

/// Decodes gzip or deflate in steps, never holding more than one step's output.
///
/// It is driven by whoever reads the body, so a small compressed piece cannot turn into a large buffer before the
/// reader has asked for it.
final class Inflater {
    enum Coding: Sendable {
        case gzip
        /// With the zlib wrapper that RFC 9110 asks for, or raw as some servers send it.
        case deflate
    }

    enum Failure: Error {
        case malformed
    }

    static let step = 64 << 10

    private var stream = z_stream()
    private let coding: Coding
    private var input: [UInt8] = []
    private var offset = 0
    private var isReady = false
    private var isAtEnd = false
    private var sawInput = false
    /// What follows a complete stream and is no further member is padding.
    private var ignoresRest = false

    init(coding: Coding) {
        self.coding = coding
    }

    deinit {
        if isReady { inflateEnd(&stream) }
    }

    /// Whether the stream ended where it may end. An empty body has no stream at all.
    var isComplete: Bool { isAtEnd || !sawInput }

    var needsInput: Bool { offset == input.count }

    func feed(_ bytes: [UInt8]) {
        if !bytes.isEmpty { sawInput = true }
        input = bytes
        offset = 0
    }

    /// The next piece of output, or nil when more input is needed first.
    func next() throws(Failure) -> [UInt8]? {
        while true {
            guard offset < input.count, !ignoresRest else {
                offset = input.count
                return hasPendingOutput ? try run(emptyInput: true) : nil
            }
            if isAtEnd {
                guard coding == .gzip, input[offset] == 0x1f else {
                    ignoresRest = true
                    continue
                }
                inflateEnd(&stream)
                isReady = false
                isAtEnd = false
            }
            if !isReady { try start() }
            if let piece = try run(emptyInput: false) { return piece }
        }
    }

    /// zlib filled the last step's buffer and may hold more without further input.
    private var hasPendingOutput = false

    private func start() throws(Failure) {
        stream = z_stream()
        let bits: Int32
        switch coding {
        case .gzip: bits = 15 + 16
        case .deflate: bits = input[offset] & 0x0f == 8 && input[offset] >> 4 <= 7 ? 15 : -15
        }
        guard czlib_inflate_init(&stream, bits) == Z_OK else { throw .malformed }
        isReady = true
    }

    private func run(emptyInput: Bool) throws(Failure) -> [UInt8]? {
        guard isReady, !isAtEnd else {
            hasPendingOutput = false
            return nil
        }
        var code: Int32 = Z_OK
        let output = [UInt8](unsafeUninitializedCapacity: Inflater.step) { buffer, count in
            input.withUnsafeMutableBufferPointer { source in
                let available = emptyInput ? 0 : source.count - offset
                stream.next_in = available > 0 ? source.baseAddress.map { $0 + offset } : nil
                stream.avail_in = UInt32(clamping: available)
                stream.next_out = buffer.baseAddress
                stream.avail_out = UInt32(Inflater.step)
                let before = stream.avail_in
                code = inflate(&stream, Z_NO_FLUSH)
                offset += Int(before - stream.avail_in)
                stream.next_in = nil
            }
            count = Inflater.step - Int(stream.avail_out)
        }
        hasPendingOutput = stream.avail_out == 0
        switch code {
        case Z_STREAM_END:
            isAtEnd = true
            hasPendingOutput = false
        case Z_OK: break
        // No progress possible: all input is taken.
        case Z_BUF_ERROR: hasPendingOutput = false
        default: throw .malformed
        }
        return output.isEmpty ? nil : output
    }
}
