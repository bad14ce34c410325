import SwiftletSanitize

/// What comes out is balanced, allowed, the same when it is sanitised again and when it is built the other way, and not too long.
func fuzzHTMLText(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard count > 0 else { return 0 }
    let policies = [HTMLPolicy.chat, .rich, .strict, everything]
    // The first byte chooses, so that the fuzzer finds its way to each.
    let policy = policies[Int(start[0]) % policies.count]
    let input = UnsafeBufferPointer(start: start + 1, count: count - 1)
    let output = sanitizeHTML(input, policy: policy)
    let again = output.withUnsafeBufferPointer { sanitizeHTML($0, policy: policy) }
    guard again == output else { fatalError("not idempotent") }
    let kept = HTMLSanitizer(policy: policy)
    if String(validating: input, as: UTF8.self) != nil, kept.sanitizeKeepingNodes(input) != output {
        fatalError("written in two ways")
    }
    guard output.count <= 6 * input.count + 2 * input.count(where: { $0 == 0x3C }) else { fatalError("too long") }
    if let fault = FuzzOracle(policy).fault(output) { fatalError(fault) }
    return 0
}

private let everything = HTMLPolicy(
    elements: Set(HTMLPolicy.Element.allCases), attributes: Set(HTMLPolicy.Attribute.allCases), relativeLinks: true)

/// Reads the output without the tokenizer: it knows only the one way in which tags are written.
private struct FuzzOracle {
    private let names: Set<String>

    init(_ policy: HTMLPolicy) { names = Set(HTMLPolicy.Element.allCases.filter { policy.allows($0) }.map(\.rawValue)) }

    func fault(_ output: [UInt8]) -> String? {
        var stack: [String] = []
        var at = 0
        while at < output.count {
            let byte = output[at]
            if byte == 0 || byte == 0x0D || byte == 0x3E || byte == 0x22 || byte == 0x27 { return "a raw byte" }
            if byte == 0x26,
                !["amp;", "lt;", "gt;", "quot;", "#39;"].contains(where: { output[(at + 1)...].starts(with: $0.utf8) })
            {
                return "a raw ampersand"
            }
            guard byte == 0x3C else {
                at += 1
                continue
            }
            guard let end = output[at...].firstIndex(of: 0x3E) else { return "an open tag" }
            let tag = String(decoding: output[(at + 1)..<end], as: UTF8.self)
            at = end + 1
            if tag.utf8.first == 0x2F {
                guard stack.popLast() == String(tag.dropFirst()) else { return "a wrong end tag" }
                continue
            }
            let name = String(tag.prefix { $0 != " " })
            guard names.contains(name) else { return "element \(name)" }
            if let fault = attributes(Array(tag.utf8.dropFirst(name.utf8.count)), name) { return fault }
            if !["br", "hr", "img", "wbr"].contains(name) { stack.append(name) }
            if stack.count > 100 { return "too deep" }
        }
        return stack.isEmpty ? nil : "not closed"
    }

    private func attributes(_ bytes: [UInt8], _ name: String) -> String? {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard rest.first == 0x20, let equals = rest.firstIndex(of: 0x3D), rest[(equals + 1)...].first == 0x22 else {
                return "a bad attribute"
            }
            let key = String(decoding: rest[rest.startIndex..<equals].dropFirst(), as: UTF8.self)
            let value = rest[(equals + 2)...]
            guard let quote = value.firstIndex(of: 0x22) else { return "an open attribute" }
            let allowed = [
                "a": ["href", "title", "rel"], "abbr": ["title"], "dfn": ["title"], "ol": ["start"],
                "img": ["src", "alt", "title", "width", "height"],
            ]
            guard allowed[name]?.contains(key) == true else { return "attribute \(key)" }
            let text = value[..<quote].drop { $0 <= 0x20 }.filter { $0 != 0x09 && $0 != 0x0A }.map {
                0x41...0x5A ~= $0 ? $0 | 0x20 : $0
            }
            if key == "href" || key == "src" {
                for bad in ["javascript:", "vbscript:", "data:", "file:", "blob:", "//", "\\\\", "/\\", "\\/"]
                where text.starts(with: bad.utf8) {
                    return "an address \(bad)"
                }
            }
            if key == "src", !text.starts(with: "https://".utf8) { return "an image elsewhere" }
            rest = value[(quote + 1)...]
        }
        return nil
    }
}
