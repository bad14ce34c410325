/// Bytes being written: raw storage that grows, handed out once at the end.
///
/// It starts in storage that someone else lends, mostly on the stack; whoever owns the buffer calls ``release()``.
struct JSONBuffer {
    private(set) var base: UnsafeMutablePointer<UInt8>?
    private(set) var count = 0
    private var capacity: Int
    private var isOwned = false

    init(lent storage: UnsafeMutableRawBufferPointer) {
        base = storage.baseAddress?.assumingMemoryBound(to: UInt8.self)
        capacity = storage.count
    }

    /// The lent storage is forgotten, owned storage freed; the buffer is empty and may be used on.
    mutating func release() {
        if isOwned { base?.deallocate() }
        base = nil
        isOwned = false
        capacity = 0
        count = 0
    }

    var written: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: base, count: count) }

    /// Where the next bytes go, with room for at least `extra` of them; ``wrote(_:)`` says how many there are in the end.
    @inline(__always)
    mutating func room(_ extra: Int) -> UnsafeMutablePointer<UInt8> {
        if let base, capacity &- count >= extra { return base + count }
        return grow(extra)
    }

    @inline(__always)
    mutating func wrote(_ bytes: Int) { count &+= bytes }

    @inline(never)
    private mutating func grow(_ extra: Int) -> UnsafeMutablePointer<UInt8> {
        let needed = max(capacity * 2, count + extra, 256)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: needed)
        if let base { larger.update(from: base, count: count) }
        if isOwned { base?.deallocate() }
        base = larger
        capacity = needed
        isOwned = true
        return larger + count
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        room(1).pointee = byte
        count &+= 1
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        let length = text.utf8CodeUnitCount
        room(length).update(from: text.utf8Start, count: length)
        count &+= length
    }

    mutating func append(contentsOf bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        room(bytes.count).update(from: start, count: bytes.count)
        count &+= bytes.count
    }

    /// Calls `write` with a buffer, and `body` with all that it wrote.
    @inline(__always)
    static func withBytes<R>(_ write: (inout JSONBuffer) -> Void, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { storage in
            var buffer = JSONBuffer(lent: storage)
            defer { buffer.release() }
            write(&buffer)
            return body(UnsafeRawBufferPointer(buffer.written))
        }
    }

    /// Calls `body` with a buffer and appends all that it wrote.
    @inline(__always)
    static func append(to bytes: inout [UInt8], _ body: (inout JSONBuffer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { storage in
            var buffer = JSONBuffer(lent: storage)
            defer { buffer.release() }
            body(&buffer)
            bytes.append(contentsOf: buffer.written)
        }
    }
}
