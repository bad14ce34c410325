// A short text that is nothing but a piece of a query: signs too weak for a page of talk.
extension SQLMatcher {
    /// Points of the text as a whole.
    func wholePiece() -> Int {
        guard count > 0 else { return 0 }
        var points = 0
        var quotes = (single: 0, double: 0)
        var opens = 0
        var operators = 0
        var values = 0
        var keywords = 0
        var calls = 0
        var place = 0
        while place < count {
            let token = list[place]
            switch token.kind {
            case .quote:
                if token.detail == 1 { quotes.single += 1 } else { quotes.double += 1 }
            case .open: opens += 1
            case .close: opens -= 1
            case .logic, .equals, .operation, .bang, .compare: operators += 1
            case .number, .hex, .variable, .null: values += 1
            case .select, .union, .unary, .system, .sharp, .having, .from, .where: keywords += 1
            case .function: calls += kind(place + 1) == .open ? 1 : 0
            default: break
            }
            if token.kind == .hex, place > 0, points < 4 { points += 2 }
            if token.kind == .variable { points += token.detail == 2 ? 3 : 1 }
            place += 1
        }
        let oddQuote = quotes.single & 1 != 0 || quotes.double & 1 != 0
        points += breakout(oddQuote)
        points += tail(oddQuote, opens, operators)
        if calls > 0 { points += talk == 0 ? 3 : 0 }
        if keywords > 0, talk == 0 { points += min(keywords, 3) * 2 }
        if oddQuote, opens != 0, operators > 0 { points += 3 }
        // Operators and values without words.
        if operators >= 1, values >= 1, bareWords == 0, keywords + calls > 0 { points += 3 }
        points += literalLogic()
        points = max(points, expressions(oddQuote))
        if talk == 0, bareWords <= 3 { points = max(points, opening()) }
        return max(points - talk * 3 - (bareWords > 6 ? 4 : 0), 0)
    }

    /// What only the middle of a query begins with.
    private func opening() -> Int {
        let second = kind(1)
        switch kind(0) {
        case .close where second.isOperator && (kind(2) == .open || kind(2).isLiteral): return 8
        case .logic where isWord("xor", 0) && second.isLiteral: return 6
        case .logic where second == .quote && kind(2) == .brace: return 8
        case .compare where isWord("div", 0) || isWord("mod", 0): return second == .open && kind(2) == .number ? 6 : 0
        case .number where second == .logic && kind(2) == .null && kind(3) == .end: return 6
        case .variable where second == .comment: return 6
        default: return 0
        }
    }

    /// A quote with an operator and a value behind it.
    private func breakout(_ odd: Bool) -> Int {
        var best = 0
        var seen = (single: 0, double: 0)
        for place in 0..<count where kind(place) == .quote {
            let token = list[place]
            // The second quote of a pair that the text opened itself ends its own string.
            let isOwn = (token.detail == 1 ? seen.single : seen.double) & 1 != 0 && !odd
            if token.detail == 1 { seen.single += 1 } else { seen.double += 1 }
            if isOwn { continue }
            var next = place + 1
            while kind(next) == .close, next - place < 4 { next += 1 }
            var after = kind(next)
            guard after.isOperator || after == .not else { continue }
            // A word between two quotes is a quoted word; a sign is not.
            // `cat">home</a`: the rest of a tag.
            if after == .equals, self[next].detail == 1, tokens.kind(Int(self[next].place)) == UInt8(ascii: ">"),
                kind(next + 1) == .bare
            {
                continue
            }
            let isSign = after == .operation || after == .equals || after == .bang || self[next].detail == 1 && after == .logic
            var runs = 0
            while kind(next).isOperator || kind(next) == .not, runs < 5 {
                next += 1
                runs += 1
            }
            after = kind(next)
            var points = 0
            switch after {
            case .quote:
                // `A '=' B`, `' or '`.
                let isPair = self[next].detail == token.detail
                let isQuotedSign =
                    after == .quote && kind(next - 1) == .operation && runs == 1 && token.detail == 2 && bareWords > 0
                let isQuotedWord = !isSign && self[place + 1].glued && self[next].glued && count > 3
                if isQuotedWord { continue }
                if isPair, isSign || runs > 1 { points = talk == 0 && bareWords <= 2 && !isQuotedSign ? 10 : 4 }
                if isPair, !isSign {
                    points =
                        place == 0 && next == count - 1 && self[place + 1].glued == false || count <= 3
                        ? 8 : (kind(next + 2) == .quote || kind(next + 2) == .equals ? 6 : 3)
                }
            case .number, .hex, .variable, .function, .sharp, .null, .open, .question, .select:
                points = odd || isSign || after != .number ? 8 : 5
            case .bare, .object: points = (isSign && odd && token.glued ? 7 : (odd ? 4 : 1)) + (kind(next + 1).isOperator ? 4 : 0)
            case .comment: points = 7
            case .end: points = isSign && odd ? (place > 0 ? 4 : 3) : 2
            default: points = 1
            }
            best = max(best, points)
        }
        return best
    }

