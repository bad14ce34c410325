import SwiftletJSON

private struct Row: Codable, Equatable {
    var name: String?
    var count: Int?
    var ratio: Double?
    var rows: [Row]?
    var more: [String: JSON]?
}

/// Accepted documents read back the same after they were written, also through Codable, and writing is a fixed point.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
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
