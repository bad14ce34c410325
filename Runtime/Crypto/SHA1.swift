internal import COpenSSL

/// SHA-1, for `Sec-WebSocket-Accept` and nothing else: there it only shows that the server read the request. It is broken as a
/// hash, so it must never protect anything.
package enum SHA1 {
    package static let byteCount = 20

    /// 20 bytes.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCount) { room, count in
            var context = SHA_CTX()
            SHA1_Init(&context)
            if let start = bytes.baseAddress, bytes.count > 0 { SHA1_Update(&context, start, bytes.count) }
            if let start = room.baseAddress { SHA1_Final(start, &context) }
            count = byteCount
        }
    }

    package static func hash(_ bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { hash($0) } }
}
