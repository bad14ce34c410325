/// Why the host does not start: the setting, and what to do about it. Never a value that could be secret.
package struct ConfigurationProblem: Error, Sendable, CustomStringConvertible {
    package let setting: String
    package let message: String

    package init(_ setting: String, _ message: String) {
        self.setting = setting
        self.message = message
    }

    package var description: String { "\(setting): \(message)" }

    /// The exit code for configuration that cannot be used (`EX_CONFIG` of sysexits.h).
    package static let exitCode: Int32 = 78
}
