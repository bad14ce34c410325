import Swiftlet
import SwiftletJSON

extension GeminiProxy.Wish {
    /// Something in a model's answer that is not what was asked for.
    struct Unusable: Error {
        let reason: String
    }

    /// What the caller gets of a model's text: read, checked against what was asked, cut and put right where that is safe. Members:
    /// `result`, and those of the operation beside it.
    func judge(_ text: String) throws(Unusable) -> [(String, JSON)] {
        guard operation != .generate else { return [("result", .string(text))] }
        let json = try GeminiProxy.Wish.object(in: text)
        switch operation {
        case .generate: return []
        case .smartReply:
            var replies: [JSON] = []
            for reply in try GeminiProxy.Wish.strings(json, "replies").prefix(50) {
                let cut: JSON = .string(String(reply.trimmed.prefix(280)))
                if cut != "", !replies.contains(cut) { replies.append(cut) }
            }
            guard let first = replies.first else { throw Unusable(reason: "no replies") }
            return [("result", first), ("options", .array(Array(replies.prefix(maxOptions))))]
        case .analyzeDraft:
            guard let intent = json["intent"]?.string else { throw Unusable(reason: "no intent") }
            let known = ["question", "request", "inform", "apologise", "complain", "schedule", "greet", "other"]
            var result: JSON = ["intent": .string(known.contains(intent) ? intent : "other")]
            result["confidence"] = try GeminiProxy.Wish.share(json["confidence"], "confidence")
            for list in ["suggestions", "warnings"] {
                let texts = try GeminiProxy.Wish.strings(json, list).map(\.trimmed).filter { !$0.isEmpty }
                result[list] = .array(texts.prefix(5).map { .string($0) })
            }
            return [("result", result)]
        case .sentiment: return [("result", try GeminiProxy.Wish.sentiment(json))]
        case .summarise:
            guard let summary = json["summary"]?.string?.trimmed, !summary.isEmpty else { throw Unusable(reason: "no summary") }
            let points = try GeminiProxy.Wish.strings(json, "keyPoints").map(\.trimmed).filter { !$0.isEmpty }
            guard let items = json["actionItems"]?.array else { throw Unusable(reason: "no actionItems") }
            let tasks: [JSON] = items.compactMap { item in
                guard let task = item["task"]?.string?.trimmed, !task.isEmpty else { return nil }
                return ["owner": .string(item["owner"]?.string?.trimmed ?? ""), "task": .string(task)]
            }
            let result: JSON = [
                "summary": .string(GeminiProxy.Wish.firstWords(summary, maxWords)),
                "keyPoints": .array(points.prefix(7).map { .string($0) }), "actionItems": .array(Array(tasks.prefix(20))),
            ]
            return [("result", result)]
        case .translate:
            guard let translation = json["translation"]?.string, !translation.isEmpty else {
                throw Unusable(reason: "no translation")
            }
            let lost = Fixed.difference(self.text ?? "", translation)
            let result: JSON = [
                "detectedLanguage": .string(json["detectedLanguage"]?.string ?? "und"), "translation": .string(translation),
                "warnings": .array(lost.map { .string("not the same in the translation: \($0)") }),
            ]
            return [("result", result)]
        case .conversationIntelligence:
            guard let topics = json["topics"]?.array, let mood = json["sentiment"] else {
                throw Unusable(reason: "no topics or sentiment")
            }
            var named: [(name: String, confidence: Double)] = []
            for topic in topics.prefix(50) {
                guard let name = topic["name"]?.string?.trimmed, !name.isEmpty, !named.contains(where: { $0.name == name }) else {
                    continue
                }
                named.append((name, try GeminiProxy.Wish.share(topic["confidence"], "confidence").double ?? 0))
            }
            named.sort { $0.confidence > $1.confidence }
            let shown = named.prefix(8).map { topic -> JSON in
                ["name": .string(topic.name), "confidence": JSON(topic.confidence) ?? 0]
            }
            let result: JSON = [
                "sentiment": try GeminiProxy.Wish.sentiment(mood), "topics": .array(shown),
                "engagement": engagement?.json ?? .null,
            ]
            return [("result", result)]
        }
    }

    /// The text that stands for a result in a stream.
    static func shown(_ members: [(String, JSON)]) -> String {
        let result = members.first { $0.0 == "result" }?.1
        return result?.string ?? result?["summary"]?.string ?? result?["translation"]?.string ?? ""
    }

