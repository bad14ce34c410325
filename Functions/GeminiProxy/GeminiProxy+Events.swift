import Glibc
import Swiftlet

extension GeminiProxy {
    /// The data of server-sent events in a body. Handles parts that split lines and characters; an event is bounded.
    struct Events: Sendable {
        private var parts: BodyStream.Iterator
        private var pending: [UInt8] = []
        /// How much of `pending` has been handed out, and how far it has been searched for a line's end.
        private var taken = 0
        private var searched = 0
        private var data: [UInt8] = []
        private static let limit = 16 * 1024 * 1024

        init(_ body: BodyStream) { parts = body.makeAsyncIterator() }

        /// The next event's data, `nil` at the end.
        /// - Parameter late: looked at whenever something other than an event came: comments keep a line open, not a caller waiting.
        mutating func next(late: () -> Bool = { false }) async throws -> [UInt8]? {
            while true {
                if let event = takeEvent() { return event }
                guard pending.count - taken + data.count <= Events.limit else {
                    throw Fault.broken("event over \(Events.limit) bytes")
                }
                guard !late() else { throw Fault.silent("no event in time") }
                guard let part = try await parts.next() else { return nil }
                if taken > 0 {
                    pending.removeSubrange(..<taken)
                    searched -= taken
                    taken = 0
                }
                part.withUnsafeBytes { pending.append(contentsOf: $0) }
            }
        }

        private mutating func takeEvent() -> [UInt8]? {
            while let end = pending.firstIndex(of: UInt8(ascii: "\n"), from: searched) {
                var line = pending[taken..<end]
                if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
                taken = end + 1
                searched = taken
                if line.isEmpty {
                    guard !data.isEmpty else { continue }
                    defer { data = [] }
                    return data
                }
                // A byte-order mark may open the stream.
                if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
                guard line.starts(with: Events.field) else { continue }
                var value = line.dropFirst(Events.field.count)
                if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
                if !data.isEmpty { data.append(UInt8(ascii: "\n")) }
                data.append(contentsOf: value)
            }
            searched = pending.count
            return nil
        }

        private static let field = Array("data:".utf8)
    }
}

extension [UInt8] {
    /// Where a byte is found next; many at once are looked at.
    func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, start < bytes.count else { return nil }
            return memchr(base + start, Int32(byte), bytes.count - start).map { UnsafeRawPointer($0) - base }
        }
    }
}
