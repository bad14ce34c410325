// Pieces of a query that mean the same wherever they stand.
extension SQLMatcher {
    func add(_ points: Int, _ place: Int) { tally.add(points, at: place) }

    func patterns() {
        var place = 0
        while place < count {
            switch list[place].kind {
            case .union: union(place)
            case .select: select(place)
            case .logic: logic(place)
            case .sharp: sharp(place)
            case .function: function(place)
            case .system: add(talk > 6 ? 4 : 6, place)
            case .order: order(place)
            case .having: having(place)
            case .from:
                if place <= 1, isWord("where", place + 2) || kind(place + 2) == .where || kind(place + 2) == .order {
                    add(talk == 0 ? 6 : 2, place)
                }
            case .semicolon: stacked(place)
            case .variable: if list[place].detail == 2 { add(5, place) }
            case .drop: drop(place)
            case .insert:
                if kind(place + 1) == .into { add(kind(place + 3) == .open || kind(place + 3) == .values ? 3 : 1, place) }
            case .file: if kind(place - 1) == .into || kind(place - 2) == .exec || kind(place + 1) == .quote { add(9, place) }
            case .delay: if isWord("delay", place + 1) || kind(place + 1) == .quote { add(10, place) }
            case .declare: if kind(place + 1) == .variable { add(8, place) }
            case .exec: exec(place)
            case .close: unbalanced(place)
            case .cast: if kind(place - 1) == .quote || kind(place - 1) == .close || talk == 0 { add(talk == 0 ? 6 : 2, place) }
            case .procedure: if isWord("analyse", place + 1) { add(10, place) }
            case .quote: quote(place)
            case .comment: comment(place)
            case .unary: if kind(place + 1) == .open || kind(place + 1) == .quote || kind(place + 1) == .unary { add(5, place) }
            default: break
            }
            place += 1
        }
    }

    /// The place behind one value, whatever parentheses, signs and quotes are around it; `nil` when none stands there.
    func value(_ first: Int) -> (next: Int, isLiteral: Bool)? {
        var place = first
        var isQuoted = false
        var isWrapped = false
        let limit = first + 10
        prefix: while place < limit {
            switch kind(place) {
            case .open: isWrapped = true
            case .not, .bang, .unary, .all: break
            case .operation: break
            case .quote: isQuoted = true
            default: break prefix
            }
            place += 1
        }
        let atom = kind(place)
        switch atom {
        case .number, .hex, .null, .variable, .question: place += 1
        case .bare, .object, .function, .sharp, .system, .select: place += 1
        case .equals, .compare, .logic, .comment, .end:
            // An empty string.
            return isQuoted ? (place, true) : nil
        default: return nil
        }
        if kind(place) == .open, kind(place + 1) == .close { place += 2 }
        let end = place + 6
        while place < end {
            let closing = kind(place)
            guard closing == .close || closing == .quote || closing == .operation && kind(place + 1) == .number else { break }
            if closing == .operation { place += 1 }
            place += 1
        }
        return (place, isQuoted || atom.isLiteral || isWrapped && atom == .bare)
    }

    /// `or 1=1`, `and 'a' like 'a`, `xor true--`.
    private func logic(_ place: Int) {
        guard let left = value(place + 1) else { return }
        let compare = kind(left.next)
        if compare == .equals || compare == .compare || compare == .not && kind(left.next + 1) == .compare {
            var second = left.next + 1
            if kind(second) == .compare || kind(second) == .not { second += 1 }
            guard let right = value(second) else {
                if left.isLiteral, kind(place - 1) == .quote { add(6, place) }
                return
            }
            let symbol = list[place].detail == 1
            if left.isLiteral, right.isLiteral {
                let bareNumbers = compare == .compare && kind(place - 1) == .bare
                // `5 > 3 and 2 < 4` may be a sum in a sentence.
                let isSum =
                    compare == .equals && list[left.next].detail == 1 && bareWords > 1
                    && tokens.kind(Int(list[left.next].place)) != UInt8(ascii: "=")
                    && kind(place - 1) != .quote && kind(place - 1) != .close
                add(isSum ? 3 : (bareNumbers ? 4 : 10), place)
            } else if left.isLiteral || right.isLiteral {
                add(symbol || talk > 4 ? 1 : (kind(place - 1) == .quote || kind(place - 1) == .close ? 5 : 2), place)
            }
        } else if compare == .comment, left.isLiteral {
            add(8, place)
        } else if compare == .end, left.isLiteral,
            kind(place - 1) == .quote || kind(place - 1) == .close || kind(place - 1) == .number
        {
            add(whole && talk == 0 && !hasOwnQuotes ? 5 : 0, place)
        }
    }

    /// `union [all] [(] select`, with whatever a filter may not see in between.
    private func union(_ place: Int) {
        var next = place + 1
        let limit = place + 24
        while next < limit {
            switch kind(next) {
            case .all, .open, .comment, .operation, .other, .quote, .brace, .dot, .equals: next += 1
            case .bare where kind(next - 1) == .comment || kind(next - 1) == .bare && next > place + 1: next += 1
            default:
                return unionEnd(place, next)
            }
        }
    }

