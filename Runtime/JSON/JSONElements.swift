/// The elements of one array of a document, taken in order. Small enough to need no box.
struct JSONElements: UnkeyedDecodingContainer {
    private let document: JSONDocument
    private let epoch: UInt32
    private let array: UInt32
    private var place: UInt32
    private var taken: UInt32 = 0

    init(document: JSONDocument, array: Int) {
        self.document = document
        self.array = UInt32(truncatingIfNeeded: array)
        epoch = document.epoch
        place = self.array &+ 1
    }

    private var length: UInt32 { document.isLive(epoch) ? document.nodes[Int(array)].length : 0 }

    var currentIndex: Int { Int(taken) }
    var codingPath: [any CodingKey] { document.isLive(epoch) ? document.path(to: Int(array)) : [] }
    var count: Int? { Int(length) }
    var isAtEnd: Bool { taken >= length }

    /// Where the next element is.
    @inline(__always)
    private func next(_ type: Any.Type) throws -> Int {
        _ = try document.live(epoch)
        if taken >= document.nodes[Int(array)].length { throw noMore(type) }
        return Int(place)
    }

    @inline(never)
    private func noMore(_ type: Any.Type) -> DecodingError {
        .valueNotFound(
            type, .init(codingPath: codingPath + [JSONIndexKey(currentIndex)], debugDescription: "the array has no more elements")
        )
    }

    /// Reads the next element and goes on; an element that does not fit is not passed over.
    @inline(__always)
    private mutating func take<Value>(_ type: Value.Type, _ body: (JSONDocument, Int, UnsafePointer<UInt8>) throws -> Value)
        throws
        -> Value
    {
        let base = try document.live(epoch)
        let value = try body(document, try next(type), base)
        taken &+= 1
        place = document.nodes[Int(place)].next
        return value
    }

    mutating func decodeNil() throws -> Bool {
        guard document.nodes[try next(Never?.self)].kind == .null else { return false }
        return try take(Never?.self) { _, _, _ in nil } == nil
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool {
        try take(type) { document, place, _ in try document.bool(at: place) }
    }
    mutating func decode(_ type: String.Type) throws -> String { try take(type) { try $0.string(at: $1, in: $2) } }
    mutating func decode(_ type: Double.Type) throws -> Double { try take(type) { try $0.double(at: $1, in: $2) } }
    mutating func decode(_ type: Float.Type) throws -> Float { try take(type) { try $0.float(at: $1, in: $2) } }
    mutating func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    private mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
        try take(type) { try $0.integer(type, at: $1, in: $2) }
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try take(type) { document, place, _ in try document.decode(type, at: place) }
    }

    private func nested() throws -> JSONValueDecoder {
        JSONValueDecoder(document: document, index: try next(JSONValueDecoder.self))
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        let nested = try nested()
        return try take(JSONValueDecoder.self) { _, _, _ in nested }.container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let nested = try nested()
        return try take(JSONValueDecoder.self) { _, _, _ in nested }.unkeyedContainer()
    }

    mutating func superDecoder() throws -> any Decoder {
        let nested = try nested()
        return try take(JSONValueDecoder.self) { _, _, _ in nested }
    }
}
