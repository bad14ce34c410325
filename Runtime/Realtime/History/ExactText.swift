/// A text as a key: two are the same when their bytes are. `String` would also take composed and decomposed letters for one another.
struct ExactText: Hashable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (left: Self, right: Self) -> Bool { ExactText.same(left.text, right.text) }

    func hash(into hasher: inout Hasher) { ExactText.hash(text, into: &hasher) }

    static func same(_ left: String, _ right: String) -> Bool {
        // The first question is quick for the same object and for plain ASCII.
        left == right && left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
    }

    static func hash(_ text: String, into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// A topic and its kind as one key.
struct TopicKey: Hashable, Sendable {
    let name: ExactText
    let isPrivate: Bool

    init(_ topic: String, _ isPrivate: Bool) {
        name = ExactText(topic)
        self.isPrivate = isPrivate
    }
}

enum Epoch {
    private static let letters = Array("abcdefghijklmnopqrstuvwxyz")

    /// Eight letters from the system's generator.
    static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<8).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
    }
}
