/// Goes through a document that ``JSON/check(_:limits:)`` has accepted, value by value in document order, and puts other strings in the
/// place of some. Everything else stays as it is, byte for byte: numbers keep their digits, members their order, blanks their places.
public struct JSONStrings {
    public enum Kind: Sendable, Hashable {
        case string, number, bool, null, object, array
        /// The name of a member, before its value.
        case name
    }

    /// One step from the root to a value.
    private enum Step {
        /// A member: where its name stands between its quotes.
        case member(Range<Int>)
        case element(Int)
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private var steps: [Step] = []
    public private(set) var kind = Kind.null
    /// The string that is looked at, between its quotes.
    private var span = 0..<0

    /// Calls `visit` for every value and every member name; what it answers takes the place of the string (or name) it looks at, and is
    /// passed over for other kinds. Answers the new document, or `nil` when none was given. Throws what `visit` throws.
    public static func edit<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, _ visit: (borrowing JSONStrings) throws(Failure) -> String?
    ) throws(Failure) -> [UInt8]? {
        var walk = JSONStrings(bytes: bytes.assumingMemoryBound(to: UInt8.self))
        return try walk.run(visit)
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    // MARK: What the visitor asks

    /// Steps from the root; 0 for the root itself.
    public var depth: Int { steps.count }

    /// Whether a step is to an element of an array, rather than to a member.
    public func isElement(_ step: Int) -> Bool {
        guard steps.indices.contains(step), case .element = steps[step] else { return false }
        return true
    }

    /// The place of a step in its array.
    public func index(_ step: Int) -> Int? {
        guard steps.indices.contains(step), case .element(let index) = steps[step] else { return nil }
        return index
    }

    /// Whether a step is to the member of this name, whichever way the name is escaped.
    public func isMember(_ step: Int, named name: String) -> Bool {
        guard steps.indices.contains(step), case .member(let range) = steps[step] else { return false }
        var source = JSONEscapedBytes(UnsafeBufferPointer(rebasing: bytes[range]))
        for byte in name.utf8 where source.next() != byte { return false }
        return source.next() == nil
    }

    /// The name of a member a step leads to.
    public func name(_ step: Int) -> String? {
        guard steps.indices.contains(step), case .member(let range) = steps[step] else { return nil }
        return UnsafeBufferPointer(rebasing: bytes[range]).unescaped
    }

    /// The string or name that is looked at, escapes resolved; empty for other kinds.
    public var text: String { UnsafeBufferPointer(rebasing: bytes[span]).unescaped }

    // MARK: The walk

    private func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }

    /// Where the string that opens before `start` ends: its closing quote.
    private func closingQuote(from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            index &+= bytes[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(index, bytes.count)
    }

    private mutating func run<Failure: Error>(_ visit: (borrowing JSONStrings) throws(Failure) -> String?) throws(Failure)
        -> [UInt8]?
    {
        var output: [UInt8] = []
        var hasChanged = false
        /// Up to here the document has been copied to the output.
        var copied = 0
        /// One entry for each open container: whether it is an object.
        var open: [Bool] = []
        var index = 0
        func write(_ text: String, over range: Range<Int>) {
            hasChanged = true
            output.append(contentsOf: bytes[copied..<range.lowerBound])
            JSONText.append(string: text, to: &output)
            copied = range.upperBound
        }
        while index < bytes.count {
            let first = bytes[index]
            switch first {
            case UInt8(ascii: "\""):
                let close = closingQuote(from: index &+ 1)
                span = index &+ 1..<close
                let end = min(close &+ 1, bytes.count)
                var after = end
                while after < bytes.count, byte(after) <= 0x20 { after &+= 1 }
                let isName = open.last == true && byte(after) == UInt8(ascii: ":")
                kind = isName ? .name : .string
                if isName, let last = steps.indices.last { steps[last] = .member(span) }
                if let text = try visit(self) { write(text, over: index..<end) }
                span = 0..<0
                index = isName ? after &+ 1 : end
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                kind = first == UInt8(ascii: "{") ? .object : .array
                _ = try visit(self)
                open.append(kind == .object)
                steps.append(kind == .object ? .member(0..<0) : .element(0))
                index &+= 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                _ = open.popLast()
                _ = steps.popLast()
                index &+= 1
            case UInt8(ascii: ","):
                if let last = steps.indices.last, case .element(let place) = steps[last] { steps[last] = .element(place &+ 1) }
                index &+= 1
            case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "-"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                kind =
                    first == UInt8(ascii: "n")
                    ? .null : first == UInt8(ascii: "t") || first == UInt8(ascii: "f") ? .bool : .number
                _ = try visit(self)
                while index < bytes.count, JSONStrings.goesOn(bytes[index]) { index &+= 1 }
            default: index &+= 1
            }
        }
        guard hasChanged else { return nil }
        output.append(contentsOf: bytes[copied...])
        return output
    }

    /// The bytes of words and numbers.
    private static func goesOn(_ byte: UInt8) -> Bool {
        byte.isDigit || (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+")
            || byte == UInt8(ascii: ".")
    }
}
