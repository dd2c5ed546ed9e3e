import HeedGenerate
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedTokenizers
import Synchronization

/// Continues texts and answers conversations: a model, its tokenizer, its chat template and its defaults in one.
///
///     let generator = try TextGenerator("heed-demo")
///     print(try generator.generate("One morning Mia").text)
///     for try await piece in generator.stream("One morning Mia") { print(piece, terminator: "") }
///
/// Texts given together are decoded together, each as if alone. One call runs at a time; others wait for it. Work ends
/// with the task that asked for it: the call throws `CancellationError`.
public final class TextGenerator: Sendable {
    /// The model.
    public let model: Model
    /// Its tokenizer.
    public let tokenizer: Tokenizer
    /// What a call without options uses: what `generation_config.json` says, the model's end ids, and 128 new ids where
    /// nothing is said. Copy and change it for other choices.
    public let options: GenerationOptions
    /// The texts that end a sequence by the model's own word.
    public let stopStrings: [String]

    private let chat: ChatPrompter
    private let texts: TextPrompter
    /// What the model writes, where that is not what it reads.
    private let target: Tokenizer
    private let turn = Mutex(())
    // Only touched in turn.
    nonisolated(unsafe) private let running: DecodingModel

    /// Loads a model: a folder in the Hugging Face layout, a `.gguf` file, or a name in the local cache.
    ///
    /// - `adapter`: a folder in PEFT's layout that is put on the model.
    /// - `weights`: the form in which products read the matrices.
    /// - `computing`: the cache's form and memory.
    /// - `runtime`: what computes; by default all cores.
    /// - Throws: `HeedError` naming what is missing or broken, or where the model generates no text.
    public init(
        _ path: String, adapter: String? = nil, weights: WeightForm = .stored,
        computing: DecodingModelOptions = DecodingModelOptions(), runtime: Runtime? = nil
    ) throws {
        let path = try locateModel(path)
        model = try Model.load(folder: path, .running(adapter), weights: weights)
        tokenizer = try Tokenizer.load(path: path)
        target = try model.readsSource ? Tokenizer.loadTarget(path: path) : tokenizer
        running = try DecodingModel(model, runtime: runtime ?? Runtime(), options: computing)
        let defaults = try GenerationDefaults(model: path)
        options = defaults.options(for: model, context: running.contextLength)
        stopStrings = defaults.stopStrings
        texts = TextPrompter(model, tokenizer: tokenizer)
        chat = ChatPrompter(model: path, tokenizer: .success(tokenizer))
    }

    /// Continues a text.
    ///
    /// - `options`: how tokens are chosen; nil: `self.options`.
    /// - `stops`: texts that end it, as its last words; nil: `stopStrings`.
    /// - Throws: `HeedError` for what the model cannot read and for options that make no sense; `CancellationError`.
    public func generate(
        _ text: String, options: GenerationOptions? = nil, stops: [String]? = nil
    ) throws -> GeneratedText {
        try first(generate([text], options: options, stops: stops))
    }

    /// Continues texts together: for each as many as `options.numReturnSequences`, the best first where there are beams.
    ///
    /// - Throws: as for one text.
    public func generate(
        _ texts: [String], options: GenerationOptions? = nil, stops: [String]? = nil
    ) throws -> [[GeneratedText]] {
        let prompts = try texts.enumerated().map { index, text in
            model.generationPrompt(try self.texts.ids(of: text, in: "text \(index + 1)"), isText: true)
        }
        return try run(prompts, options, stops)
    }

    /// Answers a conversation, through the model's chat template.
    ///
    /// - Throws: as `generate`, and where the model has no template or it refuses the messages.
    public func answer(
        _ messages: [ChatMessage], options: GenerationOptions? = nil, stops: [String]? = nil
    ) throws -> GeneratedText {
        try first(run([prompt(Conversation(messages))], options, stops))
    }

