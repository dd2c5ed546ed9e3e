import Foundation
import Heed

/// A model that the server offers under a name: what is needed to make jobs of requests and answers of ids.
public final class ServedModel: Sendable {
    /// What a model does with text.
    enum Work: Sendable {
        case generates(GenerationLane)
        case embeds(EmbeddingLane)
    }

    /// The name that requests give.
    public let id: String
    /// The folder or file.
    public let path: String
    /// When it was loaded, in seconds since 1970.
    public let created: Int
    /// How many ids a sequence holds at most.
    public let contextLength: Int
    /// How many ids the model has.
    let vocabulary: Int
    let tokenizer: Result<Tokenizer, HeedError>
    /// What makes text of answers: for a translation model the target's tokenizer.
    let answers: Tokenizer?
    /// The build and the numeric form: the same request has the same answer wherever this is the same.
    let fingerprint: String
    /// How many ids prompts may have.
    private let sourceVocabulary: Int
    private let begin: Int32?
    let chat: ChatPrompter
    let defaults: GenerationDefaults
    let ends: [Int32]
    let constraints: ConstraintCache
    let names: TokenNames
    let work: Work
    private let model: Model
    /// The model itself, where it can be explained.
    var explained: Model? { if case .decoder = model.architecture { model } else { nil } }
    /// The form in which products read its matrices.
    let weights: WeightForm
    /// How keys and values are stored.
    let cache: CacheKind
    let hash: FilesHash
    let instructionSet: String
    /// For an encoder-decoder: the id that a target begins with.
    let targetStart: Int32?
    /// What was said on loading.
    public let warnings: [String]

    /// Loads a model; the engine gets a lane for it with `open`.
    ///
    /// - Parameters:
    ///   - name: the name that requests give; nil for that of the folder or file.
    ///   - adapter: a folder in PEFT's layout that is put on the model.
    ///   - base: the same model without an adapter, in the same form; all numbers but the adapter's are read there.
    ///   - weights: the form in which products read the matrices.
    ///   - cache: how keys and values are stored.
    /// - Throws: `HeedError` naming what is missing or broken.
    public init(
        path: String, name: String? = nil, adapter: String? = nil, on base: ServedModel? = nil,
        weights: WeightForm = .stored, cache: CacheKind = .float32, chatTemplate: String? = nil, engine: Engine
    ) throws {
        let place = try ModelCache.path(of: path)
        self.path = place
        self.weights = weights
        self.cache = cache
        hash = FilesHash(place, adapter: adapter)
        instructionSet = engine.runtime.kernels.instructionSet.rawValue
        id = name ?? path.split(separator: "/").last.map(String.init) ?? path
        created = Int(Date().timeIntervalSince1970)
        let model = try Model.load(folder: place, .running(adapter), weights: weights, sharing: base?.model)
        self.model = model
        warnings = model.warnings
        let tokenizer = ServedModel.tokenizer(place)
        self.tokenizer = tokenizer
        vocabulary = model.architecture.vocabulary
        sourceVocabulary = model.architecture.sourceVocabulary
        begin = model.specials.begin.map { Int32($0) }
        chat = ChatPrompter(model: place, tokenizer: tokenizer, choice: chatTemplate)
        ends = model.specials.ends.filter { (0..<model.architecture.vocabulary).contains($0) }.map { Int32($0) }
        defaults = try GenerationDefaults(folder: place)
        answers = model.architecture.readsSource ? try? Tokenizer.loadTarget(path: place) : try? tokenizer.get()
        names = TokenNames(answers, vocabulary: vocabulary)
        fingerprint =
            "heed-\(HeedServer.version)-\(weights.rawValue)-"
            + (cache == .float32 ? "" : "cache.\(cache.rawValue)-") + instructionSet
        constraints = ConstraintCache(names)
        switch model.architecture {
        case .encoder:
            let embedder = try TextEmbedder(model, in: place, runtime: engine.runtime)
            contextLength = embedder.longest
            work = .embeds(EmbeddingLane(embedder))
            targetStart = nil
        default:
            var options = DecodingModelOptions()
            options.promptChunk = engine.limits.promptChunk
            options.cache = cache
            let running = try DecodingModel(model, runtime: engine.runtime, options: options)
            contextLength = running.contextLength
            work = .generates(
                GenerationLane(running, readsSource: model.architecture.readsSource, engine: engine))
            targetStart =
                try model.architecture.readsSource
                ? Int32(model.encoderDecoder.configuration.start) : nil
        }
    }

    private static func tokenizer(_ path: String) -> Result<Tokenizer, HeedError> {
        do { return .success(try Tokenizer.load(path: path)) } catch let error as HeedError {
            return .failure(error)
        } catch {
            return .failure(HeedError(.missing, "the model has no tokenizer", in: path))
        }
    }

    /// Gives the engine the model.
    func open(in engine: Engine) {
        guard case .generates(let lane) = work else { return }
        engine.add(lane)
    }

    /// Takes the model from the engine once its jobs are done.
    func retire(from engine: Engine) {
        guard case .generates(let lane) = work else { return }
        engine.retire(lane)
    }

    /// The lane for generation.
    func generation() throws -> GenerationLane {
        guard case .generates(let lane) = work else {
            throw APIError(400, "The model '\(id)' makes embeddings; it generates nothing.", param: "model")
        }
        return lane
    }

    /// The lane for embeddings.
    func embedding() throws -> EmbeddingLane {
        guard case .embeds(let lane) = work else {
            throw APIError(
                400, "The model '\(id)' generates text; it makes no embeddings. Serve an encoder.", param: "model")
        }
        return lane
    }

    /// The ids of a text as a prompt.
    func prompt(_ text: String, param: String) throws -> GenerationPrompt {
        let texts = TextPrompter(vocabulary: sourceVocabulary, begin: begin, tokenizer: try tokenizer.get())
        var ids = try texts.ids(of: text, in: param)
        if targetStart != nil, let end = ends.first, ids.last != end { ids.append(end) }
        return try prompt(ids, param: param)
    }

    /// Ids as a prompt that the model can hold.
    func prompt(_ ids: [Int32], param: String) throws -> GenerationPrompt {
        if ids.isEmpty { throw APIError.wrong(param, "at least one token", got: "none") }
        if let id = ids.first(where: { $0 < 0 || Int($0) >= sourceVocabulary }) {
            throw APIError.wrong(param, "ids from 0 to \(sourceVocabulary - 1)", got: "\(id)")
        }
        guard ids.count <= contextLength else {
            throw APIError(
                400,
                "This model's maximum context length is \(contextLength) tokens, but the prompt has \(ids.count).",
                param: param, code: "context_length_exceeded")
        }
        guard let targetStart else { return GenerationPrompt(ids: ids) }
        return GenerationPrompt(ids: [targetStart], source: ids)
    }
}
