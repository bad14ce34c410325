import NIOCore
import Swiftlet
import SwiftletJSON
import SwiftletSanitize

/// Does to a JSON body what its function's policy declares: refuses, cleans, redacts, reports. Whatever it does not change stays byte for
/// byte. The body has been checked before, so that one document is read here and by the function.
struct BodyScreen: Sendable {
    /// What the log and the metrics hear: names of rules and classes, never a value.
    enum Finding: Hashable, Sendable {
        case suspicious(String, score: Int)
        case sensitive([String], count: Int)
        case rejected(rule: String, code: String)
    }

    struct Outcome: Sendable {
        /// What the function gets.
        var body: ByteBuffer
        private(set) var findings: Set<Finding> = []
        var problems: [HTTPError.Problem] = []

        mutating func note(_ finding: Finding) { if findings.count < BodyScreen.most { findings.insert(finding) } }

        /// What the caller gets instead, when there is something wrong.
        var refusal: HTTPError? {
            guard let first = problems.first else { return nil }
            return HTTPError(422, .invalidInput, "\(first.field) \(first.message)", problems: problems)
        }
    }

    /// So many problems are told; the rest adds nothing.
    fileprivate static let most = 20

    private let screening: BodyScreening

    /// `nil` when the policy wants nothing done.
    init?(_ screening: BodyScreening?) {
        guard let screening, !screening.isEmpty else { return nil }
        self.screening = screening
    }

    /// Makes what the first use would make.
    func prepare() {
        let text = "prepare <b> 1 @ ' ("
        _ = (detectMaliciousContent(text), detectSensitiveData(text, types: .all), sanitizeHTML(text))
    }

    func apply(to body: ByteBuffer) -> Outcome {
        var outcome = Outcome(body: body)
        guard body.readableBytes > 0 else { return outcome }
        let changed = body.withUnsafeReadableBytes { bytes in
            JSONStrings.edit(bytes) { place in
                switch place.kind {
                case .string: screen(string: place, &outcome)
                case .name: screen(name: place, &outcome)
                default: screen(other: place, &outcome)
                }
            }
        }
        if let changed { outcome.body = ByteBuffer(bytes: changed) }
        return outcome
    }

    // MARK: Strings

    private func screen(string place: borrowing JSONStrings, _ outcome: inout Outcome) -> String? {
        let rules = screening.rules(for: place)
        guard !rules.isEmpty else { return nil }
        let original = place.text
        detect(rules, place, original, &outcome)
        var text = original
        for rule in rules.sanitize.rules {
            do throws(FieldFault) {
                text = try BodyScreen.treat(text, rule.treatment)
            } catch {
                refuse(rule.field.shown(place), rule.treatment.name, error.code, error.message, &outcome)
                return nil
            }
        }
        let isCleaned = !text.utf8.elementsEqual(original.utf8)
        // What came together only when something between was taken out.
        if isCleaned { detect(rules, place, text, &outcome) }
        var isRedacted = false
        for rule in rules.redact.rules {
            let redacted = redactSensitiveData(text, types: rule.types)
            guard redacted.data.found else { continue }
            outcome.note(BodyScreen.sensitive(redacted.data))
            text = redacted.text
            isRedacted = true
        }
        return isCleaned || isRedacted ? text : nil
    }

    private func detect(_ rules: BodyScreening, _ place: borrowing JSONStrings, _ text: String, _ outcome: inout Outcome) {
        for rule in rules.reject.rules {
            guard let found = BodyScreen.detect(rule.detector, text) else { continue }
            refuse(rule.field.shown(place), rule.detector.name, found.code, "holds \(found.what)", &outcome)
            if let finding = found.finding { outcome.note(finding) }
        }
        for rule in rules.report.rules {
            if let finding = BodyScreen.detect(rule.detector, text)?.finding { outcome.note(finding) }
        }
    }

    // MARK: Names, and what is no string

