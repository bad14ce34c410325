/// Takes the attachments out of a WebP file. libvips writes some whatever it is told.
enum WebPTrim {
    /// The file without its EXIF, XMP and colour profile; nil when it is no whole WebP file.
    static func trimmed(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        func word(_ place: Int) -> Int { (0..<4).reversed().reduce(0) { $0 << 8 | Int(bytes[place + $1]) } }
        func name(_ place: Int) -> ArraySlice<UInt8> { Array(bytes[place..<(place + 4)])[...] }
        guard bytes.count >= 12, name(0).elementsEqual("RIFF".utf8), name(8).elementsEqual("WEBP".utf8) else { return nil }
        var made: [UInt8] = []
        made.reserveCapacity(bytes.count)
        made += bytes[..<12]
        var place = 12
        while place < bytes.count {
            guard bytes.count - place >= 8 else { return nil }
            let count = word(place + 4)
            // Chunks have an even length, with a byte after an odd one.
            let end = place + 8 + count + count % 2
            guard end <= bytes.count else { return nil }
            let chunk = String(decoding: name(place), as: UTF8.self)
            switch chunk {
            case "EXIF", "XMP ", "ICCP": break
            default:
                made += bytes[place..<end]
                // What the file says it holds beside the picture.
                if chunk == "VP8X", count > 0 { made[made.count - (end - place) + 8] &= ~0x2c }
            }
            place = end
        }
        let size = made.count - 8
        for index in 0..<4 { made[4 + index] = UInt8(truncatingIfNeeded: size >> (8 * index)) }
        return made
    }
}
