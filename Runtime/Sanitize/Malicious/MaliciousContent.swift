/// What `detectMaliciousContent` thinks of a text.
///
/// A SIGNAL, never a guard: log it, count it, slow a caller down. A text that is called safe can still be an attack, and a harmless one can look
/// like one. What protects are queries with parameters, escaped output, names that the server makes, and commands without a shell.
public struct MaliciousContent: Hashable, Sendable {
    /// What a text seems to be made for; `rawValue` is stable and fit for logs and metrics.
    public enum Reason: String, CaseIterable, Hashable, Sendable {
        /// Changes a query: SQL, and the filters of document databases and directories (LDAP).
        case sqlInjection = "sql_injection"
        /// Markup or script that a browser would run.
        case xss
        /// A shell, PowerShell, or a line of code for an interpreter; server-side includes.
        case commandInjection = "command_injection"
        /// Leaves a folder, names a file of the system, or a stream wrapper.
        case pathTraversal = "path_traversal"
        /// An expression for a template engine or a logger (`${jndi:…}`).
        case templateInjection = "template_injection"
        /// A document type that declares entities.
        case xxe
        /// A line break followed by a header field or a line of a mail protocol.
        case crlf
        /// Talks a language model out of its instructions.
        case promptInjection = "prompt_injection"
    }

    /// The reason with the highest score of those at or over their threshold; `nil` when there is none.
    public let reason: Reason?
    /// Points of `reason`, or the highest points of any watched reason when the text is called safe. 0 to 100.
    public let score: Int
    private let points: MaliciousScores

    /// Nothing reached its threshold. No proof of anything: see the type.
    public var safe: Bool { reason == nil }

    /// Points of one reason, 0 to 100, whether it is watched or not.
    public func score(for reason: Reason) -> Int { points[reason] }

    /// Every reason that has points.
    public var scores: [Reason: Int] {
        var scores: [Reason: Int] = [:]
        for reason in Reason.allCases where points[reason] > 0 { scores[reason] = points[reason] }
        return scores
    }

    init(_ points: MaliciousScores, in context: ContentContext) {
        var best: (reason: Reason, score: Int)?
        var highest = 0
        for reason in Reason.allCases {
            guard let threshold = context.threshold(for: reason) else { continue }
            highest = max(highest, points[reason])
            if points[reason] >= threshold, points[reason] > best?.score ?? 0 { best = (reason, points[reason]) }
        }
        self.reason = best?.reason
        self.score = best?.score ?? highest
        self.points = points
    }
}

/// Points by reason, in a fixed place each.
struct MaliciousScores: Hashable, Sendable {
    private var points = SIMD8<Int16>()

    subscript(_ reason: MaliciousContent.Reason) -> Int { Int(points[Self.place(of: reason)]) }

    mutating func raise(_ reason: MaliciousContent.Reason, to score: Int) {
        let place = Self.place(of: reason)
        points[place] = max(points[place], Int16(clamping: min(max(score, 0), 100)))
    }

    mutating func raise(to other: MaliciousScores) {
        points = pointwiseMax(points, other.points)
    }

    static func place(of reason: MaliciousContent.Reason) -> Int {
        switch reason {
        case .sqlInjection: 0
        case .xss: 1
        case .commandInjection: 2
        case .pathTraversal: 3
        case .templateInjection: 4
        case .xxe: 5
        case .crlf: 6
        case .promptInjection: 7
        }
    }
}

/// Scores a text for signs of an attack. A signal for logs and scores, never the only guard: see `MaliciousContent`.
///
/// Judges the text as it is, with one layer of percent, entity and escape decoding undone, and what its base64 runs hold. Pure; takes time and
/// memory in proportion to the text, whatever it holds.
public func detectMaliciousContent(_ text: String, in context: ContentContext = .chat) -> MaliciousContent {
    var text = text
    return text.withUTF8 { detectMaliciousContent($0, in: context) }
}

/// The same for bytes; those that are no UTF-8 are read as unknown letters.
package func detectMaliciousContent(_ bytes: UnsafeBufferPointer<UInt8>, in context: ContentContext = .chat) -> MaliciousContent {
    MaliciousContent(MaliciousScorer.scores(of: bytes, in: context), in: context)
}
