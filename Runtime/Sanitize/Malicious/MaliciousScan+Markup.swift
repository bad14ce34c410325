// Signs of script for a browser: tags that load or run, handlers, schemes, and what scripts say.
extension MaliciousScan {
    func tagStart(_ place: Int) {
        var next = place + 1
        // `< script` and `<//script` are read by some filters' victims, `<%00script` by others.
        if tokens.kind(next) == UInt8(ascii: "!") {
            declaration(next)
            tagOpen = true
            tagPlace = place
            return
        }
        if tokens.kind(next) == UInt8(ascii: "?") {
            instruction(place, next + 1)
            return
        }
        if tokens.kind(next) == UInt8(ascii: "%") { return serverTag(place) }
        if tokens.glued(UInt8(ascii: "("), next) { return processSubstitution(place) }
        var isClosing = false
        while tokens.glued(UInt8(ascii: "/"), next), next - place < 3 {
            next += 1
            isClosing = true
        }
        let name = tokens[next]
        if name.kind == UInt8(ascii: "#"), isClosing == false { return directive(next + 1) }
        guard name.kind == MaliciousToken.word, name.glued || next == place + 1 else { return }
        // `<x:script`: the name behind the prefix.
        if tokens.glued(UInt8(ascii: ":"), next + 1), tokens[next + 2].glued, tokens.roles(next + 2).tag == .active,
            !tokens.isWord("import", next + 2)
        {
            next += 2
        }
        let tag = tokens.roles(next).tag
        guard name.glued || tag == .active else { return }
        tagOpen = true
        tagPlace = place
        let ends = tokens[next + 1]
        if isClosing {
            if tokens.isWord("script", next) { markup.add(weighed(4, place), at: place) }
            return
        }
        guard tag == .active else {
            if tokens.glued(UInt8(ascii: ":"), next + 1), tokens.isWord("include", next + 2) {
                entity.add(weighed(9, place), at: place)
            }
            return
        }
        if tokens.isWord("script", next) {
            // As a word of a sentence it is closed at once and nothing comes after it.
            markup.add(weighed(name.glued ? 10 : 8, place), at: place)
        } else if tokens.isWord("iframe", next) || tokens.isWord("object", next) || tokens.isWord("embed", next)
            || tokens.isWord("applet", next) || tokens.isWord("isindex", next) || tokens.isWord("xss", next)
            || tokens.isWord("layer", next)
            || tokens.isWord("ilayer", next) || tokens.isWord("vmlframe", next) || tokens.isWord("bgsound", next)
            || tokens.isWord("frameset", next)
        {
            markup.add(weighed(ends.kind == UInt8(ascii: ">") || ends.kind == MaliciousToken.end ? 4 : 10, place), at: place)
        } else if tokens.isWord("base", next) || tokens.isWord("style", next) {
            markup.add(weighed(ends.kind == MaliciousToken.end ? 2 : 6, place), at: place)
        } else if tokens.isWord("meta", next) || tokens.isWord("link", next) {
            markup.add(weighed(2, place), at: place)
        } else if tokens.isWord("svg", next) || tokens.isWord("math", next) || tokens.isWord("foreignobject", next)
            || tokens.isWord("handler", next) || tokens.isWord("animate", next) || tokens.isWord("set", next)
            || tokens.isWord("listener", next)
        {
            markup.add(weighed(name.glued ? 4 : 0, place), at: place)
        } else if tokens.isWord("xml", next) || tokens.isWord("import", next) {
            markup.add(weighed(5, place), at: place)
        } else {
            markup.add(weighed(name.glued ? 2 : 0, place), at: place)
        }
        // `<script/` and `<svg/onload`: a slash where a person writes a blank.
        if ends.kind == UInt8(ascii: "/"), ends.glued, tokens.kind(next + 2) != UInt8(ascii: ">") {
            markup.add(weighed(4, place), at: place)
        }
    }

    private func instruction(_ place: Int, _ next: Int) {
        let token = tokens[next]
        if token.kind == UInt8(ascii: "=") {
            shell.add(weighed(9, place), at: place)
            return
        }
        if tokens.isWord("php", next) || (tokens.isWord("echo", next)) {
            shell.add(weighed(9, place), at: place)
        } else if tokens.isWord("xml", next), tokens.glued(UInt8(ascii: "-"), next + 1), tokens.isWord("stylesheet", next + 2) {
            markup.add(weighed(10, place), at: place)
        } else if tokens.isWord("import", next) {
            markup.add(weighed(10, place), at: place)
        }
    }

