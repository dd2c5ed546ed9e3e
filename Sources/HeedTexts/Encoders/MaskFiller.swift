import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedTokenizers

/// Guesses the masked tokens of texts, with an encoder that has a masked-language head.
///
///     let filler = try MaskFiller("bert-base-uncased")
///     print(try filler.fill("The capital of France is [MASK].")[0].guesses[0].token)
public final class MaskFiller: Sendable {
    /// A token with its probability.
    public struct Guess: Sendable, Equatable {
        /// The token as it stands in a text.
        public let token: String
        /// Its id.
        public let id: Int32
        /// Its probability, from 0 to 1.
        public let probability: Double
    }

    /// What is expected at a masked place.
    public struct Place: Sendable, Equatable {
        /// The index of the token.
        public let index: Int
        /// The likeliest tokens, likeliest first.
        public let guesses: [Guess]
    }

    /// The model.
    public let model: Model
    /// Its tokenizer.
    public let tokenizer: Tokenizer
    /// The mask's id.
    public let mask: Int32
    private let fitting: FittingTokenizer
    private let runtime: Runtime

    /// Loads an encoder: a folder in the Hugging Face layout, or a name in the local cache.
    ///
    /// - `adapter`: a folder in PEFT's layout that is put on the model.
    /// - `weights`: the form in which products read the matrices.
    /// - `runtime`: what computes; by default all cores.
    /// - Throws: `HeedError` naming what is missing or broken, or where the tokenizer has no mask token.
    public convenience init(
        _ path: String, adapter: String? = nil, weights: WeightForm = .stored, runtime: Runtime? = nil
    ) throws {
        let path = try locateModel(path)
        try self.init(
            Model.load(folder: path, .running(adapter), weights: weights), in: path, mask: nil,
            runtime: runtime ?? Runtime())
    }

    package init(_ model: Model, in path: String, mask: Int32?, runtime: Runtime) throws {
        self.model = model
        self.runtime = runtime
        tokenizer = try Tokenizer.load(path: path)
        guard let mask = mask ?? tokenizer.maskToken else {
            throw HeedError(
                .missing, "the tokenizer has no mask token", in: path, expected: "[MASK] or <mask>")
        }
        self.mask = mask
        fitting = FittingTokenizer(tokenizer, longest: try model.encoder.configuration.context)
    }

    /// What is expected at every mask token of a text, `count` guesses each.
    ///
    /// - Throws: `HeedError` where the text has no mask token or the model predicts no ids.
    public func fill(_ text: String, count: Int = 5) throws -> [Place] { try fill(encode(text).ids, count: count) }

    /// The ids of a text as the model reads them, and how many tokens it has uncut.
    package func encode(_ text: String) throws -> (ids: [Int32], tokens: Int) {
        let (encoding, tokens) = try fitting.encode(text)
        return (encoding.ids, tokens)
    }

    /// What is expected at every mask id.
    package func fill(_ ids: [Int32], count: Int) throws -> [Place] {
        try MaskedPrediction.predict(model, ids: ids, mask: mask, count: count, runtime: runtime).map { prediction in
            Place(
                index: prediction.place,
                guesses: try prediction.guesses.map {
                    Guess(
                        token: try tokenizer.decode([$0.id], skippingSpecialTokens: false), id: $0.id,
                        probability: $0.probability)
                })
        }
    }
}

extension Tokenizer {
    /// The id of the mask token, where the vocabulary has one.
    package var maskToken: Int32? { ["[MASK]", "<mask>"].lazy.compactMap { id(of: $0) }.first }
}
