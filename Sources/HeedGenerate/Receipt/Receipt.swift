import HeedSupport

/// What an answer was computed from, so that anybody with the model can compute it again: the model's files by their
/// hash, the numeric form, the prompts, the options, the seed, and the ids that came.
///
/// With single precision the ids are the same on every instruction set with fused multiply-add.
public struct Receipt: Sendable, Equatable {
    /// What the text had to be like.
    public enum Form: Sendable, Hashable {
        /// JSON by a schema.
        case jsonSchema(String)
        /// A regular expression.
        case regularExpression(String)
        /// A grammar in llama.cpp's notation.
        case grammar(String)
    }

    /// One sequence.
    public struct Choice: Sendable, Equatable {
        /// Which of the prompts it continues.
        public let prompt: Int
        /// The number that its random numbers depend on, besides the seed.
        public let number: Int
        /// The new ids.
        public let ids: [Int32]

        /// A sequence from its parts.
        public init(prompt: Int, number: Int, ids: [Int32]) {
            self.prompt = prompt
            self.number = number
            self.ids = ids
        }
    }

    /// How the ids were computed.
    public struct Computation: Sendable, Equatable {
        /// The form of the model's weights, a `WeightForm`.
        public var numbers: String
        /// How keys and values were stored.
        public var cache: CacheKind
        /// The instruction set that computed it.
        public var instructionSet: String

        /// A computation from its parts.
        public init(numbers: String, cache: CacheKind, instructionSet: String) {
            self.numbers = numbers
            self.cache = cache
            self.instructionSet = instructionSet
        }
    }

    /// The version of Heed.
    public var version: String
    /// The model's name at the server.
    public var model: String
    /// `ModelFiles.hash` of its folder or file, and of the adapter on it.
    public var modelHash: String
    /// How the ids were computed.
    public var computation: Computation
    /// What was continued.
    public var prompts: [GenerationPrompt]
    /// How ids were chosen; its constraint is `form`.
    public var options: GenerationOptions
    /// What the text had to be like.
    public var form: Form?
    /// What came.
    public var choices: [Choice]

    /// A receipt from its parts.
    public init(
        version: String, model: String, modelHash: String, computation: Computation, prompts: [GenerationPrompt],
        options: GenerationOptions, form: Form?, choices: [Choice]
    ) {
        self.version = version
        self.model = model
        self.modelHash = modelHash
        self.computation = computation
        self.prompts = prompts
        self.options = options
        self.form = form
        self.choices = choices
    }

    private static let format = "heed-receipt-1"

    /// The receipt as JSON.
    public var json: JSON {
        func list(_ ids: [Int32]) -> JSON { .array(ids.map { .integer(Int($0)) }) }
        var object: JSONObject = [
            "format": .string(Receipt.format), "version": .string(version), "model": .string(model),
            "model_sha256": .string(modelHash), "numbers": .string(computation.numbers),
            "cache": .string(computation.cache.rawValue), "instruction_set": .string(computation.instructionSet),
            "prompts": .array(
                prompts.map { prompt in
                    prompt.source.map { ["ids": list(prompt.ids), "source": list($0)] } ?? list(prompt.ids)
                }),
            "options": .object(options.json),
            "choices": .array(
                choices.map {
                    ["prompt": .integer($0.prompt), "number": .integer($0.number), "ids": list($0.ids)]
                }),
        ]
        switch form {
        case .jsonSchema(let text)?: object["json_schema"] = .string(text)
        case .regularExpression(let text)?: object["regular_expression"] = .string(text)
        case .grammar(let text)?: object["grammar"] = .string(text)
        case nil: break
        }
        return .object(object)
    }

    /// Reads a receipt, or an answer that carries one under `receipt`.
    ///
    /// - Throws: `HeedError` naming what is missing or malformed.
    public init(_ json: JSON, in place: String) throws {
        let json = json["receipt"] ?? json
        func wrong(_ what: String) -> HeedError {
            HeedError(
                .badInput, "the receipt is malformed: \(what)", in: place,
                expected: "a receipt of heed serve, or an answer that holds one")
        }
        guard json["format"]?.stringValue == Receipt.format else { throw wrong("format is not \(Receipt.format)") }
        func text(_ name: String) throws -> String {
            guard let text = json[name]?.stringValue else { throw wrong("no \(name)") }
            return text
        }
        func list(_ json: JSON?, _ what: String) throws -> [Int32] {
            guard let entries = json?.arrayValue else { throw wrong("no ids of \(what)") }
            return try entries.map { entry in
                guard let id = entry.intValue.flatMap({ Int32(exactly: $0) }) else { throw wrong("an id of \(what)") }
                return id
            }
        }
        guard let prompts = json["prompts"]?.arrayValue, let choices = json["choices"]?.arrayValue,
            let options = json["options"]?.objectValue
        else { throw wrong("no prompts, choices or options") }
        self.prompts = try prompts.map { prompt in
            if prompt.arrayValue != nil { return GenerationPrompt(ids: try list(prompt, "a prompt")) }
            return GenerationPrompt(
                ids: try list(prompt["ids"], "a prompt"), source: try list(prompt["source"], "a source"))
        }
        self.choices = try choices.map { choice in
            guard let prompt = choice["prompt"]?.intValue, prompts.indices.contains(prompt),
                let number = choice["number"]?.intValue
            else { throw wrong("a choice") }
            return Choice(prompt: prompt, number: number, ids: try list(choice["ids"], "a choice"))
        }
        self.options = try GenerationOptions(json: options, in: place)
        version = try text("version")
        model = try text("model")
        modelHash = try text("model_sha256")
        let numbers = try text("numbers")
        // Receipts of before had no other.
        let stored = json["cache"] == nil ? CacheKind.float32.rawValue : try text("cache")
        guard let cache = CacheKind(rawValue: stored) else { throw wrong("a form of cache") }
        computation = .init(numbers: numbers, cache: cache, instructionSet: try text("instruction_set"))
        form =
            json["json_schema"]?.stringValue.map { .jsonSchema($0) }
            ?? json["regular_expression"]?.stringValue.map { .regularExpression($0) }
            ?? json["grammar"]?.stringValue.map { .grammar($0) }
    }

    /// Computes a choice again, as many ids as it has.
    ///
    /// - `constraint`: that of `form`, over the model's tokens.
    /// - Throws: What the model throws.
    public func replay(
        _ choice: Choice, with model: any NextTokenModel, constraint: TokenConstraint? = nil
    ) throws -> [Int32] {
        var options = options
        options.constraint = constraint
        let batch = DecodingBatch(model)
        let row = try batch.join(prompts[choice.prompt], options: options, number: choice.number)
        defer { try? batch.leave(row) }
        while row.finishReason == nil, row.generated < choice.ids.count { try batch.step() }
        if let failure = row.failure { throw failure }
        return Array(row.newIds)
    }
}
