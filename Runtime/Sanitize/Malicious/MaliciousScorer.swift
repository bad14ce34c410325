/// Reads a text in its views, stretch by stretch, and asks each matcher.
enum MaliciousScorer {
    /// Bytes that are cut into tokens at a time, and how many of them the next stretch sees again.
    static let stretch = 16_384
    static let overlap = 1_024

    static func scores(of source: UnsafeBufferPointer<UInt8>, in context: ContentContext, steps: UnsafeMutablePointer<Int>? = nil)
        -> MaliciousScores
    {
        var scores = MaliciousScores()
        guard !source.isEmpty else { return scores }
        var view = MaliciousView(capacity: source.count)
        view.fill(from: source)
        let size = min(source.count, stretch)
        let tokens = UnsafeMutablePointer<MaliciousToken>.allocate(capacity: size)
        let classes = UnsafeMutablePointer<SQLToken>.allocate(capacity: size)
        defer {
            tokens.deallocate()
            classes.deallocate()
        }
        let room = Room(tokens: tokens, classes: classes, context: context, steps: steps)
        judge(view.bytes, room, &scores)
        let signs = MaliciousDecoder.signs(in: source)
        if signs.coded, let decoded = MaliciousDecoder.decoded(source) {
            defer { decoded.deallocate() }
            view.fill(from: UnsafeBufferPointer(decoded))
            judge(view.bytes, room, decoded: true, &scores)
        }
        if signs.longRun, let hidden = MaliciousDecoder.unpacked(source) {
            defer { hidden.deallocate() }
            view.fill(from: UnsafeBufferPointer(hidden))
            judge(view.bytes, room, decoded: true, &scores)
        }
        return scores
    }

    /// What a view is judged with.
    private struct Room {
        let tokens: UnsafeMutablePointer<MaliciousToken>
        let classes: UnsafeMutablePointer<SQLToken>
        let context: ContentContext
        let steps: UnsafeMutablePointer<Int>?
    }

    private static func judge(_ bytes: MaliciousBytes, _ room: Room, decoded: Bool = false, _ scores: inout MaliciousScores) {
        var start = 0
        while start < bytes.count {
            let stop = min(start + stretch, bytes.count)
            judge(bytes, start, stop, room, whole: start == 0 && stop == bytes.count, decoded: decoded, &scores)
            if stop == bytes.count { break }
            start = stop - overlap
        }
        // The values of a small document are texts of their own.
        if bytes.count <= stretch, bytes.holds("<?xml", at: 0) || bytes.holds("{\"", at: 0) {
            values(bytes, room, decoded, &scores)
        }
    }

    private static func judge(
        _ bytes: MaliciousBytes, _ start: Int, _ stop: Int, _ room: Room, whole: Bool, decoded: Bool,
        _ scores: inout MaliciousScores
    ) {
        let count = MaliciousLexer.cut(bytes, start, stop, into: room.tokens)
        let cut = MaliciousTokens(base: UnsafePointer(room.tokens), count: count, bytes: bytes, roles: MaliciousWords.table.roles)
        let scan = MaliciousScan(cut, room.context, whole: whole, decoded: decoded)
        scan.run()
        if scan.wantsSQL {
            let sql = SQLMatcher(cut, room.context, whole: whole, into: room.classes)
            sql.run()
            scores.raise(.sqlInjection, to: sql.score)
            room.steps?.pointee &+= sql.steps
        }
        scan.raise(&scores)
        room.steps?.pointee &+= (stop - start) + scan.steps
    }

    /// Judges what stands between double quotes after `=` or `:`, each byte at most once more.
    private static func values(_ bytes: MaliciousBytes, _ room: Room, _ decoded: Bool, _ scores: inout MaliciousScores) {
        var place = 0
        while place < bytes.count {
            guard bytes[place] == 0x22 else {
                place += 1
                continue
            }
            let first = place + 1
            var stop = first
            while stop < bytes.count, bytes[stop] != 0x22 { stop += 1 }
            let before = bytes[place - 1] == 0x20 ? bytes[place - 2] : bytes[place - 1]
            if before == 0x3D || before == 0x3A, stop - first >= 4, stop < bytes.count {
                judge(bytes, first, stop, room, whole: true, decoded: decoded, &scores)
            }
            place = stop + 1
        }
    }
}
