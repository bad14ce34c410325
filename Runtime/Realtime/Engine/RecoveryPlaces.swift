import Glibc
import SwiftletCrypto
import SwiftletJSON

/// Where a client was in a topic when it was last heard of: what it needs to get what it missed.
struct Place: Sendable {
    let topic: String
    let isPrivate: Bool
    /// Who it is, hashed: nobody reads from the file who was where.
    let identity: String
    let epoch: String
    /// The last message it is known to have.
    let offset: UInt64
    /// The highest reference it had used.
    let lastRef: UInt64
    /// Milliseconds since 1970.
    let time: Int64

    static func hash(_ identity: String) -> String { SHA256.hash(Array(identity.utf8)).hex }
}

/// The places of all clients in durable topics, in a file beside the history: a restart finds out from it who missed what. It is written
/// when the host stops and every few seconds; after `kill -9` it may be some seconds old, and what was heard in them comes again.
enum RecoveryPlaces {
    /// Bytes of a file that is read.
    private static let most = 64 << 20

    static func read(_ path: String) -> [Place] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= most {
            let count = Glibc.read(file, &part, part.count)
            guard count > 0 else { break }
            bytes += part[..<count]
        }
        let limits = JSONLimits(depth: 4, members: 8, elements: 10_000_000, digits: 20)
        guard let all = (try? JSON.parse(bytes, limits: limits))?.array else { return [] }
        return all.compactMap { entry in
            guard let fields = entry.array, fields.count == 7, let topic = fields[0].string, let isPrivate = fields[1].bool,
                let identity = fields[2].string, let epoch = fields[3].string,
                let offset = fields[4].int.flatMap(UInt64.init(exactly:)),
                let lastRef = fields[5].int.flatMap(UInt64.init(exactly:)), let time = fields[6].int
            else { return nil }
            return Place(
                topic: topic, isPrivate: isPrivate, identity: identity, epoch: epoch, offset: offset, lastRef: lastRef,
                time: Int64(time))
        }
    }

    /// - Returns: why it could not be written; the old file is then still there.
    static func write(_ places: [Place], to path: String) -> String? {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for (index, place) in places.enumerated() {
            bytes += Array((index == 0 ? "[" : ",\n[").utf8)
            JSONText.append(string: place.topic, to: &bytes)
            bytes += Array(
                ",\(place.isPrivate),\"\(place.identity)\",\"\(place.epoch)\",\(place.offset),\(place.lastRef),\(place.time)]"
                    .utf8)
        }
        bytes.append(UInt8(ascii: "]"))
        let new = path + ".new"
        let file = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return "opening \(new): error \(errno)" }
        var at = 0
        while at < bytes.count {
            let count = bytes[at...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let code = errno
                close(file)
                unlink(new)
                return "writing \(new): error \(code)"
            }
            at += count
        }
        close(file)
        return rename(new, path) == 0 ? nil : "renaming \(new): error \(errno)"
    }
}
