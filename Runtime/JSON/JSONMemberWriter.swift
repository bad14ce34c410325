/// Writes the members of one object.
struct JSONMemberWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let output: JSONOutput
    let place: JSONOutput.Place

    var codingPath: [any CodingKey] { output.path(upTo: Int(place.depth)) }

    @inline(__always)
    private func open(_ key: some CodingKey) throws { try output.name(key.stringValue, in: place) }

    func encodeNil(forKey key: Key) throws {
        try open(key)
        output.leafNull()
    }

    func encode(_ value: Bool, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: String, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: Double, forKey key: Key) throws {
        try open(key)
        try output.leaf(value)
    }
    func encode(_ value: Float, forKey key: Key) throws {
        try open(key)
        try output.leaf(value)
    }
    func encode(_ value: Int, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: Int8, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: Int16, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: Int32, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: Int64, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: UInt, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: UInt8, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: UInt16, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: UInt32, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode(_ value: UInt64, forKey key: Key) throws {
        try open(key)
        output.leaf(value)
    }
    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        try open(key)
        try output.write(value)
    }

    private func nested(_ key: some CodingKey) -> JSONValueEncoder {
        guard (try? open(key)) != nil else { return JSONValueEncoder(output: output, place: .none) }
        return output.part(of: place)
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        nested(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { nested(JSONNameKey("super")) }
    func superEncoder(forKey key: Key) -> any Encoder { nested(key) }
}
