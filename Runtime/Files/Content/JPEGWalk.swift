import Glibc

/// A JPEG from its first marker to its last, and what telephones put behind it.
///
/// Behind the end may stand, in this order of reading and nothing else: zeros; whole further JPEG pictures (previews, gain maps
/// of Ultra HDR, depth maps); the film of a motion photo, which must reach the end of the file; the trailer of Samsung cameras,
/// which must end with its mark and hold no signature of an archive, a document, a script or markup.
struct JPEGWalk: Sendable {
    private enum State { case start, marker, code, length, frame, body, scan, scanCode, after, filmName, film, trailer }

    /// Writers align what follows; nobody needs more.
    private static let maxZeros = 64 << 10

    private let limits: ContentLimits
    private var state = State.start
    private var gather = Gather()
    private var code: UInt8 = 0
    private var hasFrame = false
    private var hasScan = false
    private var pictures = 0
    private var zeros = 0
    private var film: BoxWalk?
    private var trailer = TrailerScan()

    init(_ limits: ContentLimits) { self.limits = limits }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        guard let base = input.baseAddress else { return nil }
        var at = 0
        while at < input.count {
            switch state {
            case .start:
                guard gather.fill(2, input, &at) else { return nil }
                guard gather.big(0, 2) == 0xFFD8 else { return pictures > 0 ? .trailingData : .malformed }
                gather.clear()
                pictures += 1
                guard pictures <= 1 + limits.extraPictures else { return .trailingData }
                (hasFrame, hasScan) = (false, false)
                state = .marker
            case .marker:
                guard input[at] == 0xFF else { return .malformed }
                at += 1
                state = .code
            case .code, .scanCode:
                let byte = input[at]
                at += 1
                if let refusal = take(byte) { return refusal }
            case .length:
                guard gather.fill(2, input, &at) else { return nil }
                let length = gather.big(0, 2)
                gather.clear()
                gather.left = length - 2
                guard length >= 2, !isFrame || length >= 8 else { return .malformed }
                if isFrame { state = .frame } else if length == 2 { pass() } else { state = .body }
            case .frame:
                guard gather.fill(5, input, &at) else { return nil }
                if let refusal = limits.refuses(width: gather.big(3, 2), height: gather.big(1, 2)) { return refusal }
                hasFrame = true
                gather.clear()
                gather.left -= 5
                state = .body
            case .body: if gather.skip(input, &at) { pass() }
            case .scan:
                guard let hit = memchr(base + at, 0xFF, input.count - at) else { return nil }
                at = UnsafeRawPointer(hit) - base + 1
                // Nearly always a plain 0xFF of the data, written with a zero behind it.
                if at < input.count, input[at] == 0 { at += 1 } else { state = .scanCode }
            case .after:
                while at < input.count, input[at] == 0 {
                    at += 1
                    zeros += 1
                }
                guard zeros <= Self.maxZeros else { return .trailingData }
                guard at < input.count else { return nil }
                state = input[at] == 0xFF ? .start : .filmName
            case .filmName:
                // The size of a film's first box begins with zeros, and the blocks of the trailer with two.
                guard gather.fill(5, input, &at) else { return nil }
                if zeros >= 3, gather.starts("ftyp", at: 1) {
                    var walk = BoxWalk(.film, limits)
                    let name: [UInt8] = [0, 0, 0] + gather.bytes
                    if let refusal = name.withUnsafeBytes({ walk.feed($0) }) { return refusal }
                    film = walk
                    state = .film
                } else {
                    guard zeros >= 2 else { return .trailingData }
                    if let refusal = gather.bytes.withUnsafeBytes({ trailer.feed($0) }) { return refusal }
                    state = .trailer
                }
                gather.clear()
            case .film:
                return film?.feed(UnsafeRawBufferPointer(rebasing: input[at...]))
            case .trailer:
                return trailer.feed(UnsafeRawBufferPointer(rebasing: input[at...]))
            }
        }
        return nil
    }

    func finish() -> ContentRefusal? {
        switch state {
        case .after: nil
        case .filmName: .trailingData
        case .start: pictures > 0 ? .trailingData : .truncated
        case .film: film?.finish()
        case .trailer: trailer.isEnded ? nil : .trailingData
        default: .truncated
        }
    }

    private var isFrame: Bool { code >= 0xC0 && code <= 0xCF && code != 0xC4 && code != 0xC8 && code != 0xCC }

    private mutating func take(_ byte: UInt8) -> ContentRefusal? {
        switch byte {
        case 0xFF: return nil
        case 0x00:
            guard state == .scanCode else { return .malformed }
            state = .scan
        case 0xD0...0xD7:
            guard state == .scanCode else { return .malformed }
            state = .scan
        case 0x01...0xBF, 0xD8: return .malformed
        case 0xD9:
            guard hasFrame, hasScan else { return .malformed }
            zeros = 0
            state = .after
        default:
            code = byte
            state = .length
        }
        return nil
    }

    /// Behind a segment: the scan's data, or the next marker.
    private mutating func pass() {
        guard code == 0xDA else {
            state = .marker
            return
        }
        hasScan = true
        state = .scan
    }
}

/// Looks through a camera's trailer for what must not be in it.
private struct TrailerScan: Sendable {
    /// Five bytes and more, but for an archive's four: shorter ones (`<?=`) turn up by chance in the films that trailers hold.
    private static let signatures: [[UInt8]] =
        [[0x50, 0x4B, 3, 4], [0x50, 0x4B, 5, 6]]
        + ["%pdf-", "<?php", "<script", "<html", "<!doctype", "<svg ", "<svg>", "<iframe", "<body"].map { Array($0.utf8) }
    private static let overlap = 8
    private static let piece = 16 << 10

    /// The end of what has been looked at, then the next piece.
    private var window: [UInt8] = []

    var isEnded: Bool { window.suffix(4).elementsEqual("SEFT".utf8) }

    mutating func feed(_ input: UnsafeRawBufferPointer) -> ContentRefusal? {
        var at = 0
        while at < input.count {
            let end = min(input.count, at + Self.piece)
            window.removeFirst(max(0, window.count - Self.overlap))
            window += input[at..<end]
            at = end
            if holdsSignature { return .trailingData }
        }
        return nil
    }

    private var holdsSignature: Bool {
        window.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            for first in [UInt8(ascii: "P"), UInt8(ascii: "%"), UInt8(ascii: "<")] {
                var at = 0
                while at < bytes.count, let hit = memchr(base + at, Int32(first), bytes.count - at) {
                    at = UnsafeRawPointer(hit) - base
                    if Self.signatures.contains(where: { $0.first == first && Self.matches(bytes, at, $0) }) { return true }
                    at += 1
                }
            }
            return false
        }
    }

    private static func matches(_ bytes: UnsafeRawBufferPointer, _ at: Int, _ signature: [UInt8]) -> Bool {
        guard at + signature.count <= bytes.count else { return false }
        for (offset, wanted) in signature.enumerated() {
            let byte = bytes[at + offset]
            guard (byte >= 0x41 && byte <= 0x5A && wanted >= 0x61 ? byte | 0x20 : byte) == wanted else { return false }
        }
        return true
    }
}
