import Glibc

/// Whether a file that should be no archive is one to programs that read archives from their end: the end record of a zip, with
/// a comment that reaches exactly the end of the file.
struct ArchiveEndWatch: Sendable {
    private static let signature: [UInt8] = [0x50, 0x4B, 5, 6]
    /// Chance brings one in four gigabytes. Some files carry archives inside, but not this many in 64 KiB.
    private static let maxEnds = 64

    private var position = 0
    private var matched = 0
    /// Where the length of a comment stands, when that input has not come, and its first byte when it has. At most the few records
    /// that fit over each other.
    private var pending: [(place: Int, low: Int?)] = []
    /// Where the archives that have been seen would end.
    private var ends: [Int] = []

    /// Too many ends to keep them in mind.
    private(set) var isSuspect = false

    var isArchive: Bool { ends.contains(position) }

    mutating func feed(_ input: UnsafeRawBufferPointer) {
        guard let base = input.baseAddress else { return }
        if !pending.isEmpty {
            let waiting = pending
            pending = []
            for record in waiting { read(record.place, record.low, input) }
        }
        var at = 0
        while at < input.count {
            if matched == 0 {
                guard let hit = memchr(base + at, 0x50, input.count - at) else { break }
                at = UnsafeRawPointer(hit) - base + 1
                matched = 1
            } else if input[at] == Self.signature[matched] {
                at += 1
                matched += 1
                guard matched == 4 else { continue }
                matched = 0
                // Records may lie over each other, so that one hides in another: each is read where it stands.
                read(position + at + 16, nil, input)
            } else if input[at] == Self.signature[0] {
                at += 1
                matched = 1
            } else {
                matched = 0
            }
        }
        position += input.count
    }

    private mutating func read(_ place: Int, _ low: Int?, _ input: UnsafeRawBufferPointer) {
        let offset = place - position
        let low = low ?? (offset >= 0 && offset < input.count ? Int(input[offset]) : nil)
        guard let low, offset + 1 >= 0, offset + 1 < input.count else {
            pending.append((place, low))
            return
        }
        ends.removeAll { $0 < place }
        guard ends.count < Self.maxEnds else {
            isSuspect = true
            return
        }
        ends.append(place + 2 + low + Int(input[offset + 1]) << 8)
    }
}
