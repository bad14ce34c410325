import Foundation
import RawStructuredFieldValues

/// Rows of the `structured-fields` area, through the library that reads the host's own `RateLimit` fields in the tests: the value in the
/// notation of the rows, or `"fail"`.
package func judgeStructuredField(_ row: [String: Any]) -> Any {
    // Several lines of one field are one list.
    let text = (row["raw"] as? [String] ?? []).joined(separator: ", ")
    // A row spells bytes as the characters of the same numbers.
    let bytes = text.unicodeScalars.map { UInt8(exactly: $0.value) ?? 0xFF }
    var parser = StructuredFieldValueParser(bytes)
    do {
        switch row["header_type"] as? String {
        case "dictionary":
            let members = try parser.parseDictionaryFieldValue()
            return try members.map { [$0.0, try notation($0.1)] as [Any] }
        case "list": return try parser.parseListFieldValue().map(notation)
        default: return try notation(try parser.parseItemFieldValue())
        }
    } catch {
        return "fail"
    }
}

private struct NotBase64: Error {}

private func notation(_ value: ItemOrInnerList) throws -> [Any] {
    switch value {
    case .item(let item): try notation(item)
    case .innerList(let list): [try list.bareInnerList.map(notation), try notation(list.rfc9651Parameters)]
    }
}

private func notation(_ item: Item) throws -> [Any] {
    [try notation(item.rfc9651BareItem), try notation(item.rfc9651Parameters)]
}

private func notation(_ parameters: OrderedMap<String, RFC9651BareItem>) throws -> [Any] {
    try parameters.map { [$0.0, try notation($0.1)] as [Any] }
}

private func notation(_ item: RFC9651BareItem) throws -> Any {
    switch item {
    case .bool(let value): return value
    case .integer(let value): return value
    case .decimal(let value): return Double("\(value.mantissa)e\(value.exponent)") ?? .nan
    case .string(let value): return value
    case .token(let value): return ["__type": "token", "value": value]
    case .date(let value): return ["__type": "date", "value": value] as [String: Any]
    case .displayString(let value): return ["__type": "displaystring", "value": value]
    case .undecodedByteSequence(let value):
        guard let data = Data(base64Encoded: value) else { throw NotBase64() }
        return ["__type": "binary", "value": base32(Array(data))]
    }
}

/// RFC 4648, with padding: how the rows write bytes.
private func base32(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 5) {
        let group = bytes[start..<min(start + 5, bytes.count)]
        var bits: UInt64 = 0
        for place in 0..<5 { bits = bits << 8 | UInt64(place < group.count ? group[start + place] : 0) }
        let letters = (group.count * 8 + 4) / 5
        for place in 0..<8 { text.append(place < letters ? alphabet[Int(bits >> UInt64(35 - 5 * place) & 31)] : "=") }
    }
    return text
}
