package import Swiftlet

/// Takes secrets out of what leaves the host: each occurrence of a value becomes `[redacted]`.
///
/// Values under 8 bytes are left alone, they would hit innocent text. Time is linear in the text, whatever the values (Aho and Corasick's
/// automaton); memory is about 20 bytes for each byte of secret, and holds them. Only the value as it is is found: not encoded, not
/// escaped, not cut in two by the end of the bytes.
package struct Redactor: Sendable {
    package static let shortest = 8
    private static let mark = Array("[redacted]".utf8)

    private struct Node {
        /// The first of the nodes one byte further, and the next node that has the same parent; 0: none.
        var child: Int32 = 0
        var sibling: Int32 = 0
        /// The node of the longest shorter end that some value starts with.
        var fallback: Int32 = 0
        /// The length of the longest value that ends here; 0: none.
        var match: Int32 = 0
        var byte: UInt8 = 0
    }

    private var nodes = [Node()]
    /// The root has many children and is met at almost every byte.
    private var first = [Int32](repeating: 0, count: 256)

    package init(secrets: [Secret]) {
        for secret in secrets where secret.count >= Redactor.shortest && secret.count <= 1 << 20 { secret.withBytes { add($0) } }
        link()
    }

    /// Whether there is nothing to look for.
    package var isEmpty: Bool { nodes.count == 1 }

    private mutating func add(_ value: UnsafeRawBufferPointer) {
        guard nodes.count + value.count < Int(Int32.max) else { return }
        var at: Int32 = 0
        for byte in value {
            var next = child(at, byte)
            if next == 0 {
                next = Int32(nodes.count)
                var node = Node()
                node.byte = byte
                node.sibling = nodes[Int(at)].child
                nodes.append(node)
                nodes[Int(at)].child = next
                if at == 0 { first[Int(byte)] = next }
            }
            at = next
        }
        nodes[Int(at)].match = Int32(value.count)
    }

    /// Sets the fallbacks, nodes nearer to the root first.
    private mutating func link() {
        var queue: [Int32] = [0]
        queue.reserveCapacity(nodes.count)
        var head = 0
        while head < queue.count {
            let parent = queue[head]
            head += 1
            var at = nodes[Int(parent)].child
            while at != 0 {
                if parent != 0 {
                    let fallback = step(nodes[Int(parent)].fallback, nodes[Int(at)].byte)
                    nodes[Int(at)].fallback = fallback
                    nodes[Int(at)].match = max(nodes[Int(at)].match, nodes[Int(fallback)].match)
                }
                queue.append(at)
                at = nodes[Int(at)].sibling
            }
        }
    }

    private func child(_ node: Int32, _ byte: UInt8) -> Int32 {
        if node == 0 { return first[Int(byte)] }
        var at = nodes[Int(node)].child
        while at != 0, nodes[Int(at)].byte != byte { at = nodes[Int(at)].sibling }
        return at
    }

    private func step(_ node: Int32, _ byte: UInt8) -> Int32 {
        var at = node
        while true {
            let next = child(at, byte)
            if next != 0 || at == 0 { return next }
            at = nodes[Int(at)].fallback
        }
    }

    /// Where values stand, overlapping ones as one range, in order.
    private func matches(_ bytes: UnsafeRawBufferPointer) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var at: Int32 = 0
        for (index, byte) in bytes.enumerated() {
            at = at == 0 ? first[Int(byte)] : step(at, byte)
            guard at != 0, case let length = Int(nodes[Int(at)].match), length > 0 else { continue }
            var start = index + 1 - length
            while let last = result.last, last.upperBound > start {
                start = min(start, last.lowerBound)
                result.removeLast()
            }
            result.append(start..<index + 1)
        }
        return result
    }

    /// Takes the secrets out of `bytes`; leaves them untouched, without an allocation, where there are none.
    package func redact(_ bytes: inout [UInt8]) {
        guard !isEmpty, case let found = bytes.withUnsafeBytes({ matches($0) }), !found.isEmpty else { return }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var from = 0
        for range in found {
            result += bytes[from..<range.lowerBound]
            result += Redactor.mark
            from = range.upperBound
        }
        result += bytes[from...]
        bytes = result
    }

    package func redacted(_ text: String) -> String {
        guard !isEmpty else { return text }
        var bytes = Array(text.utf8)
        let count = bytes.count
        redact(&bytes)
        // A mark is as long as some values: only equal bytes prove that nothing changed.
        if bytes.count == count, bytes.elementsEqual(text.utf8) { return text }
        return String(decoding: bytes, as: UTF8.self)
    }
}
