import Swiftlet

extension GeminiProxy {
    /// Which of its faces a request talks to.
    enum Route: Sendable, Hashable {
        case operations
        /// Google's: `…/v1beta/models/MODEL:verb`, with `v1` and without a version too.
        case google(model: String, verb: Verb, version: String)
        /// OpenAI's chat/completions.
        case chat

        enum Verb: String, Sendable { case generateContent, streamGenerateContent, countTokens }

        init?(subpath: String) {
            var path = subpath[...]
            while path.hasSuffix("/") { path.removeLast() }
            var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard !parts.isEmpty, parts != [""] else {
                self = .operations
                return
            }
            guard parts.removeFirst().isEmpty else { return nil }
            var version = "v1beta"
            if let first = parts.first, first == "v1" || first == "v1beta" { version = parts.removeFirst() }
            if parts == ["openai", "chat", "completions"] || parts == ["openai", "v1", "chat", "completions"] {
                self = .chat
                return
            }
            guard parts.count == 2, parts[0] == "models" else { return nil }
            // Some clients write the colon as %3A.
            let last = parts[1].split(separator: ":", omittingEmptySubsequences: false)
            let pieces = last.count == 2 ? last.map(String.init) : GeminiProxy.Route.splitEscaped(parts[1])
            guard pieces.count == 2, let verb = Verb(rawValue: pieces[1]) else { return nil }
            self = .google(model: pieces[0], verb: verb, version: version)
        }

        private static func splitEscaped(_ text: String) -> [String] {
            guard let percent = text.lastIndex(of: "%") else { return [text] }
            let rest = text[percent...]
            guard rest.lowercased().hasPrefix("%3a") else { return [text] }
            return [String(text[..<percent]), String(rest.dropFirst(3))]
        }
    }
}
