/// The place of one value, for its type to write to.
struct JSONValueEncoder: Encoder, SingleValueEncodingContainer {
    let output: JSONOutput
    let place: JSONOutput.Place

    var codingPath: [any CodingKey] { output.path(upTo: Int(place.depth)) }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(JSONMemberWriter<Key>(output: output, place: opened(isObject: true)))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        JSONElementWriter(output: output, place: opened(isObject: false))
    }

    /// The protocol lets no container fail to open: one that could not throws at its first use.
    @inline(__always)
    func opened(isObject: Bool) -> JSONOutput.Place { (try? output.container(isObject: isObject, at: place)) ?? .none }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func encodeNil() throws {
        try output.single(place)
        output.leafNull()
    }

    func encode(_ value: Bool) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: String) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: Double) throws {
        try output.single(place)
        try output.leaf(value)
    }
    func encode(_ value: Float) throws {
        try output.single(place)
        try output.leaf(value)
    }
    func encode(_ value: Int) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: Int8) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: Int16) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: Int32) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: Int64) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: UInt) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: UInt8) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: UInt16) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: UInt32) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode(_ value: UInt64) throws {
        try output.single(place)
        output.leaf(value)
    }
    func encode<Value: Encodable>(_ value: Value) throws {
        try output.single(place)
        output.begin()
        try output.write(value)
    }
}
