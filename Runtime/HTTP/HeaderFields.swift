/// Header fields as ranges into one block of bytes: looking one up allocates nothing, copying the value copies
/// two references.
///
/// Names keep the case they came with and are compared without regard to it. Values are trimmed of spaces and tabs
/// at both ends. Order and repeated names are kept.
package struct HeaderFields: Sendable {
    /// Where a name and its value stand in the text.
    struct Entry: Sendable, Hashable, BitwiseCopyable {
        var nameOffset: UInt32
        var nameLength: UInt32
        var valueOffset: UInt32
        var valueLength: UInt32

        static var size: Int { MemoryLayout<Entry>.stride }

        var nameRange: Range<Int> { Int(nameOffset)..<Int(nameOffset) + Int(nameLength) }
        var valueRange: Range<Int> { Int(valueOffset)..<Int(valueOffset) + Int(valueLength) }
    }

    /// The text all ranges point into, then an entry for each field. For a request the text is the whole head, request line included.
    ///
    /// One block for both: fields are handed on by each room, and each time every block of theirs is counted.
    package private(set) var storage: [UInt8]
    private var textEnd: Int
    package private(set) var count: Int

    package init() {
        storage = []
        textEnd = 0
        count = 0
    }

    init(text: UnsafeRawBufferPointer, entries: [Entry]) {
        textEnd = text.count
        count = entries.count
        storage = [UInt8](unsafeUninitializedCapacity: text.count + entries.count * Entry.size) { room, used in
            let room = UnsafeMutableRawBufferPointer(room)
            room.copyMemory(from: text)
            entries.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: room[text.count...]).copyMemory(from: $0) }
            used = room.count
        }
    }

    /// Fields whose names and values lie one after the other in `text`, with the lengths given; what reaches beyond it is left out.
    ///
    /// - Parameter next: the lengths of the next field's name and value; called `count` times.
    package init(text: UnsafeRawBufferPointer, count: Int, next: () -> (name: Int, value: Int)) {
        textEnd = text.count
        var kept = 0
        storage = [UInt8](unsafeUninitializedCapacity: text.count + count * Entry.size) { room, used in
            let room = UnsafeMutableRawBufferPointer(room)
            room.copyMemory(from: text)
            var offset = 0
            for _ in 0..<count {
                let (name, value) = next()
                guard name >= 0, value >= 0, name <= text.count - offset, value <= text.count - offset - name else { continue }
                let entry = Entry(
                    nameOffset: UInt32(truncatingIfNeeded: offset), nameLength: UInt32(truncatingIfNeeded: name),
                    valueOffset: UInt32(truncatingIfNeeded: offset + name), valueLength: UInt32(truncatingIfNeeded: value))
                room.storeBytes(of: entry, toByteOffset: text.count + kept * Entry.size, as: Entry.self)
                kept += 1
                offset += name + value
            }
            used = text.count + kept * Entry.size
        }
        self.count = kept
    }

    /// The entry at `index`; `bytes` are those of `storage`.
    @inline(__always)
    private func entry(_ index: Int, in bytes: UnsafeRawBufferPointer) -> Entry {
        precondition(index >= 0 && index < count)
        return bytes.loadUnaligned(fromByteOffset: textEnd + index * Entry.size, as: Entry.self)
    }

    private func entry(_ index: Int) -> Entry { storage.withUnsafeBytes { entry(index, in: $0) } }

    /// The text without the entries behind it.
    package var text: ArraySlice<UInt8> { storage[..<textEnd] }
    package var isEmpty: Bool { count == 0 }
    /// Bytes of all names and values.
    package var textLength: Int {
        storage.withUnsafeBytes { bytes in
            var sum = 0
            for index in 0..<count {
                let entry = entry(index, in: bytes)
                sum += Int(entry.nameLength) + Int(entry.valueLength)
            }
            return sum
        }
    }

    // MARK: Reading

    /// The name at `index` as a range of `storage`.
    package func nameRange(_ index: Int) -> Range<Int> { entry(index).nameRange }

    /// The trimmed value at `index` as a range of `storage`.
    package func valueRange(_ index: Int) -> Range<Int> { entry(index).valueRange }

    /// The position of the first field of that name at or after `start`.
    ///
    /// - Parameter name: in lower case.
    package func firstIndex(of name: StaticString, from start: Int = 0) -> Int? {
        let length = UInt32(truncatingIfNeeded: name.utf8CodeUnitCount)
        return storage.withUnsafeBytes { bytes in
            var index = start
            while index < count {
                let entry = entry(index, in: bytes)
                if entry.nameLength == length, UnsafeRawBufferPointer(rebasing: bytes[entry.nameRange]).equalsLowercase(name) {
                    return index
                }
                index += 1
            }
            return nil
        }
    }

    /// How many fields have that name. `name` is in lower case.
    package func count(of name: StaticString) -> Int {
        var found = 0
        var start = 0
        while let index = firstIndex(of: name, from: start) {
            found += 1
            start = index + 1
        }
        return found
    }

    /// `name` is in lower case.
    package func contains(_ name: StaticString) -> Bool { firstIndex(of: name) != nil }

    /// Lends the first value of that name, without a copy; nil when there is none. The pointer ends with the closure.
    package func withValue<R>(_ name: StaticString, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R? {
        guard let index = firstIndex(of: name) else { return nil }
        return try storage.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[valueRange(index)])) }
    }

    /// The first value of that name, copied; nil when there is none.
    package func bytes(_ name: StaticString) -> [UInt8]? { withValue(name) { [UInt8]($0) } }

    /// The first value of that name as text, with ill-formed UTF-8 replaced; nil when there is none. Not for the hot
    /// path.
    package func string(_ name: StaticString) -> String? { withValue(name) { String(decoding: $0, as: UTF8.self) } }

    /// Calls `body` for every field in order with name and value. The pointers end with the call.
    package func forEach(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Void) rethrows {
        try storage.withUnsafeBytes { bytes in
            for index in 0..<count {
                let entry = entry(index, in: bytes)
                try body(
                    UnsafeRawBufferPointer(rebasing: bytes[entry.nameRange]),
                    UnsafeRawBufferPointer(rebasing: bytes[entry.valueRange])
                )
            }
        }
    }

    /// Calls `body` for every value of that name in order. `name` is in lower case.
    package func forEachValue(of name: StaticString, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try storage.withUnsafeBytes { bytes in
            var start = 0
            while let index = firstIndex(of: name, from: start) {
                try body(UnsafeRawBufferPointer(rebasing: bytes[valueRange(index)]))
                start = index + 1
            }
        }
    }

    // MARK: Building

    /// Adds a field. Nothing is checked here: what is written to a client passes `EncodedFields`, which checks.
    package mutating func append(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) {
        let nameOffset = textEnd
        storage.insert(contentsOf: name, at: textEnd)
        let valueOffset = storage.count - count * Entry.size
        storage.insert(contentsOf: value, at: valueOffset)
        textEnd = storage.count - count * Entry.size
        let entry = Entry(
            nameOffset: UInt32(truncatingIfNeeded: nameOffset),
            nameLength: UInt32(truncatingIfNeeded: valueOffset - nameOffset),
            valueOffset: UInt32(truncatingIfNeeded: valueOffset),
            valueLength: UInt32(truncatingIfNeeded: textEnd - valueOffset)
        )
        withUnsafeBytes(of: entry) { storage.append(contentsOf: $0) }
        count += 1
    }

    package mutating func append(_ name: String, _ value: String) { append(name.utf8, value.utf8) }
}
