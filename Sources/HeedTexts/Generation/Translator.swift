import HeedGenerate
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedTokenizers
import Synchronization

/// Translates texts with an encoder-decoder.
///
///     let translator = try Translator("de-en")
///     print(try translator.translate(["Guten Morgen", "Gute Nacht"]))
///
/// One call runs at a time; others wait for it. Work ends with the task that asked for it: the call throws
/// `CancellationError`.
public final class Translator: Sendable {
    /// The model.
    public let model: Model
    /// The tokenizer of what it reads.
    public let source: Tokenizer
    /// The tokenizer of what it writes.
    public let target: Tokenizer
    /// What a call without options uses: what `generation_config.json` says, else four beams. Copy and change it for
    /// other choices.
    public let options: GenerationOptions
    /// The most tokens of a source; longer ones are cut.
    public let longest: Int
    private let texts: TextPrompter
    private let turn = Mutex(())
    // Only touched in turn.
    nonisolated(unsafe) private let running: DecodingModel

    /// Loads a model: a folder in the Hugging Face layout, a `.gguf` file, or a name in the local cache.
    ///
    /// - `adapter`: a folder in PEFT's layout that is put on the model.
    /// - `weights`: the form in which products read the matrices.
    /// - `computing`: the cache's form and memory.
    /// - `runtime`: what computes; by default all cores.
    /// - Throws: `HeedError` naming what is missing or broken, or where the model is no encoder-decoder.
    public convenience init(
        _ path: String, adapter: String? = nil, weights: WeightForm = .stored,
        computing: DecodingModelOptions = DecodingModelOptions(), runtime: Runtime? = nil
    ) throws {
        let path = try locateModel(path)
        try self.init(
            Model.load(folder: path, .running(adapter), weights: weights), in: path, computing: computing,
            runtime: runtime ?? Runtime())
    }

    package init(_ model: Model, in path: String, computing: DecodingModelOptions, runtime: Runtime) throws {
        self.model = model
        longest = try model.encoderDecoder.configuration.context
        source = try Tokenizer.load(path: path)
        target = try Tokenizer.loadTarget(path: path)
        running = try DecodingModel(model, runtime: runtime, options: computing)
        // An empty line of an encoder-decoder is the end id alone.
        texts = TextPrompter(
            vocabulary: model.architecture.sourceVocabulary, begin: model.specials.ends.first.map { Int32($0) },
            tokenizer: source)
        var options = try GenerationDefaults(model: path).options(for: model, context: running.contextLength)
        if options.numBeams == 1, !options.isRandom { options.numBeams = Translator.usualBeams }
        self.options = options
    }

    /// Beams where nothing is said.
    package static let usualBeams = 4

    /// The best translation of every text.
    ///
    /// - `options`: how tokens are chosen; nil: `self.options`.
    /// - `batch`: how many texts are translated together; changes no result.
    /// - Throws: `HeedError` naming the text that cannot be read, and for options that make no sense;
    ///   `CancellationError`.
    public func translate(
        _ texts: [String], options: GenerationOptions? = nil, batch: Int = 64
    ) throws -> [String] {
        try translations(of: texts, options: options, batch: batch).map { $0.first?.text ?? "" }
    }

    /// The best translation of a text.
    ///
    /// - Throws: as for several.
    public func translate(_ text: String, options: GenerationOptions? = nil) throws -> String {
        try translate([text], options: options).first ?? ""
    }

    /// `options.numReturnSequences` translations of every text, best first.
    ///
    /// - Throws: as `translate`.
    public func translations(
        of texts: [String], options: GenerationOptions? = nil, batch: Int = 64
    ) throws -> [[GeneratedText]] {
        let prompts = try texts.enumerated().map { index, text in
            cut(
                model.generationPrompt(try self.texts.ids(of: text, in: "text \(index + 1)"), isText: true),
                isText: true)
        }
        let results = try generate(
            prompts, options: options ?? self.options, batch: batch, isInterrupted: { Task.isCancelled })
        try Task.checkCancellation()
        return try results.map { try $0.map { GeneratedText(try target.decode($0.ids), $0) } }
    }

    /// The prompt with its source cut to what the model reads; the end id of a text stays at the end.
    package func cut(_ prompt: GenerationPrompt, isText: Bool) -> GenerationPrompt {
        guard let source = prompt.source, source.count > longest else { return prompt }
        var prompt = prompt
        prompt.source = isText ? source.prefix(longest - 1) + source.suffix(1) : Array(source.prefix(longest))
        return prompt
    }

    /// Decodes prompts, nil for none; those of about one length share a batch, results come in order.
    ///
    /// - `onBatch`: is told how many are done.
    package func generate(
        _ prompts: [GenerationPrompt?], options: GenerationOptions, batch: Int,
        isInterrupted: @escaping () -> Bool, onBatch: (_ done: Int) throws -> Void = { _ in }
    ) throws -> [[GeneratedSequence]] {
        let lengths = prompts.map { $0?.source?.count ?? 0 }
        let order = prompts.indices.filter { prompts[$0] != nil }
            .sorted { (lengths[$0], $0) > (lengths[$1], $1) }
        var results = [[GeneratedSequence]](repeating: [], count: prompts.count)
        var hooks = GenerationHooks()
        hooks.isInterrupted = isInterrupted
        let batch = max(batch, 1)
        return try turn.withLock { _ in
            let generator = try Generator(model: running, options: options)
            for start in stride(from: 0, to: order.count, by: batch) {
                let part = order[start..<min(start + batch, order.count)]
                let result = try generator.generate(part.compactMap { prompts[$0] }, hooks: hooks)
                for (index, sequences) in zip(part, result.sequences) { results[index] = sequences }
                try onBatch(start + part.count)
                if isInterrupted() { break }
            }
            return results
        }
    }
}
