package import Swiftlet

/// What may be shown of a secret to tell two values apart: the first 8 hex digits of its SHA-256, which `sha256` works out.
package func secretDigest(_ secret: Secret, sha256: (UnsafeRawBufferPointer) -> [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in secret.withBytes({ sha256($0) }).prefix(4) {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
