internal import COpenSSL

/// HMAC-SHA256 with the key already mixed in, so that a call costs only the message.
///
/// Make one per secret and keep it. Immutable, so many threads may use it at once. The state is as secret as the key:
/// it is zeroed when the last owner lets go.
package final class HMACSHA256: @unchecked Sendable {
    private let state: UnsafeMutablePointer<swiftlet_hmac_sha256_state>

    /// Any key length is a valid HMAC key; whether it is long enough to be trusted is the caller's policy.
    package init(key: UnsafeRawBufferPointer) {
        state = .allocate(capacity: 1)
        state.initialize(to: swiftlet_hmac_sha256_state())
        swiftlet_hmac_sha256_prepare(state, key.baseAddress?.assumingMemoryBound(to: UInt8.self), key.count)
    }

    package convenience init(key: SecretBytes) {
        self.init(key: key.buffer)
        withExtendedLifetime(key) {}
    }

    package convenience init(key: [UInt8]) {
        self.init(key: SecretBytes(key))
    }

    deinit {
        swiftlet_wipe(state, MemoryLayout<swiftlet_hmac_sha256_state>.size)
        state.deallocate()
    }

    package func authenticate(_ message: UnsafeRawBufferPointer) -> SHA256.Digest {
        SHA256.Digest { swiftlet_hmac_sha256(state, message.baseAddress, message.count, $0) }
    }

    package func authenticate(_ message: [UInt8]) -> SHA256.Digest {
        message.withUnsafeBytes { authenticate($0) }
    }

    /// True when `tag` is the whole 32-byte code of `message`. A shortened tag is never valid. Constant time.
    package func isValid(_ tag: UnsafeRawBufferPointer, for message: UnsafeRawBufferPointer) -> Bool {
        guard tag.count == SHA256.byteCount else { return false }
        return authenticate(message).withUnsafeBytes { ConstantTime.equal($0, tag) }
    }

    package func isValid(_ tag: [UInt8], for message: [UInt8]) -> Bool {
        tag.withUnsafeBytes { t in message.withUnsafeBytes { m in isValid(t, for: m) } }
    }
}