    /// `<!--#exec cmd=…`: a server-side include.
    private func declaration(_ next: Int) {
        if tokens.glued(UInt8(ascii: "-"), next + 1), tokens.glued(UInt8(ascii: "-"), next + 2) {
            if tokens.glued(UInt8(ascii: "#"), next + 3), tokens[next + 4].kind == MaliciousToken.word, tokens[next + 4].glued {
                directive(next + 4)
            } else if tokens.kind(next + 3) == UInt8(ascii: "["), tokens.isWord("if", next + 4) {
                markup.add(weighed(8, next), at: next)
            }
            return
        }
        entityDeclaration(next + 1)
    }

    private func directive(_ place: Int) {
        if tokens.isWord("exec", place) || tokens.isWord("include", place) || tokens.isWord("echo", place)
            || tokens.isWord("config", place)
            || tokens.isWord("fsize", place) || tokens.isWord("flastmod", place) || tokens.isWord("printenv", place)
            || tokens.isWord("set", place)
        {
            shell.add(weighed(10, place), at: place)
        } else if tokens.isWord("assign", place) || tokens.isWord("list", place) {
            template.add(weighed(8, place), at: place)
        }
    }

    /// `onload=` and its kin; any name inside a tag, one that browsers know elsewhere.
    func eventHandler(_ place: Int) {
        let token = tokens[place]
        let start = Int(token.start)
        guard tokens.bytes[start + 1] == 0x6E, token.length <= 32 else { return }
        var next = place + 1
        while tokens.kind(next) == MaliciousToken.line || tokens.kind(next) == 0x0D, next - place < 3 { next += 1 }
        guard tokens.kind(next) == UInt8(ascii: "="), tokens.kind(next + 1) != UInt8(ascii: "=") else { return }
        let before = tokens.kind(place - 1)
        guard before != UInt8(ascii: "."), before != UInt8(ascii: "$"), before != UInt8(ascii: "@") else { return }
        let known = Self.events.contains { tokens.bytes.holds($0, at: start + 2) }
        if tagOpen {
            markup.add(weighed(known ? 10 : 6, place), at: place)
        } else if known {
            markup.add(
                weighed(place <= 3 || before == UInt8(ascii: "\"") || before == UInt8(ascii: "'") ? 10 : 6, place), at: place)
        }
    }

    private static let events: [StaticString] = [
        "load", "error", "click", "dblclick", "mouse", "key", "focus", "blur", "change", "submit", "toggle", "begin", "end",
        "pointer", "touch",
        "animation", "transition", "drag", "drop", "copy", "cut", "paste", "input", "scroll", "resize", "unload", "before",
        "after", "start",
        "finish", "activate", "ready", "property", "filter", "show", "play", "message", "hash", "pop", "page", "repeat",
        "reverse", "row", "select",
        "wheel", "auxclick", "context", "abort", "can", "cue", "duration", "emptied", "invalid", "loaded", "media", "move",
        "offline", "online",
        "out", "pause", "progress", "rate", "reset", "search", "seek", "stalled", "storage", "suspend", "time", "track", "undo",
        "redo", "url",
        "volume", "waiting", "webkit", "cell", "control", "data", "deactivate", "error", "help", "layout", "lose", "rows", "stop",
        "bounce", "fullscreen",
    ]

