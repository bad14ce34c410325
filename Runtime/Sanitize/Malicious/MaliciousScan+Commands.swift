// Words of a shell and the spellings that hide them.
extension MaliciousScan {
    func shellWord(_ place: Int, _ role: ShellRole) {
        let after = tokens.kind(place + 1)
        switch role {
        case .runs:
            guard after == UInt8(ascii: "("), tokens.kind(place - 1) != UInt8(ascii: ".") || isShort else { return }
            runs(place)
        case .talk:
            if after == UInt8(ascii: "("), tokens.isWord("eval", place) || tokens.isWord("exec", place) { runs(place) }
        case .verb: break
        case .noun:
            // `Invoke-Expression`.
            guard tokens[place].glued, tokens.glued(UInt8(ascii: "-"), place - 1), tokens.kind(place - 2) == MaliciousToken.word,
                place > 1
            else { return }
            // `get-service-limits` is one of many other things.
            guard !tokens.glued(UInt8(ascii: "-"), place + 1), tokens.kind(place - 3) != UInt8(ascii: "-") else { return }
            guard tokens.roles(place - 2).shell == .verb || tokens.isWord("select", place - 2) || tokens.isWord("sort", place - 2)
            else { return }
            shell.add(
                weighed(
                    isShort && place < 12
                        ? (tokens.isWord("object", place) || tokens.isWord("service", place) || tokens.isWord("item", place)
                            ? 6 : 10) : 4, place), at: place)
        case .keyword:
            shell.add(weighed(6, place), at: place)
        case .command, .windows:
            let isAccounts =
                tokens.isWord("net", place)
                && (tokens.isWord("user", place + 1) || tokens.isWord("localgroup", place + 1)
                    || tokens.isWord("share", place + 1))
            let isRegistry =
                tokens.isWord("reg", place)
                && (tokens.isWord("add", place + 1) || tokens.isWord("query", place + 1) || tokens.isWord("delete", place + 1))
            if isAccounts || isRegistry { shell.add(weighed(isShort ? 10 : 5, place), at: place) }
            if tokens.isWord("cmd", place), tokens.kind(place + 1) == UInt8(ascii: "/") || tokens.isWord("exe", place + 2) {
                shell.add(weighed(5, place), at: place)
            }
            if tokens.isWord("nc", place) || tokens.isWord("ncat", place), tokens.kind(place + 1) == UInt8(ascii: "-") {
                shell.add(weighed(6, place), at: place)
            }
            if after == UInt8(ascii: "-"), tokens[place + 2].glued {
                if tokens.isWord("c", place + 2) || tokens.isWord("i", place + 2),
                    tokens.isWord("bash", place) || tokens.isWord("sh", place) || tokens.isWord("ksh", place)
                        || tokens.isWord("zsh", place)
                {
                    shell.add(weighed(6, place), at: place)
                } else if tokens.isWord("e", place + 2),
                    tokens.isWord("perl", place) || tokens.isWord("ruby", place) || tokens.isWord("php", place)
                {
                    shell.add(weighed(6, place), at: place)
                }
            }
        case .folder:
            // `/bin/sh`, `/dev/tcp/`.
            guard tokens.kind(place - 1) == UInt8(ascii: "/"), tokens.glued(UInt8(ascii: "/"), place + 1) else { return }
            if tokens.isWord("bin", place) || tokens.isWord("sbin", place) {
                let name = tokens.roles(place + 2).shell
                if name == .command || name == .talk { shell.add(weighed(isShort ? 5 : 3, place), at: place) }
                if isShort, place <= 3 { shell.add(5, at: place) }
            } else if tokens.isWord("dev", place), tokens.isWord("tcp", place + 2) || tokens.isWord("udp", place + 2) {
                shell.add(weighed(8, place), at: place)
            }
        case .loop: loopPlace = place
        case .file, .mail, .prefix, .none:
            break
        }
    }

    /// `system('…')`, `eval($_GET[…])`: a call that runs what it is given.
    private func runs(_ place: Int) {
        let argument = tokens.kind(place + 2)
        let isText = argument == UInt8(ascii: "'") || argument == UInt8(ascii: "\"") || argument == UInt8(ascii: "\\")
        if argument == UInt8(ascii: "$"), tokens.bytes.holds("$_", at: Int(tokens[place + 2].start)) {
            return shell.add(weighed(10, place), at: place)
        }
        guard isText else { return shell.add(weighed(2, place), at: place) }
        var inside = place + 3
        while tokens.kind(inside) == UInt8(ascii: "'") || tokens.kind(inside) == UInt8(ascii: "\"")
            || tokens.kind(inside) == UInt8(ascii: "/"), inside - place < 6
        { inside += 1 }
        let role = tokens.roles(inside).shell
        if tokens.isWord("system", place) || tokens.isWord("exec", place) || tokens.isWord("shell_exec", place)
            || tokens.isWord("passthru", place)
            || tokens.isWord("popen", place) || tokens.isWord("eval", place) || tokens.isWord("proc_open", place)
        {
            shell.add(weighed(role == .none ? 4 : 10, place), at: place)
        } else {
            shell.add(weighed(4, place), at: place)
        }
    }

