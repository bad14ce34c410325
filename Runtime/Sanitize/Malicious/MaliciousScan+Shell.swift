// Signs of a command for a shell or a line for an interpreter.
extension MaliciousScan {
    /// What a text begins with counts when it is short: it may be nothing but a command.
    func startOfText() {
        guard isShort else { return }
        var first = 0
        while tokens.kind(first) == MaliciousToken.line || tokens.kind(first) == UInt8(ascii: "'")
            || tokens.kind(first) == UInt8(ascii: "\""), first < 4
        {
            first += 1
        }
        let role = tokens.roles(first).shell
        let points: Int
        switch role {
        case .command: points = 4
        case .windows: points = 4
        case .talk: points = 2
        case .prefix: points = 3
        default: points = 0
        }
        // `ansible-vault`, `apt-get`: the name goes on behind a dash.
        var end = first + 1
        while tokens.glued(UInt8(ascii: "-"), end), tokens[end + 1].glued, tokens[end + 1].kind == MaliciousToken.word,
            end - first < 6
        { end += 2 }
        if role == .command, end > first + 1, tokens.count - end < 8 {
            shell.add(tokens.kind(end) <= MaliciousToken.word && tokens[end + 1].kind > MaliciousToken.word ? 6 : 3, at: 0)
        }
        if role == .command, tokens.count <= 8, (argumentShape(end) ?? 0) >= 3, tokens.kind(end) > MaliciousToken.end {
            shell.add(3, at: 0)
        }
        // A quoted word of talk is a quoted word.
        let isQuoted = first > 0 && role == .talk && tokens.kind(end) == tokens.kind(first - 1)
        if points > 0, !isQuoted, let shape = argumentShape(end), shape > 0 {
            let alone = shape == Self.alone
            if !alone || role == .windows || role == .command {
                shell.add(points + (alone ? (context.kind == .field || role == .windows ? 3 : 1) : shape), at: 0)
            }
        }
        if role == .prefix || tokens.isWord("time", first) {
            command(tokens.kind(first + 1) == UInt8(ascii: ";") ? first + 2 : first + 1, role == .prefix ? 5 : 2)
        }
        if tokens.isWord("which", first), tokens.roles(first + 1).shell == .command, tokens.kind(first + 2) == MaliciousToken.end
        {
            shell.add(10, at: 0)
        }
        if tokens.kind(first) == UInt8(ascii: "$"), tokens.isWord("shell", first + 1), tokens[first + 1].glued {
            shell.add(10, at: 0)
        }
        if tokens.isWord("alias", first),
            tokens.kind(first + 1) == UInt8(ascii: "-") || tokens.kind(first + 1) == UInt8(ascii: "+")
        {
            shell.add(5, at: 0)
        }
        if first > 0, role == .command || role == .windows,
            tokens.kind(first + 1) == tokens.kind(first - 1) || tokens[first + 1].glued
        {
            shell.add(4, at: 0)
        }
    }

    func endOfText() {}

    /// An argument that a person does not write: 0 none, `alone` for the end of the command.
    static let alone = 3

