internal import COpenSSL

/// SHA-256 in one call, on bytes.
package enum SHA256 {
    package static let byteCount = 32

    /// A digest as a plain value: 32 bytes, compared in constant time.
    package struct Digest: Sendable, Equatable {
        private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        /// Room for a digest; `body` gets 32 bytes to fill.
        @inline(__always)
        init(filledBy body: (UnsafeMutablePointer<UInt8>) -> Void) {
            withUnsafeMutablePointer(to: &words) {
                body(UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt8.self))
            }
        }

        /// A digest known from before, such as a row of a table. Nil unless there are exactly 32 bytes.
        package init?(_ bytes: [UInt8]) {
            guard bytes.count == SHA256.byteCount else { return nil }
            withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
        }

        /// Constant time.
        package static func == (left: Digest, right: Digest) -> Bool {
            left.withUnsafeBytes { a in right.withUnsafeBytes { b in ConstantTime.equal(a, b) } }
        }

        @inline(__always)
        package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
            try Swift.withUnsafeBytes(of: words, body)
        }

        package var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

        /// 64 lower-case hex digits.
        package var hex: String { Hex.encode(bytes) }
    }

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
        Digest { swiftlet_sha256(bytes.baseAddress, bytes.count, $0) }
    }

    package static func hash(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { hash($0) }
    }
}
