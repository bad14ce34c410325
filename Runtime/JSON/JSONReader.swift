/// Decodes `Decodable` types from JSON bytes, strictly, without building values in between.
public struct JSONReader: Sendable {
    public var limits: JSONLimits

    @inlinable
    public init(limits: JSONLimits = .standard) { self.limits = limits }

    /// Throws ``JSONError``: with a `path` where the document has another shape than the type, without one where it is malformed.
    ///
    /// A type's own `init(from:)` may throw any error; one that is neither a `JSONError` nor a `DecodingError` becomes ``JSONError/Code/other``.
    @inlinable
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self, from bytes: UnsafeRawBufferPointer) throws(JSONError)
        -> Value
    {
        // Inlined where the type is known: then its initialiser is called directly and its result is moved, not copied.
        let workspace = try JSONWorkspace.open(bytes, limits: limits)
        defer { workspace.close() }
        do {
            if let shortcut = workspace.shortcut(for: type) { return try shortcut.decode(workspace.document, 0) }
            return try Value(from: workspace.decoder)
        } catch {
            throw JSONError(reading: error)
        }
    }

    @inlinable
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self, from bytes: [UInt8]) throws(JSONError) -> Value {
        // Untyped on the way, because a `Result` of a type known only at run time costs more than a cast of the rare error.
        do {
            return try bytes.withUnsafeBytes { try decode(type, from: $0) }
        } catch {
            throw JSONError(reading: error)
        }
    }
}

extension JSONError {
    @usableFromInline
    init(reading error: any Error) {
        switch error {
        case let error as JSONError: self = error
        case let error as DecodingError: self.init(error)
        default: self.init(.other, path: "", "cannot be read")
        }
    }

    /// The texts are ours: what a type's own initialiser says may quote the document.
    init(_ error: DecodingError) {
        switch error {
        case .keyNotFound(let key, let context):
            self.init(.missing, path: JSONError.path(context.codingPath + [JSONNameKey(key.stringValue)]), "is missing")
        case .valueNotFound(let type, let context):
            self.init(.wrongType, path: JSONError.path(context.codingPath), "is null; \(JSONError.name(type)) was expected")
        case .typeMismatch(let type, let context):
            self.init(.wrongType, path: JSONError.path(context.codingPath), "is not \(JSONError.name(type))")
        case .dataCorrupted(let context):
            self.init(.outOfRange, path: JSONError.path(context.codingPath), "has a value that cannot be used")
        @unknown default: self.init(.other, path: "", "cannot be read")
        }
    }

    static func path(_ keys: [any CodingKey]) -> String {
        var text = ""
        for key in keys {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                let isForeign = (key as? JSONNameKey)?.isForeign ?? false
                text += (text.isEmpty ? "" : ".") + (isForeign ? "*" : shown(key.stringValue))
            }
        }
        return text
    }

    /// Names in a dictionary are the sender's choice and never appear. Of the others only plain ones do: a type that makes up its keys
    /// as it reads may have them from the sender too.
    private static func shown(_ name: String) -> String {
        let isPlain = name.utf8.allSatisfy { byte in
            byte.isDigit || (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        return isPlain && !name.isEmpty && name.utf8.count <= 64 ? name : "*"
    }

    private static func name(_ type: Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any FixedWidthInteger.Type: "a whole number in range"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [String: Any].Type: "an object"
        case is [Any].Type: "an array"
        default: "of the expected shape"
        }
    }
}
