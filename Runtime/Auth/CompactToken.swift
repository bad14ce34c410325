internal import Glibc
internal import SwiftletCrypto

/// The three parts of a compact JWS, as views of the token's own bytes. Valid only while those bytes are.
struct CompactToken {
    /// Longer tokens are refused before anything is decoded.
    static let maximumBytes = 8192

    let header: UnsafeRawBufferPointer
    let payload: UnsafeRawBufferPointer
    let signature: UnsafeRawBufferPointer
    /// `header.payload`, exactly as received: what the signature covers.
    let signed: UnsafeRawBufferPointer

    /// Exactly two dots. The signature may be empty: then its algorithm decides what to say about it.
    init(_ token: UnsafeRawBufferPointer) throws(AuthRefusal) {
        guard token.count <= Self.maximumBytes else { throw .format(.tooLong) }
        guard let first = Self.dot(in: token, from: 0),
            let second = Self.dot(in: token, from: first &+ 1),
            Self.dot(in: token, from: second &+ 1) == nil,
            first > 0, second > first &+ 1
        else { throw .format(.segments) }
        header = UnsafeRawBufferPointer(rebasing: token[..<first])
        payload = UnsafeRawBufferPointer(rebasing: token[(first &+ 1)..<second])
        signature = UnsafeRawBufferPointer(rebasing: token[(second &+ 1)...])
        signed = UnsafeRawBufferPointer(rebasing: token[..<second])
    }

    private static func dot(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress, start < bytes.count,
            let found = memchr(base + start, 0x2e, bytes.count &- start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }
}
