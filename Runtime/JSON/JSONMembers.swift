/// An object of the document that was open at the time.
struct JSONPlace {
    let object: UInt32
    let epoch: UInt32
}

extension JSONPlace {
    @inline(__always)
    init(_ object: Int, in document: JSONDocument) {
        self.init(object: UInt32(truncatingIfNeeded: object), epoch: document.epoch)
    }
}

/// The members of one object of a document.
///
/// Counts no references, as the standard library copies it for every member that is read; documents are never freed.
struct JSONMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let document: JSONDocument
    /// Where a reader that is kept is sent to.
    private let sent: UnsafeMutablePointer<JSONPlace>?
    private let own: JSONPlace

    init(document: JSONDocument, object: Int) {
        self.document = document
        sent = nil
        own = JSONPlace(object, in: document)
    }

    /// - Parameter place: stays valid.
    init(document: JSONDocument, sentTo place: UnsafeMutablePointer<JSONPlace>) {
        self.document = document
        sent = place
        own = place.pointee
    }

    @inline(__always) private var place: JSONPlace { sent?.pointee ?? own }
    @inline(__always) private var epoch: UInt32 { place.epoch }
    @inline(__always) private var object: Int { Int(place.object) }

    var codingPath: [any CodingKey] { document.isLive(epoch) ? document.path(to: object) : [] }

    var allKeys: [Key] {
        guard let base = try? document.live(epoch) else { return [] }
        // A key type that takes any name takes its names from the sender.
        if Key(stringValue: "\u{0}") != nil { document.nodes[object].hasForeignNames = true }
        var keys: [Key] = []
        keys.reserveCapacity(Int(document.nodes[object].length))
        document.forEachMember(of: object) { name in
            if let key = Key(stringValue: document.nodes[name].text(in: base)) { keys.append(key) }
        }
        return keys
    }

    /// Where a member's value is; throws when it is missing.
    @inline(__always)
    private func value(_ key: some CodingKey, in base: UnsafePointer<UInt8>) throws -> Int {
        let place = document.member(key, of: object, in: base)
        guard place > 0 else { throw missing(key) }
        return place
    }

    @inline(never)
    private func missing(_ key: some CodingKey) -> DecodingError {
        .keyNotFound(key, .init(codingPath: codingPath, debugDescription: "missing"))
    }

    /// `nil` for a member that is missing or null.
    @inline(__always)
    private func present<Value>(_ key: Key, _ body: (Int, UnsafePointer<UInt8>) throws -> Value) throws -> Value? {
        let base = try document.live(epoch)
        let place = document.member(key, of: object, in: base)
        guard place > 0, document.nodes[place].kind != .null else { return nil }
        return try body(place, base)
    }

    @inline(__always)
    private func integer<Value: FixedWidthInteger>(_ type: Value.Type, _ key: Key) throws -> Value {
        let base = try document.live(epoch)
        return try document.integer(type, at: try value(key, in: base), in: base)
    }

    @inline(__always)
    private func presentInteger<Value: FixedWidthInteger>(_ type: Value.Type, _ key: Key) throws -> Value? {
        try present(key) { try document.integer(type, at: $0, in: $1) }
    }

    func contains(_ key: Key) -> Bool {
        guard let base = try? document.live(epoch) else { return false }
        return document.member(key, of: object, in: base) > 0
    }

    func decodeNil(forKey key: Key) throws -> Bool {
        document.nodes[try value(key, in: try document.live(epoch))].kind == .null
    }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
        try document.bool(at: try value(key, in: try document.live(epoch)))
    }
    func decode(_ type: String.Type, forKey key: Key) throws -> String {
        let base = try document.live(epoch)
        return try document.string(at: try value(key, in: base), in: base)
    }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double {
        let base = try document.live(epoch)
        return try document.double(at: try value(key, in: base), in: base)
    }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float {
        let base = try document.live(epoch)
        return try document.float(at: try value(key, in: base), in: base)
    }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try integer(type, key) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try integer(type, key) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try integer(type, key) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try integer(type, key) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try integer(type, key) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try integer(type, key) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try integer(type, key) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try integer(type, key) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try integer(type, key) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try integer(type, key) }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try document.decode(type, at: try value(key, in: try document.live(epoch)))
    }

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? {
        try present(key) { place, _ in try document.bool(at: place) }
    }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
        try present(key) { try document.string(at: $0, in: $1) }
    }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? {
        try present(key) { try document.double(at: $0, in: $1) }
    }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? {
        try present(key) { try document.float(at: $0, in: $1) }
    }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try presentInteger(type, key) }
    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try presentInteger(type, key) }
    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
        try present(key) { place, _ in try document.decode(type, at: place) }
    }

    private func nested(_ key: some CodingKey) throws -> JSONValueDecoder {
        JSONValueDecoder(document: document, index: try value(key, in: try document.live(epoch)))
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try nested(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer { try nested(key).unkeyedContainer() }
    func superDecoder(forKey key: Key) throws -> any Decoder { try nested(key) }
    func superDecoder() throws -> any Decoder { try nested(JSONNameKey("super")) }
}
