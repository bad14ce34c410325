package import SwiftletJSON

/// Where in a JSON body: `content`, `contact.email`, `messages[].text`, `tags[]`, `[].name`, `*.title`, `meta.**`, `**`.
///
/// A step is the name of a member; `[]` after it goes to every element of the array it holds, `*` stands for any member, and `**` at the
/// end for every value below. Names that hold a dot or a bracket cannot be written.
public struct FieldPath: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    private enum Step: Hashable {
        case member(String)
        case anyMember
        case anyElement
        case everything
    }

    public let text: String
    private let steps: [Step]

    /// Every value of the body.
    public static let everything: FieldPath = "**"

    public init(stringLiteral value: String) { self.init(value) }

    public init(_ text: String) {
        self.text = text
        steps = FieldPath.read(text)
    }

    public var description: String { text }

    /// False for a text that is no path: it matches nothing, and a host does not start with it.
    package var isValid: Bool { !steps.isEmpty }

    private static func read(_ text: String) -> [Step] {
        var steps: [Step] = []
        let segments = text.split(separator: ".", omittingEmptySubsequences: false)
        for (place, segment) in segments.enumerated() {
            var name = segment
            var elements = 0
            while name.hasSuffix("[]") {
                name = name.dropLast(2)
                elements += 1
            }
            if name == "**" {
                guard elements == 0, place == segments.count - 1 else { return [] }
                steps.append(.everything)
                continue
            }
            guard !name.contains(where: { "[]*".contains($0) }) || name == "*" else { return [] }
            if name == "*" {
                steps.append(.anyMember)
            } else if !name.isEmpty {
                steps.append(.member(String(name)))
            } else if place > 0 || elements == 0 {
                return []
            }
            for _ in 0..<elements { steps.append(.anyElement) }
        }
        return steps
    }

    /// Whether it leads to the value that is looked at.
    package func matches(_ place: borrowing JSONStrings) -> Bool {
        if steps.last == .everything {
            guard place.depth >= steps.count - 1 else { return false }
        } else {
            guard place.depth == steps.count else { return false }
        }
        for (index, step) in steps.enumerated() {
            switch step {
            case .member(let name): guard place.isMember(index, named: name) else { return false }
            case .anyMember: guard !place.isElement(index) else { return false }
            case .anyElement: guard place.isElement(index) else { return false }
            case .everything: return true
            }
        }
        return true
    }

    /// The place as people read it, with the indexes of its elements. Names the path itself does not spell are the sender's: they show as `*`.
    package func shown(_ place: borrowing JSONStrings) -> String {
        var text = ""
        for index in 0..<place.depth {
            if let element = place.index(index) {
                text += "[\(element)]"
            } else {
                var name = "*"
                if index < steps.count, case .member(let member) = steps[index] { name = member }
                text += text.isEmpty ? name : ".\(name)"
            }
        }
        return text.isEmpty ? "*" : text
    }
}
