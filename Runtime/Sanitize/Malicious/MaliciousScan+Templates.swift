// Signs of an expression for a template engine, a logger, or a document database.
extension MaliciousScan {
    /// `{{ … }}`, `{% … %}`, `{php}`, `{$gt: …}`.
    func brace(_ place: Int) {
        let next = tokens[place + 1]
        if next.kind == UInt8(ascii: "{"), next.glued {
            guard !(tokens[place].glued && tokens.kind(place - 1) == UInt8(ascii: "{")) else { return }
            expression(place + 2, closing: UInt8(ascii: "}"), talk: 1)
        } else if next.kind == UInt8(ascii: "%"), next.glued {
            statement(place + 2)
        } else if tokens.isWord("php", place + 1), tokens.kind(place + 2) == UInt8(ascii: "}") {
            template.add(weighed(10, place), at: place)
        }
        if next.glued, next.kind == MaliciousToken.word || next.kind == UInt8(ascii: ",") { braceExpansion(place) }
    }

    /// `${…}`, `#{…}`, `@{…}`, `*{…}`, `$(…)`, `$where`.
    func sigil(_ place: Int, _ kind: UInt8) {
        let next = tokens[place + 1]
        if next.kind == UInt8(ascii: "{"), next.glued {
            if kind == UInt8(ascii: "$") {
                lookup(place + 2)
                // Nothing but a variable, or a command in its place.
                if isShort, place == 0, tokens.kind(2) == MaliciousToken.word, tokens.kind(3) == UInt8(ascii: "}"),
                    tokens.count == 4 || tokens.kind(4) == UInt8(ascii: "-")
                {
                    shell.add(6, at: 0)
                }
            }
            if kind == UInt8(ascii: "@"), tokens.glued(UInt8(ascii: "["), place + 2) {
                template.add(weighed(8, place), at: place)
            }
            expression(place + 2, closing: UInt8(ascii: "}"), talk: kind == UInt8(ascii: "$") ? 2 : 1)
        } else if next.kind == UInt8(ascii: "("), next.glued, kind == UInt8(ascii: "$") {
            substitution(place)
        } else if kind == UInt8(ascii: "#"), tokens.isWord("set", place + 1) || tokens.isWord("evaluate", place + 1),
            tokens.kind(place + 2) == UInt8(ascii: "(")
        {
            template.add(weighed(8, place), at: place)
        } else if kind == UInt8(ascii: "$"), next.kind == MaliciousToken.word, next.glued {
            dollarWord(place)
        } else if kind == UInt8(ascii: "$"), next.glued {
            emptyParameter(place)
        } else if kind == UInt8(ascii: "*") {
            directoryFilter(place)
        }
        if kind == UInt8(ascii: "@") || kind == UInt8(ascii: "#") { wantsSQL = wantsSQL || isShort || next.kind == kind }
    }

    /// `[[5*5]]`.
    func bracket(_ place: Int) {
        if tokens.glued(UInt8(ascii: "["), place + 1), tokens.kind(place - 1) != UInt8(ascii: "[") {
            expression(place + 2, closing: UInt8(ascii: "]"), talk: 2)
        }
        if tokens.glued(UInt8(ascii: "$"), place + 1), tokens.roles(place + 2).code == .document,
            tokens.kind(place + 3) == UInt8(ascii: "]")
        {
            query.add(weighed(10, place), at: place)
        }
        if tokens.glued(UInt8(ascii: "]"), place + 1) {
            let next = tokens[place + 2]
            // `[][(` and `([]+`: script without letters.
            if next.glued, next.kind == UInt8(ascii: "["), tokens.kind(place + 3) == UInt8(ascii: "(") {
                markup.add(weighed(9, place), at: place)
            }
            if next.kind == UInt8(ascii: "+"), tokens.kind(place - 1) == UInt8(ascii: "!") {
                markup.add(weighed(6, place), at: place)
            }
        }
        instructionMark(place)
    }

    /// `<%= … %>`.
    func serverTag(_ place: Int) {
        template.add(weighed(tokens.kind(place + 2) == UInt8(ascii: "=") ? 6 : 4, place), at: place)
        expression(place + 3, closing: UInt8(ascii: "%"), talk: 2)
    }

