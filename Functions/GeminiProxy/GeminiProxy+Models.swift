import Swiftlet
import SwiftletJSON

extension GeminiProxy {
    /// What is known of a model: what it takes, what it holds, what it costs.
    struct Model: Sendable, Hashable {
        enum Thinking: String, Sendable { case none, level, budget }
        enum Provider: String, Sendable { case gemini, openai }

        let name: String
        var provider = Provider.gemini
        /// Which of the two fields sets how much it thinks.
        var thinking = Thinking.none
        /// The levels it takes, from little to much.
        var levels = ["minimal", "low", "medium", "high"]
        /// Whether temperature, topP and topK mean anything to it.
        var sampling = true
        /// Whether the last turn of a conversation may be its own.
        var trailingModel = true
        /// Tokens it reads at most.
        var context = 1_048_576
        /// Tokens it writes at most.
        var output = 65_536
        /// Dollars for a million tokens; `nil` where nobody has said.
        var inputPrice: Double?
        var outputPrice: Double?
        /// Models to ask in its place, where they are not those of everybody.
        var fallbacks: [String]?

        init(_ name: String) {
            self.name = name
            // What the families have in common, for names that are not in the table.
            if name.hasPrefix("gemini-2.5-") {
                thinking = .budget
            } else if name.hasPrefix("gemini-3") || name.hasPrefix("gemini-4") || name.hasSuffix("-latest") {
                thinking = .level
                sampling = false
                trailingModel = false
            }
        }

        /// Millionths of a dollar.
        func cost(_ usage: Usage) -> Int? {
            guard let inputPrice, let outputPrice else { return nil }
            return Int((Double(usage.prompt) * inputPrice + Double(usage.output + usage.thoughts) * outputPrice).rounded(.up))
        }
    }

    /// The models this host offers; others are refused by name.
    struct ModelTable: Sendable {
        private let models: [String: Model]
        let standard: String
        private let fallbacks: [String]

        /// Names that are gone, and what stands for them.
        private static let gone: Set<String> = ["gemini-1.5-flash", "gemini-2.0-flash"]

        init(model: String, fallbacks: String, overlay: String) throws(HTTPError) {
            var models: [String: Model] = [:]
            for model in ModelTable.known { models[model.name] = model }
            let laid: JSON
            do { laid = try JSON.parse(Array(overlay.utf8)) } catch {
                throw Setup.problem(.geminiModels, "is not JSON: \(error.message) at byte \(error.offset)")
            }
            guard let entries = laid.object else { throw Setup.problem(.geminiModels, "is no JSON object") }
            for (name, traits) in entries {
                guard ModelTable.isName(name) else { throw Setup.problem(.geminiModels, "has an entry that is no model name") }
                models[name] = try (models[name] ?? Model(name)).laid(traits)
            }
            let standard = ModelTable.gone.contains(model) ? Setting.geminiModel.defaultValue : model
            guard ModelTable.isName(standard) else { throw Setup.problem(.geminiModel, "is not a model name") }
            models[standard] = models[standard] ?? Model(standard)
            self.standard = standard
            var list: [String] = []
            for part in fallbacks.split(separator: ",") {
                let name = String(part).trimmed
                guard ModelTable.isName(name) else {
                    throw Setup.problem(.geminiFallbackModels, "has a part that is no model name")
                }
                models[name] = models[name] ?? Model(name)
                list.append(name)
            }
            for name in models.values.flatMap({ $0.fallbacks ?? [] }) where models[name] == nil { models[name] = Model(name) }
            self.fallbacks = list
            self.models = models
        }

        var names: [String] { models.keys.sorted() }
        subscript(name: String) -> Model? { models[name] }

        /// The model that is asked, and those to ask in its place. `nil` where it is not offered.
        func plan(_ asked: String?) -> [Model]? {
            guard let asked else { return plan(standard) }
            guard let first = models[ModelTable.gone.contains(asked) ? standard : asked] else { return nil }
            return (first.fallbacks ?? fallbacks).reduce(into: [first]) { plan, name in
                if let model = models[name], !plan.contains(where: { $0.name == name }) { plan.append(model) }
            }
        }

