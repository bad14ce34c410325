/// The `Content-Disposition` of a download.
///
/// The name is written twice, percent-encoded both times, as Supabase Storage does it. Only letters, digits and `-._~` stand for
/// themselves, so nothing in a name can end the value or the header line. Control and direction characters are left out, slashes
/// become `_`: what a browser decodes is one visible name.
package enum ContentDisposition: Hashable, Sendable {
    case attachment(name: String?)
    case inline(name: String?)

    /// Bytes of a name, before encoding; longer ones lose their middle, not their extension.
    package static let maxNameBytes = 255

    /// The header's value.
    package var text: String {
        switch self {
        case .attachment(let name): Self.write("attachment", name)
        case .inline(let name): Self.write("inline", name)
        }
    }

    private static func write(_ kind: String, _ name: String?) -> String {
        guard let name, case let clean = cleaned(name), !clean.isEmpty else { return kind + ";" }
        let encoded = PercentCoding.encode(clean.utf8)
        return "\(kind); filename=\(encoded); filename*=UTF-8''\(encoded)"
    }

    private static func cleaned(_ name: String) -> String {
        var out: [Unicode.Scalar] = []
        // Far more than is kept; the rest need not be looked at.
        for scalar in name.unicodeScalars.prefix(4_096) {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: continue
            case .format where scalar != "\u{200D}" && !(0xE0020...0xE007F).contains(scalar.value): continue
            default: out.append(scalar == "/" || scalar == "\\" ? "_" : scalar)
            }
        }
        let scalars = shortened(out)
        // A name of dots alone is a folder.
        guard !scalars.allSatisfy({ $0 == "." || $0.properties.isWhitespace }) else { return "" }
        return String(String.UnicodeScalarView(scalars))
    }

    private static func shortened(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        func width(_ part: some Sequence<Unicode.Scalar>) -> Int { part.reduce(0) { $0 + UTF8.width($1) } }
        guard width(scalars) > maxNameBytes else { return scalars }
        var ending: [Unicode.Scalar] = []
        if let dot = scalars.lastIndex(of: "."), scalars.count - dot <= 17 { ending = Array(scalars[dot...]) }
        var room = maxNameBytes - width(ending)
        var kept: [Unicode.Scalar] = []
        for scalar in scalars {
            room -= UTF8.width(scalar)
            guard room >= 0 else { break }
            kept.append(scalar)
        }
        return kept + ending
    }
}
