/// What a check found out about one value: it is valid when there is nothing to say against it.
public struct Validation<Fault: Hashable & Sendable & RawRepresentable>: Hashable, Sendable where Fault.RawValue == String {
    /// Stable codes (`rawValue`), the most important one first; each at most once. They never hold a part of the value.
    public let errors: [Fault]
    public var valid: Bool { errors.isEmpty }

    public init(_ errors: [Fault] = []) { self.errors = errors }
}
