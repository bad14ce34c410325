import SwiftletSanitize

/// Keys stay below their prefix, file names have no folders, and files never trap.
func fuzzFileName(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let text = String(decoding: bytes, as: UTF8.self)
    for key in [try? ObjectKey(prefix: "users/u1", encodedName: text), try? ObjectKey(prefix: "users/u1", name: text)] {
        guard let key = key?.key else { continue }
        let segments = key.split(separator: "/", omittingEmptySubsequences: false)
        guard key.hasPrefix("users/u1/"), key.utf8.count <= 1_024,
            !segments.contains(where: { $0.isEmpty || $0 == "." || $0.hasPrefix("..") || $0.hasSuffix(".") }),
            key.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x5C && $0 != 0x25 })
        else { fatalError("a key that can climb") }
    }
    if let name = sanitizeFileName(text) {
        guard let again = sanitizeFileName(name), again.utf8.elementsEqual(name.utf8) else { fatalError("not idempotent") }
        guard !name.isEmpty, name.utf8.count <= 255, !name.utf8.contains(where: { $0 < 0x20 || "/\\:*?\"<>|".utf8.contains($0) }),
            !name.hasPrefix("."), !name.hasSuffix("."), !name.hasPrefix(" "), !name.hasSuffix(" ")
        else { fatalError("a name that is not safe") }
    }
    // Letters that matter in names, more often than chance brings them.
    let letters = Array(
        "ab.. /\\:%2eE~_-pngphpexeCON1\u{e9}\u{301}\u{200b}\u{202e}\u{ff0f}\u{2215}\u{3000}\u{d55c}\n\0;?".unicodeScalars)
    var view = String.UnicodeScalarView()
    for byte in bytes.prefix(600) { view.append(letters[Int(byte) % letters.count]) }
    if let name = sanitizeFileName(String(view)) {
        guard sanitizeFileName(name)?.utf8.elementsEqual(name.utf8) == true, name.utf8.count <= 255 else {
            fatalError("not idempotent")
        }
    }
    if let key = try? ObjectKey(prefix: "users/u1", encodedName: String(view)), !key.key.hasPrefix("users/u1/") {
        fatalError("climbed")
    }
    let finding = FileSniffer.sniff(bytes)
    for (ending, type) in [
        ("png", "image/png"), ("txt", "text/plain"), ("svg", "image/svg+xml"), ("gif", "image/gif"), ("pdf", "application/pdf"),
    ] {
        let result = validateFile(name: "a.\(ending)", size: count, declaredType: type, head: bytes)
        guard result.valid else { continue }
        guard finding == .types([type]) || type == "text/plain" && finding == .text else {
            fatalError("a file that is something else")
        }
    }
    _ = validateFile(name: text, size: count, declaredType: text, head: bytes, rules: FileRules(allowedTypes: ["image/*", text]))
    return 0
}
