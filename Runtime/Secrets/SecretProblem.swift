/// Why secrets could not be read or written, and what to do about it. Never holds a value.
package struct SecretProblem: Error, CustomStringConvertible, Equatable {
    package let message: String
    package init(_ message: String) { self.message = message }
    package var description: String { message }
}

/// How much a file or directory of secrets may hold (Supabase's own limits).
package enum SecretLimits {
    package static let count = 100
    package static let nameBytes = 256
    package static let valueBytes = 48 * 1024
    /// A whole file, comments included.
    package static let fileBytes = 8 * 1024 * 1024
}