    private func argumentShape(_ place: Int) -> Int? {
        let token = tokens[place]
        let next = tokens[place + 1]
        switch token.kind {
        case MaliciousToken.end, MaliciousToken.line, 0x0D: return Self.alone
        case UInt8(ascii: ";"), UInt8(ascii: "|"), UInt8(ascii: "&"), UInt8(ascii: "`"), UInt8(ascii: ")"), UInt8(ascii: "#"):
            return Self.alone
        case UInt8(ascii: "-"): return next.glued && !token.glued ? 6 : 0
        case UInt8(ascii: "/"): return next.glued && !token.glued ? 6 : (token.glued ? 0 : 2)
        case UInt8(ascii: "."), UInt8(ascii: "~"):
            guard !token.glued else { return 0 }
            return tokens.kind(place + 1) == UInt8(ascii: "/") ? 5 : (next.kind == 0x2E ? 4 : 0)
        case UInt8(ascii: "%"): return next.kind == MaliciousToken.word ? 6 : 0
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "$"): return 5
        case UInt8(ascii: "*"), UInt8(ascii: "{"): return 3
        case UInt8(ascii: "'"), UInt8(ascii: "\""): return token.glued ? 4 : 3
        case UInt8(ascii: "+"): return next.glued ? 4 : 0
        case MaliciousToken.number:
            return tokens.kind(place + 1) == 0x2E || tokens.bytes[token.stop] == 0x2E || token.length > 4 ? 5 : 3
        case MaliciousToken.word:
            if tokens.roles(place).shell == .command, tokens.kind(place + 1) == MaliciousToken.end { return 5 }
            // `nc host`, `curl http://…`, `dir c:\`, `net user`.
            if next.kind == UInt8(ascii: ":"), next.glued { return 5 }
            if next.kind == UInt8(ascii: "."), next.glued, tokens[place + 2].glued { return 3 }
            if next.kind == UInt8(ascii: "/"), next.glued { return 3 }
            let role = tokens.roles(place).shell
            if role == .command || role == .windows || role == .file { return 3 }
            return 0
        default: return nil
        }
    }

    /// A command word at a place where a shell looks for one.
    private func command(_ first: Int, _ points: Int) {
        if tokens.kind(first) == MaliciousToken.word, tokens.roles(first).shell == .none, !tokens.isWord("time", first) { return }
        var place = first
        var sure = points
        // A path before it, a prefix, a quote.
        var hops = 0
        while hops < 6 {
            let token = tokens[place]
            if token.kind == UInt8(ascii: "/") || token.kind == UInt8(ascii: "."), tokens[place + 1].glued {
                place += 1
                sure += token.kind == UInt8(ascii: "/") ? 1 : 0
            } else if tokens.roles(place).shell == .folder, tokens.glued(UInt8(ascii: "/"), place + 1) {
                place += 2
                sure += 1
            } else if tokens.roles(place).shell == .prefix || tokens.isWord("time", place),
                tokens.kind(place + 1) == MaliciousToken.word || tokens.kind(place + 1) == UInt8(ascii: ";")
            {
                place += 1
                sure += 1
            } else if token.kind == UInt8(ascii: "'") || token.kind == UInt8(ascii: "\"") || token.kind == UInt8(ascii: "(")
                || token.kind == UInt8(ascii: "\\")
            {
                place += 1
            } else {
                break
            }
            hops += 1
        }
        let token = tokens[place]
        guard token.kind == MaliciousToken.word else { return }
        let role = tokens.roles(place).shell
        // `id:`, `cat =`: a name, no command.
        let after = tokens.kind(place + 1)
        guard after != UInt8(ascii: ":"), after != UInt8(ascii: "="), after != UInt8(ascii: ","), after != UInt8(ascii: "?")
        else { return }
        let shape = argumentShape(place + 1) ?? 0
        switch role {
        case .command, .windows:
            shell.add(weighed(sure + 3 + (shape > 0 ? 3 : 0), place), at: place)
        case .talk:
            // A word of talk needs what follows it to be a command.
            shell.add(weighed(shape > 0 ? sure + min(shape, 4) + 1 : (points > 4 ? 1 : 0), place), at: place)
        case .runs where after == UInt8(ascii: "("):
            shell.add(weighed(sure + 4, place), at: place)
        default:
            break
        }
    }

    /// `;`, `|`, `||`, `&`, `&&`.
    func separator(_ place: Int, _ kind: UInt8) {
        if tokens[place].glued, tokens.kind(place - 1) == kind { return }
        let doubled = tokens.glued(kind, place + 1)
        if !wantsSQL { wantsSQL = isShort || doubled || kind == UInt8(ascii: ";") && beginsStatement(place + 1) }
        if kind == UInt8(ascii: "|"), isTable(place) { return }
        // `&lt;` is no command; `&id` is.
        if kind == UInt8(ascii: "&"), !doubled,
            tokens.kind(place + 2) == UInt8(ascii: ";") || tokens.kind(place + 2) == UInt8(ascii: "="), tokens[place + 1].glued
        {
            return
        }
        // The end of `&lt;`.
        if kind == UInt8(ascii: ";"), tokens[place].glued,
            tokens.kind(place - 2) == UInt8(ascii: "&") || tokens.kind(place - 2) == UInt8(ascii: "#")
        {
            return
        }
        var next = place + (doubled ? 2 : 1)
        if tokens.kind(next) == UInt8(ascii: "&") || tokens.kind(next) == UInt8(ascii: "|") { next += 1 }
        while tokens.kind(next) == MaliciousToken.line, next - place < 4 { next += 1 }
        let tight = tokens[next].glued
        let points: Int
        switch kind {
        case UInt8(ascii: ";"): points = tight || place <= 1 ? 5 : 3
        case UInt8(ascii: "|"): points = doubled ? 4 : 4
        default: points = doubled ? 5 : 4
        }
        command(next, points + (isShort ? 2 : 0))
        // A variable as the command.
        if isShort, kind != UInt8(ascii: "&") || doubled, tokens[place + 1].glued, tokens.kind(next) == UInt8(ascii: "$"),
            tokens[next + 1].glued
        {
            shell.add(6, at: place)
        }
        // `| sh` at the end of a pipe.
        if kind == UInt8(ascii: "|"), !doubled, tokens.isWord("sh", next) || tokens.isWord("bash", next) {
            shell.add(weighed(4, place), at: place)
        }
    }

    /// A text that is nothing but a substitution: `` `id` ``.
    func quotedCommand() {
        let role = tokens.roles(1).shell
        if tokens.kind(2) == 0x60, role == .command || role == .talk { return shell.add(7, at: 0) }
        if role == .command || role == .talk, argumentShape(2) ?? 0 > 0 { shell.add(6, at: 0) }
        if tokens.kind(1) == UInt8(ascii: "/"), tokens.roles(2).shell == .folder { shell.add(6, at: 0) }
    }

    /// A command behind a line break that was encoded.
    func brokenLine(_ next: Int) { command(next, 6) }

    /// `';sleep(5000);'`, `";return(true);var x='a`, `' && this.x.match(`: a string of a script ended, with a statement behind it.
    func brokenString(_ place: Int) {
        let after = tokens[place + 1]
        if after.kind == UInt8(ascii: "&") || after.kind == UInt8(ascii: "|"), tokens.kind(place + 2) == after.kind {
            if tokens.isWord("this", place + 3), tokens.kind(place + 4) == 0x2E { query.add(weighed(10, place), at: place) }
            return
        }
        guard
            after.kind == UInt8(ascii: ";") || after.kind == UInt8(ascii: "}") || after.kind == UInt8(ascii: "-")
                || after.kind == UInt8(ascii: "+")
        else { return }
        var next = place + 2
        while tokens.kind(next) == UInt8(ascii: ";") || tokens.kind(next) == UInt8(ascii: "}"), next - place < 5 { next += 1 }
        let call = tokens[next]
        guard call.kind == MaliciousToken.word else { return }
        if tokens.isWord("return", next) || tokens.isWord("var", next) || tokens.isWord("while", next)
            || tokens.isWord("do", next) || tokens.isWord("it", next)
        {
            guard after.kind == UInt8(ascii: ";"), isShort else { return }
            var tail = next + 1
            while tail < next + 12 {
                if tokens.kind(tail) == UInt8(ascii: "(") || tokens.kind(tail) == UInt8(ascii: "=") {
                    return query.add(weighed(10, place), at: place)
                }
                tail += 1
            }
        } else if tokens.glued(UInt8(ascii: "("), next + 1), isShort {
            let role = tokens.roles(next)
            if role.code == .popup || role.code == .evaluates { markup.add(8, at: place) }
            if role.sql == .function, after.kind == UInt8(ascii: ";") { query.add(10, at: place) }
        }
    }

    /// `ti''me`, `'i'fconfig`, `w\\ho`: a command with quotes in it that a shell drops.
    func brokenWord(_ place: Int) {
        guard isShort, tokens[place + 1].glued else { return }
        let before = tokens[place - 1]
        let starts = before.kind != MaliciousToken.word || !tokens[place].glued
        // Only from the first piece of the word on.
        var next = starts ? place + 1 : place
        var length = 0
        var pieces = 0
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 48) { word in
            guard let base = word.baseAddress else { return }
            base.initialize(repeating: 0, count: 48)
            func take(_ token: MaliciousToken) {
                for offset in 0..<Int(token.length) where length < 16 {
                    base[length] = tokens.bytes[Int(token.start) + offset]
                    length += 1
                }
                pieces += 1
            }
            if !starts { take(before) }
            let limit = next + 8
            while next < limit {
                let token = tokens[next]
                guard token.glued else { break }
                if token.kind == MaliciousToken.word {
                    take(token)
                } else if token.kind != UInt8(ascii: "'"), token.kind != UInt8(ascii: "\""), token.kind != UInt8(ascii: "\\") {
                    break
                }
                next += 1
            }
            guard pieces >= 2, length > 3 else { return }
            let role = tokens.roles[Int(MaliciousWords.table.id(MaliciousWords.key(base, length)))].shell
            if role == .command || role == .windows { shell.add(9, at: place) }
            if role == .talk, next - place > 2 { shell.add(7, at: place) }
        }
    }

    /// `cu$@rl`, `c$!at`: an empty parameter inside of a word.
    func emptyParameter(_ place: Int) {
        let sign = tokens[place + 1]
        guard tokens[place].glued, sign.glued, tokens[place + 2].glued else { return }
        guard tokens.kind(place - 1) == MaliciousToken.word, tokens.kind(place + 2) == MaliciousToken.word else { return }
        guard sign.kind == UInt8(ascii: "@") || sign.kind == UInt8(ascii: "!") || sign.kind == UInt8(ascii: "*") else { return }
        shell.add(weighed(8, place), at: place)
        if isShort { shell.add(2, at: place) }
    }

    /// `if exist x`, `if "%a%" equ "b"`, `if /i a==b`: conditions of cmd.
    func condition(_ place: Int) {
        guard isShort, place <= 3, place == 0 || tokens.kind(place - 1) > MaliciousToken.hex,
            tokens.kind(place - 1) != UInt8(ascii: "%")
        else { return }
        var next = place + 1
        if tokens.isWord("not", next) { next += 1 }
        if tokens.isWord("exist", next) || tokens.isWord("errorlevel", next) || tokens.isWord("cmdextversion", next) {
            return shell.add(10, at: place)
        }
        if tokens.isWord("defined", next) { return shell.add(6, at: place) }
        if tokens.kind(next) == UInt8(ascii: "/"), tokens.isWord("i", next + 1) { shell.add(8, at: place) }
        let limit = next + 10
        while next < limit {
            if tokens.kind(next) == UInt8(ascii: "%"), tokens[next + 1].glued, tokens.kind(next + 1) != UInt8(ascii: "}") {
                shell.add(6, at: place)
            }
            if tokens.kind(next) == UInt8(ascii: "="), tokens.glued(UInt8(ascii: "="), next + 1) { shell.add(3, at: place) }
            if tokens.isWord("equ", next) || tokens.isWord("neq", next) || tokens.isWord("gtr", next)
                || tokens.isWord("lss", next)
                || tokens.isWord("leq", next) || tokens.isWord("geq", next)
            {
                shell.add(6, at: place)
            }
            next += 1
        }
    }

    private func beginsStatement(_ place: Int) -> Bool {
        let next = tokens[place]
        guard next.kind == MaliciousToken.word else {
            return next.kind == UInt8(ascii: "-") || next.kind == UInt8(ascii: "#") || next.kind == UInt8(ascii: "/")
        }
        switch tokens.roles(place).sql {
        case .bare, .object, .logic, .compare, .null, .alias, .all, .from, .by, .into, .not, .where, .values, .kind: return false
        default: return true
        }
    }

    /// A row of a Markdown table: a pipe at the begin of a line, and another at its end.
    private func isTable(_ place: Int) -> Bool {
        guard tokens.kind(lineStart) == UInt8(ascii: "|") else { return false }
        guard !tokens[place + 1].glued || tokens.kind(place + 1) == UInt8(ascii: "-") else { return false }
        if tokens.kind(lineStart) == UInt8(ascii: "|"), lineStart != place || tokens.count > lineStart + 3 {
            guard place &- lineStart < 200 else { return true }
            for next in place + 1..<place + 24 {
                let kind = tokens.kind(next)
                if kind == UInt8(ascii: "|") { return true }
                if kind == MaliciousToken.end || kind == MaliciousToken.line { return tokens.kind(next - 1) == UInt8(ascii: "|") }
            }
        }
        return false
    }

    /// `$(…)`.
    func substitution(_ place: Int) {
        let inside = place + 2
        if tokens.kind(inside) == UInt8(ascii: "(") {
            shell.add(weighed(isShort ? 6 : 2, place), at: place)
            return
        }
        command(inside, 5)
        if tokens.kind(inside) == UInt8(ascii: "`") {
            shell.add(weighed(5, place), at: place)
            command(inside + 1, 5)
        }
        // In a short text there is nothing but the substitution.
        if isShort, tokens[inside].kind == MaliciousToken.word, tokens.kind(inside + 1) == UInt8(ascii: ")"), place <= 1 {
            shell.add(8, at: place)
        }
    }

    func parenthesis(_ place: Int) {
        styleCall(place)
        // `() { :;}`.
        if tokens.kind(place + 1) == UInt8(ascii: ")"), tokens.kind(place + 2) == UInt8(ascii: "{") {
            var next = place + 3
            while tokens.kind(next) == MaliciousToken.word || tokens.kind(next) == UInt8(ascii: "(")
                || tokens.kind(next) == UInt8(ascii: ")"), next - place < 7
            { next += 1 }
            let forks = tokens.kind(next) == UInt8(ascii: "|") || tokens.kind(next) == UInt8(ascii: "&")
            if forks || tokens.kind(place + 3) == UInt8(ascii: ":") {
                shell.add(weighed(10, place), at: place)
            } else if place == 0, whole {
                shell.add(10, at: place)
            }
        }
        if tokens.kind(place + 1) == UInt8(ascii: "|") || tokens.kind(place + 1) == UInt8(ascii: "&"),
            tokens.glued(UInt8(ascii: "("), place + 2)
        {
            query.add(weighed(isShort ? 6 : 3, place), at: place)
        }
    }

    /// `<(cat file)`, `pi<()ng`.
    func processSubstitution(_ place: Int) {
        command(place + 2, 4)
        if isShort, tokens.glued(UInt8(ascii: ")"), place + 2), tokens[place].glued, tokens[place + 3].glued {
            shell.add(8, at: place)
        }
    }

    func redirection(_ place: Int) {
        if tokens.glued(UInt8(ascii: "("), place + 1) { processSubstitution(place) }
        guard tokens.kind(place + 1) == UInt8(ascii: "/"), tokens.roles(place + 2).shell == .folder else { return }
        guard !tokens[place + 1].glued || tokens.isWord("tmp", place + 2) || tokens.isWord("dev", place + 2) || place == 0 else {
            return
        }
        shell.add(weighed(place == 0 ? 10 : 4, place), at: place)
    }
}
