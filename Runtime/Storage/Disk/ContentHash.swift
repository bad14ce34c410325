internal import COpenSSL

/// SHA-256 of content that comes in pieces.
struct ContentHash {
    private var context = SHA256_CTX()

    init() { SHA256_Init(&context) }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        SHA256_Update(&context, start, bytes.count)
    }

    /// 32 bytes; nothing can be added afterwards.
    mutating func finish() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { room, count in
            if let start = room.baseAddress { SHA256_Final(start, &context) }
            count = 32
        }
    }
}
