/// The elements of one array of a document, taken in order. Small enough to need no box.
struct JSONElements: UnkeyedDecodingContainer {
    private let document: JSONDocument
    private let array: UInt32
    private var place: UInt32
    private(set) var currentIndex = 0

    init(document: JSONDocument, array: Int) {
        self.document = document
        self.array = UInt32(truncatingIfNeeded: array)
        place = self.array &+ 1
    }

    var codingPath: [any CodingKey] { document.path(to: Int(array)) }
    var count: Int? { Int(document.nodes[Int(array)].length) }
    var isAtEnd: Bool { currentIndex >= Int(document.nodes[Int(array)].length) }

    /// Where the next element is.
    @inline(__always)
    private func next(_ type: Any.Type) throws -> Int {
        if isAtEnd { throw noMore(type) }
        return Int(place)
    }

    @inline(never)
    private func noMore(_ type: Any.Type) -> DecodingError {
        .valueNotFound(
            type, .init(codingPath: codingPath + [JSONIndexKey(currentIndex)], debugDescription: "the array has no more elements")
        )
    }

    /// Goes on, once an element was read.
    @inline(__always)
    private mutating func took<Value>(_ value: Value) -> Value {
        currentIndex &+= 1
        place = document.nodes[Int(place)].next
        return value
    }

    mutating func decodeNil() throws -> Bool {
        guard document.nodes[try next(Never?.self)].kind == .null else { return false }
        return took(true)
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { took(try document.bool(at: try next(type))) }
    mutating func decode(_ type: String.Type) throws -> String { took(try document.string(at: try next(type))) }
    mutating func decode(_ type: Double.Type) throws -> Double { took(try document.double(at: try next(type))) }
    mutating func decode(_ type: Float.Type) throws -> Float { took(try document.float(at: try next(type))) }
    mutating func decode(_ type: Int.Type) throws -> Int { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: UInt.Type) throws -> UInt { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { took(try document.integer(type, at: try next(type))) }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { took(try document.integer(type, at: try next(type))) }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        took(try document.decode(type, at: try next(type)))
    }

    private mutating func nested() throws -> JSONValueDecoder {
        JSONValueDecoder(document: document, index: try next(JSONValueDecoder.self))
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        took(try nested().container(keyedBy: type))
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { took(try nested().unkeyedContainer()) }
    mutating func superDecoder() throws -> any Decoder { took(try nested()) }
}