    func codeWord(_ place: Int, _ role: CodeRole) {
        let next = tokens.kind(place + 1)
        switch role {
        case .popup:
            let argument = tokens[place + 2]
            if next == UInt8(ascii: "("), tokens[place + 1].glued || argument.kind != MaliciousToken.word {
                let literal =
                    argument.kind == MaliciousToken.number || argument.kind == UInt8(ascii: "'")
                    || argument.kind == UInt8(ascii: "\"")
                    || argument.kind == UInt8(ascii: "/") || argument.kind == UInt8(ascii: "`")
                    || argument.kind == UInt8(ascii: ")")
                    || tokens.roles(place + 2).code == .browser || tokens.kind(place + 3) == UInt8(ascii: ")")
                markup.add(weighed(literal ? (isShort ? 7 : 5) : 2, place), at: place)
            } else if next == UInt8(ascii: "`"), tokens[place + 1].glued, tokens.kind(place + 2) == MaliciousToken.number {
                markup.add(weighed(8, place), at: place)
            } else if next == UInt8(ascii: "'") || next == UInt8(ascii: "\""), tokens.kind(place + 2) == UInt8(ascii: "]") {
                markup.add(weighed(8, place), at: place)
            }
        case .evaluates:
            if tokens.isWord("fromcharcode", place) || tokens.isWord("globaleval", place) || tokens.isWord("execscript", place) {
                markup.add(weighed(6, place), at: place)
            } else if next == UInt8(ascii: "(") {
                markup.add(weighed(tokens.isWord("eval", place) ? 4 : 2, place), at: place)
            } else if next == UInt8(ascii: "=") {
                markup.add(weighed(3, place), at: place)
            }
        case .browser:
            if next == UInt8(ascii: ")"), tokens.kind(place + 2) == UInt8(ascii: "["), quoteSoon(place + 3) {
                markup.add(weighed(10, place), at: place)
            }
            if next == UInt8(ascii: "."), tokens[place + 2].glued, tokens.roles(place + 2).code == .loot {
                let strong =
                    tokens.isWord("cookie", place + 2) || tokens.isWord("write", place + 2) || tokens.isWord("domain", place + 2)
                markup.add(weighed(strong ? 6 : 3, place), at: place)
            } else if next == UInt8(ascii: "["), tokens[place + 1].glued || isShort, quoteSoon(place + 2) {
                markup.add(weighed(10, place), at: place)
            }
        case .attribute:
            if tagOpen { attribute(place) }
        case .reflection:
            reflection(place)
        case .template:
            break
        case .loot, .document, .lookup, .scheme, .wrapper, .header, .none:
            break
        }
    }

    /// Attributes of an open tag.
    private func attribute(_ place: Int) {
        if tokens.isWord("srcdoc", place) || tokens.isWord("formaction", place) || tokens.isWord("attributename", place) {
            markup.add(weighed(8, place), at: place)
        } else if tokens.isWord("datasrc", place) || tokens.isWord("datafld", place) || tokens.isWord("dataformatas", place)
            || tokens.isWord("dynsrc", place) || tokens.isWord("lowsrc", place) || tokens.isWord("implementation", place)
        {
            markup.add(weighed(5, place), at: place)
        } else if tokens.isWord("equiv", place) {
            markup.add(weighed(tokens.isWord("refresh", place + 3) ? 8 : 3, place), at: place)
        } else if tokens.isWord("xlink", place) {
            markup.add(weighed(4, place), at: place)
        } else if tokens.isWord("style", place) {
            styleValue(place)
        } else if tokens.isWord("base", tagPlaceName),
            tokens.isWord("href", place) || tokens.isWord("link", tagPlaceName) && tokens.isWord("href", place)
        {
            markup.add(weighed(4, place), at: place)
        }
    }

    private var tagPlaceName: Int { tagPlace + 1 }

    /// What a style may load or run.
    private func styleValue(_ place: Int) {
        guard tokens.kind(place + 1) == UInt8(ascii: "=") else { return }
        for next in place + 2..<place + 20 {
            let kind = tokens.kind(next)
            if kind == UInt8(ascii: ">") || kind == MaliciousToken.end { return }
            if kind == UInt8(ascii: "\\") { markup.add(weighed(3, place), at: place) }
            if kind == UInt8(ascii: "*"), tokens.kind(next - 1) == UInt8(ascii: "/") { markup.add(weighed(3, place), at: place) }
            guard kind == MaliciousToken.word else { continue }
            if tokens.isWord("url", next), tokens.kind(next + 1) == UInt8(ascii: "(") { markup.add(weighed(6, place), at: place) }
            if tokens.isWord("expression", next) || tokens.isWord("behavior", next) || tokens.isWord("behaviour", next)
                || tokens.isWord("binding", next)
            {
                markup.add(weighed(8, place), at: place)
            }
            if tokens.isWord("content", next), tokens.kind(next + 1) == UInt8(ascii: ":") {
                markup.add(weighed(5, place), at: place)
            }
        }
    }

    private func quoteSoon(_ place: Int) -> Bool {
        for next in place..<place + 5 where tokens.kind(next) == UInt8(ascii: "'") || tokens.kind(next) == UInt8(ascii: "\"") {
            return true
        }
        return false
    }

    /// A scheme that runs as code, also one that is broken up by blanks and controls; wrappers; a value in a style.
    func colon(_ place: Int) {
        if !wantsSQL, tokens.glued(UInt8(ascii: ":"), place + 1) { wantsSQL = isShort }
        guard place > 0 else { return }
        let before = tokens[place - 1]
        if before.kind == MaliciousToken.word {
            let role = tokens.roles(place - 1)
            if role.code == .wrapper { wrapper(place) }
            if tokens.isWord("data", place - 1), before.stop == Int(tokens[place].start) { dataURL(place) }
            if tokens.isWord("behavior", place - 1) || tokens.isWord("binding", place - 1), tokens.isWord("url", place + 1) {
                markup.add(weighed(10, place), at: place)
            }
            headerField(place)
        }
        schemeBefore(place)
    }

