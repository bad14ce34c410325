import SwiftletJSON

/// Answers as Gemini writes them.
struct GeminiWire: AnswerWire {
    let answer: Answer
    /// `"modelVersion":…` and what follows it in every body.
    private let tail: [UInt8]

    init(_ answer: Answer) {
        self.answer = answer
        tail =
            Array(#","modelVersion":"#.utf8) + JSON.string(answer.model).bytes
            + Array((#","responseId":"mock-response""# + (answer.hasExtras ? GeminiWire.extras : "")).utf8)
    }

    private static let extras = #","novelMember":{"why":["not","known"],"depth":1},"modelStatus":{"modelStage":"NOVEL"}"#

    func whole() -> [UInt8] {
        if let reason = answer.blockReason { return blocked(reason) }
        switch answer.content {
        case .text(let whole, _): return body(parts: thoughts() + [text(whole)], finish: word, tokens: answer.answerTokens)
        case .function(let name, let arguments):
            return body(parts: [function(name, arguments)], finish: word, tokens: answer.answerTokens)
        case .nothing: return body(parts: nil, finish: word, tokens: 0)
        }
    }

    func events() -> (lead: Int, all: [[UInt8]]) {
        if let reason = answer.blockReason { return (0, [blocked(reason)]) }
        var all: [[UInt8]] = []
        if answer.leadsWithStop { all.append(body(parts: [Array(#"{"text":""}"#.utf8)], finish: "STOP", tokens: 0)) }
        all += thoughts().map { body(parts: [$0], finish: nil, tokens: 0) }
        let lead = all.count
        switch answer.content {
        case .text(_, let pieces):
            all.reserveCapacity(lead + pieces.count + 1)
            for (index, piece) in pieces.enumerated() { all.append(body(parts: [text(piece)], finish: nil, tokens: index + 1)) }
            let last = answer.isPartlessAtTheEnd ? nil : [Array(#"{"text":""}"#.utf8)]
            all.append(body(parts: last, finish: word, tokens: answer.answerTokens))
        case .function(let name, let arguments):
            all.append(body(parts: [function(name, arguments)], finish: word, tokens: answer.answerTokens))
        case .nothing: all.append(body(parts: nil, finish: word, tokens: 0))
        }
        return (lead, all)
    }

    private var word: String {
        switch answer.finish {
        case .stop: "STOP"
        case .maxTokens: "MAX_TOKENS"
        case .safety: "SAFETY"
        case .unheardOf: "NOVEL_REASON"
        }
    }

    // MARK: Parts

    private func text(_ encoded: [UInt8]) -> [UInt8] {
        Array(#"{"text":"#.utf8) + encoded + Array((answer.hasExtras ? #","novelPartMember":true}"# : "}").utf8)
    }

    private func thoughts() -> [[UInt8]] {
        answer.thoughts.map { (["text": .string($0), "thought": true] as JSON).bytes }
    }

    private func function(_ name: String, _ arguments: JSON) -> [UInt8] {
        (["functionCall": ["name": .string(name), "args": arguments]] as JSON).bytes
    }

    // MARK: Bodies

    private func body(parts: [[UInt8]]?, finish: String?, tokens: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512 + (parts ?? []).reduce(0) { $0 + $1.count })
        func add(_ text: String) { bytes.append(contentsOf: text.utf8) }
        add(#"{"candidates":[{"#)
        if let parts {
            add(#""content":{"parts":["#)
            for (index, part) in parts.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += part
            }
            add(#"],"role":"model"},"#)
        } else if answer.isPartlessAtTheEnd {
            add(#""content":{"role":"model"},"#)
        }
        if let finish {
            add(#""finishReason":""#)
            add(finish)
            add(#"","#)
        }
        if answer.finish == .unheardOf {
            add(#""safetyRatings":[{"category":"HARM_CATEGORY_NOVEL","probability":"UNHEARD_OF"}],"#)
        }
        if answer.hasExtras { add(#""novelCandidateMember":[1,2.5,null],"#) }
        add(#""index":0}],"#)
        addUsage(tokens, to: &bytes)
        bytes += tail
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private func blocked(_ reason: String) -> [UInt8] {
        var bytes =
            Array(#"{"promptFeedback":{"blockReason":""#.utf8) + Array(reason.utf8) + Array(#"","safetyRatings":[]},"#.utf8)
        addUsage(0, to: &bytes)
        bytes += tail
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private func addUsage(_ tokens: Int, to bytes: inout [UInt8]) {
        func add(_ text: String) { bytes.append(contentsOf: text.utf8) }
        add(#""usageMetadata":{"promptTokenCount":"#)
        add(String(answer.promptTokens))
        if tokens > 0 {
            add(#","candidatesTokenCount":"#)
            add(String(tokens))
        }
        if answer.thoughtTokens > 0 {
            add(#","thoughtsTokenCount":"#)
            add(String(answer.thoughtTokens))
        }
        add(#","totalTokenCount":"#)
        add(String(answer.promptTokens + tokens + answer.thoughtTokens))
        if answer.hasExtras { add(#","novelTokenCount":7"#) }
        add("}")
    }
}

/// One wire's way to write an answer.
protocol AnswerWire {
    func whole() -> [UInt8]
    /// The JSON of every event, and how many of them come before the first piece of the answer.
    func events() -> (lead: Int, all: [[UInt8]])
}
