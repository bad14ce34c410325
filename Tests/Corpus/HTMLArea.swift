import Foundation
package import SwiftletSanitize
import TestSupport

/// Area `xss`: the text sanitised once (`output`) and twice (`again`). Rows of kind `benign` keep relative links, as their reference does;
/// a row may say so itself with `relative`.
package func judgeXSS(_ row: [String: Any]) -> [String: Any] {
    let relative = row["relative"] as? Bool ?? (row["kind"] as? String == "benign")
    return sanitisedTwice(row, relative ? .chatWithRelativeLinks : .chat)
}

/// Area `html`: rows with tokens as `output` give the tokens as `got`; all others the decoded text, and are sanitised as in area `xss`.
package func judgeHTML(_ row: [String: Any]) -> [String: Any] {
    guard row["output"] is [Any] else {
        var answer = sanitisedTwice(row, .chat)
        answer["got"] = HTMLTokens.text(htmlInput(row))
        return answer
    }
    var input = htmlInput(row)
    if row["doubleEscaped"] as? Bool == true { input = Array(HTMLTokens.unescaped(String(decoding: input, as: UTF8.self)).utf8) }
    let states = (row["initialStates"] as? [String] ?? ["Data state"]).compactMap { HTMLTokens.modes[$0] }
    let lists = states.map { HTMLTokens.list(input, mode: $0, lastStartTag: row["lastStartTag"] as? String) }
    // Every one of the states must give the same tokens; where they do not, the differing list is the answer.
    let expected = HTMLTokens.expected(row)
    let wrong = lists.first { !($0 as NSArray).isEqual(to: expected) }
    return ["got": wrong ?? lists.first ?? []]
}

extension HTMLPolicy {
    package static var chatWithRelativeLinks: HTMLPolicy {
        HTMLPolicy(
            elements: [
                .a, .b, .i, .em, .strong, .u, .s, .del, .p, .br, .hr, .ul, .ol, .li, .code, .pre, .blockquote, .h1, .h2, .h3, .h4,
                .h5, .h6,
                .span, .sub, .sup,
            ], attributes: [.href, .title], relativeLinks: true)
    }
}

/// The bytes of a row.
package func htmlInput(_ row: [String: Any]) -> [UInt8] {
    if let text = row["input"] as? String { return Array(text.utf8) }
    return (try? CorpusFiles.bytes(row)) ?? []
}

private func sanitisedTwice(_ row: [String: Any], _ policy: HTMLPolicy) -> [String: Any] {
    let once = htmlInput(row).withUnsafeBufferPointer { sanitizeHTML($0, policy: policy) }
    let twice = once.withUnsafeBufferPointer { sanitizeHTML($0, policy: policy) }
    return ["output": String(decoding: once, as: UTF8.self), "again": String(decoding: twice, as: UTF8.self)]
}

/// Token lists as the shared test data writes them.
package enum HTMLTokens {
    package static let modes: [String: HTMLTokenizer.Mode] = [
        "Data state": .data, "RCDATA state": .rcdata, "RAWTEXT state": .rawtext, "Script data state": .script,
        "PLAINTEXT state": .plaintext,
        "CDATA section state": .cdata,
    ]

    package static func expected(_ row: [String: Any]) -> [Any] {
        let output = row["output"] as? [Any] ?? []
        return row["doubleEscaped"] as? Bool == true ? unescapedAll(output) : output
    }

    /// `["StartTag", name, {attributes}, true?]`, `["EndTag", name]`, `["Character", text]` (joined), `["Comment", text]` and
    /// `["DOCTYPE", name, public, system, correct]`.
    package static func list(_ input: [UInt8], mode: HTMLTokenizer.Mode, lastStartTag: String? = nil) -> [Any] {
        var list: [Any] = []
        var characters: [UInt8] = []
        each(input, mode, lastStartTag) { token, tokenizer in
            if token == .text {
                characters += tokenizer.text
                return
            }
            if !characters.isEmpty { list.append(["Character", String(decoding: characters, as: UTF8.self)]) }
            characters = []
            switch token {
            case .startTag:
                var tag: [Any] = ["StartTag", string(tokenizer.spelled(tokenizer.name)), attributes(tokenizer)]
                if tokenizer.isSelfClosing { tag.append(true) }
                list.append(tag)
            case .endTag: list.append(["EndTag", string(tokenizer.spelled(tokenizer.name))])
            case .comment: list.append(["Comment", string(normalised(tokenizer.text))])
            case .doctype: list.append(HTMLDoctype(normalised(tokenizer.text), isCutOff: tokenizer.isCutOff).token)
            case .end, .text: break
            }
        }
        return list
    }

    /// All the text of a document, decoded.
    package static func text(_ input: [UInt8]) -> String {
        var characters: [UInt8] = []
        each(input, .data, nil) { token, tokenizer in
            if token == .text { characters += tokenizer.text }
        }
        return string(characters)
    }

    private static func each(
        _ input: [UInt8], _ mode: HTMLTokenizer.Mode, _ lastStartTag: String?,
        _ body: (HTMLTokenizer.Token, borrowing HTMLTokenizer) -> Void
    ) {
        var scratch = [UInt8](repeating: 0, count: 8)
        scratch.withUnsafeMutableBufferPointer { scratch in
            input.withUnsafeBufferPointer { input in
                var tokenizer = HTMLTokenizer(input, scratch: scratch, mode: mode, keepsAll: true)
                tokenizer.enter(mode, until: (lastStartTag ?? "").utf8)
                while true {
                    let token = tokenizer.next()
                    body(token, tokenizer)
                    if token == .end { return }
                }
            }
        }
    }

    package static func attributes(_ tokenizer: borrowing HTMLTokenizer) -> [String: String] {
        var attributes: [String: String] = [:]
        for attribute in tokenizer.attributes {
            let name = string(tokenizer.spelled(attribute.name))
            guard attributes[name] == nil else { continue }
            var value: [UInt8] = []
            tokenizer.decode(attribute.value, into: &value)
            attributes[name] = string(value)
        }
        return attributes
    }

    private static func string(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// Line ends as line feeds, U+FFFD for NUL.
    private static func normalised(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var normalised: [UInt8] = []
        var afterReturn = false
        for byte in bytes {
            defer { afterReturn = byte == 0x0D }
            if byte == 0x0A, afterReturn { continue }
            normalised += byte == 0 ? [0xEF, 0xBF, 0xBD] : [byte == 0x0D ? 0x0A : byte]
        }
        return normalised
    }

    /// `\uXXXX` as what it stands for; a surrogate without its twin as U+FFFD.
    package static func unescaped(_ text: String) -> String {
        var units: [UInt16] = []
        let source = Array(text.utf16)
        var at = 0
        while at < source.count {
            if source[at] == 0x5C, at + 5 < source.count, source[at + 1] == 0x75,
                let unit = UInt16(String(decoding: source[(at + 2)..<(at + 6)], as: UTF16.self), radix: 16)
            {
                units.append(unit)
                at += 6
            } else {
                units.append(source[at])
                at += 1
            }
        }
        return String(decoding: units, as: UTF16.self)
    }

    private static func unescapedAll(_ list: [Any]) -> [Any] {
        list.map { item in
            if let text = item as? String { return unescaped(text) }
            if let more = item as? [Any] { return unescapedAll(more) }
            if let attributes = item as? [String: String] {
                return Dictionary(uniqueKeysWithValues: attributes.map { (unescaped($0), unescaped($1)) })
            }
            return item
        }
    }
}
