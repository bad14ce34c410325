internal import COpenSSL

/// SHA-256 of content that comes in pieces.
package struct SHA256Stream {
    private var context = SHA256_CTX()

    package init() { SHA256_Init(&context) }

    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        SHA256_Update(&context, start, bytes.count)
    }

    /// 32 bytes; nothing can be added afterwards.
    package mutating func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { room, count in
            if let start = room.baseAddress { SHA256_Final(start, &context) }
            count = 32
        }
    }
}
