import SwiftletJSON

private struct Row: Codable, Equatable {
    var name: String?
    var count: Int?
    var ratio: Double?
    var rows: [Row]?
    var more: [String: JSON]?
}

/// Decodes whatever comes in every way there is, past every error, and keeps some of it.
private struct Prober: Decodable {
    private struct Key: CodingKey {
        let stringValue: String
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
        var intValue: Int? { nil }
    }
    private let kept: KeyedDecodingContainer<Key>?

    init(from decoder: any Decoder) throws {
        _ = decoder.codingPath.count
        let single = try decoder.singleValueContainer()
        if single.decodeNil() {
            kept = nil
            return
        }
        _ = (try? single.decode(Int.self)).map { _ in try? single.decode(UInt8.self) }
        _ = (try? single.decode(Float.self), try? single.decode(String.self), try? single.decode(Bool.self))
        _ = (try? [Int].init(from: decoder), try? single.decode([UInt16?].self), try? single.decode([String: Double].self))
        kept = try? decoder.container(keyedBy: Key.self)
        for key in kept?.allKeys ?? [] {
            let isNull = try kept?.decodeNil(forKey: key) ?? true
            if !isNull { _ = try kept?.decode(Prober.self, forKey: key) }
        }
        if var elements = try? decoder.unkeyedContainer() {
            while !elements.isAtEnd {
                if try elements.decodeNil() { continue }
                _ = try elements.decode(Prober.self)
            }
        }
    }
}

private func isTaken(_ bytes: UnsafeRawBufferPointer, _ length: Int) -> Bool {
    var intake = JSONIntake()
    do {
        for start in stride(from: 0, to: bytes.count, by: length) {
            try intake.take(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + length, bytes.count)]))
        }
        try intake.finish()
        return true
    } catch {
        return false
    }
}

/// Accepted documents read back the same after they were written, also through Codable, and writing is a fixed point.
func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    let isAccepted = (try? JSON.parse(bytes)) != nil
    // However it is cut, a document in parts has the verdict of the whole one.
    for length in [1, 3, Int(bytes.first ?? 7) + 1, count + 1] where isTaken(bytes, length) != isAccepted {
        fatalError("parts of \(length) bytes are judged otherwise")
    }
    // Every string replaced by itself leaves a document that means the same; nothing traps on what is no JSON.
    let edited = JSONStrings.edit(bytes) { $0.kind == .string || $0.kind == .name ? $0.text : nil }
    if isAccepted, let edited, (try? JSON.parse(edited)) != (try? JSON.parse(bytes)) { fatalError("edit(x) is not x") }
    if let json = try? JSON.parse(bytes) {
        let written = json.bytes
        guard let again = try? JSON.parse(written), again == json, again.bytes == written else {
            fatalError("parse(write(x)) is not x")
        }
        guard let typed = try? JSONReader().decode(JSON.self, from: bytes), typed == json else {
            fatalError("decode is not parse")
        }
        guard let encoded = try? JSONWriter().encode(json), encoded == written else { fatalError("encode is not write") }
    } else if (try? JSONReader().decode(Row.self, from: bytes)) != nil {
        fatalError("decoded what parse refuses")
    }
    if let row = try? JSONReader().decode(Row.self, from: bytes) {
        guard let encoded = try? JSONWriter().encode(row), (try? JSONReader().decode(Row.self, from: encoded)) == row else {
            fatalError("decode(encode(x)) is not x")
        }
    }
    if (try? JSON.parse(bytes)) != nil {
        guard (try? JSONReader().decode(Prober.self, from: bytes)) != nil else { fatalError("the prober lets every error pass") }
    }
    var loose = JSONLimits()
    loose.duplicateNames = .lastWins
    if let json = try? JSON.parse(bytes, limits: loose), (try? JSON.parse(json.bytes)) != json {
        fatalError("lastWins left a duplicate")
    }
    var line: [UInt8] = []
    JSONText.append(string: String(decoding: bytes, as: UTF8.self), to: &line, escaping: .forLogs)
    guard case .string(let text)? = try? JSON.parse(line), text.utf8.elementsEqual(String(decoding: bytes, as: UTF8.self).utf8),
        !line.contains(where: { $0 < 0x20 || $0 == 0x7F })
    else { fatalError("a log line does not read back") }
    return 0
}
