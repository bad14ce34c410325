/// One value of a document, for its type's initialiser. Small enough to need no box.
struct JSONValueDecoder: Decoder, SingleValueDecodingContainer {
    let document: JSONDocument
    private let place: UInt32
    private let epoch: UInt32

    @inline(__always)
    init(document: JSONDocument, index: Int) {
        self.document = document
        place = UInt32(truncatingIfNeeded: index)
        epoch = document.epoch
    }

    @inline(__always) private var index: Int { Int(place) }

    var codingPath: [any CodingKey] { document.isLive(epoch) ? document.path(to: index) : [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// The value as it stands.
    func json() throws -> JSON { JSONValues(document, in: try document.live(epoch)).value(at: index) }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        _ = try document.live(epoch)
        return try document.members(at: index)
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        _ = try document.live(epoch)
        guard document.nodes[index].kind == .array else { throw document.mismatch([Any].self, at: index) }
        return JSONElements(document: document, array: index)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { document.isLive(epoch) && document.nodes[index].kind == .null }
    func decode(_ type: Bool.Type) throws -> Bool {
        _ = try document.live(epoch)
        return try document.bool(at: index)
    }
    func decode(_ type: String.Type) throws -> String { try document.string(at: index, in: try document.live(epoch)) }
    func decode(_ type: Double.Type) throws -> Double { try document.double(at: index, in: try document.live(epoch)) }
    func decode(_ type: Float.Type) throws -> Float { try document.float(at: index, in: try document.live(epoch)) }
    func decode(_ type: Int.Type) throws -> Int { try integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

    private func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
        try document.integer(type, at: index, in: try document.live(epoch))
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        _ = try document.live(epoch)
        return try document.decode(type, at: index)
    }
}