    /// What a `union` leads to.
    private func unionEnd(_ place: Int, _ next: Int) {
        let before = kind(place - 1)
        if isWord("except", place), kind(next) != .select || before == .bare {
            if kind(place + 1) == .values, kind(place + 2) == .open { add(8, place) }
            return
        }
        if kind(next) == .select {
            let after = kind(next + 1)
            let column = kind(next + 2)
            let talks = after == .bare && (column == .bare || column == .end || column == .alias)
            add(talks ? 5 : 10, place)
            if before == .number || before == .quote || before == .close || before == .comment || before == .operation {
                add(4, place)
            }
        } else if kind(next) == .end, before != .bare, talk == 0 {
            add(before == .end ? 0 : 10, place)
        } else if kind(next) == .number, before != .bare {
            add(5, place)
        }
    }

    private func select(_ place: Int) {
        let first = kind(place + 1)
        var points = 0
        switch first {
        case .number, .hex, .variable, .operation, .null: points = 4
        case .open: points = 4
        case .quote: points = talk > 4 ? 1 : 3
        case .sharp, .function, .unary, .conditional, .all:
            points = kind(place + 2) == .open || first == .unary || first == .conditional ? 4 : 1
        case .select, .comma: points = 3
        default: break
        }
        // `select * from` is what anyone writes.
        if first == .operation, self[place + 1].detail == 1, kind(place + 2) == .from { points = 1 }
        if kind(place - 1) == .open { points += 4 }
        if kind(place - 1) == .quote || kind(place - 1) == .comma || kind(place - 1) == .operation { points += 2 }
        // A table to read from.
        var next = place + 1
        let limit = min(place + 24, count)
        while next < limit, kind(next) != .from, kind(next) != .semicolon { next += 1 }
        if kind(next) == .from {
            points += talk > 6 ? 1 : 3
            if kind(next + 1) == .system || kind(next + 1) == .open { points += 3 }
            var tail = next + 2
            while tail < next + 8 {
                if kind(tail) == .limit, kind(tail + 1) == .number { points += 2 }
                if kind(tail) == .where, kind(tail + 1) == .end { points += 3 }
                tail += 1
            }
        }
        if talk == 0, place <= 1 { points += 2 }
        if points > 0 { add(points, place) }
    }

    private func sharp(_ place: Int) {
        if kind(place + 1) == .open {
            add(8, place)
            if kind(place + 2).isLiteral || kind(place + 2) == .open || kind(place + 2) == .select || kind(place + 2) == .quote {
                add(2, place)
            }
        } else if kind(place + 1) == .dot || talk == 0 {
            add(count == 1 ? 10 : 6, place)
        } else {
            add(2, place)
        }
    }

    private func function(_ place: Int) {
        guard kind(place + 1) == .open else { return }
        let argument = kind(place + 2)
        let after = kind(place + 3)
        var points = 0
        if isWord("sleep", place) {
            points =
                argument == .number || argument == .operation || argument == .open || argument == .function
                ? (talk > 4 ? 2 : 7) : 0
        } else if isWord("char", place) || isWord("chr", place) || isWord("nchar", place) {
            points = argument == .number ? (talk > 4 ? 2 : 5) : 0
        } else if isWord("version", place) || isWord("database", place) || isWord("user_name", place) || isWord("db_name", place)
        {
            points = argument == .close ? (talk > 4 ? 1 : 4) : 0
        } else if argument == .select || argument == .open && after == .select {
            points = 8
        } else if argument == .hex {
            points = 5
        } else if argument == .quote || argument == .number || argument == .variable, talk == 0 {
            points = 2
        }
        if kind(place - 1) == .logic || kind(place - 2) == .logic || kind(place - 1) == .quote { points += talk > 4 ? 0 : 3 }
        if kind(place - 2) == .function || kind(place - 2) == .sharp, talk == 0 { points += 2 }
        if points > 0 { add(points, place) }
    }

    private func order(_ place: Int) {
        guard kind(place + 1) == .by, kind(place + 2) == .number else { return }
        let after = kind(place + 3)
        if after == .comment || after == .end || after == .comma || after == .close {
            add(place <= 3 || after == .comment || talk == 0 ? 10 : 5, place)
        }
    }

    private func having(_ place: Int) {
        if let left = value(place + 1), left.isLiteral, kind(left.next) == .equals || kind(left.next) == .compare {
            add(7, place)
        }
        if kind(place - 1) == .quote || kind(place - 1) == .number || kind(place - 1) == .close { add(3, place) }
    }

    /// A second statement.
    private func stacked(_ place: Int) {
        let first = kind(place + 1)
        // The statements of a script stand on lines of their own.
        if tokens.kind(Int(list[place].place) + 1) == MaliciousToken.line, kind(place - 1) != .quote { return }
        let closing = kind(place - 1) == .quote || kind(place - 1) == .close || kind(place - 1) == .number
        switch first {
        case .drop where kind(place + 2) == .object || closing: add(9, place)
        case .insert where kind(place + 2) == .into: add(8, place)
        case .delete where kind(place + 2) == .from || kind(place + 3) == .from: add(8, place)
        case .update where kind(place + 3) == .set: add(8, place)
        case .declare, .delay: add(6, place)
        case .exec: add(closing && kind(place + 2) != .bare ? 4 : 1, place)
        case .select: add(closing ? 7 : 4, place)
        case .sharp: add(3, place)
        case .function where isWord("if", place + 1) && isWord("exists", place + 2): add(8, place)
        case .comment: if list[place + 1].detail == 1 { add(closing ? 6 : 3, place) }
        default: break
        }
    }

