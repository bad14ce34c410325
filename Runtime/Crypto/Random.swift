internal import COpenSSL

/// Random bytes from the kernel (`getrandom`).
package enum Random {
    /// Fills the whole buffer or throws; never falls back to anything weaker.
    package static func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CryptoError) {
        guard let start = buffer.baseAddress, buffer.count > 0 else { return }
        guard swiftlet_random(start.assumingMemoryBound(to: UInt8.self), buffer.count) == 1 else { throw .noRandomness }
    }

    package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: max(count, 0))
        let filled = result.withUnsafeMutableBytes { room in
            guard let start = room.baseAddress else { return true }
            return swiftlet_random(start.assumingMemoryBound(to: UInt8.self), room.count) == 1
        }
        guard filled else { throw .noRandomness }
        return result
    }

    package static func uint64() throws(CryptoError) -> UInt64 {
        var value: UInt64 = 0
        let filled = withUnsafeMutablePointer(to: &value) {
            swiftlet_random(UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt8.self), 8) == 1
        }
        guard filled else { throw .noRandomness }
        return value
    }
}