        /// Whether a model is gone and another one answers in its place.
        static func isGone(_ name: String) -> Bool { gone.contains(name) }

        static func isName(_ text: String) -> Bool {
            !text.isEmpty && text.utf8.count <= 128 && text.utf8.allSatisfy(\.isModelByte)
                && !text.utf8.allSatisfy { $0 == UInt8(ascii: ".") }
        }

        /// Prices in dollars for a million tokens, of November 2026 (ai.google.dev/gemini-api/docs/pricing by way of LiteLLM's cost map).
        private static let known: [Model] = {
            func model(
                _ name: String, _ input: Double? = nil, _ output: Double? = nil, _ change: (inout Model) -> Void = { _ in }
            ) -> Model {
                var model = Model(name)
                model.inputPrice = input
                model.outputPrice = output
                change(&model)
                return model
            }
            let threeLevels: (inout Model) -> Void = { $0.levels = ["low", "medium", "high"] }
            let older: (inout Model) -> Void = {
                $0.sampling = true
                $0.trailingModel = true
            }
            return [
                model("gemini-3.8-flash", 0.75, 3.75, threeLevels), model("gemini-3.7-flash", 0.75, 3.75, threeLevels),
                model("gemini-3.6-flash", 0.75, 3.75), model("gemini-3.5-flash", nil, nil, older),
                model("gemini-3.5-flash-lite", 0.30, 2.50), model("gemini-3.1-flash-lite", 0.25, 1.50, older),
                model("gemini-3.1-pro-preview") {
                    older(&$0)
                    $0.levels = ["low", "high"]
                },
                model("gemini-2.5-flash", 0.30, 2.50), model("gemini-4-argon", 2, 10, threeLevels),
                model("gemini-4-carbon", nil, nil, threeLevels), model("gemini-4-hydrogen", nil, nil, threeLevels),
                model("gemini-flash-latest", nil, nil, threeLevels), model("gemini-flash-lite-latest"),
                model("gemini-pro-latest", nil, nil, threeLevels),
            ]
        }()
    }
}

extension GeminiProxy.Model {
    /// With what the operator's table says of it.
    fileprivate func laid(_ traits: JSON) throws(HTTPError) -> Self {
        var model = self
        func wrong(_ trait: String, _ wants: String) -> HTTPError {
            GeminiProxy.Setup.problem(.geminiModels, "\(name): \(trait) is no \(wants)")
        }
        guard let traits = traits.object else { throw wrong("its entry", "object") }
        for (trait, value) in traits {
            switch trait {
            case "thinking":
                guard let word = value.string.flatMap(Thinking.init) else { throw wrong(trait, "none, level or budget") }
                model.thinking = word
            case "provider":
                guard let word = value.string.flatMap(Provider.init) else { throw wrong(trait, "gemini or openai") }
                model.provider = word
            case "levels", "fallbacks":
                guard let words = value.array?.compactMap(\.string), words.count == value.array?.count else {
                    throw wrong(trait, "list of texts")
                }
                if trait == "levels" { model.levels = words } else { model.fallbacks = words }
            case "sampling", "trailingModel":
                guard let flag = value.bool else { throw wrong(trait, "true or false") }
                if trait == "sampling" { model.sampling = flag } else { model.trailingModel = flag }
            case "context", "output":
                guard let number = value.int, number > 0 else { throw wrong(trait, "number of tokens") }
                if trait == "context" { model.context = number } else { model.output = number }
            case "inputPrice", "outputPrice":
                guard let price = value.double, price >= 0, price < 1e6 else { throw wrong(trait, "price in dollars") }
                if trait == "inputPrice" { model.inputPrice = price } else { model.outputPrice = price }
            default:
                throw GeminiProxy.Setup.problem(.geminiModels, "\(name): there is no trait of the name given")
            }
        }
        return model
    }
}

extension String {
    var trimmed: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}

extension UInt8 {
    fileprivate var isModelByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }
}