    private func drop(_ place: Int) {
        guard kind(place + 1) == .object else { return }
        let afterName = kind(place + 3)
        if afterName == .comment || afterName == .semicolon { add(5, place) }
        if talk == 0 { add(4, place) }
        if kind(place - 1) == .quote || kind(place - 1) == .semicolon { add(3, place) }
    }

    private func exec(_ place: Int) {
        if kind(place + 1) == .sharp || kind(place + 2) == .sharp || kind(place + 3) == .sharp || kind(place + 4) == .sharp {
            add(6, place)
        }
        if kind(place + 1) == .variable || kind(place + 1) == .open && kind(place + 2) == .variable { add(7, place) }
        if isWord("shutdown", place), kind(place - 1) == .semicolon || kind(place + 1) == .comment { add(6, place) }
        if isWord("load", place), kind(place + 2) == .file || kind(place + 1) == .file { add(9, place) }
    }

    /// A quote that ends a string which the text did not begin, with a query behind it.
    private func quote(_ place: Int) {
        guard kind(place + 1) != .bare, kind(place + 1) != .quote || kind(place + 2) != .quote else { return }
        var next = place + 1
        while kind(next) == .close || kind(next) == .quote, next - place < 4 { next += 1 }
        let after = kind(next)
        guard after != .quote, after != .end else { return }
        if after == .comment, list[next].detail == 1 || kind(next + 1) == .end {
            // `"…" -- Mark Twain` is how people quote.
            return add(talk == 0 || self[next].glued ? (talk > 4 ? 3 : 6) : 1, place)
        }
        if after == .semicolon, kind(next + 1) == .comment { return add(8, place) }
        guard next == place + 1 || kind(place + 1) == .close else { return }
        if after == .union || after == .having || after == .order && kind(next + 1) == .by { add(4, place) }
        let token = self[next]
        // `x'or'y`: nobody writes a word so.
        if next == place + 1, after == .logic || after == .compare || after == .not, token.glued, list[place].glued, place > 0 {
            if kind(next + 1) == .quote, self[next + 1].glued, !(place == 0 && kind(next + 2) == .end) {
                add(talk == 0 ? 10 : 4, place)
            }
        }
        // `' sounds like '`, `a' div 'b`.
        let isQuotedWord = kind(next + 1) == .quote && self[next + 1].glued && token.glued && !list[place].glued
        let isOwn = place < 4 && kind(0) == .quote && place > 0 && self[0].detail == list[place].detail
        if after == .compare || after == .not || isWord("xor", next), isRare(next), !isQuotedWord, !isOwn {
            var beyond = next + 1
            while kind(beyond) == .compare, beyond - next < 3 { beyond += 1 }
            if kind(beyond) == .quote || kind(beyond).isLiteral { add(talk == 0 ? 10 : 4, place) }
        }
        if after == .logic, list[place].glued || place == 0 {
            let operand = kind(next + 1)
            if operand.isLiteral || operand == .open || operand == .not, talk <= 4 { add(3, place) }
            // `' or '1'='1`: what was open stays open.
            if operand == .quote, kind(next + 3) == .quote, kind(next + 4) == .equals { add(6, place) }
        }
    }

    /// `1) or …`: a parenthesis closed that the text did not open.
    private func unbalanced(_ place: Int) {
        guard place < 6 else { return }
        var depth = 0
        for before in 0..<place {
            if kind(before) == .open { depth += 1 }
            if kind(before) == .close { depth -= 1 }
        }
        guard depth <= 0 else { return }
        switch kind(place + 1) {
        case .from, .union, .having, .order: add(talk < 2 ? 6 : 2, place)
        case .logic, .comment, .semicolon: add(talk == 0 ? 4 : 1, place)
        default: break
        }
    }

    /// An operator that is no word of talk.
    private func isRare(_ place: Int) -> Bool {
        isWord("div", place) || isWord("mod", place) || isWord("xor", place) || isWord("regexp", place) || isWord("rlike", place)
            || isWord("glob", place) || isWord("ilike", place) || isWord("sounds", place)
            || kind(place) == .not && kind(place + 1) == .compare
            || isWord("like", place) && self[place].glued
    }

    private func comment(_ place: Int) {
        guard list[place].detail == 1 else { return }
        switch kind(place - 1) {
        case .close: add(3, place)
        case .number: add(talk == 0 ? (kind(place - 2).isOperator ? 6 : 3) : 1, place)
        case .semicolon: add(2, place)
        case .quote: add(2, place)
        default: if talk == 0, bareWords < 3 { add(1, place) }
        }
    }
}
