internal import COpenSSL

/// Secret bytes that are zeroed when the last owner lets go, and that never print themselves.
///
/// Not promised: copies made by others (the array or string it was made from, registers, swap) are not zeroed.
package final class SecretBytes: @unchecked Sendable {
    private let storage: UnsafeMutableRawPointer
    package let count: Int

    package init(copying bytes: UnsafeRawBufferPointer) {
        count = bytes.count
        storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        if let source = bytes.baseAddress, bytes.count > 0 {
            storage.copyMemory(from: source, byteCount: bytes.count)
        }
    }

    package init(_ bytes: [UInt8]) {
        count = bytes.count
        storage = .allocate(byteCount: max(bytes.count, 1), alignment: 16)
        UnsafeMutableRawBufferPointer(start: storage, count: count).copyBytes(from: bytes)
    }

    /// The UTF-8 bytes of `text`.
    package convenience init(utf8 text: String) {
        self.init(Array(text.utf8))
    }

    /// Fresh random bytes.
    package static func random(count: Int) throws(CryptoError) -> SecretBytes {
        SecretBytes(try Random.bytes(count))
    }

    deinit {
        swiftlet_wipe(storage, count)
        storage.deallocate()
    }

    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage, count: count) }

    /// Reading a secret is a visible act; do not let the pointer outlive the call.
    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(buffer)
    }

    package var digest: SHA256.Digest { withUnsafeBytes { SHA256.hash($0) } }
}

extension SecretBytes: Equatable {
    /// Constant time, and independent of the lengths.
    package static func == (left: SecretBytes, right: SecretBytes) -> Bool { left.digest == right.digest }
}

extension SecretBytes: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "[redacted]" }
    package var debugDescription: String { "[redacted]" }
    package var customMirror: Mirror { Mirror(reflecting: "[redacted]") }
}
