/// The words that mean something to a matcher, each with a role per language. Made once; a look-up reads two words of memory.
struct MaliciousWords: @unchecked Sendable {
    static let table = MaliciousWords()

    /// What one word is to each matcher; the raw values of the roles, 0 for none.
    struct Roles: Sendable {
        var sql: SQLClass = .bare
        var shell: ShellRole = .none
        var code: CodeRole = .none
        var tag: TagRole = .none
        var prompt: PromptRole = .none
    }

    private static let bits = 12
    private static let filterBits = 14
    private let filter: UnsafeMutablePointer<UInt64>
    private let keys: UnsafeMutablePointer<UInt64>
    private let ids: UnsafeMutablePointer<UInt16>
    /// By word id; 0 is the word that means nothing.
    let roles: UnsafePointer<Roles>

    /// A word of up to 16 bytes as a number; longer ones by their first 16 bytes and their length.
    /// Reads 16 bytes from `start`, which a view's padding allows.
    @inline(__always) static func key(_ start: UnsafePointer<UInt8>, _ length: Int) -> UInt64 {
        let raw = UnsafeRawPointer(start)
        let first = raw.loadUnaligned(as: UInt64.self)
        if length <= 8 {
            return UInt64(littleEndian: first) & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- length &* 8))
        }
        var second = UInt64(littleEndian: (raw + 8).loadUnaligned(as: UInt64.self))
        if length < 16 { second &= UInt64.max &>> UInt64(truncatingIfNeeded: 128 &- length &* 8) }
        return (UInt64(littleEndian: first) &* 0x9E37_79B9_7F4A_7C15) ^ (second &* 0xC2B2_AE3D_27D4_EB4F)
            &+ UInt64(truncatingIfNeeded: length)
    }

    /// The id of a word by its key.
    @inline(__always) func id(_ key: UInt64) -> UInt16 {
        let hash = key &* 0x9E37_79B9_7F4A_7C15
        // Most words are none of ours; one bit tells for most of those.
        let mark = Int(truncatingIfNeeded: hash &>> UInt64(64 - Self.filterBits))
        guard filter[mark &>> 6] &>> UInt64(truncatingIfNeeded: mark & 63) & 1 != 0 else { return 0 }
        var slot = Int(truncatingIfNeeded: hash &>> UInt64(64 - Self.bits))
        while true {
            let held = keys[slot]
            if held == key { return ids[slot] }
            if held == 0 { return 0 }
            slot = (slot &+ 1) & ((1 << Self.bits) - 1)
        }
    }

    private init() {
        let size = 1 << Self.bits
        filter = .allocate(capacity: 1 << (Self.filterBits - 6))
        filter.initialize(repeating: 0, count: 1 << (Self.filterBits - 6))
        keys = .allocate(capacity: size)
        keys.initialize(repeating: 0, count: size)
        ids = .allocate(capacity: size)
        ids.initialize(repeating: 0, count: size)
        let room = UnsafeMutablePointer<Roles>.allocate(capacity: size / 2)
        room.initialize(repeating: Roles(), count: size / 2)
        roles = UnsafePointer(room)
        var count: UInt16 = 1
        for list in Self.lists {
            for word in list.words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                let text = Array(word.utf8) + [UInt8](repeating: 0, count: 16)
                let key = text.withUnsafeBufferPointer { $0.baseAddress.map { Self.key($0, word.utf8.count) } ?? 0 }
                var id = id(key)
                if id == 0 {
                    // Half full at most, so that a look-up always ends.
                    guard Int(count) < size / 2 else { continue }
                    id = count
                    count += 1
                    var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - Self.bits))
                    while keys[slot] != 0 { slot = (slot + 1) & (size - 1) }
                    keys[slot] = key
                    let mark = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - Self.filterBits))
                    filter[mark >> 6] |= 1 << UInt64(mark & 63)
                    ids[slot] = id
                }
                list.give(&room[Int(id)])
            }
        }
    }
}

/// What a token is to a query.
enum SQLClass: UInt8, Sendable {
    case bare, end
    case number, hex, quote, variable, function, sharp, null
    case union, all, select, from, `where`, logic, not, compare, unary
    case order, by, having, limit, into, insert, update, delete, set, values
    case drop, object, exec, declare, system, conditional, alias, join, using, procedure, delay, file
    case kind, cast
    case open, close, comma, semicolon, operation, equals, bang, comment, dot, brace, question, other
}

/// What a word is to a shell.
enum ShellRole: UInt8, Sendable {
    case none
    /// A command that is no word of talk.
    case command
    /// A command that is a word of talk as well.
    case talk
    /// Runs what follows: `sudo`, `nohup`.
    case prefix
    /// A command of Windows that is no word of talk.
    case windows
    /// A folder of a system at the root: `etc`, `bin`.
    case folder
    /// A file that an attack wants: `passwd`.
    case file
    /// A function that runs a command or code: `system(`.
    case runs
    /// A verb and a noun of PowerShell, with a dash between them.
    case verb, noun
    /// A verb of a mail protocol.
    case mail
    /// `for`.
    case loop
    /// A word that no shell but an attacker on one knows: `cmdshell`.
    case keyword
}

/// What a word is to code: templates, scripts.
enum CodeRole: UInt8, Sendable {
    case none
    /// Walks from a template to its interpreter: `__class__`.
    case reflection
    /// A function that shows a script ran: `alert`.
    case popup
    /// Runs or writes code: `eval`.
    case evaluates
    /// An object of a browser: `document`.
    case browser
    /// Something of it worth stealing: `cookie`.
    case loot
    /// An operator of a document database behind `$`.
    case document
    /// A look-up of a logger behind `${`.
    case lookup
    /// A scheme that runs as code: `javascript`.
    case scheme
    /// A stream wrapper: `php`, `gopher`.
    case wrapper
    /// A header field that an attack sets.
    case header
    /// An attribute that loads, sends or binds.
    case attribute
    /// Objects that a template gives: `request`, `config`.
    case template
}

/// What a word is behind `<`.
enum TagRole: UInt8, Sendable {
    case none
    /// Runs or loads by itself.
    case active
    /// Harmless until an attribute says otherwise.
    case plain
}

/// What a word is in an order to a language model.
enum PromptRole: UInt8, Sendable {
    case none, override, scope, target, reveal, secret, role, persona
}
