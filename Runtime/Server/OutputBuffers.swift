import NIOCore

/// The memory of small responses, used again when the socket has taken what it held.
///
/// Many responses wait together for the end of a loop's turn. Memory of their own for each is more than the allocator keeps at hand, and it
/// takes its slow ways for them.
struct OutputBuffers {
    private static let count = 64
    /// What is larger has memory of its own; so a loop keeps at most 128 KiB.
    private static let largest = 2048

    private var buffers: [ByteBuffer] = Array(repeating: ByteBuffer(), count: count)
    private var next = 0

    /// A buffer with what `write` puts into the room it is given; it returns how much.
    mutating func fill(atMost size: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) -> ByteBuffer {
        guard size <= Self.largest else {
            var buffer = ByteBufferAllocator().buffer(capacity: size)
            _ = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size, write)
            return buffer
        }
        let place = next
        next = (place &+ 1) % Self.count
        // Whoever still has the one before, a socket that takes no more, keeps it: then this is new memory.
        buffers[place].clear(minimumCapacity: size)
        _ = buffers[place].writeWithUnsafeMutableBytes(minimumWritableBytes: size, write)
        return buffers[place]
    }

    /// What was written went to the sockets: from the first one again, whose memory is likely to be near still.
    mutating func flushed() { next = 0 }
}
