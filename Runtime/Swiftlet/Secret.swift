import Glibc

/// The name of a secret, as in the environment: letters, digits and `_`, not starting with a digit.
public struct SecretName: Sendable, Hashable, Comparable, CustomStringConvertible, ExpressibleByStringLiteral {
    public let text: String
    public init(stringLiteral value: String) { text = value }
    public init(_ text: String) { self.text = text }
    public var description: String { text }
    public static func < (left: SecretName, right: SecretName) -> Bool { left.text < right.text }

    public var isValid: Bool {
        guard let first = text.utf8.first, first.isASCIILetter || first == UInt8(ascii: "_"), text.utf8.count <= 256 else {
            return false
        }
        return text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }
    }
}

/// A value that must not leak by accident: printing, interpolating, reflecting or encoding it gives `[redacted]`.
///
/// Reading it is a visible act: ``reveal()`` or ``withBytes(_:)``. Its own memory is overwritten when the last reference goes; copies
/// made by whoever revealed it are not, and neither swap nor a debugger is kept out.
public final class Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable, Encodable {
    nonisolated(unsafe) private let storage: UnsafeMutableRawBufferPointer

    public init(_ text: String) {
        storage = Secret.copy(Array(text.utf8))
    }

    package init(bytes: [UInt8]) {
        storage = Secret.copy(bytes)
    }

    private static func copy(_ bytes: [UInt8]) -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        memory.copyBytes(from: bytes)
        return memory
    }

    deinit {
        if let base = storage.baseAddress { explicit_bzero(base, storage.count) }
        storage.deallocate()
    }

    /// The number of bytes.
    public var count: Int { storage.count }

    /// The value as text; bytes that are not UTF-8 are replaced.
    public func reveal() -> String { String(decoding: storage, as: UTF8.self) }

    /// The value as bytes, without a copy. The pointer must not escape.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeRawBufferPointer(storage))
    }

    public var description: String { "[redacted]" }
    public var debugDescription: String { "[redacted]" }
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("[redacted]")
    }
}
