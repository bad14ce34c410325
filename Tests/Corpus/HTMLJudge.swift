package import SwiftletSanitize

/// Reads a sanitised text by the strictest grammar there is, and says what is wrong with it.
///
/// It reads tokens only, and keeps a stack of its own: each tag must be allowed, closed in its place, and stand where a parser leaves it. So
/// it shares the tokenizer with what it judges, but no rule of building or writing.
package struct HTMLJudge {
    private let elements: Set<String>
    private let attributes: Set<String>
    private let relative: Bool

    package init(_ policy: HTMLPolicy) {
        elements = Set(HTMLPolicy.Element.allCases.filter { policy.allows($0) }.map(\.rawValue))
        attributes = Set(HTMLPolicy.Attribute.allCases.filter { policy.allows($0) }.map(\.rawValue))
        relative = policy.allowsRelativeLinks
    }

    private static let void: Set<String> = ["br", "hr", "img", "wbr"]
    private static let closesParagraph: Set<String> = [
        "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
        "pre", "ul",
    ]
    private static let headings: Set<String> = ["h1", "h2", "h3", "h4", "h5", "h6"]

    package func fault(_ output: [UInt8]) -> String? {
        guard String(validating: output, as: UTF8.self) != nil else { return "no UTF-8" }
        if let raw = output.first(where: { $0 == 0 || $0 == 0x0D }) { return "a raw \(raw)" }
        var stack: [String] = []
        for token in HTMLTokens.list(output, mode: .data) {
            guard let token = token as? [Any], let kind = token.first as? String else { return "no token" }
            let name = token.count > 1 ? token[1] as? String ?? "" : ""
            switch kind {
            case "Character": continue
            case "StartTag":
                if token.count > 3 { return "\(name) closes itself" }
                if let fault = tag(name, token.count > 2 ? token[2] as? [String: String] ?? [:] : [:], in: stack) { return fault }
                if !HTMLJudge.void.contains(name) { stack.append(name) }
                if stack.count > 100 { return "too deep" }
            case "EndTag":
                if stack.popLast() != name { return "\(name) ends in the wrong place" }
            default: return kind
            }
        }
        return stack.isEmpty ? escaping(output) : "\(stack) are not closed"
    }

    private func tag(_ name: String, _ attributes: [String: String], in stack: [String]) -> String? {
        guard elements.contains(name) else { return "element \(name)" }
        for (key, value) in attributes {
            guard self.attributes.contains(key) || key == "rel" && name == "a" else { return "attribute \(key)" }
            if key == "href" || key == "src" {
                guard let scheme = scheme(value) else { return "\(key) \(value)" }
                let allowed: Set<String> =
                    key == "src"
                    ? ["https"] : relative ? ["http", "https", "mailto", "tel", ""] : ["http", "https", "mailto", "tel"]
                if !allowed.contains(scheme) { return "scheme \(scheme)" }
            }
        }
        if attributes["href"] != nil, attributes["rel"] != "nofollow noopener noreferrer" { return "no rel" }
        if name == "img", attributes["src"] == nil { return "an image without an address" }
        if stack.contains("p"), HTMLJudge.closesParagraph.contains(name) { return "\(name) in p" }
        if stack.contains("a"), name == "a" { return "a in a" }
        if let last = stack.last, HTMLJudge.headings.contains(last), HTMLJudge.headings.contains(name) {
            return "\(name) in \(last)"
        }
        return nil
    }

    /// The scheme in lower case, "" when the address stays on the page's server, `nil` when it leads to another one without a scheme.
    private func scheme(_ value: String) -> String? {
        let bytes = value.utf8.drop { $0 <= 0x20 }.filter { $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }
        let slashes: Set<UInt8> = [0x2F, 0x5C]
        if bytes.count > 1, slashes.contains(bytes[0]), slashes.contains(bytes[1]) { return nil }
        guard let colon = bytes.firstIndex(of: 0x3A) else { return "" }
        let head = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
        let isScheme =
            head.first.map { $0.isASCII && $0.isLetter } == true
            && head.utf8.allSatisfy { 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E }
        return isScheme ? head : ""
    }

    /// Every ampersand must begin one of the five references, and no text may hold a quote or a bracket.
    private func escaping(_ output: [UInt8]) -> String? {
        let references = ["amp;", "lt;", "gt;", "quot;", "#39;"].map { Array($0.utf8) }
        for piece in output.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).dropFirst()
        where !references.contains(where: { piece.starts(with: $0) }) {
            return "a raw ampersand"
        }
        return output.contains(UInt8(ascii: "'")) ? "a raw apostrophe" : nil
    }
}
