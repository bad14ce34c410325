import SwiftletCrypto

/// Names that nobody outside chose.
enum FreshName {
    /// A random UUID in lower case.
    static func make() throws(StorageError) -> String {
        var bytes: [UInt8]
        do { bytes = try Random.bytes(16) } catch { throw noRandomness }
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array(Hex.encode(bytes).utf8)
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 12 || index == 16 || index == 20 { text.append(UInt8(ascii: "-")) }
            text.append(digit)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What a stranger cannot guess: 256 bits, or as many as are asked for.
    static func secret(bytes: Int = 32) throws(StorageError) -> String {
        do { return Base64URL.encode(try Random.bytes(bytes)) } catch { throw noRandomness }
    }

    private static let noRandomness = StorageError(.internalError, "The storage could not do this", cause: "no randomness")
}
