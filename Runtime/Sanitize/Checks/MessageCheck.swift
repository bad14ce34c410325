/// What is wrong with a message.
public enum MessageFault: String, Hashable, Sendable, CaseIterable {
    /// Nothing that a reader would see, and no attachment.
    case empty
    case tooLong = "too_long"
    case invalidUTF8 = "invalid_utf8"
    /// A control character but tab and line ends. `sanitizeText` takes them out.
    case controlCharacters = "control_characters"
    case tooManyLinks = "too_many_links"
    case tooManyMentions = "too_many_mentions"
    case tooManyAttachments = "too_many_attachments"
}

/// How much a message may hold.
public struct MessageLimits: Hashable, Sendable {
    /// In letters as a reader counts them (grapheme clusters).
    public var maxCharacters: Int
    /// In UTF-8 bytes.
    public var maxBytes: Int
    /// Runs that start with `http://`, `https://` or `www.`.
    public var maxLinks: Int
    /// `@name` at the start of a word. The address in `me@example.com` is none.
    public var maxMentions: Int
    public var maxAttachments: Int

    public init(
        maxCharacters: Int = 10_000, maxBytes: Int = 40_000, maxLinks: Int = 50, maxMentions: Int = 50, maxAttachments: Int = 10
    ) {
        self.maxCharacters = maxCharacters
        self.maxBytes = maxBytes
        self.maxLinks = maxLinks
        self.maxMentions = maxMentions
        self.maxAttachments = maxAttachments
    }
}

/// Checks the text of a message as it came, before `sanitizeText`.
///
/// - Parameter attachments: how many files go with it. A message with files may have no text.
public func validateMessage(_ message: String, attachments: Int = 0, limits: MessageLimits = MessageLimits()) -> Validation<
    MessageFault
> {
    var message = message
    return message.withUTF8 { MessageCheck.faults(in: $0, attachments: attachments, limits: limits) }
}

/// The same for bytes that should be UTF-8. When they are not, that is the only thing said about the text.
package func validateMessage(
    _ bytes: UnsafeBufferPointer<UInt8>, attachments: Int = 0, limits: MessageLimits = MessageLimits()
) -> Validation<MessageFault> {
    // Too long is too long whatever it is, and spares the look at the rest.
    guard bytes.count <= limits.maxBytes else { return Validation([.tooLong]) }
    guard String(validating: bytes, as: UTF8.self) != nil else { return Validation([.invalidUTF8]) }
    return MessageCheck.faults(in: bytes, attachments: attachments, limits: limits)
}

/// One pass over the bytes, and one over the letters of texts that could be too long.
private enum MessageCheck {
    static func faults(in bytes: UnsafeBufferPointer<UInt8>, attachments: Int, limits: MessageLimits) -> Validation<MessageFault>
    {
        guard bytes.count <= limits.maxBytes else { return Validation([.tooLong]) }
        var faults: [MessageFault] = []
        let found = scan(bytes)
        if !found.isVisible, attachments <= 0 { faults.append(.empty) }
        if isTooLong(bytes, scalars: found.scalars, limits.maxCharacters) { faults.append(.tooLong) }
        if found.hasControls { faults.append(.controlCharacters) }
        if found.links > limits.maxLinks { faults.append(.tooManyLinks) }
        if found.mentions > limits.maxMentions { faults.append(.tooManyMentions) }
        if attachments > limits.maxAttachments { faults.append(.tooManyAttachments) }
        return Validation(faults)
    }

    private struct Found {
        var scalars = 0
        var isVisible = false
        var hasControls = false
        var links = 0
        var mentions = 0
    }

    private static func scan(_ bytes: UnsafeBufferPointer<UInt8>) -> Found {
        let reader = TextReader(bytes: bytes)
        var found = Found()
        var index = 0
        var underscores = 0
        var isInWord = false
        var isInLink = false
        while index < bytes.count {
            let (value, length) = reader.scalar(at: index)
            let at = index
            index += length
            found.scalars += 1
            let wasInWord = isInWord
            isInWord = isWordPart(value)
            if isBlank(value) {
                isInLink = false
            } else if value >= 0x20, value != 0x7F, !isUnseen(value) {
                found.isVisible = true
            }
            switch value {
            case 0x5F: underscores = bytes[max(0, at - 1)] == 0x08 ? 1 : underscores + 1
            case 0x08 where underscores > 0: underscores -= 1  // underlining, as `sanitizeText` keeps it
            case 0..<0x09, 0x0B, 0x0C, 0x0E..<0x20, 0x7F...0x9F: found.hasControls = true
            default: underscores = 0
            }
            guard !wasInWord, !isInLink else { continue }
            if startsLink(bytes, at) {
                found.links += 1
                isInLink = true
            } else if value == 0x40, index < bytes.count, isNameStart(reader.scalar(at: index).value) {
                found.mentions += 1
            }
        }
        return found
    }

    private static func isTooLong(_ bytes: UnsafeBufferPointer<UInt8>, scalars: Int, _ limit: Int) -> Bool {
        guard scalars > limit else { return false }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.index(text.startIndex, offsetBy: max(0, limit), limitedBy: text.endIndex).map { $0 < text.endIndex } ?? false
    }

    /// What stands before a link or a mention keeps it from being one.
    private static func isWordPart(_ value: UInt32) -> Bool {
        switch value {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2E, 0x2D, 0x2B, 0x40: true
        case ..<0xC0: false
        case 0x2000...0x206F, 0x3000...0x303F, 0xFF00...0xFF0F: false
        default: !TextScalar.of(value).contains(.pictographic)
        }
    }

    private static func isNameStart(_ value: UInt32) -> Bool {
        value != 0x40 && value != 0x2E && value != 0x2D && value != 0x2B && isWordPart(value)
    }

    private static func isBlank(_ value: UInt32) -> Bool {
        switch value {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Letters that leave no mark on the screen, alone.
    private static func isUnseen(_ value: UInt32) -> Bool {
        switch value {
        case 0x80...0x9F, 0xAD, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x200C, 0x200D: true
        default: value >= 0x300 && TextScalar.of(value).contains(.special)
        }
    }

    private static let linkStarts: [StaticString] = ["http://", "https://", "www."]

    private static func startsLink(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
        guard bytes[start] | 0x20 == UInt8(ascii: "h") || bytes[start] | 0x20 == UInt8(ascii: "w") else { return false }
        return linkStarts.contains { prefix in
            let count = prefix.utf8CodeUnitCount
            // Something must follow.
            guard start + count < bytes.count, bytes[start + count] > 0x20 else { return false }
            for offset in 0..<count {
                let byte = bytes[start + offset]
                let lower = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
                if lower != prefix.utf8Start[offset] { return false }
            }
            return true
        }
    }
}
