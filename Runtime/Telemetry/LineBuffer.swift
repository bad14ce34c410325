/// Bytes of log lines, growing. An array checks uniqueness at each append of a byte; this one has a single owner by type.
struct LineBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private(set) var capacity: Int
    private(set) var count = 0

    init(capacity: Int = 1024) {
        self.capacity = max(64, capacity)
        base = UnsafeMutablePointer<UInt8>.allocate(capacity: self.capacity)
    }

    deinit { base.deallocate() }

    var isEmpty: Bool { count == 0 }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let wanted = max(capacity * 2, count + more)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
        larger.update(from: base, count: count)
        base.deallocate()
        base = larger
        capacity = wanted
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        if count == capacity { grow(1) }
        base[count] = byte
        count += 1
    }

    @inline(__always)
    mutating func append(_ other: UnsafeRawBufferPointer) {
        guard let source = other.baseAddress, other.count > 0 else { return }
        if capacity - count < other.count { grow(other.count) }
        UnsafeMutableRawPointer(base + count).copyMemory(from: source, byteCount: other.count)
        count += other.count
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// `most` bytes at most; `fill` sets them and answers how many it has set.
    @inline(__always)
    mutating func append(atMost most: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Int) {
        if capacity - count < most { grow(most) }
        count += fill(base + count)
    }

    mutating func append(_ text: borrowing String) {
        var text = copy text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    mutating func append(_ other: [UInt8]) { other.withUnsafeBytes { append($0) } }

    /// Forgets the bytes; memory beyond `keeping` is given back.
    mutating func removeAll(keeping: Int = .max) {
        if capacity > keeping { self = LineBuffer(capacity: keeping) } else { count = 0 }
    }
}
