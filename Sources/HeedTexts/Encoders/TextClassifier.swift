import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedTokenizers
import Synchronization

/// Says which class texts belong to, with a trained classifier.
///
///     let classifier = try TextClassifier("reviews")
///     print(try classifier.classify("What a film").label)
///
/// Texts that are too long are cut. A result has the same bits whatever other texts are given. One call runs at a time;
/// others wait for it.
public final class TextClassifier: Sendable {
    /// A class with the probabilities of all.
    public struct Classification: Sendable, Equatable {
        /// The likeliest class; the first of equals.
        public let label: String
        /// Its probability.
        public let probability: Double
        /// The probability of every class, in the order of `labels`.
        public let probabilities: [Double]
    }

    /// The names of the classes.
    public let labels: [String]
    /// The most tokens of a text.
    public let longest: Int
    /// The model.
    public let model: Model
    /// Its tokenizer.
    public let tokenizer: Tokenizer
    private let fitting: FittingTokenizer
    private let types: Int
    private let turn = Mutex(())
    // Only touched in turn.
    nonisolated(unsafe) private let classifier: SequenceClassifier

    /// Loads a classifier: a folder in the Hugging Face layout, or a name in the local cache.
    ///
    /// - `longest`: the most tokens of a text; nil: as many as the model reads.
    /// - `adapter`: a folder in PEFT's layout that is put on the model.
    /// - `weights`: the form in which products read the matrices.
    /// - `runtime`: what computes; by default all cores.
    /// - Throws: `HeedError` naming what is missing or broken, or where the model classifies no texts.
    public convenience init(
        _ path: String, longest: Int? = nil, adapter: String? = nil, weights: WeightForm = .stored,
        runtime: Runtime? = nil
    ) throws {
        let path = try locateModel(path)
        try self.init(
            Model.load(folder: path, .running(adapter), weights: weights), tokenizer: Tokenizer.load(path: path),
            longest: longest, runtime: runtime ?? Runtime())
    }

    package init(
        _ model: Model, tokenizer: Tokenizer, longest: Int?, runtime: Runtime
    ) throws {
        self.model = model
        self.tokenizer = tokenizer
        classifier = try SequenceClassifier(model, longest: longest, runtime: runtime)
        self.longest = classifier.longest
        let configuration = try model.encoder.configuration
        labels = (0..<classifier.labels).map(configuration.labelName)
        types = configuration.types
        fitting = FittingTokenizer(tokenizer, longest: classifier.longest)
    }

    /// The class of a text, or of a pair of texts.
    ///
    /// - Throws: `HeedError` where the text gives no token, or one that the model lacks.
    public func classify(_ text: String, pair: String? = nil) throws -> Classification {
        try classify([(text: text, pair: pair)])[0]
    }

    /// The classes of texts.
    ///
    /// - Throws: as for one text.
    public func classify(_ texts: [String]) throws -> [Classification] {
        try classify(texts.map { (text: $0, pair: nil) })
    }

    /// The classes of pairs of texts.
    ///
    /// - Throws: as for one text.
    public func classify(_ pairs: [(text: String, pair: String?)]) throws -> [Classification] {
        let texts = try pairs.map { try encode($0.text, pair: $0.pair) }
        return try probabilities(of: texts.map(\.ids), types: texts.map(\.types)).map(result)
    }

    /// The ids and kinds of tokens of a text as the model reads them, and how many tokens it has uncut.
    package func encode(_ text: String, pair: String?) throws -> (ids: [Int32], types: [Int32], tokens: Int) {
        let (encoding, tokens) = try fitting.encode(text, pair: pair)
        return (encoding.ids, encoding.typeIDs.map { min($0, Int32(types - 1)) }, tokens)
    }

    /// The probabilities [texts, labels] of ids.
    package func probabilities(of ids: [[Int32]], types: [[Int32]]) throws -> [[Double]] {
        try turn.withLock { _ in try classifier.probabilities(ids, types: types) }
    }

    /// The likeliest class of a row of probabilities.
    package func result(_ row: [Double]) -> Classification {
        let best = row.indices.reduce(0) { row[$1] > row[$0] ? $1 : $0 }
        return Classification(label: labels[best], probability: row[best], probabilities: row)
    }
}
