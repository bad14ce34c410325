/// One walk over the tokens of a stretch. Only a token that can begin a sign is looked at; each look goes a bounded number of tokens ahead or back.
final class MaliciousScan {
    let tokens: MaliciousTokens
    let context: ContentContext
    /// The stretch is the whole text.
    let whole: Bool
    /// Something was undone to read the text.
    let decoded: Bool

    var shell = MaliciousTally()
    var markup = MaliciousTally()
    var path = MaliciousTally()
    var template = MaliciousTally()
    var entity = MaliciousTally()
    var header = MaliciousTally()
    var prompt = MaliciousTally()
    var query = MaliciousTally()
    var wantsSQL = false
    private(set) var steps = 0

    /// Inside a Markdown fence or code span that is closed: quoted, not meant.
    private var quotedUntil = 0
    /// The token after which no closing fence or backtick was found.
    private var noClose: (fence: Bool, tick: Bool) = (false, false)
    /// The last `<` that opens a tag, and whether its `>` is still to come.
    var tagOpen = false
    var tagPlace = 0
    /// Line breaks seen, for tables and lines.
    var lineStart = 0
    /// The end of the path that was looked at last.
    var pathUntil = 0
    /// The last `for`.
    var loopPlace = -99
    /// What kinds of words were seen, for the orders to a model.
    var promptSigns = PromptSigns()
    private let watchesPrompts: Bool

    init(_ tokens: MaliciousTokens, _ context: ContentContext, whole: Bool, decoded: Bool) {
        self.tokens = tokens
        self.context = context
        self.whole = whole
        self.decoded = decoded
        isShort = whole && tokens.count <= 40
        watchesPrompts = context.threshold(for: .promptInjection) != nil
    }

    /// A text of so few tokens may be one command or one path.
    let isShort: Bool

    /// Full points, or a quarter of them where the text only quotes.
    func weighed(_ points: Int, _ place: Int) -> Int {
        place < quotedUntil && context.kind != .field ? (points + 3) / 4 : points
    }

    func run() {
        var place = 0
        let base = tokens.base
        let roles = tokens.roles
        let count = tokens.count
        startOfText()
        while place < count {
            let token = base[place]
            if token.kind == MaliciousToken.word {
                if token.word != 0 {
                    word(place, roles[Int(token.word)])
                } else if token.length >= 5, tokens.bytes[Int(token.start)] == 0x6F {
                    eventHandler(place)
                } else if token.length >= 6, tokens.bytes[Int(token.start)] >= 0xE3, watchesPrompts {
                    unbrokenWord(place)
                }
            } else if token.kind < 0x80 {
                mark(place, token.kind)
            }
            place &+= 1
        }
        endOfText()
        steps &+= count
    }

    @inline(__always) private func word(_ place: Int, _ role: MaliciousWords.Roles) {
        if role.sql.isStrong, !wantsSQL { wantsSQL = isShort || meansQuery(place, role.sql) }
        if role.sql == .function, tokens.isWord("if", place) { condition(place) }
        if role.code != .none { codeWord(place, role.code) }
        if role.shell != .none { shellWord(place, role.shell) }
        if role.prompt != .none, watchesPrompts { promptWord(place, role.prompt) }
    }