    private func schemeBefore(_ place: Int) {
        // Eight letters at least, read backwards, past what a browser drops.
        var at = Int(tokens[place].start) - 1
        let stop = max(at - 40, 0)
        var word: UInt64 = 0
        var letters = 0
        var gaps = 0
        while at >= stop, letters < 10 {
            let byte = tokens.bytes[at]
            if byte >= 0x61, byte <= 0x7A {
                word = word << 5 | UInt64(byte & 0x1F)
                letters += 1
            } else if byte == 0x20 || byte == 0x0A || byte == 0x0D {
                gaps += 1
            } else {
                break
            }
            at -= 1
            if letters == 8, word == Self.vbscript { return scheme(place, gaps, by: at) }
        }
        if letters == 10, word == Self.javascript || word == Self.livescript { scheme(place, gaps, by: at) }
    }

    private static let javascript = letters("javascript")
    private static let livescript = letters("livescript")
    private static let vbscript = letters("vbscript")

    private static func letters(_ word: StaticString) -> UInt64 {
        var result: UInt64 = 0
        for at in (0..<word.utf8CodeUnitCount).reversed() { result = result << 5 | UInt64(word.utf8Start[at] & 0x1F) }
        return result
    }

    private func scheme(_ place: Int, _ gaps: Int, by before: Int) {
        let next = tokens[place + 1]
        let intro = tokens.bytes[before]
        let inValue = tagOpen || intro == 0x3D || intro == 0x28 || intro == 0x22 || intro == 0x27
        if next.kind == MaliciousToken.end { return markup.add(weighed(inValue ? 8 : 3, place), at: place) }
        if next.glued { return markup.add(weighed(10, place), at: place) }
        // `javascript: foo(…)` runs as well; `the javascript: it is broken` does not.
        let call = tokens.kind(place + 2) == UInt8(ascii: "(") || next.kind == MaliciousToken.line || next.kind == 0x0D
        markup.add(weighed(inValue || call ? 8 : (gaps > 1 ? 5 : 2), place), at: place)
    }

    private func dataURL(_ place: Int) {
        if tokens.isWord("text", place + 1), tokens.glued(UInt8(ascii: "/"), place + 2) {
            let kind = place + 3
            if tokens.isWord("html", kind) || tokens.isWord("javascript", kind) || tokens.isWord("xml", kind)
                || tokens.isWord("vbscript", kind)
            {
                markup.add(weighed(9, place), at: place)
            } else if tokens.isWord("plain", kind), tokens.isWord("base64", kind + 2) {
                path.add(weighed(9, place), at: place)
            }
        } else if tokens.isWord("image", place + 1), tokens.isWord("svg", place + 3) {
            markup.add(weighed(6, place), at: place)
        } else if tokens.isWord("application", place + 1), tokens.isWord("x", place + 3) || tokens.isWord("javascript", place + 3)
        {
            markup.add(weighed(9, place), at: place)
        }
    }

    /// `![]` and `[][`: script written without letters.
    func bang(_ place: Int) {
        if tokens.glued(UInt8(ascii: "["), place + 1), tokens.glued(UInt8(ascii: "]"), place + 2) {
            markup.add(weighed(6, place), at: place)
        }
        if tokens.glued(UInt8(ascii: "!"), place + 1), tokens.glued(UInt8(ascii: "["), place + 2),
            tokens.glued(UInt8(ascii: "]"), place + 3)
        {
            markup.add(weighed(6, place), at: place)
        }
        wantsSQL = wantsSQL || tokens.kind(place + 1) == UInt8(ascii: "=") || isShort
    }

    /// `expression(` and `url(javascript` in a style; calls of known attack functions.
    func styleCall(_ place: Int) {
        let before = tokens[place - 1]
        guard before.kind == MaliciousToken.word else { return }
        let length = Int(before.length)
        // `ex/**/pression(` ends the same way.
        if length >= 5, tokens.bytes.holds("ssion", at: before.stop - 5), tagOpen || length <= 10 {
            let whole =
                tokens.isWord("expression", place - 1) || tokens.isWord("pression", place - 1)
                || tokens.isWord("xpression", place - 1)
            if whole { markup.add(weighed(tagOpen || tokens.kind(place - 2) == UInt8(ascii: ":") ? 9 : 2, place), at: place) }
        }
    }
}
