import SwiftletSanitize

private func isForbidden(_ value: UInt32) -> Bool {
    switch value {
    case 0x09, 0x0A: false
    case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0x180E, 0xFFF9...0xFFFB,
        0xFDD0...0xFDEF:
        true
    default: value & 0xFFFE == 0xFFFE
    }
}

/// No control, direction or invisible character comes out; sanitising again changes nothing; limits hold; clean texts are valid
/// messages.
func fuzzText(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let bytes = UnsafeBufferPointer(start: start, count: count)
    check(bytes)
    // The same bytes as a text of the scalars that matter here.
    var view = String.UnicodeScalarView()
    for byte in bytes { view.append(pool[Int(byte) % pool.count]) }
    Array(String(view).utf8).withUnsafeBufferPointer(check)
    return 0
}

private let pool: [Unicode.Scalar] = {
    let values: [UInt32] = [
        0x61, 0x65, 0x20, 0x0A, 0x0D, 0x08, 0x5F, 0x30, 0x23, 0x4B, 0x212A, 0x200C, 0x200D, 0x200B, 0xFE0F, 0xFE00, 0xE0100,
        0x1F3F4, 0xE0067, 0xE0062,
        0xE007F, 0x1F469, 0x1F3FB, 0x1F1E6, 0x2764, 0xA9, 0x20E3, 0x301, 0x316, 0x344, 0x345, 0x327, 0x338, 0x226F, 0x3E, 0x915,
        0x93C, 0x94D, 0x958,
        0x9C7, 0x9BE, 0x9D7, 0x0DCA, 0x0DD9, 0x0DCF, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x115F, 0x3164, 0x645, 0x6CC, 0x653,
        0x627, 0xFB2C, 0xFB1D, 0x5E9,
        0x5BC, 0x1F82, 0x390, 0x3B9, 0x308, 0xFA1E, 0x4E00, 0x2F868, 0x1D160, 0x1D165, 0xD7A3, 0x1D15E, 0xF73, 0xF71, 0xF72,
        0x1026, 0x1025, 0x102E, 0x16D63, 0x16D67,
        0x11935, 0x11930, 0x34F, 0xFFFE, 0xFFFD, 0x3099, 0x304B, 0x180E, 0x180B, 0x1820, 0x2028, 0x85, 0x340, 0x37E, 0x387,
        0x1FEF,
    ]
    return values.compactMap(Unicode.Scalar.init)
}()

private func check(_ bytes: UnsafeBufferPointer<UInt8>) {
    let count = bytes.count
    let out = sanitizeText(bytes)
    var previous: UInt32 = 0
    for scalar in out.unicodeScalars {
        let isUnderline = scalar.value == 8 && (previous == 0x5F || previous == 8)
        if isForbidden(scalar.value), !isUnderline { fatalError("a forbidden scalar came out") }
        previous = scalar.value
    }
    guard sanitizeText(out).utf8.elementsEqual(out.utf8) else { fatalError("not idempotent") }
    let whole = String(decoding: bytes, as: UTF8.self)
    guard sanitizeText(whole).utf8.elementsEqual(out.utf8) else { fatalError("bytes and text differ") }
    guard SanitizedText.steps(whole) <= 64 * (count + 1) + 4_096 else { fatalError("too many steps") }
    let limit = count > 0 ? Int(bytes[0] & 31) : 3
    for limits in [
        TextLimits(maxCharacters: limit), TextLimits(maxBytes: limit * 2), TextLimits(maxCharacters: limit, maxBytes: limit * 3),
    ] {
        let cut = sanitizeText(bytes, limits: limits)
        guard cut.count <= limits.maxCharacters, cut.utf8.count <= limits.maxBytes else { fatalError("over the limit") }
        guard sanitizeText(cut, limits: limits).utf8.elementsEqual(cut.utf8) else { fatalError("not idempotent when cut") }
    }
    if validateMessage(out).errors.contains(.controlCharacters) { fatalError("a clean text has control characters") }
    let byBytes = validateMessage(bytes)
    if !byBytes.errors.contains(.invalidUTF8), byBytes != validateMessage(whole) { fatalError("two answers about one message") }
}
