/// A JSON value.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(Number)
    case string(String)
    case array([JSON])
    case object(Object)

    /// A number: exact for everything an `Int64` or `UInt64` holds, otherwise the nearest `Double`.
    public enum Number: Sendable, Hashable {
        case integer(Int64)
        /// Only above `Int64.max`.
        case unsigned(UInt64)
        /// Finite.
        case decimal(Double)
    }

    /// The members of an object, in order, each name once.
    public struct Object: Sendable, Sequence {
        public typealias Element = (name: String, value: JSON)

        // A type of its own: arrays of tuples are made and freed by way of their metadata, at several times the cost.
        struct Member: Sendable {
            let name: String
            var value: JSON
        }

        private(set) var members: [Member] = []
        /// Made when there are too many members to look at each.
        private var index: [JSONName: Int]?
        private static let indexed = 32

        public init() {}

        /// For names known to differ.
        init(distinct members: [Member]) {
            self.members = members
            if members.count > Object.indexed { buildIndex() }
        }

        mutating func reserve(_ count: Int) { members.reserveCapacity(count) }

        private mutating func appendNew(_ name: String, _ value: JSON) {
            members.append(Member(name: name, value: value))
            if index != nil { index?[JSONName(name)] = members.count - 1 } else if members.count > Object.indexed { buildIndex() }
        }

        private mutating func buildIndex() {
            var index: [JSONName: Int] = [:]
            index.reserveCapacity(members.count)
            for place in members.indices { index[JSONName(members[place].name)] = place }
            self.index = index
        }

        private func position(of name: String) -> Int? {
            if let index { return index[JSONName(name)] }
            return members.firstIndex { JSONName($0.name) == JSONName(name) }
        }

        public var count: Int { members.count }
        public var isEmpty: Bool { members.isEmpty }
        public var names: [String] { members.map(\.name) }
        public func makeIterator() -> Iterator { Iterator(members: members) }

        public struct Iterator: IteratorProtocol, Sendable {
            let members: [Member]
            private var index = 0

            init(members: [Member]) { self.members = members }

            public mutating func next() -> Element? {
                guard index < members.count else { return nil }
                defer { index += 1 }
                return (members[index].name, members[index].value)
            }
        }

        public subscript(name: String) -> JSON? {
            get { position(of: name).map { members[$0].value } }
            set {
                guard let position = position(of: name) else {
                    if let newValue { appendNew(name, newValue) }
                    return
                }
                if let newValue {
                    members[position].value = newValue
                } else {
                    members.remove(at: position)
                    index = nil
                    if members.count > Object.indexed { buildIndex() }
                }
            }
        }
    }
}

extension JSON.Object: Hashable {
    /// The order of members does not matter.
    public static func == (left: Self, right: Self) -> Bool {
        left.count == right.count && left.allSatisfy { right[$0.name] == $0.value }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        var sum = 0
        for (name, value) in self {
            var one = Hasher()
            one.combine(name)
            one.combine(value)
            sum &+= one.finalize()
        }
        hasher.combine(sum)
    }
}

extension JSON {
    /// Judges a document as ``parse(_:limits:)`` does, and makes nothing of it.
    public static func check(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits = .standard) throws(JSONError) {
        try JSONWorkspace.open(bytes, limits: limits).close()
    }

    /// Parses a document strictly: RFC 8259, UTF-8 without a byte-order mark, nothing before or after the value.
    public static func parse(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits = .standard) throws(JSONError) -> JSON {
        let workspace = try JSONWorkspace.open(bytes, limits: limits)
        defer { workspace.close() }
        return JSONValues(workspace.document, in: workspace.document.base).value(at: 0)
    }

    public static func parse(_ bytes: [UInt8], limits: JSONLimits = .standard) throws(JSONError) -> JSON {
        let result: Result<JSON, JSONError> = bytes.withUnsafeBytes { bytes in
            do throws(JSONError) { return .success(try parse(bytes, limits: limits)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    public init(_ value: some BinaryInteger) {
        if let exact = Int64(exactly: value) {
            self = .number(.integer(exact))
        } else if let exact = UInt64(exactly: value) {
            self = .number(.unsigned(exact))
        } else {
            self = .number(.decimal(Double(value)))
        }
    }

    /// `nil` for values JSON cannot write: infinities and NaN.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        self = .number(.decimal(value))
    }

    /// An object of these members; of a name that stands twice the last one counts.
    public init(members: [(String, JSON)]) {
        var object = Object()
        object.reserve(members.count)
        for (name, value) in members { object[name] = value }
        self = .object(object)
    }

    /// Any encodable value.
    public init(encoding value: some Encodable) throws {
        self = try JSON.parse(
            try JSONWriter().encode(value), limits: JSONLimits(depth: .max, members: .max, elements: .max, digits: .max))
    }

    public subscript(name: String) -> JSON? {
        get {
            guard case .object(let object) = self else { return nil }
            return object[name]
        }
        set {
            guard case .object(var object) = self else { return }
            self = .null
            object[name] = newValue
            self = .object(object)
        }
    }

    public subscript(index: Int) -> JSON? {
        guard case .array(let array) = self, array.indices.contains(index) else { return nil }
        return array[index]
    }

    public var isNull: Bool { self == .null }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    public var object: Object? { if case .object(let value) = self { value } else { nil } }

    /// The number as an `Int`, when it is a whole one in range.
    public var int: Int? {
        guard case .number(let number) = self else { return nil }
        return number.exactly(Int.self)
    }

    public var double: Double? {
        guard case .number(let number) = self else { return nil }
        return number.double
    }
}

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(nilLiteral: ()) { self = .null }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int64) { self = .number(.integer(value)) }
    public init(floatLiteral value: Double) { self = .number(.decimal(value)) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) { self.init(members: elements) }
}

extension JSON: CustomStringConvertible {
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}
