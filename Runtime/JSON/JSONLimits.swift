/// What a document may hold. Every limit is inclusive: a document that reaches it exactly is still accepted.
///
/// The number of bytes is not among them, because whoever read the body has capped it; 4 GiB and more are refused all the same.
public struct JSONLimits: Sendable, Hashable {
    /// Open arrays and objects; at most ``deepest``, however much is asked for, because values are built and written by recursion.
    public var depth: Int {
        didSet { depth = JSONLimits.bounded(depth) }
    }
    /// Members of all objects in the whole document.
    public var members: Int
    /// Elements of all arrays in the whole document.
    public var elements: Int
    /// Digits of one number, its exponent's included.
    public var digits: Int
    /// Bytes of one string or name as written, escapes unresolved.
    public var stringBytes: Int
    public var duplicateNames: DuplicateNames
    /// Numbers too large for a `Double` too: for readers that make no values.
    var takesAnyNumber = false

    public enum DuplicateNames: Sendable, Hashable {
        /// The document is refused.
        case refuse
        /// The last member of that name counts.
        case lastWins
    }

    /// The greatest depth that is honoured.
    public static let deepest = 512

    public static let standard = JSONLimits()

    public init(
        depth: Int = 64, members: Int = 10_000, elements: Int = 1_000_000, digits: Int = 64, stringBytes: Int = .max,
        duplicateNames: DuplicateNames = .refuse
    ) {
        self.depth = JSONLimits.bounded(depth)
        self.members = members
        self.elements = elements
        self.digits = digits
        self.stringBytes = stringBytes
        self.duplicateNames = duplicateNames
    }

    private static func bounded(_ depth: Int) -> Int { min(max(depth, 1), deepest) }
}
