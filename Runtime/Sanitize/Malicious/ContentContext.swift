/// Where a text comes from: which signs count there, and from how many points on.
///
/// A function can adjust one: `ContentContext.chat.without(.promptInjection).threshold(20, for: .xss)`.
public struct ContentContext: Hashable, Sendable {
    /// Talk among people, also technical talk with code in it: what is quoted as code (Markdown fences and backticks) counts less.
    public static let chat = ContentContext(.chat)
    /// A short value of a form or a parameter: the slightest piece of a query or a command is suspicious. Not for whole sentences.
    public static let field = ContentContext(.field)
    /// Text for a language model: as `chat`, and instructions to the model count.
    public static let prompt = ContentContext(.prompt)

    enum Kind: Hashable, Sendable { case chat, field, prompt }

    /// The points at which a reason is given, unless it is adjusted.
    public static let usualThreshold = 6

    let kind: Kind
    private var thresholds = SIMD8<Int16>(repeating: Int16(usualThreshold))

    private init(_ kind: Kind) {
        self.kind = kind
        // Elsewhere than in a prompt such an order is only odd.
        if kind != .prompt { thresholds[MaliciousScores.place(of: .promptInjection)] = 14 }
        if kind == .field {
            for reason in MaliciousContent.Reason.allCases where reason != .promptInjection {
                thresholds[MaliciousScores.place(of: reason)] = 4
            }
        }
    }

    /// The points from which on the reason is given; `nil` when it is not watched.
    public func threshold(for reason: MaliciousContent.Reason) -> Int? {
        let threshold = thresholds[MaliciousScores.place(of: reason)]
        return threshold == .max ? nil : Int(threshold)
    }

    /// The same context with another threshold for one reason; held to 1 to 100.
    public func threshold(_ points: Int, for reason: MaliciousContent.Reason) -> ContentContext {
        var context = self
        context.thresholds[MaliciousScores.place(of: reason)] = Int16(clamping: min(max(points, 1), 100))
        return context
    }

    /// The same context without these reasons.
    public func without(_ reasons: MaliciousContent.Reason...) -> ContentContext {
        var context = self
        for reason in reasons { context.thresholds[MaliciousScores.place(of: reason)] = .max }
        return context
    }
}