    /// Names are judged like values by rules for everything: a payload in a name is a payload.
    private func screen(name place: borrowing JSONStrings, _ outcome: inout Outcome) -> String? {
        for rule in screening.reject.rules where rule.field == .everything {
            guard let found = BodyScreen.detect(rule.detector, place.text) else { continue }
            refuse(rule.field.shown(place), rule.detector.name, found.code, "has a name that holds \(found.what)", &outcome)
            if let finding = found.finding { outcome.note(finding) }
        }
        for rule in screening.redact.rules where rule.field == .everything {
            let data = detectSensitiveData(place.text, types: rule.types)
            guard data.found else { continue }
            let types = data.types.map(\.rawValue)
            refuse(
                rule.field.shown(place), "sensitive", types[0], "has a name that holds \(types.joined(separator: ", "))", &outcome
            )
            outcome.note(BodyScreen.sensitive(data))
        }
        return nil
    }

    private func screen(other place: borrowing JSONStrings, _ outcome: inout Outcome) -> String? {
        guard place.kind != .null else { return nil }
        for rule in screening.sanitize.rules where rule.field != .everything && rule.field.matches(place) {
            refuse(rule.field.shown(place), rule.treatment.name, "wrong_type", "is not a string", &outcome)
        }
        return nil
    }

    private func refuse(_ field: String, _ rule: String, _ code: String, _ message: String, _ outcome: inout Outcome) {
        guard outcome.problems.count < BodyScreen.most else { return }
        let problem = HTTPError.Problem(field: field, message: message, rule: rule, code: code)
        guard !outcome.problems.contains(problem) else { return }
        outcome.problems.append(problem)
        outcome.note(.rejected(rule: rule, code: code))
    }

    // MARK: The room's verbs

    private struct FieldFault: Error {
        let code: String
        let message: String

        init(_ code: String, _ message: String) {
            self.code = code
            self.message = message
        }

        /// Codes are words with underscores: as people read them.
        init(_ code: String) { self.init(code, "was refused: \(code.replacing("_", with: " "))") }
    }

    private static func treat(_ text: String, _ treatment: FieldRules.Treatment) throws(FieldFault) -> String {
        switch treatment {
        case .text(let limits): return sanitizeText(text, limits: limits)
        case .html(let policy): return sanitizeHTML(text, policy: policy)
        case .url:
            guard let url = sanitizeURL(text) else { throw FieldFault("bad_url", "is no http, https, mailto or tel URL") }
            return url
        case .email:
            if let fault = validateEmail(text).errors.first { throw FieldFault(fault.rawValue) }
            return EmailAddress(text)?.description ?? text
        case .message(let limits):
            if let fault = validateMessage(text, limits: limits).errors.first { throw FieldFault(fault.rawValue) }
            return sanitizeText(text)
        case .fileName:
            guard let name = sanitizeFileName(text) else { throw FieldFault("bad_name", "is no name for a file") }
            return name
        }
    }

    private struct Detected {
        let code: String
        let what: String
        let finding: Finding?
    }

    private static func detect(_ detector: ContentRules.Detector, _ text: String) -> Detected? {
        switch detector {
        case .malicious(let context):
            let content = detectMaliciousContent(text, in: context)
            guard let reason = content.reason?.rawValue else { return nil }
            return Detected(
                code: reason, what: "what looks like an attack (\(reason))", finding: .suspicious(reason, score: content.score))
        case .sensitive(let types):
            let data = detectSensitiveData(text, types: types)
            guard data.found, let first = data.types.first?.rawValue else { return nil }
            let all = data.types.map(\.rawValue).joined(separator: ", ")
            return Detected(code: first, what: "sensitive data (\(all))", finding: sensitive(data))
        case .nul:
            return text.utf8.contains(0) ? Detected(code: "nul", what: "a NUL character", finding: nil) : nil
        }
    }

    private static func sensitive(_ data: SensitiveData) -> Finding {
        .sensitive(data.types.map(\.rawValue), count: data.spans.count)
    }
}
