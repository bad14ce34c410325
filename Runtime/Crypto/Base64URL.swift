/// base64url as JOSE uses it (RFC 7515 section 2): no padding, no white space, and one text per value.
package enum Base64URL {
    /// 64 and above: not in the alphabet.
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (index, character) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8.enumerated() {
            table[Int(character)] = UInt8(index)
        }
        return table
    }()

    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    /// The length `count` characters decode to; nil when no text has that length (4n + 1).
    @inline(__always)
    package static func decodedCount(_ count: Int) -> Int? {
        let rest = count & 3
        guard rest != 1 else { return nil }
        return count / 4 &* 3 &+ (rest == 0 ? 0 : rest &- 1)
    }

    /// Decodes strictly into `room`: only the alphabet, unused low bits zero, so that no two texts give the same bytes.
    /// - Returns: the number of bytes written; nil when the text is not canonical or `room` is too small.
    package static func decode(_ text: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int? {
        guard let total = decodedCount(text.count), room.count >= total else { return nil }
        guard let input = text.baseAddress?.assumingMemoryBound(to: UInt8.self), let output = room.baseAddress else {
            return total
        }
        return values.withUnsafeBufferPointer { table -> Int? in
            guard let values = table.baseAddress else { return nil }
            // Every value above 63 leaves a high bit here, looked at once at the end.
            var seen: UInt8 = 0
            var read = 0
            var written = 0
            let whole = text.count & ~3
            while read < whole {
                let a = values[Int(input[read])]
                let b = values[Int(input[read &+ 1])]
                let c = values[Int(input[read &+ 2])]
                let d = values[Int(input[read &+ 3])]
                seen |= a | b | c | d
                output.storeBytes(of: a &<< 2 | b &>> 4, toByteOffset: written, as: UInt8.self)
                output.storeBytes(of: b &<< 4 | c &>> 2, toByteOffset: written &+ 1, as: UInt8.self)
                output.storeBytes(of: c &<< 6 | d, toByteOffset: written &+ 2, as: UInt8.self)
                read &+= 4
                written &+= 3
            }
            // The last one or two bytes; their unused low bits must be zero.
            let rest = text.count &- whole
            if rest > 1 {
                let a = values[Int(input[read])]
                let b = values[Int(input[read &+ 1])]
                let c = rest == 3 ? values[Int(input[read &+ 2])] : 0
                seen |= a | b | c
                guard (rest == 3 ? c & 0x03 : b & 0x0f) == 0 else { return nil }
                output.storeBytes(of: a &<< 2 | b &>> 4, toByteOffset: written, as: UInt8.self)
                if rest == 3 { output.storeBytes(of: b &<< 4 | c &>> 2, toByteOffset: written &+ 1, as: UInt8.self) }
            }
            return seen < 64 ? total : nil
        }
    }

    package static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let total = decodedCount(text.count) else { return nil }
        var good = false
        let result = [UInt8](unsafeUninitializedCapacity: total) { room, count in
            count = decode(text, into: UnsafeMutableRawBufferPointer(room)) ?? 0
            good = count == total
        }
        return good ? result : nil
    }

    package static func decode(_ text: [UInt8]) -> [UInt8]? { text.withUnsafeBytes { decode($0) } }

    package static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { decode(UnsafeRawBufferPointer($0)) }
    }

    package static func encode(_ bytes: UnsafeRawBufferPointer, into output: inout [UInt8]) {
        let count = encodedCount(bytes.count)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { room in
            encode(bytes, into: room)
            output.append(contentsOf: room)
        }
    }

    package static func encode(_ bytes: [UInt8]) -> String {
        let count = encodedCount(bytes.count)
        return String(unsafeUninitializedCapacity: count) { room in
            bytes.withUnsafeBytes { encode($0, into: UnsafeMutableBufferPointer(rebasing: room[..<count])) }
            return count
        }
    }

    private static func encodedCount(_ count: Int) -> Int { (count * 4 + 2) / 3 }

    /// - Parameter room: exactly as long as the text.
    private static func encode(_ bytes: UnsafeRawBufferPointer, into room: UnsafeMutableBufferPointer<UInt8>) {
        guard let output = room.baseAddress else { return }
        let alphabet = Self.alphabet.utf8Start
        var read = 0
        var written = 0
        while read &+ 3 <= bytes.count {
            let (a, b, c) = (bytes[read], bytes[read &+ 1], bytes[read &+ 2])
            output[written] = alphabet[Int(a &>> 2)]
            output[written &+ 1] = alphabet[Int((a & 0x03) &<< 4 | b &>> 4)]
            output[written &+ 2] = alphabet[Int((b & 0x0f) &<< 2 | c &>> 6)]
            output[written &+ 3] = alphabet[Int(c & 0x3f)]
            read &+= 3
            written &+= 4
        }
        switch bytes.count &- read {
        case 1:
            output[written] = alphabet[Int(bytes[read] &>> 2)]
            output[written &+ 1] = alphabet[Int((bytes[read] & 0x03) &<< 4)]
        case 2:
            let (a, b) = (bytes[read], bytes[read &+ 1])
            output[written] = alphabet[Int(a &>> 2)]
            output[written &+ 1] = alphabet[Int((a & 0x03) &<< 4 | b &>> 4)]
            output[written &+ 2] = alphabet[Int((b & 0x0f) &<< 2)]
        default:
            break
        }
    }
}