    /// Answers a conversation with tools and other variables of the template.
    ///
    /// - Throws: as for messages.
    public func answer(
        _ conversation: Conversation, options: GenerationOptions? = nil, stops: [String]? = nil
    ) throws -> GeneratedText {
        try first(run([prompt(conversation)], options, stops))
    }

    /// Continues a text piece by piece, as it is written; never half a character.
    ///
    /// What is no longer awaited is not generated. Beams have no text before their end and are refused.
    public func stream(
        _ text: String, options: GenerationOptions? = nil, stops: [String]? = nil
    ) -> AsyncThrowingStream<String, any Error> {
        stream(options, stops) { [self] in
            model.generationPrompt(try texts.ids(of: text, in: "the text"), isText: true)
        }
    }

    /// Answers a conversation piece by piece.
    public func streamAnswer(
        _ messages: [ChatMessage], options: GenerationOptions? = nil, stops: [String]? = nil
    ) -> AsyncThrowingStream<String, any Error> {
        stream(options, stops) { [self] in try prompt(Conversation(messages)) }
    }

    private func prompt(_ conversation: Conversation) throws -> GenerationPrompt {
        model.generationPrompt(try chat.ids(conversation), isText: true)
    }

    private func first(_ results: [[GeneratedText]]) throws -> GeneratedText {
        guard let text = results.first?.first else { throw CancellationError() }
        return text
    }

    private func stream(
        _ options: GenerationOptions?, _ stops: [String]?, _ prompt: @escaping @Sendable () throws -> GenerationPrompt
    ) -> AsyncThrowingStream<String, any Error> {
        AsyncThrowingStream { continuation in
            let task = Task.detached { [self] in
                do {
                    if (options ?? self.options).numBeams > 1 {
                        throw HeedError(
                            .usage, "a beam search has no text before its end that could be streamed",
                            expected: "numBeams of 1", got: "\((options ?? self.options).numBeams)")
                    }
                    _ = try run([prompt()], options, stops) { continuation.yield($0) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Decodes prompts together; `onText` is told the text of the first sequence as it comes.
    private func run(
        _ prompts: [GenerationPrompt], _ options: GenerationOptions?, _ stops: [String]?,
        onText: ((String) -> Void)? = nil
    ) throws -> [[GeneratedText]] {
        let options = options ?? self.options
        let stops = stops ?? stopStrings
        if !stops.isEmpty, options.numBeams > 1 {
            throw HeedError(.usage, "a beam search has no text before its end that could hold a stop text")
        }
        let shown = prompts.map { $0.source == nil ? $0.ids : [] }
        let sequences = try turn.withLock { _ in
            try decode(prompts, shown, options, stops, onText)
        }
        return try zip(shown, sequences).map { shown, sequences in
            try sequences.map { GeneratedText(try target.continuation(of: shown, by: $0.ids), $0) }
        }
    }

    private func decode(
        _ prompts: [GenerationPrompt], _ shown: [[Int32]], _ options: GenerationOptions, _ stops: [String],
        _ onText: ((String) -> Void)?
    ) throws -> [[GeneratedSequence]] {
        try Task.checkCancellation()
        var hooks = GenerationHooks()
        hooks.isInterrupted = { Task.isCancelled }
        let copies = options.copiesOfPrompt
        var watches = shown.flatMap { prompt in
            (0..<copies).map { _ in TextWatch(target, prompt: prompt, stops: stops) }
        }
        if onText != nil || !stops.isEmpty {
            hooks.onToken = { event in
                let sequence = event.prompt * copies + event.sequence
                let (text, found) = try watches[sequence].append(event.id)
                if sequence == 0, !text.isEmpty { onText?(text) }
                return !found
            }
        }
        let result = try Generator(model: running, options: options).generate(prompts, hooks: hooks)
        try Task.checkCancellation()
        if let onText, !watches.isEmpty {
            let rest = try watches[0].finish()
            if !rest.isEmpty { onText(rest) }
        }
        return result.sequences
    }
}

extension Model {
    /// Whether the model reads a source and writes a target.
    var readsSource: Bool {
        if case .encoderDecoder = architecture { true } else { false }
    }
}
