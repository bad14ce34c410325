/// One token as a query would read it.
struct SQLToken {
    var kind: SQLClass
    /// Which quote, or how many characters of a comparison.
    var detail: UInt8
    /// Right behind the token before.
    var glued: Bool
    var place: UInt32
}

extension SQLClass {
    /// A word that is worth a look at the text as a query.
    var isStrong: Bool {
        switch self {
        case .union, .select, .sharp, .system, .drop, .declare, .delay, .file, .function, .having, .exec, .unary, .insert: true
        case .order: true
        default: false
        }
    }

    /// Stands for a value by itself.
    var isLiteral: Bool {
        switch self {
        case .number, .hex, .null, .variable, .function, .sharp, .question: true
        default: false
        }
    }

    var isOperator: Bool {
        switch self {
        case .operation, .equals, .compare, .logic, .bang: true
        default: false
        }
    }
}

/// Reads tokens as a piece of a query. Quotes are tokens of their own, so a piece is the same whether it starts in a string or outside of one.
final class SQLMatcher {
    let tokens: MaliciousTokens
    let context: ContentContext
    let whole: Bool
    let list: UnsafeMutablePointer<SQLToken>
    private(set) var count = 0
    var tally = MaliciousTally()
    var fragment = 0
    private(set) var steps = 0
    /// How many plain words follow a plain word: talk does, a query does not.
    private(set) var talk = 0
    private(set) var bareWords = 0

    init(_ tokens: MaliciousTokens, _ context: ContentContext, whole: Bool, into list: UnsafeMutablePointer<SQLToken>) {
        self.tokens = tokens
        self.context = context
        self.whole = whole
        self.list = list
    }

    /// A short text without talk in it may add its weak signs to its strong ones.
    var score: Int {
        let most = max(tally.best, fragment)
        return whole && count <= 64 && talk == 0 ? min(most + min(tally.best, fragment) / 2, 100) : most
    }

    subscript(_ place: Int) -> SQLToken {
        UInt(bitPattern: place) < UInt(bitPattern: count) ? list[place] : SQLToken(kind: .end, detail: 0, glued: false, place: 0)
    }

    @inline(__always) func kind(_ place: Int) -> SQLClass {
        UInt(bitPattern: place) < UInt(bitPattern: count) ? list[place].kind : .end
    }

    func isWord(_ text: StaticString, _ place: Int) -> Bool {
        UInt(bitPattern: place) < UInt(bitPattern: count) && tokens.isWord(text, Int(list[place].place))
    }

    func run() {
        classify()
        steps &+= tokens.count &+ count
        if kind(0) == .quote {
            var quotes = (single: 0, double: 0)
            for place in 0..<min(count, 64) where list[place].kind == .quote {
                if list[place].detail == 1 { quotes.single += 1 } else { quotes.double += 1 }
            }
            hasOwnQuotes = quotes.single & 1 == 0 && quotes.double & 1 == 0 && (kind(2) == .quote || talk > 0)
        }
        if measures || isPlainStatement { return }
        patterns()
        if whole, count <= 64 { fragment = wholePiece() }
    }

    /// A statement as anyone writes it in talk about databases: names from a table, perhaps compared with one value.
    private var isPlainStatement: Bool {
        guard whole, kind(0) == .select, kind(1) == .bare || kind(1) == .operation && list[1].detail == 1 || kind(1) == .object
        else { return false }
        var quotes = 0
        for place in 1..<count {
            switch list[place].kind {
            case .quote: quotes += 1
            case .bare, .comma, .from, .where, .object, .number, .semicolon, .order, .by, .limit, .dot: break
            case .equals: if kind(place - 1) != .bare && kind(place - 1) != .object { return false }
            case .operation: if list[place].detail != 1 { return false }
            default: return false
            }
        }
        return quotes & 1 == 0
    }

    /// The text begins with a quote and closes as many as it opens.
    private(set) var hasOwnQuotes = false

    /// Sizes in inches, and nothing of a query.
    private var measures: Bool {
        guard whole, count <= 64 else { return false }
        var quotes = 0
        for place in 0..<count {
            switch list[place].kind {
            case .quote:
                guard list[place].glued, kind(place - 1) == .number else { return false }
                quotes += 1
            case .equals, .comment, .semicolon, .open, .variable, .union, .select: return false
            default: break
            }
        }
        return quotes > 0
    }

