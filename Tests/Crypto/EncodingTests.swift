import Foundation
import SwiftletCrypto
import Testing

@Suite struct EncodingTests {
    @Test func `base64url round-trips every length`() throws {
        for count in 0..<100 {
            let bytes = try Random.bytes(count)
            let text = Base64URL.encode(bytes)
            let reference = Data(bytes).base64EncodedString()
                .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
                .replacingOccurrences(of: "=", with: "")
            #expect(text == reference)
            #expect(Base64URL.decode(text) == bytes)
        }
    }

    @Test func `only the canonical text of a value decodes`() {
        #expect(Base64URL.decode("Zg") == [0x66])
        // Same value with other unused bits.
        for text in ["Zh", "Zi", "Zo", "Zv", "Zm9", "Zm-"] where text != "Zm8" {
            #expect(Base64URL.decode(text) == nil)
        }
        #expect(Base64URL.decode("Zm8") == [0x66, 0x6f])
        for text in ["Z", "Zg=", "Zg==", "Zm9v=", "Zm 9v", " Zm9v", "Zm9v\n", "Zm+v", "Zm/v", "Zm9vZ", "Zmé", "Zm9\0", "?m9v"] {
            #expect(Base64URL.decode(text) == nil, "\(text.debugDescription)")
        }
        #expect(Base64URL.decode("") == [])
    }

    @Test func `every byte outside the alphabet is refused in every position`() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for byte in UInt8.min...UInt8.max {
            for position in 0..<8 {
                var text = Array("AAAAAAAA".utf8)
                text[position] = byte
                #expect((Base64URL.decode(text) != nil) == alphabet.contains(byte))
            }
        }
    }

    @Test func `decoding into too little room is refused`() {
        let text = Array("Zm9vYmFy".utf8)
        var room = [UInt8](repeating: 0, count: 5)
        let written = room.withUnsafeMutableBytes { room in text.withUnsafeBytes { Base64URL.decode($0, into: room) } }
        #expect(written == nil)
    }

    @Test func `hex is strict`() {
        #expect(Hex.encode([0x00, 0xff, 0x1a]) == "00ff1a")
        #expect(Hex.decode("00FF1a") == [0x00, 0xff, 0x1a])
        #expect(Hex.decode("") == [])
        for text in ["0", "0g", "0x00", " 00", "00 "] { #expect(Hex.decode(text) == nil) }
    }
}
