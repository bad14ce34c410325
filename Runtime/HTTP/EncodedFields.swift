/// Header fields as they go on the wire, `Name: value` CR LF each. Only its own checks can make one, so a server may
/// copy the bytes into a response without looking at them again.
package struct EncodedFields: Sendable, Hashable {
    /// Why a field is not written.
    package enum Fault: Error, Sendable, Hashable {
        /// The name is empty or holds a byte outside of the token characters.
        case invalidName
        /// The value holds CR, LF, NUL or another control character.
        case invalidValue
        /// The server writes this field itself: `Content-Length`, `Transfer-Encoding`, `Connection`, `Keep-Alive`,
        /// `Date`, `Trailer`, `Upgrade`.
        case reserved
        /// More than 64 KiB of fields.
        case tooLong
    }

    package static let limit = 64 * 1024

    package private(set) var bytes: [UInt8]

    package init() { bytes = [] }

    /// Encodes fields that were collected elsewhere.
    package init(_ fields: HeaderFields) throws(Fault) {
        bytes = []
        for index in 0..<fields.count {
            try append(fields.storage[fields.nameRange(index)], fields.storage[fields.valueRange(index)])
        }
    }

    package var isEmpty: Bool { bytes.isEmpty }

    /// Adds one field, or changes nothing and throws.
    package mutating func append(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) throws(Fault) {
        let start = bytes.count
        var fault: Fault?
        bytes.append(contentsOf: name)
        let nameEnd = bytes.count
        bytes.append(0x3A)
        bytes.append(0x20)
        bytes.append(contentsOf: value)
        bytes.withUnsafeBytes { all in
            let name = UnsafeRawBufferPointer(rebasing: all[start..<nameEnd])
            let value = UnsafeRawBufferPointer(rebasing: all[(nameEnd + 2)...])
            if name.isEmpty || !name.allSatisfy({ ByteClass.token.contains($0) }) {
                fault = .invalidName
            } else if !value.allSatisfy({ ByteClass.isValue($0) }) {
                fault = .invalidValue
            } else if Self.isReserved(name) {
                fault = .reserved
            } else if all.count > Self.limit {
                fault = .tooLong
            }
        }
        if let fault {
            bytes.removeSubrange(start...)
            throw fault
        }
        bytes.append(0x0D)
        bytes.append(0x0A)
    }

    package mutating func append(_ name: String, _ value: String) throws(Fault) { try append(name.utf8, value.utf8) }

    /// Adds fields that were checked before; those that would pass the limit are left out as a whole.
    package mutating func append(_ other: EncodedFields) throws(Fault) {
        guard bytes.count + other.bytes.count <= Self.limit else { throw .tooLong }
        bytes.append(contentsOf: other.bytes)
    }

    // MARK: Fields of the host's own

    /// Room for about this many bytes, so that building up does not copy.
    package mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

    /// Takes everything out; the memory stays for what comes next, unless it is more than `limit`.
    package mutating func clear(keeping limit: Int) { bytes.removeAll(keepingCapacity: bytes.capacity <= limit) }

    /// Adds a field whose name and value the host wrote itself, of plain characters: nothing is looked at.
    package mutating func appendOwn(_ name: StaticString, _ value: StaticString) {
        appendOwn(name, UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    package mutating func appendOwn(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
        let nameCount = name.utf8CodeUnitCount
        // One append for the whole line: each looks at the array's owners and room again.
        withUnsafeTemporaryAllocation(byteCount: nameCount + value.count + 4, alignment: 1) { line in
            line.copyMemory(from: UnsafeRawBufferPointer(start: name.utf8Start, count: nameCount))
            line[nameCount] = 0x3A
            line[nameCount + 1] = 0x20
            UnsafeMutableRawBufferPointer(rebasing: line[(nameCount + 2)...]).copyMemory(from: value)
            line[line.count - 2] = 0x0D
            line[line.count - 1] = 0x0A
            bytes.append(contentsOf: line)
        }
    }

    /// The same for a value that `write` appends.
    package mutating func appendOwn(_ name: StaticString, _ write: (inout [UInt8]) -> Void) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        bytes.append(0x3A)
        bytes.append(0x20)
        write(&bytes)
        bytes.append(0x0D)
        bytes.append(0x0A)
    }

    /// Adds a block that was made before and is small.
    package mutating func appendOwn(_ block: EncodedFields) { bytes.append(contentsOf: block.bytes) }

    private static func isReserved(_ name: UnsafeRawBufferPointer) -> Bool {
        switch name.count {
        case 4: name.equalsLowercase("date")
        case 7: name.equalsLowercase("trailer") || name.equalsLowercase("upgrade")
        case 10: name.equalsLowercase("connection") || name.equalsLowercase("keep-alive")
        case 14: name.equalsLowercase("content-length")
        case 17: name.equalsLowercase("transfer-encoding")
        default: false
        }
    }
}
