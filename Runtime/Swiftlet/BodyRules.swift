package import SwiftletJSON
public import SwiftletSanitize

/// What the host does with the strings of a JSON body before the function sees them: each rule names the fields it is for.
///
/// ```swift
/// body: .json(upTo: .kib(64), sanitize: [.text(["content"]), .html(["bio"]), .email(["contact.email"])])
/// ```
///
/// A field that is missing or `null` is left to the function's own type. One that is there and is no string is refused, and so is one that
/// its check refuses: 422 `INVALID_INPUT`, whose `problems` name field, rule and code and hold nothing of the value.
public struct FieldRules: Sendable, Hashable, ExpressibleByArrayLiteral {
    package enum Treatment: Sendable, Hashable {
        case text(TextLimits)
        case html(HTMLPolicy)
        case url
        case email
        case message(MessageLimits)
        case fileName

        package var name: String {
            switch self {
            case .text: "text"
            case .html: "html"
            case .url: "url"
            case .email: "email"
            case .message: "message"
            case .fileName: "file_name"
            }
        }
    }

    package struct Rule: Sendable, Hashable {
        package let field: FieldPath
        package let treatment: Treatment
    }

    package let rules: [Rule]

    fileprivate init(rules: [Rule]) { self.rules = rules }
    private init(_ fields: [FieldPath], _ treatment: Treatment) {
        rules = fields.map { Rule(field: $0, treatment: treatment) }
    }

    /// All of these, in this order; a field may have several.
    public init(arrayLiteral elements: FieldRules...) { self.init(rules: elements.flatMap(\.rules)) }

    /// `sanitizeText`: without controls, direction overrides and invisible characters, in NFC, cut to the limits.
    public static func text(_ fields: [FieldPath], limits: TextLimits = .none) -> FieldRules { FieldRules(fields, .text(limits)) }
    /// `sanitizeHTML`: only what the policy allows.
    public static func html(_ fields: [FieldPath], policy: HTMLPolicy = .chat) -> FieldRules { FieldRules(fields, .html(policy)) }
    /// `sanitizeURL`: its canonical form, or refused.
    public static func url(_ fields: [FieldPath]) -> FieldRules { FieldRules(fields, .url) }
    /// `validateEmail`: its canonical form, or refused.
    public static func email(_ fields: [FieldPath]) -> FieldRules { FieldRules(fields, .email) }
    /// `validateMessage`, then `sanitizeText`.
    public static func message(_ fields: [FieldPath], limits: MessageLimits = MessageLimits()) -> FieldRules {
        FieldRules(fields, .message(limits))
    }
    /// `sanitizeFileName`: a name that is safe to show and to store, or refused.
    public static func fileName(_ fields: [FieldPath]) -> FieldRules { FieldRules(fields, .fileName) }
}

/// What the host looks for in the strings of a JSON body, to refuse it or to say so in the log. Detectors give signals: they miss attacks and
/// accuse the innocent, so queries stay parameterised and output escaped whatever they say.
public struct ContentRules: Sendable, Hashable, ExpressibleByArrayLiteral {
    package enum Detector: Sendable, Hashable {
        case malicious(ContentContext)
        case sensitive(Set<SensitiveType>)
        case nul

        package var name: String {
            switch self {
            case .malicious: "malicious"
            case .sensitive: "sensitive"
            case .nul: "text"
            }
        }
    }

    package struct Rule: Sendable, Hashable {
        package let field: FieldPath
        package let detector: Detector
    }

    package let rules: [Rule]

    fileprivate init(rules: [Rule]) { self.rules = rules }
    private init(_ fields: [FieldPath], _ detector: Detector) { rules = fields.map { Rule(field: $0, detector: detector) } }

    public init(arrayLiteral elements: ContentRules...) { rules = elements.flatMap(\.rules) }

    /// `detectMaliciousContent` on every string.
    public static let malicious = ContentRules.malicious()
    public static func malicious(_ fields: [FieldPath] = [.everything], in context: ContentContext = .chat) -> ContentRules {
        ContentRules(fields, .malicious(context))
    }
    /// `detectSensitiveData` on every string.
    public static let sensitive = ContentRules.sensitive()
    public static func sensitive(_ fields: [FieldPath] = [.everything], types: Set<SensitiveType> = .default) -> ContentRules {
        ContentRules(fields, .sensitive(types))
    }

    /// U+0000, which `sanitizeText` would only take out: it has no place in a text that somebody wrote.
    public static func nul(_ fields: [FieldPath] = [.everything]) -> ContentRules { ContentRules(fields, .nul) }
}

/// What the host takes out of the strings of a JSON body: each card number, key and the like becomes the name of its type in brackets.
public struct RedactionRules: Sendable, Hashable, ExpressibleByArrayLiteral {
    package struct Rule: Sendable, Hashable {
        package let field: FieldPath
        package let types: Set<SensitiveType>
    }

    package let rules: [Rule]

    fileprivate init(rules: [Rule]) { self.rules = rules }
    private init(_ fields: [FieldPath], _ types: Set<SensitiveType>) { rules = fields.map { Rule(field: $0, types: types) } }

    public init(arrayLiteral elements: RedactionRules...) { rules = elements.flatMap(\.rules) }

    /// `redactSensitiveData` on every string. Names of members are not changed: one that holds such data is refused.
    public static let sensitive = RedactionRules.sensitive()
    public static func sensitive(_ fields: [FieldPath] = [.everything], types: Set<SensitiveType> = .default) -> RedactionRules {
        RedactionRules(fields, types)
    }
}

/// All that a policy wants done to a JSON body.
package struct BodyScreening: Sendable, Hashable {
    package let sanitize: FieldRules
    package let reject: ContentRules
    package let redact: RedactionRules
    package let report: ContentRules

    package var isEmpty: Bool { sanitize.rules.isEmpty && reject.rules.isEmpty && redact.rules.isEmpty && report.rules.isEmpty }

    /// The rules for the value that is looked at.
    package func rules(for place: borrowing JSONStrings) -> BodyScreening {
        var sanitize: [FieldRules.Rule] = []
        for rule in self.sanitize.rules where rule.field.matches(place) { sanitize.append(rule) }
        var reject: [ContentRules.Rule] = []
        for rule in self.reject.rules where rule.field.matches(place) { reject.append(rule) }
        var redact: [RedactionRules.Rule] = []
        for rule in self.redact.rules where rule.field.matches(place) { redact.append(rule) }
        var report: [ContentRules.Rule] = []
        for rule in self.report.rules where rule.field.matches(place) { report.append(rule) }
        return BodyScreening(
            sanitize: FieldRules(rules: sanitize), reject: ContentRules(rules: reject), redact: RedactionRules(rules: redact),
            report: ContentRules(rules: report))
    }

    package var fields: [FieldPath] {
        sanitize.rules.map(\.field) + reject.rules.map(\.field) + redact.rules.map(\.field) + report.rules.map(\.field)
    }
}
