/// Where words of orders to a model were last seen.
struct PromptSigns {
    var override = -99
    var scope = -99
    var reveal = -99
    var secret = -99
    var counted = -99
}

// Signs of talking a language model out of its instructions.
extension MaliciousScan {
    /// Words that belong together stand at most this many tokens apart.
    private static let near = 7

    func promptWord(_ place: Int, _ role: PromptRole) {
        // One word can play several parts.
        if role == .override { promptSigns.override = place }
        let word = tokens[place]
        switch role {
        case .scope: promptSigns.scope = place
        case .reveal: promptSigns.reveal = place
        case .secret: promptSigns.secret = place
        case .target:
            if place - promptSigns.override <= Self.near, place - promptSigns.counted > Self.near {
                prompt.add(weighed(place - promptSigns.scope <= Self.near ? 12 : 8, place), at: place)
                promptSigns.counted = place
            }
            if place - promptSigns.reveal <= Self.near, place - max(promptSigns.secret, promptSigns.scope) <= 3 {
                prompt.add(weighed(tokens.isWord("prompt", place) ? 10 : 7, place), at: place)
            }
        case .persona:
            if tokens.isWord("dan", place) {
                if tokens.isWord("now", place - 1) || tokens.isWord("as", place - 1) || tokens.isWord("are", place - 1)
                    || tokens.isWord("called", place - 1)
                {
                    prompt.add(weighed(7, place), at: place)
                }
            } else {
                prompt.add(weighed(word.length > 8 ? 5 : 4, place), at: place)
            }
        case .role where tokens.isWord("system", place):
            promptSigns.secret = place
            promptSigns.scope = place
        case .role, .override, .none: break
        }
        if role == .role || role == .secret || tokens.isWord("system", place) { roleMark(place) }
    }

    /// Scripts that put no blanks between words: the same parts inside of one run.
    func unbrokenWord(_ place: Int) {
        let token = tokens[place]
        var at = Int(token.start)
        let stop = min(token.stop, at + 180)
        var override = place - promptSigns.override <= Self.near
        while at < stop {
            if Self.overrides.contains(where: { tokens.bytes.holds($0, at: at) }) {
                override = true
                promptSigns.override = place
            } else if override, Self.targets.contains(where: { tokens.bytes.holds($0, at: at) }) {
                prompt.add(weighed(10, place), at: place)
                promptSigns.override = -99
                return
            }
            at += 3
        }
    }

    private static let overrides: [StaticString] = ["忽略", "无视", "無視", "忘记", "忘記", "不要理", "무시", "忘れ"]
    private static let targets: [StaticString] = ["指令", "指示", "提示", "规则", "規則", "命令", "지시", "명령", "ルール", "プロンプト"]

    /// `<|im_start|>`, `system:` at the begin of a line, `</system>`.
    private func roleMark(_ place: Int) {
        let before = tokens.kind(place - 1)
        let after = tokens.kind(place + 1)
        if before == UInt8(ascii: "|"), tokens.kind(place - 2) == UInt8(ascii: "<") {
            prompt.add(weighed(10, place), at: place)
        } else if after == UInt8(ascii: ":"),
            before == MaliciousToken.line || before == MaliciousToken.end || before == UInt8(ascii: "#")
        {
            prompt.add(weighed(tokens.isWord("system", place) ? 6 : 3, place), at: place)
        } else if after == UInt8(ascii: ">"), before == UInt8(ascii: "/") || before == UInt8(ascii: "<") {
            prompt.add(weighed(tokens.isWord("system", place) || tokens.isWord("sys", place) ? 7 : 3, place), at: place)
        }
    }

    /// `[INST]`, `[/INST]`.
    func instructionMark(_ place: Int) {
        let name = tokens.kind(place + 1) == UInt8(ascii: "/") ? place + 2 : place + 1
        if tokens.isWord("inst", name) || tokens.isWord("sys", name), tokens.kind(name + 1) == UInt8(ascii: "]") {
            prompt.add(weighed(8, place), at: place)
        }
    }
}
