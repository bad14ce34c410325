import SwiftletJSON

/// Answers as OpenAI's chat completions write them.
struct OpenAIWire: AnswerWire {
    let answer: Answer
    /// Whether a stream tells the usage in an event of its own.
    let includesUsage: Bool
    private let model: [UInt8]

    init(_ answer: Answer, includesUsage: Bool) {
        self.answer = answer
        self.includesUsage = includesUsage
        model = JSON.string(answer.model).bytes
    }

    func whole() -> [UInt8] {
        var message = Array(#""message":{"role":"assistant","refusal":null,"content":"#.utf8)
        switch answer.content {
        case .text(let whole, _):
            message += whole
            if !answer.thoughts.isEmpty {
                message += Array(#","reasoning_content":"#.utf8) + JSON.string(answer.thoughts.joined()).bytes
            }
        case .function(let name, let arguments):
            message += Array(#"null,"tool_calls":["#.utf8) + call(name, arguments, index: nil) + Array("]".utf8)
        case .nothing: message += Array((answer.finish == .safety ? "null" : #""""#).utf8)
        }
        if answer.hasExtras { message += Array(#","novel_message_member":true"#.utf8) }
        message += Array("}".utf8)
        return body("chat.completion", choice: message, finish: word, usage: true)
    }

    func events() -> (lead: Int, all: [[UInt8]]) {
        func delta(_ members: String, finish: String? = nil) -> [UInt8] {
            body("chat.completion.chunk", choice: Array(#""delta":{\#(members)}"#.utf8), finish: finish, usage: false)
        }
        var all = [delta(#""role":"assistant","content":"""#)]
        if answer.leadsWithStop { all.append(delta(#""content":"""#, finish: "stop")) }
        for thought in answer.thoughts { all.append(delta(#""reasoning_content":\#(JSON.string(thought))"#)) }
        let lead = all.count
        switch answer.content {
        case .text(_, let pieces):
            for piece in pieces {
                all.append(
                    body(
                        "chat.completion.chunk", choice: Array(#""delta":{"content":"#.utf8) + piece + [UInt8(ascii: "}")],
                        finish: nil,
                        usage: false))
            }
        case .function(let name, let arguments):
            all.append(delta(#""tool_calls":[\#(String(decoding: call(name, arguments, index: 0), as: UTF8.self))]"#))
        case .nothing: break
        }
        all.append(delta("", finish: word))
        if includesUsage { all.append(body("chat.completion.chunk", choice: nil, finish: nil, usage: true)) }
        return (lead, all)
    }

    private var word: String {
        if case .function = answer.content { return "tool_calls" }
        return switch answer.finish {
        case .stop: "stop"
        case .maxTokens: "length"
        case .safety: "content_filter"
        case .unheardOf: "novel_reason"
        }
    }

    private func call(_ name: String, _ arguments: JSON, index: Int?) -> [UInt8] {
        var call: JSON = [
            "id": "call_mock", "type": "function",
            "function": ["name": .string(name), "arguments": .string(arguments.description)],
        ]
        if let index { call["index"] = JSON(index) }
        return call.bytes
    }

    /// `choice` holds the member that differs; without one there are no choices.
    private func body(_ object: String, choice: [UInt8]?, finish: String?, usage: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(320 + (choice?.count ?? 0))
        func add(_ text: String) { bytes.append(contentsOf: text.utf8) }
        add(#"{"id":"chatcmpl-mock","object":""#)
        add(object)
        add(#"","created":1767225600,"model":"#)
        bytes += model
        add(#","choices":["#)
        if let choice {
            add(#"{"index":0,"#)
            bytes += choice
            add(#","logprobs":null,"finish_reason":"#)
            if let finish {
                add("\"\(finish)\"")
            } else {
                add("null")
            }
            add("}")
        }
        add("]")
        if usage {
            let output = answer.answerTokens + answer.thoughtTokens
            add(#","usage":{"prompt_tokens":"#)
            add(String(answer.promptTokens))
            add(#","completion_tokens":"#)
            add(String(output))
            add(#","total_tokens":"#)
            add(String(answer.promptTokens + output))
            if answer.thoughtTokens > 0 {
                add(#","completion_tokens_details":{"reasoning_tokens":"#)
                add(String(answer.thoughtTokens))
                add("}")
            }
            add("}")
        } else if includesUsage {
            add(#","usage":null"#)
        }
        if answer.hasExtras { add(#","novel_member":{"why":["not","known"]}"#) }
        add("}")
        return bytes
    }
}
