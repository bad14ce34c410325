import SwiftletHTTP

/// The conditional headers of a request for something that exists, and its range (RFC 9110 sections 13 and 14).
package struct Preconditions: Hashable, Sendable {
    package enum Method: Sendable {
        case get, head
        /// Changes something: a failed `If-None-Match` is a failed precondition then.
        case other
    }

    package enum Outcome: Hashable, Sendable {
        case whole
        /// 206; only for GET.
        case partial(Range<Int>)
        /// 304
        case notModified
        /// 416
        case unsatisfiable
        /// 412
        case preconditionFailed
    }

    /// Values as received, several lines of one name joined with commas; nil when absent.
    package var range: String?
    package var ifRange: String?
    package var ifMatch: String?
    package var ifNoneMatch: String?
    package var ifModifiedSince: String?
    package var ifUnmodifiedSince: String?

    package init(
        range: String? = nil, ifRange: String? = nil, ifMatch: String? = nil, ifNoneMatch: String? = nil,
        ifModifiedSince: String? = nil, ifUnmodifiedSince: String? = nil
    ) {
        self.range = range
        self.ifRange = ifRange
        self.ifMatch = ifMatch
        self.ifNoneMatch = ifNoneMatch
        self.ifModifiedSince = ifModifiedSince
        self.ifUnmodifiedSince = ifUnmodifiedSince
    }

    /// - Parameters:
    ///   - etag: with its quotes, and `W/` when it is weak.
    ///   - lastModified: seconds since 1970.
    ///   - now: seconds since 1970.
    package func judge(method: Method, size: Int, etag: String, lastModified: Int64, now: Int64) -> Outcome {
        if let ifMatch {
            guard Self.list(ifMatch, contains: etag, weakly: false) else { return .preconditionFailed }
        } else if let limit = ifUnmodifiedSince.flatMap({ HTTPDate.parse($0, now: now) }), lastModified > limit {
            return .preconditionFailed
        }
        if let ifNoneMatch {
            if Self.list(ifNoneMatch, contains: etag, weakly: true) {
                return method == .other ? .preconditionFailed : .notModified
            }
        } else if method != .other, let since = ifModifiedSince.flatMap({ HTTPDate.parse($0, now: now) }), lastModified <= since {
            return .notModified
        }
        guard method == .get, let range, isRangeMeant(etag, lastModified, now) else { return .whole }
        switch ByteRanges.parse(range, size: size) {
        case .whole: return .whole
        case .partial(let bytes): return .partial(bytes)
        case .unsatisfiable: return .unsatisfiable
        }
    }

    /// A range of another version is worth nothing: without a strong match everything is sent.
    private func isRangeMeant(_ etag: String, _ lastModified: Int64, _ now: Int64) -> Bool {
        guard let ifRange else { return true }
        if ifRange.utf8.contains(UInt8(ascii: "\"")) {
            return Self.isETag(ifRange) && Self.equal(ifRange, etag, weakly: false)
        }
        // A second is a weak measure: what changed within it would look the same, so the time must have passed.
        guard let date = HTTPDate.parse(ifRange, now: now) else { return false }
        return date == lastModified && lastModified < now
    }

    private static func isETag(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var at = bytes.starts(with: "W/".utf8) ? 2 : 0
        return readTag(bytes, &at) != nil && at == bytes.count
    }

    /// - Parameter header: `*`, or entity tags with commas between. A list that cannot be read contains nothing.
    static func list(_ header: String, contains etag: String, weakly: Bool) -> Bool {
        let bytes = Array(header.utf8)
        guard bytes.count <= 8_192 else { return false }
        if HeaderParameters.trimmed(bytes[...]).elementsEqual("*".utf8) { return true }
        var at = 0
        var found = false
        while at < bytes.count {
            if bytes[at] == 0x20 || bytes[at] == 0x09 || bytes[at] == UInt8(ascii: ",") {
                at += 1
                continue
            }
            let start = at
            if bytes[at...].starts(with: "W/".utf8) { at += 2 }
            guard readTag(bytes, &at) != nil else { return false }
            found = found || equal(String(decoding: bytes[start..<at], as: UTF8.self), etag, weakly: weakly)
            while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 { at += 1 }
            guard at == bytes.count || bytes[at] == UInt8(ascii: ",") else { return false }
        }
        return found
    }

    /// Moves behind a quoted tag. A comma may be part of one.
    private static func readTag(_ bytes: [UInt8], _ at: inout Int) -> Void? {
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return nil }
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
            guard bytes[at] > 0x20, bytes[at] != 0x7F else { return nil }
            at += 1
        }
        guard at < bytes.count else { return nil }
        at += 1
        return ()
    }

    private static func equal(_ left: String, _ right: String, weakly: Bool) -> Bool {
        guard weakly else { return left.utf8.elementsEqual(right.utf8) && !left.utf8.starts(with: "W/".utf8) }
        return strong(left).elementsEqual(strong(right))
    }

    private static func strong(_ tag: String) -> Substring.UTF8View {
        tag.utf8.starts(with: "W/".utf8) ? tag.utf8.dropFirst(2) : tag.utf8[...]
    }
}
