import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedTokenizers
import Synchronization

/// Turns texts into vectors that lie near each other where the texts mean nearly the same.
///
///     let embedder = try TextEmbedder("all-MiniLM-L6-v2")
///     let vectors = try embedder.embed(["A man eats", "Someone has lunch"])
///     print(TextEmbedder.cosine(vectors[0], vectors[1]))
///
/// Special tokens, the longest text, pooling and normalisation are those of sentence-transformers: from `modules.json`,
/// `1_Pooling` and `sentence_bert_config.json`; without them the mean of the states. No text is padded, and a vector has
/// the same bits whatever other texts are given. One call runs at a time; others wait for it.
public final class TextEmbedder: Sendable {
    /// The length of a vector.
    public let width: Int
    /// The most tokens of a text; longer ones are cut.
    public let longest: Int
    /// The model.
    public let model: Model
    /// Its tokenizer.
    public let tokenizer: Tokenizer
    private let fitting: FittingTokenizer
    private let turn = Mutex(())
    // Only touched in turn.
    nonisolated(unsafe) private let embedder: SentenceEmbedder

    /// Loads an encoder: a folder in the Hugging Face layout, or a name in the local cache.
    ///
    /// - `pooling`: how states become a vector; nil: as the folder says.
    /// - `longest`: the most tokens of a text; nil: as the folder says.
    /// - `adapter`: a folder in PEFT's layout that is put on the model.
    /// - `weights`: the form in which products read the matrices.
    /// - `runtime`: what computes; by default all cores.
    /// - Throws: `HeedError` naming what is missing or broken, or where the model is no encoder.
    public convenience init(
        _ path: String, pooling: SentencePooling? = nil, longest: Int? = nil, adapter: String? = nil,
        weights: WeightForm = .stored, runtime: Runtime? = nil
    ) throws {
        let path = try locateModel(path)
        try self.init(
            Model.load(folder: path, .running(adapter), weights: weights), in: path, pooling: pooling, longest: longest,
            runtime: runtime ?? Runtime())
    }

    /// An encoder that is loaded already, of this folder.
    ///
    /// - Throws: `HeedError` where the model is no encoder, or a file beside it is missing or broken.
    public init(
        _ model: Model, in path: String, pooling: SentencePooling? = nil, longest: Int? = nil, runtime: Runtime
    ) throws {
        self.model = model
        tokenizer = try Tokenizer.load(path: path)
        embedder = try SentenceEmbedder(
            model, pooling: pooling ?? SentencePooling(folder: path),
            longest: longest ?? SentenceEmbedder.longest(folder: path), runtime: runtime)
        width = embedder.width
        self.longest = embedder.longest
        fitting = FittingTokenizer(tokenizer, longest: embedder.longest)
    }

    /// The vector of a text.
    ///
    /// - Throws: `HeedError` where the text gives no token, or one that the model lacks.
    public func embed(_ text: String) throws -> [Float] { try embed([text]).first ?? [] }

    /// The vectors of texts, computed together.
    ///
    /// - Throws: as for one text.
    public func embed(_ texts: [String]) throws -> [[Float]] {
        let values = try vectors(of: texts.map { try encode($0).ids })
        return texts.indices.map { Array(values[$0 * width..<($0 + 1) * width]) }
    }

    /// The cosine of the angle between two vectors: 1 for the same direction, 0 for none in common.
    public static func cosine(_ left: [Float], _ right: [Float]) -> Double {
        func product(_ left: [Float], _ right: [Float]) -> Double {
            zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let lengths = (product(left, left) * product(right, right)).squareRoot()
        return lengths > 0 ? product(left, right) / lengths : 0
    }

    /// The ids of a text as the model reads them, and how many tokens it has uncut.
    package func encode(_ text: String) throws -> (ids: [Int32], tokens: Int) {
        let (encoding, tokens) = try fitting.encode(text)
        return (encoding.ids, tokens)
    }

    /// The vectors of ids, one after the other: [N, width].
    ///
    /// - `progress`: is told how many are done.
    /// - Throws: `HeedError` naming the text that is empty or too long, or holds an id out of range.
    public func vectors(of ids: [[Int32]], progress: (_ done: Int) -> Void = { _ in }) throws -> [Float] {
        try turn.withLock { _ in try embedder.embed(ids, progress: progress) }
    }
}