    /// What stands between the marks: arithmetic on numbers, calls, ways to the interpreter. A name, a path of names and a filter are talk.
    private func expression(_ first: Int, closing: UInt8, talk: Int) {
        if tokens.kind(first) == UInt8(ascii: "$")
            || tokens.kind(first) == UInt8(ascii: "{") && tokens.kind(first + 1) == UInt8(ascii: "{")
        {
            return
        }
        var next = first
        var calls = 0
        var numbers = 0
        var operations = 0
        var quotes = 0
        var names = 0
        var brackets = 0
        while next < first + 24 {
            let token = tokens[next]
            switch token.kind {
            case closing:
                next = first + 99
                continue
            case MaliciousToken.end, MaliciousToken.line: next = first + 99
            case MaliciousToken.number: numbers += 1
            case MaliciousToken.word:
                names += 1
                let role = tokens.roles(next)
                if role.code == .reflection || role.shell == .runs || role.code == .popup {
                    template.add(weighed(9, first), at: first)
                }
                if role.code == .template,
                    tokens.kind(next + 1) == UInt8(ascii: "(") || tokens.kind(next + 1) == UInt8(ascii: "."), talk > 0
                {
                    template.add(weighed(tokens.kind(next + 1) == UInt8(ascii: "(") ? 4 : 3, first), at: first)
                }
                if role.code == .template, tokens.kind(next - 1) == UInt8(ascii: "|") {
                    template.add(weighed(4, first), at: first)
                }
                if tokens.bytes.holds("__", at: Int(token.start)) { template.add(weighed(8, first), at: first) }
            case UInt8(ascii: "("): calls += tokens.kind(next - 1) == MaliciousToken.word ? 1 : 0
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "%"): operations += 1
            case UInt8(ascii: "'"), UInt8(ascii: "\""): quotes += 1
            case UInt8(ascii: "["): brackets += 1
            case UInt8(ascii: "{"):
                // Another expression begins.
                if tokens.kind(next - 1) == UInt8(ascii: "{") || tokens.kind(next - 1) == UInt8(ascii: "$") { next = first + 99 }
            default: break
            }
            next += 1
        }
        if names == 1, isShort, first <= 3, talk == 1, tokens.roles(first).code == .template, tokens.kind(first + 1) == closing {
            template.add(6, at: first)
        }
        if numbers >= 2, operations >= 1, names == 0 { template.add(weighed(10, first), at: first) }
        if numbers >= 1, operations >= 1, quotes >= 2 { template.add(weighed(8, first), at: first) }
        if calls > 0 {
            template.add(weighed(isShort ? 6 : (talk > 1 ? 2 : 4), first), at: first)
            if quotes > 0 || brackets > 0 { template.add(weighed(isShort ? 4 : 2, first), at: first) }
        }
        if brackets > 0, calls > 0 || quotes > 0 { template.add(weighed(2, first), at: first) }
    }

    private func statement(_ first: Int) {
        for next in first..<first + 24 {
            let kind = tokens.kind(next)
            if kind == UInt8(ascii: "%") || kind == MaliciousToken.end { break }
            guard kind == MaliciousToken.word else { continue }
            let role = tokens.roles(next)
            if role.code == .reflection || role.shell == .runs { template.add(weighed(9, first), at: first) }
            if tokens.isWord("import", next) || tokens.isWord("debug", next) || tokens.isWord("include", next) {
                template.add(weighed(6, first), at: first)
            }
        }
        for next in first..<first + 2 where tokens.isWord("if", next) || tokens.isWord("for", next) || tokens.isWord("set", next)
        {
            template.add(weighed(isShort ? 5 : 2, first), at: first)
        }
    }

    /// `${jndi:ldap://…}` and its disguises `${lower:j}`, `${::-j}`.
    private func lookup(_ first: Int) {
        let next = tokens.kind(first + 1)
        if tokens.isWord("jndi", first) {
            template.add(weighed(10, first), at: first)
        } else if tokens.roles(first).code == .lookup, next == UInt8(ascii: ":"), tokens[first + 1].glued {
            template.add(weighed(6, first), at: first)
            if tokens.kind(first - 3) == UInt8(ascii: "{") || tokens.kind(first - 3) == UInt8(ascii: "}") || isShort {
                template.add(weighed(4, first), at: first)
            }
        } else if tokens.kind(first) == UInt8(ascii: ":"), next == UInt8(ascii: ":") || next == UInt8(ascii: "-") {
            template.add(weighed(8, first), at: first)
        } else if tokens.kind(first) == UInt8(ascii: "$"), tokens.kind(first + 1) == UInt8(ascii: "{") {
            template.add(weighed(6, first), at: first)
        } else if tokens.kind(first) == UInt8(ascii: "@") {
            template.add(weighed(9, first), at: first)
        } else if tokens.roles(first).sql == .function || tokens.roles(first).shell == .talk,
            tokens.kind(first + 1) == UInt8(ascii: "(")
        {
            shell.add(weighed(8, first), at: first)
        }
    }

    /// Ways from a template or a script to the interpreter, wherever they stand.
    func reflection(_ place: Int) {
        let token = tokens[place]
        let after = tokens.kind(place + 1)
        let before = tokens.kind(place - 1)
        let dunder = tokens.bytes.holds("__", at: Int(token.start))
        if dunder {
            template.add(weighed(before == UInt8(ascii: ".") && after == UInt8(ascii: ".") ? 6 : 2, place), at: place)
            return
        }
        if tokens.isWord("constructor", place) {
            if before == UInt8(ascii: ".") || after == UInt8(ascii: "."),
                after == UInt8(ascii: "(") || after == UInt8(ascii: ".") || after == UInt8(ascii: "[")
            {
                template.add(weighed(5, place), at: place)
            }
        } else if before == UInt8(ascii: "."), after == UInt8(ascii: "(") {
            template.add(weighed(tokens.isWord("getruntime", place) || tokens.isWord("forname", place) ? 7 : 3, place), at: place)
        }
    }

    /// `$where:` and the like in a filter of a document database.
    func dollarWord(_ place: Int) {
        guard tokens.roles(place + 1).code == .document else { return }
        let after = tokens.kind(place + 2)
        let value = after == UInt8(ascii: "'") || after == UInt8(ascii: "\"") ? tokens.kind(place + 3) : after
        let before = tokens.kind(place - 1)
        let inFilter =
            before == UInt8(ascii: "{") || before == UInt8(ascii: "\"") || before == UInt8(ascii: "'")
            || before == UInt8(ascii: ",") || before == MaliciousToken.end
            || before == UInt8(ascii: "[")
        guard value == UInt8(ascii: ":"), inFilter || before == MaliciousToken.number || before == MaliciousToken.word else {
            return
        }
        query.add(weighed(tokens.isWord("where", place + 1) ? 10 : (isShort ? 10 : 4), place), at: place)
    }

    /// `*)(uid=*))(|(uid=*`: the end of a filter and the begin of another.
    func directoryFilter(_ place: Int) {
        guard tokens.glued(UInt8(ascii: ")"), place + 1) else { return }
        var next = place + 2
        while tokens.kind(next) == UInt8(ascii: ")"), next - place < 6 { next += 1 }
        if tokens.kind(next) == UInt8(ascii: "("), !tokens.isOrdinary(next + 1) { query.add(weighed(8, place), at: place) }
        if tokens.kind(next) == UInt8(ascii: "("), tokens.kind(next + 2) == UInt8(ascii: "=") {
            query.add(weighed(10, place), at: place)
        }
    }

    /// `)(|(` and `(|(`, `(&(`.
    func closed(_ place: Int) {
        guard tokens.glued(UInt8(ascii: "("), place + 1) else { return }
        let next = tokens.kind(place + 2)
        if next == UInt8(ascii: "|") || next == UInt8(ascii: "&") || next == UInt8(ascii: "!"),
            tokens.kind(place + 3) == UInt8(ascii: "(") || isShort
        {
            query.add(weighed(isShort ? 10 : 5, place), at: place)
        }
    }
}

extension MaliciousTokens {
    /// A word, a number or the end.
    func isOrdinary(_ place: Int) -> Bool { kind(place) <= MaliciousToken.hex }
}
