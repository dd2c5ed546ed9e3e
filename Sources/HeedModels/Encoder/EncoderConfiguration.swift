import HeedTensor

/// What stands on an encoder's states.
public enum EncoderHead: Sendable, Equatable {
    /// Nothing: states are the answer.
    case none
    /// Logits of the id at every position (Devlin et al. 2019, task 1).
    case maskedLanguage
    /// The same, and whether the second sentence follows the first (tasks 1 and 2).
    case pretraining
    /// One class per sequence.
    case sequenceClassifier(labels: Int)
    /// One class per position.
    case tokenClassifier(labels: Int)
}

/// The shape of an encoder: BERT and RoBERTa are values of it.
public struct EncoderConfiguration: Sendable, Equatable {
    /// V.
    public var vocabulary: Int
    /// The longest sequence.
    public var context: Int
    /// Rows of the position table before that of the first position: 0 in BERT, padding id + 1 in RoBERTa.
    public var firstPosition: Int
    /// C.
    public var width: Int
    /// How many blocks.
    public var layers: Int
    /// How many heads.
    public var heads: Int
    /// F of the feed-forward layer.
    public var inner: Int
    /// f of the feed-forward layer.
    public var activation: Activation = .gelu
    /// What norms add under the root.
    public var epsilon: Float = 1e-12
    /// Kinds of tokens (first sentence, second sentence).
    public var types: Int
    /// The id that stands for nothing; its lookups give no gradient.
    public var padding: Int
    /// What stands on the last block.
    public var head: EncoderHead
    /// What the classes are called, one name each; empty where they have numbers only.
    public var labelNames: [String] = []
    /// Whether the first position's state goes through one more map: `tanh(W · h + b)`.
    public var hasPooler: Bool
    /// Whether a sequence classifier has a map `tanh(W · h + b)` of its own before the classes (RoBERTa).
    public var classifierHasDense: Bool = false
    /// Whether the masked-language head's matrix is the embedding table.
    public var tied: Bool = true
    /// Dropout rates: after embeddings and on each half's answer, on attention weights, before the classes.
    public var dropout: Float = 0
    /// Rate on attention weights.
    public var weightDropout: Float = 0
    /// Rate before the classes.
    public var classifierDropout: Float = 0
    /// The standard deviation of a new model's matrices.
    public var initialDeviation: Float = 0.02

    /// BERT (Devlin et al. 2019) of a width and depth.
    public static func bert(
        width: Int, layers: Int, heads: Int, inner: Int? = nil, vocabulary: Int = 30_522, context: Int = 512,
        head: EncoderHead = .pretraining
    ) -> EncoderConfiguration {
        var configuration = EncoderConfiguration(
            vocabulary: vocabulary, context: context, firstPosition: 0, width: width, layers: layers, heads: heads,
            inner: inner ?? 4 * width, types: 2, padding: 0, head: head, hasPooler: true)
        configuration.dropout = 0.1
        configuration.weightDropout = 0.1
        configuration.classifierDropout = 0.1
        return configuration
    }

    /// Classes of the classifier, or nil.
    public var labels: Int? {
        switch head {
        case .sequenceClassifier(let labels), .tokenClassifier(let labels): labels
        default: nil
        }
    }

    /// What class `label` is called: its name, or `LABEL_` and its number as in `transformers`.
    public func labelName(_ label: Int) -> String {
        labelNames.indices.contains(label) ? labelNames[label] : "LABEL_\(label)"
    }

    /// Whether logits over ids are there.
    public var predictsIds: Bool { head == .maskedLanguage || head == .pretraining }

    /// Floating-point operations of one token's way to its logits, `keys` keys being visible.
    public func operationsPerToken(keys: Double) -> Double {
        let c = Double(width)
        let perLayer = 8 * c * c + 4 * c * Double(inner) + 4 * keys * c
        return Double(layers) * perLayer + (predictsIds ? 2 * c * (c + Double(vocabulary)) : 0)
    }
}
