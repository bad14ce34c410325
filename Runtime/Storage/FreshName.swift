import SwiftletCrypto

/// Names that nobody outside chose.
enum FreshName {
    /// A random UUID in lower case.
    static func make() throws(StorageError) -> String {
        var words: (high: UInt64, low: UInt64) = (0, 0)
        do { try withUnsafeMutableBytes(of: &words) { room throws(CryptoError) in try Random.fill(room) } } catch {
            throw noRandomness
        }
        let high = words.high & ~0xF000 | 0x4000
        let low = words.low & ~(0b11 << 62) | 0b10 << 62
        return String(unsafeUninitializedCapacity: 36) { room in
            let digits = ("0123456789abcdef" as StaticString).utf8Start
            var place = 0
            for index in 0..<32 {
                if index == 8 || index == 12 || index == 16 || index == 20 {
                    room[place] = UInt8(ascii: "-")
                    place += 1
                }
                let word = index < 16 ? high : low
                room[place] = digits[Int(word >> UInt64(60 - 4 * (index & 15)) & 15)]
                place += 1
            }
            return place
        }
    }

    /// What a stranger cannot guess: 256 bits, or as many as are asked for.
    static func secret(bytes: Int = 32) throws(StorageError) -> String {
        do { return Base64URL.encode(try Random.bytes(bytes)) } catch { throw noRandomness }
    }

    private static let noRandomness = StorageError(.internalError, "The storage could not do this", cause: "no randomness")
}
