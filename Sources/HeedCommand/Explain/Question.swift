import ArgumentParser
import Heed
import HeedRun
import HeedSupport

/// What a model is asked in `heed explain`.
struct QuestionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The text that is read: a prompt, an encoder's text, or the source of a translation.", valueName: "text"))
    var prompt: String?

    @Option(help: ArgumentHelp("The same as ids.", valueName: "1,2,3"))
    var ids: IdList?

    @Option(
        help: ArgumentHelp(
            "For an encoder-decoder: the ids of the target so far; its start id where not given.",
            valueName: "1,2,3"))
    var decoderIds: IdList?

    @Option(
        help: ArgumentHelp(
            "The answer that is explained: an id or the text of a token; the likeliest where not given.",
            valueName: "token"))
    var target: String?

    @Option(
        help: ArgumentHelp(
            "The place whose answer is explained, from 0; where not given the mask token, or else the last.",
            valueName: "n"))
    var position: Int?

    @Option(
        help: ArgumentHelp(
            "Another text (or ids) of as many tokens, whose values are put in place of this one's; none where not given.",
            valueName: "text"))
    var against: String?

    func validate() throws {
        guard (prompt == nil) != (ids == nil) else { throw ValidationError("expected --prompt TEXT or --ids IDS.") }
        if let position { try check("--position", position, atLeast: 0) }
        if let ids, ids.ids.isEmpty { throw ValidationError("--ids: expected ids with commas between.") }
    }

    /// The question as the library takes it.
    ///
    /// - Throws: `HeedError` naming what the model or its tokenizer cannot take.
    func ask(_ model: Model, folder: String) throws -> AskedQuestion {
        let tokenizer = tokenizer(folder)
        var answering = tokenizer
        if model.architecture.readsSource, let target = try? Tokenizer.loadTarget(path: folder) {
            answering = .success(target)
        }
        let reader = PromptReader(
            vocabulary: model.architecture.sourceVocabulary,
            begin: model.specials.begin.map { Int32($0) }, tokenizer: tokenizer)
        let given = try prompt.map { try reader.text($0) } ?? GivenPrompt(ids: ids?.ids ?? [], place: "--ids")
        let other = try against.map { text in
            prompt == nil ? try reader.ids(text) : try reader.text(text, in: "--against")
        }
        var input = question(model, given)
        input.position = position ?? maskPlace(input.ids, try? tokenizer.get(), model)
        return AskedQuestion(
            model: model, prompt: prompt, input: input, other: other.map { question(model, $0) },
            target: try target.map { try id(of: $0, try? answering.get(), model) },
            tokenizer: try? answering.get(), sourceTokenizer: try? tokenizer.get())
    }

    private func tokenizer(_ folder: String) -> Result<Tokenizer, HeedError> {
        do { return .success(try Tokenizer.load(path: folder)) } catch let error as HeedError {
            return .failure(error)
        } catch {
            return .failure(HeedError(.missing, "the folder holds no tokenizer", in: folder))
        }
    }

    private func question(_ model: Model, _ given: GivenPrompt) -> ExplainedInput {
        let prompt = model.prompt(given)
        guard model.architecture.readsSource else { return ExplainedInput(prompt.ids) }
        return ExplainedInput(decoderIds?.ids ?? prompt.target ?? [], source: prompt.ids)
    }

    /// The place of the first mask token of an encoder's text.
    private func maskPlace(_ ids: [Int32], _ tokenizer: Tokenizer?, _ model: Model) -> Int? {
        guard case .encoder = model.architecture, let tokenizer else { return nil }
        let mask = ["[MASK]", "<mask>"].lazy.compactMap { tokenizer.id(of: $0) }.first
        return mask.flatMap { mask in ids.firstIndex { $0 == mask } }
    }

    /// An id that is given as a number, or as the text of a token.
    private func id(of text: String, _ tokenizer: Tokenizer?, _ model: Model) throws -> Int {
        if let id = Int(text) { return id }
        if case .encoder(let layers) = model.architecture,
            let label = layers.configuration.labelNames.firstIndex(of: text)
        {
            return label
        }
        guard var tokenizer else {
            throw HeedError(
                .usage, "a target of text needs the model's tokenizer", in: "--target", expected: "an id",
                got: quoted(text))
        }
        if let id = tokenizer.id(of: text) { return Int(id) }
        tokenizer.padding = nil
        tokenizer.truncation = nil
        let ids = try tokenizer.encode(text, addingSpecialTokens: false).ids
        guard ids.count == 1 else {
            throw HeedError(
                .usage, "the target is no single token", in: "--target", expected: "an id or the text of one token",
                got: "\(quoted(text)), \(ids.count) tokens")
        }
        return Int(ids[0])
    }
}