    /// The one object in a text; some models put it in fences however they are asked.
    private static func object(in text: String) throws(Unusable) -> JSON {
        var bytes = Array(text.utf8)[...]
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        bytes = bytes.drop(while: isSpace)
        while let last = bytes.last, isSpace(last) { bytes = bytes.dropLast() }
        let fence = Array("```".utf8)
        if bytes.starts(with: fence), bytes.count > 6, Array(bytes.suffix(3)) == fence {
            bytes = bytes.dropLast(3).drop { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "{") }
            bytes = bytes.drop(while: isSpace)
            while let last = bytes.last, isSpace(last) { bytes = bytes.dropLast() }
        }
        let json: JSON
        do { json = try JSON.parse(Array(bytes), limits: JSONLimits(duplicateNames: .lastWins)) } catch {
            throw Unusable(reason: "not JSON: \(error.message)")
        }
        guard json.object != nil else { throw Unusable(reason: "no object") }
        return json
    }

    private static func strings(_ json: JSON, _ name: String) throws(Unusable) -> [String] {
        guard let list = json[name]?.array else { throw Unusable(reason: "no \(name)") }
        return list.compactMap(\.string)
    }

    private static func share(_ json: JSON?, _ name: String) throws(Unusable) -> JSON {
        guard let share = json?.double else { throw Unusable(reason: "no \(name)") }
        return JSON(min(max(share, 0), 1)) ?? 0
    }

    /// Shares in whole percent that add up to 100, by the largest remainder; a verdict that is not the largest of them is put right and
    /// flagged.
    static func sentiment(_ json: JSON) throws(Unusable) -> JSON {
        let moods = ["positive", "neutral", "negative"]
        var shares: [Double] = []
        for mood in moods {
            guard let share = json["distribution"]?[mood]?.double else { throw Unusable(reason: "no distribution") }
            shares.append(min(max(share, 0), 1e6))
        }
        let sum = shares.reduce(0, +)
        guard sum > 0 else { throw Unusable(reason: "an empty distribution") }
        let exact = shares.map { $0 / sum * 100 }
        var whole = exact.map { Int($0.rounded(.down)) }
        let order = exact.indices.sorted { exact[$0] - Double(whole[$0]) > exact[$1] - Double(whole[$1]) }
        for place in order.prefix(max(0, 100 - whole.reduce(0, +))) { whole[place] += 1 }
        guard let said = json["overall"]?.string else { throw Unusable(reason: "no overall") }
        let most = whole.max() ?? 0
        let agrees = moods.firstIndex(of: said).map { whole[$0] == most } ?? false
        let overall = agrees ? said : moods[whole.firstIndex(of: most) ?? 1]
        var result: JSON = [
            "overall": .string(overall), "score": try share(json["score"], "score"),
            "distribution": JSON(members: zip(moods, whole).map { ($0, .init($1)) }),
        ]
        if !agrees { result["flagged"] = true }
        return result
    }

    private static func firstWords(_ text: String, _ limit: Int) -> String {
        var words = 0
        var inWord = false
        for index in text.indices {
            let isSpace = text[index].isWhitespace
            if !isSpace, !inWord {
                words += 1
                if words > limit { return String(text[..<index]).trimmed + "…" }
            }
            inWord = !isSpace
        }
        return text
    }

    /// What a translation has to keep letter by letter: placeholders, URLs, mentions.
    enum Fixed {
        /// The pieces that one text has more often than the other, each once, in their order.
        static func difference(_ original: String, _ translation: String) -> [String] {
            let (here, there) = (pieces(original), pieces(translation))
            var counts: [String: Int] = [:]
            for piece in here { counts[piece, default: 0] += 1 }
            for piece in there { counts[piece, default: 0] -= 1 }
            var told: Set<String> = []
            return (here + there).filter { counts[$0] != 0 && told.insert($0).inserted }
        }

        static func pieces(_ text: String) -> [String] {
            var pieces: [String] = []
            for word in text.split(whereSeparator: \.isWhitespace) {
                if let scheme = word.range(of: "://"), scheme.lowerBound > word.startIndex {
                    pieces.append(trimmed(word[start(of: word, before: scheme.lowerBound)...]))
                    continue
                }
                if let at = word.firstIndex(of: "@"), at == word.startIndex, word.count > 1 { pieces.append(trimmed(word)) }
                braces(word, into: &pieces)
                if let percent = word.firstIndex(of: "%"), let next = word[percent...].dropFirst().first, "sd@f".contains(next) {
                    pieces.append("%\(next)")
                }
            }
            return pieces
        }

        private static func start(of word: Substring, before end: Substring.Index) -> Substring.Index {
            var start = end
            while start > word.startIndex {
                let before = word.index(before: start)
                guard word[before].isASCII, word[before].isLetter || word[before].isNumber else { break }
                start = before
            }
            return start
        }

        /// Without the marks that belong to the sentence.
        private static func trimmed(_ word: Substring) -> String {
            var word = word
            while let last = word.last, ".,;:!?)]}\"'»”…。，！？、".contains(last) { word = word.dropLast() }
            return String(word)
        }

        private static func braces(_ word: Substring, into pieces: inout [String]) {
            var rest = word
            while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
                var end = rest.index(after: close)
                while end < rest.endIndex, rest[end] == "}" { end = rest.index(after: end) }
                pieces.append(String(rest[open..<end]))
                rest = rest[end...]
            }
        }
    }
}

extension Substring {
    /// The first place of a text; enough without Foundation.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
