extension JSON: Codable {
    /// From any decoder; the readers of this room take a direct way.
    public init(from decoder: any Decoder) throws {
        if let decoder = decoder as? JSONValueDecoder {
            self = try decoder.json()
            return
        }
        if let container = try? decoder.container(keyedBy: JSONNameKey.self) {
            var object = Object()
            for key in container.allKeys { object[key.stringValue] = try container.decode(JSON.self, forKey: key) }
            self = .object(object)
        } else if var container = try? decoder.unkeyedContainer() {
            var array: [JSON] = []
            while !container.isAtEnd { array.append(try container.decode(JSON.self)) }
            self = .array(array)
        } else {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let value = try? container.decode(Bool.self) {
                self = .bool(value)
            } else if let value = try? container.decode(Int64.self) {
                self = .number(.integer(value))
            } else if let value = try? container.decode(UInt64.self) {
                self = .number(.unsigned(value))
            } else if let value = try? container.decode(Double.self) {
                self = .number(.decimal(value))
            } else {
                self = .string(try container.decode(String.self))
            }
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .object(let members):
            var container = encoder.container(keyedBy: JSONNameKey.self)
            for (name, value) in members { try container.encode(value, forKey: JSONNameKey(name)) }
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(element) }
        default:
            var container = encoder.singleValueContainer()
            switch self {
            case .bool(let value): try container.encode(value)
            case .number(.integer(let value)): try container.encode(value)
            case .number(.unsigned(let value)): try container.encode(value)
            case .number(.decimal(let value)): try container.encode(value)
            case .string(let value): try container.encode(value)
            default: try container.encodeNil()
            }
        }
    }
}