    /// `/bi[n]/bash`, `/???/cat`: a path that a shell completes.
    func shellSlash(_ place: Int, _ kind: UInt8) {
        guard kind == UInt8(ascii: "/") else { return }
        // A path is looked at from its first slash on.
        guard place >= pathUntil else { return }
        var next = place + 1
        var brackets = 0
        var letters = 0
        var marks = 0
        while next - place < 12 {
            let token = tokens[next]
            guard token.glued else { break }
            if token.kind == UInt8(ascii: "[") {
                let negates = tokens.kind(next + 1) == UInt8(ascii: "!") || tokens.kind(next + 1) == UInt8(ascii: "^")
                if negates { next += 1 }
                let content = tokens[next + 1]
                guard
                    tokens.kind(next + 2) == UInt8(ascii: "]") || tokens.kind(next + 2) == UInt8(ascii: "-")
                        || tokens.kind(next + 2) == UInt8(ascii: "/"), content.length <= 3
                else { return }
                brackets += 1
            } else if token.kind == MaliciousToken.word || token.kind == UInt8(ascii: "]") || token.kind == MaliciousToken.number
                || token.kind == UInt8(ascii: "-")
            {
                letters += 1
            } else if token.kind == UInt8(ascii: "?") || token.kind == UInt8(ascii: "*") {
                // Inside of a name, that is: `/et*/`, `/ca?`.
                marks +=
                    tokens.kind(next - 1) == token.kind
                        || tokens.kind(next - 1) == MaliciousToken.word && tokens.kind(next + 1) != UInt8(ascii: "=")
                            && !isAddressMark(next)
                    ? 1 : 0
            } else if token.kind != UInt8(ascii: "/") {
                break
            }
            next += 1
        }
        pathUntil = next
        if brackets > 0, letters > 1 { shell.add(weighed(isShort ? 10 : 4, place), at: place) }
        if marks > 0, isShort, tokens.kind(place - 1) != MaliciousToken.word, tokens.kind(place - 1) != UInt8(ascii: "/"),
            tokens.roles(place + 1).shell == .folder || marks > 1
        {
            shell.add(6, at: place)
        }
        if marks >= 3 { shell.add(weighed(isShort ? 10 : 4, place), at: place) }
    }

    /// A question mark that begins a query or ends a sentence.
    private func isAddressMark(_ place: Int) -> Bool {
        let after = tokens[place + 1]
        return !after.glued || after.kind == MaliciousToken.word && tokens.kind(place + 2) == UInt8(ascii: "=")
    }

    /// `{ls,-l}` and `{,ip,a}`: blanks left out for a filter.
    func braceExpansion(_ place: Int) {
        var next = place + 1
        var commas = 0
        var flags = 0
        let limit = place + 16
        while next < limit {
            let token = tokens[next]
            guard token.glued else { return }
            if token.kind == UInt8(ascii: "}") { break }
            if token.kind == UInt8(ascii: ",") { commas += 1 }
            if token.kind == UInt8(ascii: "-") || token.kind == UInt8(ascii: "/") || token.kind == UInt8(ascii: "#") {
                flags += 1
            }
            if token.kind == UInt8(ascii: "{") || token.kind == UInt8(ascii: ":") || token.kind == MaliciousToken.line { return }
            next += 1
        }
        guard commas > 0, tokens.kind(next) == UInt8(ascii: "}") else { return }
        let first = tokens.roles(place + 1).shell
        if isShort, tokens.kind(place + 1) == UInt8(ascii: ",") || flags > 0 { shell.add(10, at: place) }
        if first == .command || first == .talk, flags > 0 || tokens.kind(next - 1) == UInt8(ascii: ",") {
            shell.add(weighed(8, place), at: place)
        }
    }

    /// `for %i in (…) do`, `%%i`.
    func forVariable(_ place: Int) {
        // Options such as /f "tokens=1" may stand in between.
        guard place - loopPlace <= 16 else { return }
        for next in place + 1..<place + 4 where tokens.isWord("in", next) && tokens.kind(next + 1) == UInt8(ascii: "(") {
            shell.add(weighed(10, place), at: place)
            return
        }
    }
}
