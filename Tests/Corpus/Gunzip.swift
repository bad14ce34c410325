import CZlib

/// Whole gzip documents of test data, 64 MiB at most.
package enum Gunzip {
    package static func bytes(_ packed: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        guard czlib_inflate_init(&stream, 31) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var packed = packed
        return packed.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            var output: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 65536)
            while output.count <= 64 << 20 {
                let status = chunk.withUnsafeMutableBufferPointer { buffer in
                    stream.next_out = buffer.baseAddress
                    stream.avail_out = UInt32(buffer.count)
                    return inflate(&stream, Z_NO_FLUSH)
                }
                output += chunk[..<(chunk.count - Int(stream.avail_out))]
                if status == Z_STREAM_END { return output }
                guard status == Z_OK else { return nil }
            }
            return nil
        }
    }
}
