internal import COpenSSL

/// Comparisons whose time says nothing about where two values differ.
package enum ConstantTime {
    /// True when both hold the same bytes. Time depends on the lengths only, and unequal lengths answer at once: for
    /// values whose *length* is secret too, compare digests (`equalHashed`).
    package static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        left.count == right.count && swiftlet_equal(left.baseAddress, right.baseAddress, left.count) == 1
    }

    package static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { a in right.withUnsafeBytes { b in equal(a, b) } }
    }

    /// Compares by SHA-256, so that the time does not show how long the secret side is.
    package static func equalHashed(_ presented: UnsafeRawBufferPointer, digestOfSecret: SHA256.Digest) -> Bool {
        SHA256.hash(presented) == digestOfSecret
    }
}
