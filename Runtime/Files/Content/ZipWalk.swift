import Glibc

/// A zip archive: entries, then one directory of them at the very end. The directory is found as it goes by and followed to its end
/// record, so that nothing of the file has to be kept. Entries are not unpacked, and archives within are not looked at.
struct ZipWalk: Sendable {
    enum Office: Sendable {
        case word, sheets, slides

        init?(_ ending: String) {
            switch ending {
            case "docx": self = .word
            case "xlsx": self = .sheets
            case "pptx": self = .slides
            default: return nil
            }
        }

        var folder: String {
            switch self {
            case .word: "word/"
            case .sheets: "xl/"
            case .slides: "ppt/"
            }
        }
    }

    private enum State { case search, entry, name, extra, rest, next, wide, wideRest, locator, end, comment, whole }

    /// What the directory that is being followed says.
    private struct Directory: Sendable {
        var start = 0
        var entries = 0
        var packed = 0
        var unpacked = 0
        var hasFirst = false
        var hasTypes = false
        var hasFolder = false
        var hasMacros = false
        /// From the record for large archives: entries, size and place.
        var wide: (entries: Int, size: Int, start: Int)?
        /// Where the entries end.
        var end: Int?
    }

    private static let maxExtra = 4 << 10
    private static let maxName = 512

    private let office: Office?
    private let limits: ContentLimits
    private var state = State.search
    private var gather = Gather()
    /// Of this input's first byte.
    private var position = 0
    /// The last bytes of the search, as far as they are the start of a signature.
    private var matched = 0
    private var directory = Directory()
    private var nameLength = 0
    private var extraLength = 0
    private var commentLength = 0
    private var needsUnpacked = false
    private var needsPacked = false
    private var needsPlace = false
    private var refusal: ContentRefusal?
    /// Something ended here once, as it should.
    private var hasEnded = false
    private var commentMatched = 0

