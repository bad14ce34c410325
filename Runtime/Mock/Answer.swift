import SwiftletJSON

/// An answer before any wire: what is said, in which pieces, and how it ends. Texts are JSON strings already, quotes included, because most
/// answers are the same.
struct Answer: Sendable {
    enum Finish: Sendable, Hashable {
        case stop, maxTokens, safety, unheardOf
    }

    enum Content: Sendable {
        case text(whole: [UInt8], pieces: [[UInt8]])
        case function(name: String, arguments: JSON)
        case nothing
    }

    var model: String
    var promptTokens: Int
    var content: Content
    var finish = Finish.stop
    /// Texts of thoughts, before the answer.
    var thoughts: [String] = []
    /// Google's word for a prompt that is not answered at all.
    var blockReason: String?
    /// Members nobody knows.
    var hasExtras = false
    /// A first event without text that says it is the last.
    var leadsWithStop = false
    var isPartlessAtTheEnd = false

    var answerTokens: Int {
        switch content {
        case .text(_, let pieces): pieces.count
        case .function: 8
        case .nothing: 0
        }
    }

    var thoughtTokens: Int {
        // An answer that ran out of tokens before its first word has spent them thinking.
        if case .nothing = content, finish == .maxTokens { return 64 }
        return thoughts.isEmpty ? 0 : 12
    }

    /// What a fault answers to a request.
    init(_ fault: Fault, ask: Ask) {
        model = ask.model
        promptTokens = ask.promptTokens
        content = .text(whole: Words.encodedText, pieces: Words.encodedPieces)
        switch fault {
        case .blockedPrompt, .contentFilter:
            content = .nothing
            blockReason = fault == .contentFilter ? "PROHIBITED_CONTENT" : "SAFETY"
            return
        case .blockedAnswer:
            content = .nothing
            finish = .safety
            return
        case .maxTokensEmpty:
            content = .nothing
            finish = .maxTokens
            return
        case .functions:
            let function = ask.function ?? ("look_up", nil)
            content = .function(
                name: function.name, arguments: function.parameters.map { SchemaFiller.fill($0) } ?? ["about": "the mock"])
            return
        case .huge:
            content = Answer.huge
            return
        case .thoughtParts: thoughts = ["thinking about sixty words", ", thinking about what they are"]
        case .unknownEnum: finish = .unheardOf
        case .extraFields: hasExtras = true
        case .leadEmptyStop: leadsWithStop = true
        case .partlessFinal: isPartlessAtTheEnd = true
        default: break
        }
        guard case .json(let schema) = ask.format else { return }
        var text = (schema.map { SchemaFiller.fill($0) } ?? ["answer": .string(Words.text)]).description
        switch fault {
        case .badJSON, .badJSONOnce: text = String(text.unicodeScalars.prefix(text.unicodeScalars.count / 2))
        case .jsonInFence: text = "```json\n\(text)\n```"
        default: break
        }
        content = Answer.inPieces(text)
    }

    /// Cut into as many pieces as the words are, or fewer when it is short.
    static func inPieces(_ text: String) -> Content {
        let characters = Array(text)
        let count = max(1, min(Words.all.count, characters.count))
        let pieces = (0..<count).map { index in
            JSON.string(String(characters[characters.count * index / count..<characters.count * (index + 1) / count])).bytes
        }
        return .text(whole: JSON.string(text).bytes, pieces: pieces)
    }

    /// 8 MiB of words, made when it is first asked for.
    private static let huge: Content = {
        let megabyte = JSON.string(String(decoding: Words.repeated(1 << 20), as: UTF8.self)).bytes
        var whole: [UInt8] = [UInt8(ascii: "\"")]
        whole.reserveCapacity(megabyte.count * 8)
        for _ in 0..<8 { whole += megabyte.dropFirst().dropLast() }
        whole.append(UInt8(ascii: "\""))
        return .text(whole: whole, pieces: Array(repeating: megabyte, count: 8))
    }()
}
