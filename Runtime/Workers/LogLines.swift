import Glibc

/// Makes lines of what comes through a pipe, however it was cut on its way. Holds at most one unfinished line and the last few whole ones.
package struct LogLines: Sendable {
    /// A line longer than this (in Unicode scalars) is cut, and says so at its end.
    package static let longestLine = 10_000
    /// The most bytes of a line without an end that are kept; what follows, up to the next end of line, is dropped.
    package static let longestHeld = 65_536
    package static let tailLines = 20
    package static let longestTailLine = 500
    static let mark = " … [cut]"

    /// The last lines, shortened, for the report of a crash.
    package private(set) var tail: [String] = []
    private var held: [UInt8] = []
    /// The line at hand was too long; the rest of it is passed over.
    private var skipping = false

    package init() {}

    /// The lines that these bytes complete, without their ends. Bytes that are no UTF-8 become U+FFFD.
    package mutating func take(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var lines: [String] = []
        var start = 0
        while start < bytes.count, let base = bytes.baseAddress {
            let end = memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start).map { UnsafeRawPointer($0) - base }
            let part = UnsafeRawBufferPointer(rebasing: bytes[start..<(end ?? bytes.count)])
            if !skipping {
                let space = Self.longestHeld - held.count
                held.append(contentsOf: part.prefix(space))
                if part.count > space {
                    lines.append(complete())
                    skipping = true
                }
            }
            guard let end else { break }
            if !skipping { lines.append(complete()) }
            skipping = false
            start = end + 1
        }
        return lines
    }

    /// What is left when the pipe has ended: a last line without an end.
    package mutating func finish() -> String? { held.isEmpty ? nil : complete() }

    private mutating func complete() -> String {
        if held.last == UInt8(ascii: "\r") { held.removeLast() }
        let line = Self.shortened(String(decoding: held, as: UTF8.self), to: Self.longestLine)
        held.removeAll(keepingCapacity: held.capacity <= 4096)
        if tail.count >= Self.tailLines { tail.removeFirst() }
        tail.append(Self.shortened(line, to: Self.longestTailLine))
        return line
    }

    static func shortened(_ text: String, to limit: Int) -> String {
        // There are never more scalars than bytes.
        guard text.utf8.count > limit else { return text }
        let scalars = text.unicodeScalars
        guard let end = scalars.index(scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex), end < scalars.endIndex
        else { return text }
        return String(scalars[..<end]) + mark
    }
}

/// How many lines one function may log: so many in each window of time. What is over it is dropped and counted.
package struct LogAllowance: Sendable {
    package enum Verdict: Sendable, Equatable {
        case write
        case drop
        /// Write first that `dropped` lines were left out, then this line.
        case report(dropped: Int)
    }

    private let lines: Int
    private let window: UInt64
    private var start: UInt64?
    private var used = 0
    private var dropped = 0

    /// `window` in nanoseconds. At least one line passes in each.
    package init(lines: Int = 100, window: UInt64 = 10_000_000_000) {
        self.lines = max(1, lines)
        self.window = window
    }

    /// Judges one line. `now` in nanoseconds of a clock that does not go back.
    package mutating func admit(at now: UInt64) -> Verdict {
        if turned(at: now) {
            start = now
            used = 0
        }
        guard used < lines else {
            dropped += 1
            return .drop
        }
        used += 1
        guard dropped > 0 else { return .write }
        defer { dropped = 0 }
        return .report(dropped: dropped)
    }

    /// The number of lines dropped, once their window is over and no further line came to report them; then they count as reported.
    package mutating func overdue(at now: UInt64) -> Int? {
        guard dropped > 0, turned(at: now) else { return nil }
        defer { dropped = 0 }
        return dropped
    }

    private func turned(at now: UInt64) -> Bool {
        guard let start else { return true }
        return now >= start && now - start >= window
    }
}
