/// A setting a function reads: not secret, shown in listings, set by the operator in the environment or the settings file.
public struct Setting: Sendable, Hashable {
    public let name: String
    /// Used when the operator sets nothing.
    public let defaultValue: String
    /// What the setting does, in one line.
    public let help: String
    /// The value is a base URL that the function may call, exactly as configured: scheme, host and port, private addresses included.
    public let isOrigin: Bool

    public init(_ name: String, default defaultValue: String, help: String, isOrigin: Bool = false) {
        self.name = name
        self.defaultValue = defaultValue
        self.help = help
        self.isOrigin = isOrigin
    }
}