    private func mark(_ place: Int, _ kind: UInt8) {
        switch kind {
        case UInt8(ascii: "<"): tagStart(place)
        case UInt8(ascii: ">"):
            tagOpen = false
            redirection(place)
        case UInt8(ascii: "'"), UInt8(ascii: "\""):
            if !wantsSQL { wantsSQL = isShort || breaksOut(place) }
            if isShort { brokenWord(place) }
            if tokens.kind(place + 1) > MaliciousToken.hex, tokens.kind(place + 1) != kind { brokenString(place) }
        case UInt8(ascii: "`"): tick(place)
        case UInt8(ascii: ":"): colon(place)
        case UInt8(ascii: "."): dots(place)
        case UInt8(ascii: "/"), UInt8(ascii: "\\"): slash(place, kind)
        case UInt8(ascii: ";"), UInt8(ascii: "|"), UInt8(ascii: "&"): separator(place, kind)
        case UInt8(ascii: "$"), UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "*"): sigil(place, kind)
        case UInt8(ascii: "{"): brace(place)
        case UInt8(ascii: "["): bracket(place)
        case UInt8(ascii: "("): parenthesis(place)
        case UInt8(ascii: ")"): closed(place)
        case UInt8(ascii: "%"): percent(place)
        case UInt8(ascii: "!"): bang(place)
        case UInt8(ascii: "="):
            wantsSQL =
                wantsSQL || isShort || tokens.roles(place - 2).sql == .logic || tokens.kind(place - 1) != MaliciousToken.word
        case UInt8(ascii: "-"):
            if !wantsSQL, tokens.glued(kind, place + 1), tokens.kind(place - 1) != MaliciousToken.line {
                wantsSQL = isShort || tokens[place].glued
            }
        case MaliciousToken.line, 0x0D: line(place)
        case MaliciousToken.hex:
            wantsSQL = true
            hexStep(place)
        case MaliciousToken.number: if isShort { wantsSQL = true }
        default: break
        }
    }

    /// A word of a query with what makes it one behind it: `sleep(`, `drop table`, `order by`.
    private func meansQuery(_ place: Int, _ role: SQLClass) -> Bool {
        switch role {
        case .function: tokens.kind(place + 1) == UInt8(ascii: "(")
        case .drop: tokens.roles(place + 1).sql == .object
        case .order: tokens.roles(place + 1).sql == .by
        case .insert: tokens.roles(place + 1).sql == .into
        case .exec: tokens.kind(place - 1) == UInt8(ascii: ";") || tokens.roles(place + 1).sql != .bare
        default: true
        }
    }

    /// A quote with something else behind it than a word or the end of one.
    private func breaksOut(_ place: Int) -> Bool {
        let next = tokens[place + 1]
        switch next.kind {
        case MaliciousToken.word:
            switch tokens.roles(place + 1).sql {
            case .bare, .object, .function, .from, .by, .alias, .set, .values, .all, .conditional, .kind, .null: return false
            default: return tokens[place].glued
            }
        case MaliciousToken.end, MaliciousToken.line, 0x0D, UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "?"),
            UInt8(ascii: ":"):
            return false
        default: return true
        }
    }

    /// A backtick begins a span or fence of quoted code when its like comes later.
    private func tick(_ place: Int) {
        guard place >= quotedUntil, context.kind != .field else { return }
        if place == 0, isShort, tokens.kind(tokens.count - 1) == 0x60 { quotedCommand() }
        let isFence = tokens.glued(0x60, place + 1) && tokens.glued(0x60, place + 2)
        if isFence {
            if noClose.fence { return }
            var next = place + 3
            while next < tokens.count {
                if tokens.kind(next) == 0x60, tokens.glued(0x60, next + 1), tokens.glued(0x60, next + 2) {
                    quotedUntil = next + 3
                    steps &+= next - place
                    return
                }
                next &+= 1
            }
            steps &+= next - place
            noClose.fence = true
            // The rest of a text that was cut is still quoted.
            if place == 0 || tokens.kind(place - 1) == MaliciousToken.line { quotedUntil = tokens.count }
        } else if !noClose.tick {
            guard place == 0 || !tokens[place].glued || isOpening(tokens.kind(place - 1)) else { return }
            var next = place + 1
            while next < tokens.count {
                if tokens.kind(next) == 0x60 {
                    quotedUntil = next + 1
                    steps &+= next - place
                    return
                }
                next &+= 1
            }
            steps &+= next - place
            noClose.tick = true
        }
    }

    private func isOpening(_ kind: UInt8) -> Bool {
        kind == UInt8(ascii: "(") || kind == UInt8(ascii: "[") || kind == UInt8(ascii: "*") || kind == MaliciousToken.line
            || kind == 0x60
    }

    func raise(_ scores: inout MaliciousScores) {
        scores.raise(.commandInjection, to: shell.best)
        scores.raise(.xss, to: markup.best)
        scores.raise(.pathTraversal, to: path.best)
        scores.raise(.templateInjection, to: template.best)
        scores.raise(.xxe, to: entity.best)
        scores.raise(.crlf, to: header.best)
        scores.raise(.promptInjection, to: prompt.best)
        scores.raise(.sqlInjection, to: query.best)
    }
}
