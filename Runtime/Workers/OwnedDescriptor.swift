import CLinux
import Glibc

/// A descriptor that is closed when its owner goes, unless it was given away.
struct OwnedDescriptor: ~Copyable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    /// The same open file under a number that no place of a worker (0 to 4) can collide with.
    consuming func raised() throws(SpawnProblem) -> OwnedDescriptor {
        guard number < 10 else { return self }
        return OwnedDescriptor(try SpawnProblem.check("fcntl", swiftlet_duplicate_above(number, 10)))
    }

    consuming func give() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    deinit { _ = Glibc.close(number) }
}

/// Small files of `/proc`.
enum ProcFile {
    /// Up to `limit` bytes from the start of an open file; nil when it cannot be read (any more).
    static func read(_ descriptor: Int32, limit: Int = 4096) -> [UInt8]? {
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { space, count in
            var result: Int
            repeat { result = pread(descriptor, space.baseAddress, space.count, 0) } while result < 0 && errno == EINTR
            count = max(0, result)
        }
        return bytes.isEmpty ? nil : bytes
    }

    static func read(path: String, limit: Int = 4096) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return read(descriptor, limit: limit)
    }

    /// The number at a place (counted from 0) of a line of numbers separated by spaces.
    static func number(at place: Int, of bytes: ArraySlice<UInt8>) -> UInt64? {
        var place = place
        var value: UInt64?
        for byte in bytes {
            if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n") {
                if place == 0 { return value }
                place -= 1
            } else if place == 0 {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                let (product, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
                let (sum, carry) = product.addingReportingOverflow(UInt64(byte &- UInt8(ascii: "0")))
                guard !overflow, !carry else { return nil }
                value = sum
            }
        }
        return place == 0 ? value : nil
    }

    /// A field of `/proc/PID/stat`, by the number the manual gives it (4 and up). The name before them may hold anything.
    static func stat(_ field: Int, of bytes: [UInt8]) -> UInt64? {
        guard field >= 4, let end = bytes.lastIndex(of: UInt8(ascii: ")")), end + 2 <= bytes.count else { return nil }
        return number(at: field - 3, of: bytes[(end + 2)...])
    }
}

/// What the C library calls an error number.
func errorText(_ code: Int32) -> String {
    var space = [CChar](repeating: 0, count: 128)
    // The form of POSIX writes into the space; the other one would return a pointer.
    guard strerror_r(code, &space, space.count - 1) == 0 else { return "error \(code)" }
    return String(decoding: space.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
