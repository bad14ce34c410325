/// One series of a function's counters, in a form that no page of metrics can be harmed by.
package struct CounterKey: Sendable, Hashable {
    package let name: String
    package let labels: [Label]

    package struct Label: Sendable, Hashable {
        package let name: String
        package let value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package static let mostLabels = 4
    package static let longestName = 64
    package static let longestValue = 64
    /// At once.
    package static let largestAmount = 1 << 40
    /// What stands for a value that cannot be shown, or for one too many.
    package static let other = "other"

    /// `nil` when a name is none: a small letter, then small letters, digits and `_`, at most 64 of them, and `function` is no label.
    /// Labels past the fourth are left out; a value that is longer than 64 bytes or not printable ASCII becomes `other`.
    package init?(_ name: String, labels: [Label]) {
        guard CounterKey.isName(name) else { return nil }
        self.name = name
        var kept: [Label] = []
        for label in labels.prefix(CounterKey.mostLabels) {
            guard CounterKey.isName(label.name), label.name != "function" else { return nil }
            kept.append(CounterKey.isShown(label.value) ? label : Label(name: label.name, value: CounterKey.other))
        }
        self.labels = kept
    }

    private init(unchecked name: String, _ labels: [Label]) {
        self.name = name
        self.labels = labels
    }

    /// The series that counts what has none of its own.
    package var others: CounterKey {
        CounterKey(unchecked: name, labels.map { Label(name: $0.name, value: CounterKey.other) })
    }

    /// For a function that makes up names.
    package static let others = CounterKey(unchecked: other, [])

    private static func isName(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.count <= longestName, let first = bytes.first, first &- UInt8(ascii: "a") < 26 else { return false }
        return bytes.allSatisfy { $0 &- UInt8(ascii: "a") < 26 || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }
    }

    private static func isShown(_ text: String) -> Bool {
        text.utf8.count <= longestValue && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
    }
}

extension Context {
    /// Counts something for the operator: it appears in the host's metrics as `swiftlet_function_<name>_total{function="…",…}`. Returns
    /// at once and never fails; what cannot be counted is left out, with a line in the log.
    ///
    /// Names, also those of labels, are a small letter and then small letters, digits and `_`, at most 64 in all; `function` is taken.
    /// Give at most four labels, with values of which there are few: one longer than 64 bytes or not printable ASCII is counted as
    /// `other`, and so is everything past 200 different series. Negative amounts count nothing. What a process counted last may be lost
    /// when it crashes.
    public func count(_ name: String, by amount: Int = 1, labels: [(String, String)] = []) {
        guard let key = CounterKey(name, labels: labels.map { CounterKey.Label(name: $0.0, value: $0.1) }) else {
            scope.makeLogger().error(
                "a counter or one of its labels has a name that is none; see Context.count(_:by:labels:)",
                metadata: ["counter": "\(name.prefix(CounterKey.longestName))"])
            return
        }
        guard amount > 0 else { return }
        scope.capabilities.count(key, by: min(amount, CounterKey.largestAmount))
    }
}
