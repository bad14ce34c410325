/// The XML that S3 answers with: elements and text. Document types, entities of one's own, comments and all else that such answers never
/// hold are refused; attributes are passed over.
struct S3Element: Sendable {
    let name: String
    /// All text directly in it.
    private(set) var text = ""
    private(set) var children: [S3Element] = []

    struct Limits: Sendable {
        var depth = 8
        var elements = 20_000
        /// Of one element.
        var textBytes = 8192
    }

    /// The root; nil when it is not well-formed, or over a limit.
    init?(_ bytes: [UInt8], limits: Limits = Limits()) {
        var reader = Reader(bytes: bytes, limits: limits)
        guard let root = reader.document() else { return nil }
        self = root
    }

    private init(name: String) { self.name = name }

    /// The text of the first child of that name.
    subscript(name: String) -> String? { children.first { $0.name == name }?.text }

    private struct Reader {
        let bytes: [UInt8]
        let limits: Limits
        private var place = 0
        private var count = 0

        init(bytes: [UInt8], limits: Limits) {
            self.bytes = bytes
            self.limits = limits
        }

        mutating func document() -> S3Element? {
            if take("<?xml") {
                guard let end = bytes[place...].firstIndex(of: UInt8(ascii: ">")), end - place < 256,
                    bytes[end - 1] == UInt8(ascii: "?")
                else { return nil }
                place = end + 1
            }
            skipSpace()
            guard take("<"), let root = element(depth: 1) else { return nil }
            skipSpace()
            return place == bytes.count ? root : nil
        }

        /// What stands after the `<`.
        private mutating func element(depth: Int) -> S3Element? {
            count += 1
            guard depth <= limits.depth, count <= limits.elements, let name = name() else { return nil }
            var element = S3Element(name: name)
            guard let isEmpty = attributes() else { return nil }
            if isEmpty { return element }
            var text: [UInt8] = []
            while place < bytes.count {
                guard bytes[place] == UInt8(ascii: "<") else {
                    guard text.count < limits.textBytes, appendText(to: &text) else { return nil }
                    continue
                }
                if take("</") {
                    guard take(name) else { return nil }
                    skipSpace()
                    guard take(">"), let all = String(validating: text, as: UTF8.self) else { return nil }
                    element.text = all
                    return element
                }
                place += 1
                guard let child = self.element(depth: depth + 1) else { return nil }
                element.children.append(child)
            }
            return nil
        }

        /// Letters, digits and `-_.:`, the first of them a letter.
        private mutating func name() -> String? {
            let start = place
            while place < bytes.count, place - start < 64,
                S3Text.isUnreserved(bytes[place]) && bytes[place] != UInt8(ascii: "~") || bytes[place] == UInt8(ascii: ":")
            {
                place += 1
            }
            guard place > start, (bytes[start] | 0x20) >= UInt8(ascii: "a") else { return nil }
            return String(decoding: bytes[start..<place], as: UTF8.self)
        }

        /// Up to the end of the tag; whether it closes itself.
        private mutating func attributes() -> Bool? {
            while place < bytes.count {
                let isSpaced = skipSpace()
                if take(">") { return false }
                if take("/>") { return true }
                guard isSpaced, name() != nil, take("="), place < bytes.count else { return nil }
                let quote = bytes[place]
                guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'"),
                    let end = bytes[(place + 1)...].prefix(1024).firstIndex(of: quote),
                    !bytes[place..<end].contains(UInt8(ascii: "<"))
                else { return nil }
                place = end + 1
            }
            return nil
        }

        /// One character, or what an entity stands for.
        private mutating func appendText(to text: inout [UInt8]) -> Bool {
            let byte = bytes[place]
            guard byte == UInt8(ascii: "&") else {
                guard byte >= 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D else { return false }
                text.append(byte)
                place += 1
                return true
            }
            guard let end = bytes[place...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return false }
            let entity = bytes[(place + 1)..<end]
            place = end + 1
            switch String(decoding: entity, as: UTF8.self) {
            case "lt": text.append(UInt8(ascii: "<"))
            case "gt": text.append(UInt8(ascii: ">"))
            case "amp": text.append(UInt8(ascii: "&"))
            case "quot": text.append(UInt8(ascii: "\""))
            case "apos": text.append(UInt8(ascii: "'"))
            default:
                guard entity.first == UInt8(ascii: "#"), let scalar = scalar(entity.dropFirst()) else { return false }
                text.append(contentsOf: String(scalar).utf8)
            }
            return true
        }

        private func scalar(_ digits: ArraySlice<UInt8>) -> Unicode.Scalar? {
            let isHex = digits.first == UInt8(ascii: "x")
            let digits = isHex ? digits.dropFirst() : digits
            guard !digits.isEmpty, digits.count <= 7 else { return nil }
            var value: UInt32 = 0
            for digit in digits {
                guard let one = S3Text.hexValue(digit), isHex || one < 10 else { return nil }
                value = value * (isHex ? 16 : 10) + UInt32(one)
            }
            // XML knows no other controls, however they are spelt.
            return value >= 0x20 || value == 0x09 || value == 0x0A || value == 0x0D ? Unicode.Scalar(value) : nil
        }

        private mutating func take(_ text: String) -> Bool {
            guard bytes[place...].starts(with: text.utf8) else { return false }
            place += text.utf8.count
            return true
        }

        @discardableResult
        private mutating func skipSpace() -> Bool {
            let start = place
            while place < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
            return place > start
        }
    }
}
