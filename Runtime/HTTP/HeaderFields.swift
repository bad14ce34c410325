/// Header fields as ranges into one block of bytes: looking one up allocates nothing, copying the value copies
/// two references.
///
/// Names keep the case they came with and are compared without regard to it. Values are trimmed of spaces and tabs
/// at both ends. Order and repeated names are kept.
package struct HeaderFields: Sendable {
    package struct Entry: Sendable, Hashable {
        var nameOffset: UInt32
        var nameLength: UInt32
        var valueOffset: UInt32
        var valueLength: UInt32
    }

    /// The bytes the entries point into. For a request this is the whole head, request line included.
    package private(set) var storage: [UInt8]
    package private(set) var entries: [Entry]

    package init() {
        storage = []
        entries = []
    }

    init(storage: [UInt8], entries: [Entry]) {
        self.storage = storage
        self.entries = entries
    }

    /// Fields whose names and values lie one after the other in `storage`, with the lengths given; what reaches beyond it is left out.
    ///
    /// - Parameter next: the lengths of the next field's name and value; called `count` times.
    package init<Problem: Error>(
        storage: [UInt8], count: Int, next: () throws(Problem) -> (name: Int, value: Int)
    ) throws(Problem) {
        self.storage = storage
        entries = []
        entries.reserveCapacity(count)
        var offset = 0
        for _ in 0..<count {
            let (name, value) = try next()
            guard name >= 0, value >= 0, name <= storage.count - offset, value <= storage.count - offset - name else { continue }
            entries.append(
                Entry(
                    nameOffset: UInt32(truncatingIfNeeded: offset), nameLength: UInt32(truncatingIfNeeded: name),
                    valueOffset: UInt32(truncatingIfNeeded: offset + name), valueLength: UInt32(truncatingIfNeeded: value)))
            offset += name + value
        }
    }

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }
    /// Bytes of all names and values.
    package var textLength: Int {
        var sum = 0
        for entry in entries { sum += Int(entry.nameLength) + Int(entry.valueLength) }
        return sum
    }

    // MARK: Reading

    /// The name at `index` as a range of `storage`.
    package func nameRange(_ index: Int) -> Range<Int> {
        let entry = entries[index]
        return Int(entry.nameOffset)..<Int(entry.nameOffset) + Int(entry.nameLength)
    }

    /// The trimmed value at `index` as a range of `storage`.
    package func valueRange(_ index: Int) -> Range<Int> {
        let entry = entries[index]
        return Int(entry.valueOffset)..<Int(entry.valueOffset) + Int(entry.valueLength)
    }

    /// The position of the first field of that name at or after `start`.
    ///
    /// - Parameter name: in lower case.
    package func firstIndex(of name: StaticString, from start: Int = 0) -> Int? {
        let length = UInt32(truncatingIfNeeded: name.utf8CodeUnitCount)
        return storage.withUnsafeBytes { bytes in
            var index = start
            while index < entries.count {
                let entry = entries[index]
                if entry.nameLength == length,
                    UnsafeRawBufferPointer(rebasing: bytes[nameRange(index)]).equalsLowercase(name)
                {
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
            for index in entries.indices {
                try body(
                    UnsafeRawBufferPointer(rebasing: bytes[nameRange(index)]),
                    UnsafeRawBufferPointer(rebasing: bytes[valueRange(index)])
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
        let nameOffset = storage.count
        storage.append(contentsOf: name)
        let valueOffset = storage.count
        storage.append(contentsOf: value)
        entries.append(
            Entry(
                nameOffset: UInt32(truncatingIfNeeded: nameOffset),
                nameLength: UInt32(truncatingIfNeeded: valueOffset - nameOffset),
                valueOffset: UInt32(truncatingIfNeeded: valueOffset),
                valueLength: UInt32(truncatingIfNeeded: storage.count - valueOffset)
            )
        )
    }

    package mutating func append(_ name: String, _ value: String) { append(name.utf8, value.utf8) }
}
