/// Writes the elements of one array.
struct JSONElementWriter: UnkeyedEncodingContainer {
    private let output: JSONOutput
    private let place: JSONOutput.Place
    private(set) var count = 0

    init(output: JSONOutput, place: JSONOutput.Place) {
        self.output = output
        self.place = place
    }

    var codingPath: [any CodingKey] { output.path(upTo: Int(place.depth)) }

    @inline(__always)
    private mutating func open() throws {
        try output.next(in: place)
        count &+= 1
    }

    mutating func encodeNil() throws {
        try open()
        output.leafNull()
    }

    mutating func encode(_ value: Bool) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: String) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: Double) throws {
        try open()
        try output.leaf(value)
    }
    mutating func encode(_ value: Float) throws {
        try open()
        try output.leaf(value)
    }
    mutating func encode(_ value: Int) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: Int8) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: Int16) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: Int32) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: Int64) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: UInt) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: UInt8) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: UInt16) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: UInt32) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode(_ value: UInt64) throws {
        try open()
        output.leaf(value)
    }
    mutating func encode<Value: Encodable>(_ value: Value) throws {
        try open()
        try output.write(value)
    }

    private mutating func nested() -> JSONValueEncoder {
        guard (try? open()) != nil else { return JSONValueEncoder(output: output, place: .none) }
        return output.part(of: place)
    }

    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        nested().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }
    mutating func superEncoder() -> any Encoder { nested() }
}
