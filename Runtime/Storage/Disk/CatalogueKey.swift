/// A key as the catalogue keeps it: the folder and the name apart, so that a folder's own objects stand side by side in one index.
///
/// In `folder` every slash is the byte 1, which no key may hold: it sorts before everything else, and so folders come in the order of
/// their names (`a` before `a-b`, though `-` sorts before `/`).
struct CatalogueKey: Hashable {
    /// Empty for the root, else it ends with a separator.
    let folder: String
    let name: String

    static let separator: UInt8 = 1
    static let maxBytes = 1024

    /// Nil for what can be no key: empty, too long, with an empty part (`a//b`, `/a`, `a/`) or with control characters.
    init?(_ key: String) {
        var key = key
        let parts: (String, String)? = key.withUTF8 { bytes in
            guard bytes.count > 0, bytes.count <= Self.maxBytes, bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                return nil
            }
            guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return ("", String(decoding: bytes, as: UTF8.self)) }
            var previous = UInt8(ascii: "/")
            for byte in bytes {
                if byte == UInt8(ascii: "/"), previous == byte { return nil }
                previous = byte
            }
            guard slash + 1 < bytes.count else { return nil }
            return (
                Self.encode(UnsafeBufferPointer(rebasing: bytes[...slash])),
                String(decoding: bytes[(slash + 1)...], as: UTF8.self)
            )
        }
        guard let parts else { return nil }
        (folder, name) = parts
    }

    init(folder: String, name: String) {
        self.folder = folder
        self.name = name
    }

    /// The key with its slashes.
    var key: String { Self.decode(folder) + name }

    /// The folder a listing asks for, with or without its slash; nil for what can be none.
    static func folder(_ prefix: String) -> String? {
        var prefix = prefix
        return prefix.withUTF8 { bytes -> String? in
            guard bytes.count <= maxBytes, bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return nil }
            let encoded = encode(bytes)
            return encoded.isEmpty || encoded.utf8.last == separator ? encoded : encoded + "\u{1}"
        }
    }

    private static func encode(_ bytes: UnsafeBufferPointer<UInt8>) -> String { swap(bytes, UInt8(ascii: "/"), separator) }

    private static func decode(_ folder: String) -> String {
        var folder = folder
        return folder.withUTF8 { swap($0, separator, UInt8(ascii: "/")) }
    }

    private static func swap(_ bytes: UnsafeBufferPointer<UInt8>, _ from: UInt8, _ to: UInt8) -> String {
        String(unsafeUninitializedCapacity: bytes.count) { room in
            for (index, byte) in bytes.enumerated() { room[index] = byte == from ? to : byte }
            return bytes.count
        }
    }
}

/// A text that is compared byte by byte, as the catalogue does it, and not by what it looks like.
struct ByteText: Hashable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (left: ByteText, right: ByteText) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        // No byte of a text: two texts side by side do not run together.
        hasher.combine(UInt8(0xFF))
    }
}
