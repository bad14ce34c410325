import SwiftletJSON

/// Makes a value that fits a schema: Google's (`type` in capitals) or JSON Schema, as far as callers of the mock use them. The same schema
/// gives the same value. A pattern is not looked at.
struct SchemaFiller {
    private let root: JSON
    private var nextWord = 0
    /// A schema of arrays of arrays asks for more than anyone reads.
    private var valuesLeft = 4096

    static func fill(_ schema: JSON) -> JSON {
        var filler = SchemaFiller(root: schema)
        return filler.value(schema, name: "", depth: 0)
    }

    private init(root: JSON) { self.root = root }

    private mutating func value(_ schema: JSON, name: String, depth: Int) -> JSON {
        guard valuesLeft > 0 else { return .null }
        valuesLeft -= 1
        guard depth < 32 else { return .null }
        if let reference = schema["$ref"]?.string, let target = resolve(reference) {
            return value(target, name: name, depth: depth + 1)
        }
        if let only = schema["const"] { return only }
        if let first = schema["enum"]?[0] { return first }
        for choice in ["anyOf", "any_of", "oneOf", "allOf"] {
            guard let options = schema[choice]?.array else { continue }
            if let option = options.first(where: { type(of: $0) != "null" }) {
                return value(option, name: name, depth: depth + 1)
            }
        }
        switch type(of: schema) {
        case "object": return object(schema, depth: depth)
        case "array": return array(schema, name: name, depth: depth)
        case "integer": return JSON(Int(exactly: number(schema, whole: true)) ?? 0)
        case "number": return JSON(number(schema, whole: false)) ?? 0
        case "boolean": return true
        case "null": return .null
        default: return .string(string(schema, name: name))
        }
    }

    /// In small letters; the first that is not `null` of several. Members alone make an object.
    private func type(of schema: JSON) -> String {
        if let name = schema["type"]?.string { return name.lowercased() }
        if let names = schema["type"]?.array?.compactMap(\.string) {
            return (names.first { $0.lowercased() != "null" } ?? "null").lowercased()
        }
        return schema["properties"] != nil ? "object" : schema["items"] != nil ? "array" : "string"
    }

    /// Only into the schema itself: `#/$defs/Name`.
    private func resolve(_ reference: String) -> JSON? {
        guard reference.hasPrefix("#") else { return nil }
        var place = root
        for part in reference.dropFirst().split(separator: "/") {
            guard let next = place[String(part)] else { return nil }
            place = next
        }
        return place
    }

    private mutating func object(_ schema: JSON, depth: Int) -> JSON {
        let properties = schema["properties"]?.object
        // As Google does it: those that are required, in that order, then the others.
        let required =
            (schema["propertyOrdering"] ?? schema["property_ordering"] ?? schema["required"])?.array?.compactMap(\.string) ?? []
        var result = JSON.Object()
        for name in required + (properties?.names ?? []) where result[name] == nil {
            guard let member = properties?[name] else { continue }
            result[name] = value(member, name: name, depth: depth + 1)
        }
        return .object(result)
    }

    private mutating func array(_ schema: JSON, name: String, depth: Int) -> JSON {
        let most = SchemaFiller.count(schema["maxItems"] ?? schema["max_items"]) ?? 64
        let least = SchemaFiller.count(schema["minItems"] ?? schema["min_items"]) ?? 0
        let count = min(max(2, least), max(0, most), 64)
        guard let item = schema["items"] else { return .array([]) }
        var items: [JSON] = []
        while items.count < count, valuesLeft > 0 { items.append(value(item, name: name, depth: depth + 1)) }
        return .array(items)
    }

    /// The middle of the range, or one inside it.
    private func number(_ schema: JSON, whole: Bool) -> Double {
        func bound(_ name: String, _ snake: String) -> Double? { (schema[name] ?? schema[snake])?.double }
        let step = whole ? 1 : 0.001
        let least = bound("minimum", "minimum") ?? bound("exclusiveMinimum", "exclusive_minimum").map { $0 + step }
        let most = bound("maximum", "maximum") ?? bound("exclusiveMaximum", "exclusive_maximum").map { $0 - step }
        var value: Double =
            switch (least, most) {
            case (let least?, let most?): least / 2 + most / 2
            case (let least?, nil): max(least, 1)
            case (nil, let most?): min(most, 1)
            case (nil, nil): 1
            }
        if whole {
            value.round(.down)
            if let least, value < least { value = least.rounded(.up) }
        }
        return value
    }

    private mutating func string(_ schema: JSON, name: String) -> String {
        switch schema["format"]?.string {
        case "date-time": return "2026-01-01T12:00:00Z"
        case "date": return "2026-01-01"
        case "time": return "12:00:00Z"
        case "email": return "mock@example.com"
        case "uri", "url": return "https://example.com/"
        case "uuid": return "00000000-0000-4000-8000-000000000000"
        default: break
        }
        // A language is looked at more closely than other texts.
        if name.lowercased().hasSuffix("language") { return "en" }
        var text = ""
        let least = min(SchemaFiller.count(schema["minLength"] ?? schema["min_length"]) ?? 0, 4096)
        valuesLeft -= least / 64
        var words = 0
        while words < 3 || text.unicodeScalars.count < least {
            text += (words == 0 ? "" : " ") + Words.all[nextWord % Words.all.count]
            nextWord += 1
            words += 1
        }
        guard let most = SchemaFiller.count(schema["maxLength"] ?? schema["max_length"]), text.unicodeScalars.count > most else {
            return text
        }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(max(0, most))))
    }

    /// Google's 64-bit counts travel as strings.
    private static func count(_ value: JSON?) -> Int? { value?.int ?? value?.string.flatMap { Int($0) } }
}
