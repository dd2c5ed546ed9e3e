import ArgumentParser
import Heed
import HeedSupport

/// `heed generate`: continues prompts.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue prompts: greedily, by draws, by beam search or by contrast.",
        discussion: """
            heed generate model --prompt "Once upon a time" --temperature 0.8 --top-p 0.95 --stream
            heed generate model --input prompts.txt --json > results.jsonl
            cat prompts.jsonl.gz | heed generate model --input - --max-new-tokens 50

            heed generate model --chat conversation.json

            One of --prompt, --ids, --input and --chat says where to start; the prompts of a file are decoded together, each as \
            if alone. Decoding is greedy unless --sample or a filter is given. On a terminal the prompt is shown before \
            what continues it; a pipe gets what is new.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(name: [.long, .customShort("p")], help: ArgumentHelp("The text to continue.", valueName: "text"))
    var prompt: String?

    @Option(help: ArgumentHelp("The ids to continue.", valueName: "1,2,3"))
    var ids: String?

    @Option(
        help: ArgumentHelp(
            "A file with a prompt on every line: text, {\"prompt\": \"...\"} or {\"ids\": [...]}.", valueName: "file"))
    var input: String?

    @Option(
        help: ArgumentHelp(
            "Conversations to answer, through the model's chat template: messages, or {\"messages\": [...], \"tools\": "
                + "[...]}, in JSON or one a line.", valueName: "file"))
    var chat: String?

    @OptionGroup(title: "Lines of a file") var lines: LineOptions

    @OptionGroup(title: "Conversations") var chatTemplate: ChatTemplateOptions

    @Option(
        help: ArgumentHelp("For an encoder-decoder: ids that every target begins with.", valueName: "1,2,3"))
    var prefixIds: IdList?

    @OptionGroup(title: "Choosing tokens") var decoding: DecodingOptions

    @OptionGroup(title: "What the text must be like") var constraints: ConstraintOptions

    @Flag(help: "Print the text as it comes.")
    var stream = false

    @Option(
        help: ArgumentHelp(
            "Write the distribution that each token of the first sequence was chosen from.", valueName: "file"))
    var probabilities: String?

    @Option(help: ArgumentHelp("What is remembered of earlier tokens.", valueName: "f32|bf16|f16|int8|none"))
    var cache = CacheKind.float32

    @Option(help: ArgumentHelp("How many prompt tokens one pass reads at most.", valueName: "n"))
    var prefillChunk = 512

    @Option(
        help: ArgumentHelp(
            "A smaller model of the same vocabulary that guesses ahead; changes no token.", valueName: "model"))
    var assistantModel: String?

    @Option(help: ArgumentHelp("How many tokens it guesses at a time.", valueName: "n"))
    var numAssistantTokens = 5

    @Option(
        help: ArgumentHelp(
            "Guess so many tokens ahead from where the last ones came before; changes no token.", valueName: "n"))
    var promptLookupNumTokens: Int?

    @OptionGroup var form: WeightOption
    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions
    @OptionGroup var output: JSONOption

    func validate() throws {
        let given = [prompt, ids, input, chat].count { $0 != nil }
        if given != 1 {
            throw ValidationError(
                given == 0
                    ? "Nothing to continue: give one of --prompt, --ids, --input and --chat."
                    : "Give only one of --prompt, --ids, --input and --chat.")
        }
        try check("--prefill-chunk", prefillChunk, atLeast: 1)
        try check("--num-assistant-tokens", numAssistantTokens, in: 1...64)
        if let promptLookupNumTokens { try check("--prompt-lookup-num-tokens", promptLookupNumTokens, in: 1...64) }
        guard assistantModel == nil || promptLookupNumTokens == nil else {
            throw ValidationError("--assistant-model and --prompt-lookup-num-tokens: expected one of them.")
        }
        if probabilities != nil, decoding.isContrastive {
            throw ValidationError(
                "--probabilities: a contrastive search draws no token from a distribution. Leave out --penalty-alpha.")
        }
        if decoding.isContrastive, assistantModel != nil || promptLookupNumTokens != nil {
            throw ValidationError("--penalty-alpha: a contrastive search takes no guesses.")
        }
        if probabilities != nil, decoding.numBeams ?? 1 > 1 {
            throw ValidationError(
                "--probabilities: a beam search draws no token from a distribution. Leave out --num-beams.")
        }
    }

    func run() throws {
        try LineShare.run(
            input,
            obstacles: [
                probabilities == nil ? nil : "--probabilities", stream ? "--stream" : nil, lines.obstacle,
            ], generate)
    }

    private func generate() throws {
        try checkTarget()
        let loaded = try adapter.load(model, weights: form.weights)
        let tokenizer = tokenizer()
        let reader = PromptReader(
            vocabulary: loaded.architecture.sourceVocabulary, begin: loaded.specials.begin.map { Int32($0) },
            tokenizer: tokenizer, chat: chatTemplate.prompter(model: model, tokenizer: tokenizer))
        let errors = LineErrors(lines.onError)
        let running = try decodingModel(loaded)
        let defaults = try decoding.defaults(folder: model)
        var options = decoding.options(defaults, ends: loaded.usableEnds, context: running.contextLength)
        options.constraint = try constraints.constraint(reader.tokenizer, vocabulary: running.vocabulary)
        let drafter = try drafter(for: running)
        if drafter != nil { options.draftTokens = promptLookupNumTokens ?? numAssistantTokens }
        try options.validate(vocabulary: running.vocabulary)
        if LineShare.current != nil, options.isRandom {
            throw HeedError(
                .usage, "draws depend on the place of a line among all", in: "several ranks",
                expected: "greedy decoding or beams", advice: "Leave out --sample and its filters")
        }
        let prompts = try givenPrompts(reader, errors) { given in
            let prompt = try self.prompt(given, loaded)
            try decoding.check(prompt, options, context: running.contextLength)
            return prompt
        }
        // A rank may have blank lines alone, or none.
        if LineShare.current != nil, !prompts.contains(where: { $0 != nil }) {
            for _ in prompts { try StandardOutput.writeLine() }
            return try errors.finish(of: prompts.count)
        }
        let session = GenerationSession(
            prompts: prompts, tokenizer: try? reader.tokenizer.get(), options: options,
            stops: decoding.stop.isEmpty ? defaults.stopStrings : decoding.stop, streams: stream, json: output.json)
        try session.check()
        decoding.tell(defaults, for: options)
        try session.run(
            try Generator(model: running, options: options, drafter: drafter), probabilities: probabilities)
        try Signals.check()
        try errors.finish(of: prompts.count)
    }

    /// A file that cannot be written is found before the work.
    private func checkTarget() throws {
        guard let probabilities else { return }
        if !isDirectory(parentPath(probabilities)) {
            throw HeedError(
                .missing, "there is no folder \(parentPath(probabilities)) to write into", in: probabilities,
                advice: "Make the folder first")
        }
        try overwriting.check(probabilities, tensors: ["probabilities"])
    }

    private func tokenizer() -> Result<Tokenizer, HeedError> {
        do { return .success(try Tokenizer.load(path: model)) } catch let error as HeedError {
            return .failure(error)
        } catch {
            return .failure(HeedError(.missing, "the folder holds no tokenizer", in: model))
        }
    }

    /// The prompts in order, made ready for the model; nil for a line that gives none.
    private func givenPrompts(
        _ reader: PromptReader, _ errors: LineErrors, _ prepare: (GivenPrompt) throws -> GivenPrompt
    ) throws -> [GivenPrompt?] {
        if let prompt { return [try prepare(reader.text(prompt))] }
        if let ids { return [try prepare(reader.ids(ids))] }
        if let chat { return try Conversation.read(chat).map { try prepare(reader.conversation($0)) } }
        let source = try TextSource([], file: input, lines)
        let prompts = try source.map(errors) { content, place in try prepare(reader.line(content, in: place)) }
        guard LineShare.current != nil || prompts.contains(where: { $0 != nil }) else {
            try errors.finish(of: prompts.count)
            throw HeedError(
                .badInput, "the file holds no prompt", in: source.name,
                expected: "a text, {\"ids\": [...]} or {\"prompt\": \"...\"} on every line")
        }
        return prompts
    }

    /// The prompt as the model takes it, with what every target begins with.
    private func prompt(_ given: GivenPrompt, _ model: Model) throws -> GivenPrompt {
        var prompt = model.prompt(given)
        if let prefixIds {
            guard prompt.target != nil else {
                throw HeedError(
                    .usage, "the model has no target of its own that could begin with these", in: "--prefix-ids",
                    expected: "an encoder-decoder", advice: "Put the ids at the end of the prompt.")
            }
            prompt.target?.append(contentsOf: prefixIds.ids)
        }
        return prompt
    }

    /// What guesses tokens ahead, where that is asked for.
    private func drafter(for running: DecodingModel) throws -> (any Drafter)? {
        if promptLookupNumTokens != nil { return PromptLookup() }
        guard let assistantModel else { return nil }
        let assistant = try decodingModel(try Model.loadTelling(folder: assistantModel, weights: form.weights))
        guard assistant.vocabulary == running.vocabulary else {
            throw HeedError(
                .badInput, "the assistant has another vocabulary", in: assistantModel,
                expected: "\(running.vocabulary) ids", got: "\(assistant.vocabulary)")
        }
        return DraftModel(assistant)
    }

    private func decodingModel(_ model: Model) throws -> DecodingModel {
        var options = DecodingModelOptions()
        options.cache = cache
        options.promptChunk = prefillChunk
        options.keepsStates = decoding.isContrastive
        return try DecodingModel(model, runtime: try compute.runtime(), options: options)
    }
}
