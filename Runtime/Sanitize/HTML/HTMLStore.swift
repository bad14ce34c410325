/// A growing row of plain values in memory of its own: what an array is, without reference counts and sharing.
///
/// Counts are bounded by memory, so that their arithmetic cannot overflow. Indices come from inside only; they are asserted, so that tests and fuzzing see a wrong one.
struct HTMLStore<Element: BitwiseCopyable>: ~Copyable {
    private(set) var start: UnsafeMutablePointer<Element>
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
        start = UnsafeMutablePointer.allocate(capacity: self.capacity)
    }

    init(_ count: Int, of value: Element) {
        self.init(capacity: count)
        for _ in 0..<count { append(value) }
    }

    deinit { start.deallocate() }

    @inline(__always)
    var isEmpty: Bool { count == 0 }

    @inline(__always)
    var last: Element? { count > 0 ? start[count &- 1] : nil }

    @inline(__always)
    subscript(_ index: Int) -> Element {
        get {
            assert(index >= 0 && index < count)
            return start[index]
        }
        _modify {
            assert(index >= 0 && index < count)
            yield &start[index]
        }
    }

    /// Makes room for `more` values behind the last one.
    @inline(__always)
    mutating func reserve(_ more: Int) {
        if capacity &- count < more { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let moved = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        moved.update(from: start, count: count)
        start.deallocate()
        start = moved
        capacity = larger
    }

    @inline(__always)
    mutating func append(_ value: Element) {
        reserve(1)
        (start + count).initialize(to: value)
        count &+= 1
    }

    /// Counts values that were written behind the last one, for which room was made.
    @inline(__always)
    mutating func advance(_ more: Int) {
        assert(count + more <= capacity)
        count &+= more
    }

    @inline(__always)
    mutating func removeLast() -> Element? {
        guard count > 0 else { return nil }
        count &-= 1
        return start[count]
    }

    mutating func remove(at index: Int) {
        assert(index >= 0 && index < count)
        count &-= 1
        var at = index
        while at < count {
            start[at] = start[at + 1]
            at &+= 1
        }
    }

    mutating func insert(_ value: Element, at index: Int) {
        assert(index >= 0 && index <= count)
        append(value)
        var at = count - 1
        while at > index {
            start[at] = start[at - 1]
            at -= 1
        }
        start[index] = value
    }

    mutating func cut(to length: Int) { count = min(count, length) }
}

extension HTMLStore where Element: Equatable {
    func lastIndex(of value: Element) -> Int? {
        var index = count - 1
        while index >= 0 {
            if start[index] == value { return index }
            index -= 1
        }
        return nil
    }
}

extension HTMLStore where Element == UInt8 {
    @inline(__always)
    mutating func append(_ source: UnsafePointer<UInt8>, _ length: Int) {
        reserve(length)
        if length < 16 {
            // Short pieces are many: not worth a call.
            var at = 0
            while at < length {
                start[count + at] = source[at]
                at &+= 1
            }
        } else {
            (start + count).update(from: source, count: length)
        }
        count &+= length
    }

    @inline(__always)
    mutating func append(_ word: StaticString) {
        append(word.utf8Start, word.utf8CodeUnitCount)
    }

    @inline(__always)
    static func copy16(from source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>) {
        let (from, to) = (UnsafeRawPointer(source), UnsafeMutableRawPointer(target))
        to.storeBytes(of: from.loadUnaligned(as: UInt64.self), as: UInt64.self)
        to.storeBytes(of: from.loadUnaligned(fromByteOffset: 8, as: UInt64.self), toByteOffset: 8, as: UInt64.self)
    }

    /// Appends `length` of the sixteen bytes at `offset` of a table.
    @inline(__always)
    mutating func append(table: StaticString, at offset: Int, _ length: Int) {
        reserve(16)
        guard offset >= 0, offset + 16 <= table.utf8CodeUnitCount else { return }
        HTMLStore.copy16(from: table.utf8Start + offset, to: start + count)
        count &+= length
    }
}