/// A question with what is needed to tell its answer.
struct AskedQuestion {
    let model: Model
    /// The text, where one was given.
    let prompt: String?
    let input: ExplainedInput
    let other: ExplainedInput?
    let target: Int?
    let tokenizer: Tokenizer?
    let sourceTokenizer: Tokenizer?

    /// The text of an id of the answer: a token or a class.
    func text(_ id: Int) throws -> String? {
        if case .encoder(let layers) = model.architecture, layers.configuration.labels != nil {
            let names = layers.configuration.labelNames
            return names.indices.contains(id) ? names[id] : "class \(id)"
        }
        return try AskedQuestion.text(id, tokenizer)
    }

    /// The text of an id of the stream that answers, where that is one of tokens.
    func tokenText(_ id: Int) throws -> String? { try AskedQuestion.text(id, tokenizer) }

    /// A byte as two digits.
    static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
    }

    /// The text of an id of what is read.
    func sourceText(_ id: Int) throws -> String? { try AskedQuestion.text(id, sourceTokenizer) }

    private static func text(_ id: Int, _ tokenizer: Tokenizer?) throws -> String? {
        guard let tokenizer, tokenizer.contains(TokenID(id)) else { return nil }
        return try tokenizer.decode([TokenID(id)], skippingSpecialTokens: false)
    }

    /// The explanation as a page.
    func page(
        _ explanation: Explanation, leftOut: [Reading], checks: [GradientCheck], model path: String
    ) throws -> Page {
        let words = try explanation.streams.enumerated().map { index, stream in
            try stream.ids.map { id in
                (index + 1 < explanation.streams.count ? try sourceText(Int(id)) : try tokenText(Int(id))) ?? "id \(id)"
            }
        }
        let question = prompt.map { quoted($0, limit: 120) } ?? counted(words[0].count, "token")
        let answer = try explanation.target.map { try text($0).map { quoted($0) } ?? "id \($0)" }
        return try explanation.page(
            title: question + (answer.map { "  →  \($0)" } ?? ""),
            subtitle: "\(lastPathComponent(path)): \(model.architecture.configuration.summary)", words: words,
            leftOut: leftOut, checks: checks,
            text: { try text($0) })
    }

    /// Tokens on both sides.
    private var tokens: Int { input.ids.count + input.source.count }

    /// Of how many rows a page shows the lens: as many as fit 64 MiB.
    var rowsOfPage: Int {
        let row = model.architecture.vocabulary * (layers + 2)
        return max(1, min(input.ids.count, (1 << 24) / max(row, 1)))
    }

    private var layers: Int {
        switch model.architecture {
        case .decoder(let decoder): decoder.configuration.layers
        case .encoder(let encoder): encoder.configuration.stack.layers
        case .encoderDecoder(let both): both.configuration.encoder.layers + both.configuration.decoder.layers
        }
    }

    private var heads: Int {
        switch model.architecture {
        case .decoder(let decoder): decoder.configuration.stack.heads
        case .encoder(let encoder): encoder.configuration.stack.heads
        case .encoderDecoder(let both): both.configuration.decoder.heads * 3 / 2
        }
    }

    /// How many passes readings take beside the first.
    func passes(_ readings: Set<Reading>) -> Int {
        (readings.contains(.integrated) ? 64 : 0) + (readings.contains(.ablation) ? layers * heads : 0)
            + (readings.contains(.patching) && other != nil ? layers * (tokens + heads) : 0)
    }

    /// The readings that were asked for; where none were, all that take less than about ten seconds.
    func readings(_ asked: [Reading], isComplete: Bool) -> (readings: Set<Reading>, leftOut: [Reading]) {
        var all = Set(Reading.allCases)
        if other == nil { all.remove(.patching) }
        guard asked.isEmpty else { return (all.intersection(asked), []) }
        guard !isComplete else { return (all, []) }
        let numbers = Double(model.weights.layout.trainedCount)
        let leftOut = [Reading.integrated, .ablation, .patching].filter { reading in
            all.contains(reading) && 2 * numbers * Double(tokens) * Double(passes([reading])) > 5e11
        }
        return (all.subtracting(leftOut), leftOut)
    }
}