    /// How the text ends: in a comment, in the middle.
    private func tail(_ odd: Bool, _ opens: Int, _ operators: Int) -> Int {
        let last = list[count - 1]
        var points = 0
        if last.kind == .comment {
            points += 3
            if odd { points += 4 }
            if operators > 0, talk == 0 { points += 3 }
            if kind(count - 2) == .close || kind(count - 2) == .number { points += 1 }
        } else if let comment = (max(count - 3, 0)..<count).first(where: { kind($0) == .comment }), self[comment].detail == 1 {
            points += odd || operators > 0 ? 4 : 0
        }
        if kind(0) == .close || kind(0) == .quote && kind(1) == .close { points += 2 }
        if last.kind == .open, calls(count - 2) { points += bareWords == 0 ? 8 : 3 }
        if last.kind == .equals, kind(0) == .from || kind(2) == .from { points += 8 }
        return points
    }

    /// Whether values and operators take turns from a place to the end, as in an expression and in no sentence.
    private struct Expression {
        var logic = 0
        var comparisons = 0
        var literals = 0
        var quotes = 0
        var end = 0
        var isCommented = false
    }

    private func expression(from first: Int, wantsValue: Bool) -> Expression? {
        var found = Expression()
        var wantsValue = wantsValue
        var place = first
        while place < count {
            let kind = list[place].kind
            switch kind {
            case .quote:
                found.quotes += 1
                // An open or an empty string is a value; a closing one belongs to the value before.
                if wantsValue {
                    wantsValue = false
                    if self.kind(place + 1).isLiteral || self.kind(place + 1) == .bare, self.kind(place + 1) != .sharp {
                        place += 1
                    }
                }
            case .number, .hex, .null, .variable, .function, .sharp, .bare, .object, .system, .question:
                guard wantsValue else { return nil }
                wantsValue = false
                if kind != .bare && kind != .object { found.literals += 1 }
                if self.kind(place + 1) == .open {
                    // The arguments are values as well.
                    wantsValue = self.kind(place + 2) != .close
                    place += 1
                }
            case .logic, .equals, .compare:
                // `not like`, `is not`, `sounds like` are one operator.
                if wantsValue {
                    guard self.kind(place - 1) == .compare || self.kind(place - 1) == .not, kind == .compare else { return nil }
                    break
                }
                if kind == .logic { found.logic += 1 } else { found.comparisons += 1 }
                wantsValue = true
            case .operation:
                wantsValue = true
            case .not:
                if self.kind(place + 1) == .null, self.kind(place - 1) == .bare { found.comparisons += 1 }
                wantsValue = true
            case .comma:
                guard !wantsValue else { return nil }
                wantsValue = true
            case .bang, .unary, .all: wantsValue = true
            case .open: guard wantsValue else { return nil }
            case .close: wantsValue = false
            case .comment:
                found.isCommented = true
                found.end = place
                return found
            case .semicolon where self.kind(place + 1) == .comment || self.kind(place + 1) == .end: break
            default: return nil
            }
            place += 1
        }
        found.end = place
        // What is open at the end is the string of the query around it.
        return wantsValue && found.quotes == 0 ? nil : found
    }

    /// The text, or what follows a quote in it, is an expression that compares.
    private func expressions(_ isOdd: Bool) -> Int {
        guard talk == 0, bareWords <= 4 else { return 0 }
        var best = 0
        // Quotes that the text opened itself are closed by the next.
        let startsQuoted = kind(0) == .quote
        var seen = 0
        for place in 0..<min(count, 12) where kind(place) == .quote {
            seen += 1
            if startsQuoted, seen == 2, !isOdd { continue }
            var next = place + 1
            while kind(next) == .close, next - place < 5 { next += 1 }
            // A keyword in quotes is a quoted word.
            if kind(next + 1) == .quote, kind(next + 2) != .number, self[next + 1].glued, self[next].glued,
                !self[place].glued || place == 0
            {
                continue
            }
            if kind(next) == .equals, tokens.kind(Int(self[next].place)) == UInt8(ascii: ">"), kind(next + 1) == .bare {
                continue
            }
            guard kind(next).isOperator || kind(next) == .not, let found = expression(from: next, wantsValue: false) else {
                continue
            }
            let compares = found.comparisons + found.logic
            // `16" or 18"` are inches.
            let isMeasure =
                found.comparisons == 0 && kind(place - 1) == .number && kind(found.end - 1) == .quote
                && kind(found.end - 2) == .number
                && kind(found.end - 3) != .quote
            if isMeasure { continue }
            if compares > 0, found.literals + found.quotes > 0 || found.isCommented {
                best = max(best, found.comparisons > 0 || found.literals > 0 ? 10 : 6)
            }
            break
        }
        if let found = expression(from: kind(0) == .logic ? 1 : 0, wantsValue: true) {
            if kind(0) == .logic {
                if found.comparisons > 0, found.literals + found.quotes > 0 { best = max(best, 10) }
            } else if found.logic > 0, found.comparisons > 0, found.literals >= 2 || found.quotes > 0 {
                best = max(best, 10)
            } else if found.comparisons > 0, found.literals >= 2, kind(0).isLiteral {
                best = max(best, 8)
            }
        }
        return best
    }

    private func calls(_ place: Int) -> Bool { kind(place) == .function || kind(place) == .sharp }

    /// `1 or 1`, `(1) or sin(1)`: logic on values that are none of a sentence.
    private func literalLogic() -> Int {
        guard talk == 0, !hasOwnQuotes else { return 0 }
        for place in 0..<count where kind(place) == .logic || kind(place) == .compare {
            let before = kind(place - 1)
            guard before.isLiteral || before == .close || before == .quote, let right = value(place + 1), right.isLiteral else {
                continue
            }
            return count == 3 ? 1 : (bareWords <= 2 ? 4 : 1)
        }
        return 0
    }
}