    init(office: Office?, _ limits: ContentLimits) {
        self.office = office
        self.limits = limits
    }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count {
            if let refusal = step(input, &at) { return refusal }
        }
        position += input.count
        return nil
    }

    func finish() -> ContentRefusal? {
        guard state == .whole else { return refusal ?? (hasEnded ? .trailingData : .truncated) }
        guard office != nil else { return nil }
        guard !directory.hasMacros else { return .macros }
        return directory.hasTypes && directory.hasFolder ? nil : .typeMismatch
    }

    private mutating func step(_ input: UnsafeRawBufferPointer, _ at: inout Int) -> ContentRefusal? {
        switch state {
        case .search: search(input, &at)
        case .entry:
            guard gather.fill(42, input, &at) else { return nil }
            return entry()
        case .name:
            guard gather.fill(min(nameLength, Self.maxName), input, &at) else { return nil }
            note(gather.bytes)
            let seen = gather.bytes.count
            gather.clear()
            let isWide = needsUnpacked || needsPacked || needsPlace
            guard !isWide || extraLength <= Self.maxExtra && seen == nameLength else { return giveUp(.malformed) }
            gather.left = nameLength - seen + (isWide ? 0 : extraLength) + commentLength
            state = isWide && extraLength > 0 ? .extra : .rest
            return isWide && extraLength == 0 ? giveUp(.malformed) : nil
        case .extra:
            guard gather.fill(extraLength, input, &at) else { return nil }
            defer { gather.clear() }
            state = .rest
            return wideSizes()
        case .rest: if gather.skip(input, &at) { state = .next }
        case .next:
            guard gather.fill(4, input, &at) else { return nil }
            next(endingAt: position + at)
        case .wide:
            guard gather.fill(52, input, &at) else { return nil }
            let size = gather.little(0, 8)
            guard gather.byte(7) == 0, size >= 44, size < 1 << 20 else { return giveUp(nil) }
            guard gather.byte(35) < 0x40, gather.byte(43) < 0x40, gather.byte(51) < 0x40 else { return giveUp(nil) }
            directory.wide = (gather.little(28, 8), gather.little(36, 8), gather.little(44, 8))
            gather.clear()
            gather.left = size - 44
            state = .wideRest
        case .wideRest: if gather.skip(input, &at) { state = .next }
        case .locator:
            guard gather.fill(16, input, &at) else { return nil }
            gather.clear()
            state = .next
        case .end:
            guard gather.fill(18, input, &at) else { return nil }
            return end()
        case .comment:
            if let refusal = comment(input[at]) { return refusal }
            at += 1
            gather.left -= 1
            if gather.left == 0 { state = .whole }
        case .whole:
            // It was not the end: an archive within this one, or something behind it.
            return giveUp(nil)
        }
        return nil
    }

    // MARK: finding the directory

    private mutating func search(_ input: UnsafeRawBufferPointer, _ at: inout Int) {
        guard let base = input.baseAddress else { return }
        if matched == 0 {
            guard let hit = memchr(base + at, 0x50, input.count - at) else {
                at = input.count
                return
            }
            at = UnsafeRawPointer(hit) - base + 1
            matched = 1
            return
        }
        let byte = input[at]
        at += 1
        match(byte, endingAt: position + at)
    }

    private mutating func match(_ byte: UInt8, endingAt place: Int) {
        switch (matched, byte) {
        case (1, 0x4B), (2, 1): matched += 1
        case (2, 5) where place == 3: matched = 4
        case (3, 2):
            matched = 0
            directory = Directory()
            directory.start = place - 4
            state = .entry
        case (4, 6):
            matched = 0
            directory = Directory()
            state = .end
        default: matched = byte == 0x50 ? 1 : 0
        }
    }

    /// What looked like the directory is none: the search goes on.
    private mutating func giveUp(_ reason: ContentRefusal?) -> ContentRefusal? {
        refusal = reason ?? refusal
        gather.clear()
        matched = 0
        state = .search
        return nil
    }

    // MARK: the directory

    private mutating func entry() -> ContentRefusal? {
        directory.entries += 1
        guard directory.entries <= limits.archiveEntries else { return .archiveTooLarge }
        let (packed, unpacked, place) = (gather.little(16, 4), gather.little(20, 4), gather.little(38, 4))
        nameLength = gather.little(24, 2)
        extraLength = gather.little(26, 2)
        commentLength = gather.little(28, 2)
        needsPacked = packed == 0xFFFF_FFFF
        needsUnpacked = unpacked == 0xFFFF_FFFF
        needsPlace = place == 0xFFFF_FFFF
        gather.clear()
        if !needsPlace, place == 0 { directory.hasFirst = true }
        // An entry without a name is none.
        guard nameLength > 0 else { return giveUp(.malformed) }
        state = .name
        return add(packed: needsPacked ? 0 : packed, unpacked: needsUnpacked ? 0 : unpacked)
    }

    private mutating func add(packed: Int, unpacked: Int) -> ContentRefusal? {
        let (allPacked, packedOverflow) = directory.packed.addingReportingOverflow(packed)
        let (allUnpacked, unpackedOverflow) = directory.unpacked.addingReportingOverflow(unpacked)
        guard !packedOverflow, !unpackedOverflow else { return .archiveTooLarge }
        directory.packed = allPacked
        directory.unpacked = allUnpacked
        return nil
    }

    private mutating func wideSizes() -> ContentRefusal? {
        var offset = 0
        while offset + 4 <= extraLength {
            let (kind, length) = (gather.little(offset, 2), gather.little(offset + 2, 2))
            offset += 4
            guard kind == 1 else {
                offset += length
                continue
            }
            var field = offset
            for isNeeded in [needsUnpacked, needsPacked, needsPlace] where isNeeded {
                guard field + 8 <= min(offset + length, extraLength), gather.byte(field + 7) < 0x40 else {
                    return giveUp(.malformed)
                }
                field += 8
            }
            field = offset
            let unpacked = needsUnpacked ? gather.little(field, 8) : 0
            if needsUnpacked { field += 8 }
            let packed = needsPacked ? gather.little(field, 8) : 0
            if needsPacked { field += 8 }
            if needsPlace, gather.little(field, 8) == 0 { directory.hasFirst = true }
            return add(packed: packed, unpacked: unpacked)
        }
        return giveUp(.malformed)
    }

    private mutating func note(_ name: [UInt8]) {
        let text = String(decoding: name, as: UTF8.self).lowercased()
        if text == "[content_types].xml" { directory.hasTypes = true }
        if let office, text.hasPrefix(office.folder) { directory.hasFolder = true }
        if text.hasSuffix("vbaproject.bin") { directory.hasMacros = true }
    }

    private mutating func next(endingAt place: Int) {
        let signature = gather.bytes
        gather.clear()
        switch signature {
        case [0x50, 0x4B, 1, 2] where directory.end == nil: state = .entry
        case [0x50, 0x4B, 5, 6]:
            directory.end = directory.end ?? place - 4
            state = .end
        case [0x50, 0x4B, 6, 6] where directory.end == nil:
            directory.end = place - 4
            state = .wide
        case [0x50, 0x4B, 6, 7] where directory.wide != nil: state = .locator
        default:
            _ = giveUp(.malformed)
            // A signature may begin in what was taken for one.
            for (index, byte) in signature.enumerated() { match(byte, endingAt: place - 3 + index) }
        }
    }

    private mutating func end() -> ContentRefusal? {
        let disks = gather.little(0, 4)
        var (entries, size, start) = (gather.little(6, 2), gather.little(8, 4), gather.little(12, 4))
        gather.left = gather.little(16, 2)
        gather.clear()
        if let wide = directory.wide {
            if entries == 0xFFFF { entries = wide.entries }
            if size == 0xFFFF_FFFF { size = wide.size }
            if start == 0xFFFF_FFFF { start = wide.start }
        }
        // An archive within this one, which counts from its own start, or one that has been put behind something else.
        guard disks == 0, entries == directory.entries, start == directory.start, start + size == directory.end ?? 0,
            directory.hasFirst || entries == 0
        else { return giveUp(.malformed) }
        // Entries that share bytes unpack to more than any ratio says.
        let heads = entries * 30
        guard directory.packed <= start - heads else { return .archiveTooLarge }
        if directory.unpacked > limits.unpackedBytes, directory.unpacked / max(1, limits.ratio) >= max(1, directory.packed) {
            return .archiveTooLarge
        }
        hasEnded = true
        commentMatched = 0
        state = gather.left == 0 ? .whole : .comment
        return nil
    }

    /// Readers that start from the end would take an end record in the comment for the real one.
    private mutating func comment(_ byte: UInt8) -> ContentRefusal? {
        let signature: (UInt8, UInt8, UInt8, UInt8) = (0x50, 0x4B, 5, 6)
        switch (commentMatched, byte) {
        case (1, signature.1), (2, signature.2): commentMatched += 1
        case (3, signature.3): return .malformed
        default: commentMatched = byte == signature.0 ? 1 : 0
        }
        return nil
    }
}