    private func put(_ kind: SQLClass, _ place: Int, detail: UInt8 = 0) {
        list[count] = SQLToken(kind: kind, detail: detail, glued: tokens[place].glued, place: UInt32(truncatingIfNeeded: place))
        if kind == .bare {
            bareWords &+= 1
            if self.kind(count &- 1) == .bare { talk &+= 1 }
        }
        count &+= 1
    }

    private func classify() {
        var place = 0
        var noClose = false
        while place < tokens.count {
            let token = tokens[place]
            var next = place + 1
            switch token.kind {
            case MaliciousToken.word: put(word(place), place)
            case MaliciousToken.number: put(.number, place)
            case MaliciousToken.hex: put(.hex, place)
            case MaliciousToken.line, 0x0D, UInt8(ascii: "\\"), UInt8(ascii: "`"): break
            case UInt8(ascii: "'"):
                if isApostrophe(place) {
                    // The rest of the word as well: `don't`.
                    next = place + 2
                } else {
                    put(.quote, place, detail: 1)
                }
            case UInt8(ascii: "\""): put(.quote, place, detail: 2)
            case UInt8(ascii: "-"):
                if tokens.glued(token.kind, next) {
                    next = dashes(place)
                } else {
                    put(.operation, place)
                }
            case UInt8(ascii: "#"):
                let after = tokens.kind(next)
                let before = kind(count - 1)
                if after == MaliciousToken.end || after == MaliciousToken.line || before == .quote || before == .close
                    || before == .number && token.glued && after != MaliciousToken.number
                {
                    put(.comment, place)
                } else if token.glued == false, whole, tokens.count < 40, before != .end, before != .bare {
                    put(.comment, place)
                } else {
                    put(.other, place)
                }
            case UInt8(ascii: "/"):
                if tokens.glued(UInt8(ascii: "*"), next) {
                    next = comment(place, &noClose)
                } else {
                    put(.operation, place)
                }
            case UInt8(ascii: "*"):
                if tokens.glued(UInt8(ascii: "/"), next) { next += 1 } else { put(.operation, place, detail: 1) }
            case UInt8(ascii: "+"), UInt8(ascii: "%"), UInt8(ascii: "^"), UInt8(ascii: "~"): put(.operation, place)
            case UInt8(ascii: "|"), UInt8(ascii: "&"):
                if tokens.glued(token.kind, next) {
                    put(.logic, place, detail: 1)
                    next += 1
                } else if token.kind == UInt8(ascii: "&"), !token.glued, !tokens[next].glued,
                    tokens[next].kind == MaliciousToken.word
                {
                    // `A & B` is talk.
                    put(.other, place)
                } else {
                    put(.operation, place)
                }
            case UInt8(ascii: "="), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "!"):
                while next - place < 3, tokens[next].glued, Self.compares(tokens.kind(next)) { next += 1 }
                put(
                    token.kind == UInt8(ascii: "!") && next == place + 1 ? .bang : .equals, place,
                    detail: UInt8(truncatingIfNeeded: next - place))
            case UInt8(ascii: "@"):
                if token.glued, tokens.kind(place - 1) == MaliciousToken.word {
                    put(.other, place)
                } else {
                    let double = tokens.glued(UInt8(ascii: "@"), next)
                    if double { next += 1 }
                    while tokens.kind(next) == UInt8(ascii: "`") || tokens.kind(next) == UInt8(ascii: "'") && tokens[next].glued,
                        next - place < 4
                    { next += 1 }
                    if tokens.kind(next) == MaliciousToken.word, tokens[next].glued { next += 1 }
                    put(.variable, place, detail: double ? 2 : 1)
                }
            case UInt8(ascii: ";"): put(.semicolon, place)
            case UInt8(ascii: ","): put(.comma, place)
            case UInt8(ascii: "("): put(.open, place)
            case UInt8(ascii: ")"): put(.close, place)
            case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"): put(.brace, place)
            case UInt8(ascii: "?"): put(.question, place)
            case UInt8(ascii: "."):
                // The names of one path are one name, but for the last when it is called or known to the system.
                if !(token.glued && tokens[next].glued && tokens.kind(next) == MaliciousToken.word) { put(.dot, place) }
            case UInt8(ascii: ":"):
                if tokens.glued(token.kind, next), tokens.roles(next + 1).sql == .kind {
                    put(.cast, place)
                    next += 2
                } else {
                    put(.other, place)
                }
            default: put(.other, place)
            }
            place = next
        }
    }

    private static func compares(_ kind: UInt8) -> Bool {
        kind == UInt8(ascii: "=") || kind == UInt8(ascii: "<") || kind == UInt8(ascii: ">")
    }

    private func word(_ place: Int) -> SQLClass {
        let role = tokens.roles(place).sql
        // `thread.sleep` and `client.select` are no words of a query.
        if tokens[place].glued, tokens.kind(place - 1) == 0x2E, role != .system, role != .sharp { return .bare }
        // `select-zip-file`.
        if tokens.glued(UInt8(ascii: "-"), place + 1), tokens[place + 2].glued, tokens[place + 2].kind == MaliciousToken.word {
            return .bare
        }
        if tokens[place].glued, tokens.kind(place - 1) == UInt8(ascii: "-"), tokens[place - 1].glued,
            tokens.kind(place - 2) == MaliciousToken.word
        {
            return .bare
        }
        // `-c` of a command, `@user`, `$user`.
        if tokens[place].glued, tokens.kind(place - 1) == UInt8(ascii: "$") { return .bare }
        return role
    }

    /// Whether a single quote is the apostrophe of a word and no quote.
    private func isApostrophe(_ place: Int) -> Bool {
        let before = tokens[place - 1]
        let after = tokens[place + 1]
        guard tokens[place].glued, before.kind == MaliciousToken.word || before.kind == MaliciousToken.number else {
            return false
        }
        guard after.glued, after.kind == MaliciousToken.word else { return false }
        // The second quote of `x'or'y`.
        if before.glued, tokens.kind(place - 2) == UInt8(ascii: "'") {
            let role = tokens.roles(place - 1).sql
            if role == .logic || role == .compare || role == .not { return false }
        }
        // `admin'or`: a keyword follows, and no particle such as `l'or` stands before.
        let role = tokens.roles(place + 1).sql
        switch role {
        case .logic, .union, .compare, .not, .select, .having, .order, .all, .unary, .sharp, .limit, .into, .procedure:
            return before.kind == MaliciousToken.word && before.length == 1 && role == .logic
                && tokens.kind(place + 2) != UInt8(ascii: "'")
        default:
            return true
        }
    }

    /// `--`: the begin of a comment where one can be, an option or a dash elsewhere. Answers the place behind.
    private func dashes(_ place: Int) -> Int {
        var next = place + 2
        while tokens.glued(UInt8(ascii: "-"), next) { next += 1 }
        let after = tokens[next]
        let before = kind(count - 1)
        let ends = after.kind == MaliciousToken.end || after.kind == MaliciousToken.line || after.kind == 0x0D
        if after.glued, after.kind == UInt8(ascii: ">") {
            put(.other, place)
        } else if next - place == 2,
            ends || !after.glued || before == .quote || before == .close || before == .number || before == .semicolon
        {
            put(.comment, place, detail: ends || endsSoon(next) ? 1 : 0)
        } else if next - place > 2 {
            put(.other, place)
        } else if place == 0, after.glued {
            put(.comment, place)
        } else {
            put(.other, place)
        }
        return next
    }

    /// At most a random word stands behind the comment.
    private func endsSoon(_ next: Int) -> Bool {
        for place in next..<next + 3 where tokens.kind(place) == MaliciousToken.end { return true }
        return false
    }

    /// `/* … */` is a blank, `/*! … */` its content, an open end a comment. Answers the place behind.
    private func comment(_ place: Int, _ noClose: inout Bool) -> Int {
        if tokens.glued(UInt8(ascii: "!"), place + 2) {
            return tokens.kind(place + 3) == MaliciousToken.number ? place + 4 : place + 3
        }
        var next = place + 2
        while !noClose, next < tokens.count {
            if tokens.kind(next) == UInt8(ascii: "*"), tokens.glued(UInt8(ascii: "/"), next + 1) {
                steps &+= next - place
                return next + 2
            }
            next += 1
        }
        steps &+= noClose ? 1 : next - place
        noClose = true
        put(.comment, place, detail: 1)
        return place + 2
    }
}
