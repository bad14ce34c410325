package import SwiftletJSON

/// How a picture is to be shown, from the query of a request or from the `transform` of a signing request.
///
/// Two requests that mean the same are equal and have the same canonical text. Unknown parameters (`gravity`, offsets) are not
/// looked at.
package struct ThumbnailRequest: Hashable, Sendable {
    package enum Resize: String, Sendable, CaseIterable { case cover, contain, fill }
    package enum Format: String, Sendable, CaseIterable { case origin, avif, webp }

    package enum Fault: String, Error, Hashable, Sendable, CaseIterable {
        case badWidth = "bad_width"
        case badHeight = "bad_height"
        case badResize = "bad_resize"
        case badFormat = "bad_format"
        case badQuality = "bad_quality"
        /// A parameter is there twice.
        case repeated = "repeated_parameter"

        package var message: String {
            switch self {
            case .badWidth: "width must be a whole number from 0 on"
            case .badHeight: "height must be a whole number from 0 on"
            case .badResize: "resize must be cover, contain or fill"
            case .badFormat: "format must be origin, avif or webp"
            case .badQuality: "quality must be a whole number from 20 to 100"
            case .repeated: "a transform parameter is there twice"
            }
        }
    }

    package static let maxSide = 2_000
    package static let defaultQuality = 80

    /// 1...2000; nil follows from the other side.
    package let width: Int?
    package let height: Int?
    package let resize: Resize
    package let format: Format
    /// 20...100
    package let quality: Int

    /// From a query as it stands in the URL, without its `?`.
    /// - Returns: nil when it asks for no transformation.
    package static func parse(query: String) throws(Fault) -> ThumbnailRequest? {
        var values = Values()
        for pair in query.utf8.split(separator: UInt8(ascii: "&"), maxSplits: 256) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first, let parameter = Parameter(rawValue: String(decoding: name, as: UTF8.self)) else {
                continue
            }
            let value = parts.count == 2 ? PercentCoding.decode(parts[1].prefix(64)) : []
            // What cannot be decoded is no number and no word.
            try values.set(parameter, value.map { String(decoding: $0, as: UTF8.self) } ?? "%")
        }
        return try values.request()
    }

    /// From the members of a JSON object; numbers may be texts, null is as good as nothing.
    /// - Returns: nil when it asks for no transformation.
    package static func parse(json: JSON.Object) throws(Fault) -> ThumbnailRequest? {
        var values = Values()
        for member in json {
            guard let parameter = Parameter(rawValue: member.name) else { continue }
            switch member.value {
            case .null: continue
            case .string(let text): try values.set(parameter, text)
            case .number(.integer(let number)): try values.set(parameter, String(number))
            case .number(.unsigned(let number)): try values.set(parameter, String(number))
            // Not a whole number, or no number at all.
            case .number(.decimal), .bool, .array, .object: try values.set(parameter, "?")
            }
        }
        return try values.request()
    }

    /// `300x0,cover,origin,80`: for a token and for the key of a cache. 0 stands for the side that is not given.
    package var canonical: String { "\(width ?? 0)x\(height ?? 0),\(resize.rawValue),\(format.rawValue),\(quality)" }

    /// Reads back what `canonical` wrote, and nothing else.
    package init?(canonical: String) {
        let parts = canonical.utf8.split(separator: UInt8(ascii: ","), maxSplits: 4, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 4 else { return nil }
        let sides = parts[0].utf8.split(separator: UInt8(ascii: "x"), maxSplits: 2, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard sides.count == 2 else { return nil }
        var values = Values()
        for (parameter, text) in zip(Parameter.allCases, sides + parts[1...]) {
            do { try values.set(parameter, text) } catch { return nil }
        }
        guard let request = try? values.request(), request.canonical == canonical else { return nil }
        self = request
    }

    private enum Parameter: String, CaseIterable { case width, height, resize, format, quality }

    private init(_ width: Int?, _ height: Int?, _ resize: Resize, _ format: Format, _ quality: Int) {
        self.width = width
        self.height = height
        self.resize = resize
        self.format = format
        self.quality = quality
    }

    private struct Values {
        var texts: [Parameter: String] = [:]

        mutating func set(_ parameter: Parameter, _ text: String) throws(Fault) {
            guard texts[parameter] == nil else { throw .repeated }
            texts[parameter] = text
        }

        func request() throws(Fault) -> ThumbnailRequest? {
            let width = try side(.width, .badWidth)
            let height = try side(.height, .badHeight)
            let resize = try word(.resize, Resize.self, .badResize) ?? .cover
            let format = try word(.format, Format.self, .badFormat) ?? .origin
            var quality = defaultQuality
            if let text = texts[.quality] {
                guard let number = Self.number(text), (20...100).contains(number) else { throw .badQuality }
                quality = number
            }
            // `resize` and `format=origin` alone change nothing.
            guard width != nil || height != nil || format != .origin || texts[.quality] != nil else { return nil }
            return ThumbnailRequest(width, height, resize, format, quality)
        }

        /// 0 is as good as nothing; more than the largest is the largest.
        private func side(_ parameter: Parameter, _ fault: Fault) throws(Fault) -> Int? {
            guard let text = texts[parameter] else { return nil }
            guard let number = Self.number(text) else { throw fault }
            return number == 0 ? nil : min(number, maxSide)
        }

        private func word<Word: RawRepresentable<String>>(
            _ parameter: Parameter, _: Word.Type, _ fault: Fault
        ) throws(Fault) -> Word? {
            guard let text = texts[parameter] else { return nil }
            guard let word = Word(rawValue: text) else { throw fault }
            return word
        }

        /// Digits only; numbers too large to hold are as good as the largest.
        private static func number(_ text: String) -> Int? {
            guard !text.isEmpty, text.utf8.count <= 64, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
            return Int(text) ?? .max
        }
    }
}
